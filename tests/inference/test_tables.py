"""The tables of a run hold no formulas, and what they say is read back."""

from __future__ import annotations

from pathlib import Path

from report_examples import record

from vmnet_monai.inference.tables import write_tables
from vmnet_monai.io.tables import read_table
from vmnet_monai.reports.record import InputRecord


def test_names_and_reasons_that_look_like_formulas_are_marked(tmp_path: Path) -> None:
    refused = InputRecord(
        id="1-1", image="=1+1.png", status="refused", reason="@SUM(A1)", model_version="m", thresholds_version="t"
    )
    good = record("sum", image="@sum.png", warnings=["+remark"], measures={"tilt": -0.5, "=x": None})
    write_tables(tmp_path, [refused, good])
    manifest = (tmp_path / "manifest.csv").read_text().splitlines()
    assert manifest[1].startswith("1-1,'=1+1.png,refused,'@SUM(A1),0.000000,,m,t")
    assert ",-0.500000," in (tmp_path / "predictions.csv").read_text(), "a number stays one"
    read = read_table(tmp_path / "predictions.csv").rows.loc[2]
    assert (read["image"], read["warnings"], read["=x"], read["decision_glaucoma"]) == ("@sum.png", "+remark", "", "1")
    assert read_table(tmp_path / "manifest.csv").rows["reason"].tolist() == ["@SUM(A1)", ""]
