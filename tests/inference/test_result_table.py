"""The data set of results has one row per input, at every moment and after every run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
from feeding import operating_point
from report_examples import measured_record, record

from vmnet_monai.inference import result_table
from vmnet_monai.inference.findings import FindingMaker
from vmnet_monai.inference.result_table import ResultTable
from vmnet_monai.reports.record import InputRecord

MADE = {"image": ["/photographs/eye.jpg", 1, 2], "flips": False}


def table_in(folder: Path, decide: bool = False) -> ResultTable:
    return ResultTable(folder, FindingMaker(operating_point(0.5, 0.5), decide=decide))


def refused(name: str, image: str = "cat.png") -> InputRecord:
    return InputRecord(
        id=name, image=image, status="refused", reason="It is a cat.", model_version="m", thresholds_version="t"
    )


def rows(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "results").set_index("id").sort_index()


def run(folder: Path, *inputs: InputRecord, done: Mapping[str, InputRecord] | None = None, made: object = MADE) -> None:
    """A run over inputs, of which some were done before."""
    table = table_in(folder)
    made_from = {one.id: made for one in (*inputs, *(done or {}).values())}
    table.start(done or {}, made_from, (done or {}).get)  # type: ignore[arg-type]
    for one in inputs:
        table.add(one, made)  # type: ignore[arg-type]
    table.flush()


def test_a_row_says_what_the_tables_say(tmp_path: Path) -> None:
    run(tmp_path, record("eye"), refused("cat", "byte \udcff.png"))
    table = rows(tmp_path)
    assert table["status"].tolist() == ["refused", "ok"]
    assert table["reason"]["cat"] == "It is a cat."
    assert table["image"]["cat"] == "byte \\udcff.png"
    findings = {one.disease: one.score for one in record("eye").findings}
    assert table["score_glaucoma"]["eye"] == findings["glaucoma"]
    assert pd.isna(table["score_glaucoma"]["cat"])
    assert not [column for column in table if column.startswith(("decision_", "probability_"))]


def test_a_decision_that_was_asked_for_has_a_column(tmp_path: Path) -> None:
    table = table_in(tmp_path, decide=True)
    table.add(record("eye"), MADE)
    table.flush()
    assert rows(tmp_path)["decision_glaucoma"]["eye"] == 1


def test_a_row_is_written_when_it_has_waited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_in(tmp_path)
    table.add(record("a"), MADE)
    assert not (tmp_path / "results").exists()
    monkeypatch.setattr(result_table, "SECONDS_PER_PART", 0.0)
    table.add(record("b"), MADE)
    assert list(rows(tmp_path).index) == ["a", "b"]


def test_what_is_done_again_has_no_row_until_it_is_done(tmp_path: Path) -> None:
    run(tmp_path, record("a"), record("b"), refused("cat"), record("elsewhere"))
    table = table_in(tmp_path)
    table.start(["a"], dict.fromkeys(["a", "b", "cat"], MADE), {"a": record("a")}.get)
    assert rows(tmp_path)["status"].to_dict() == {"a": "ok", "elsewhere": "ok"}
    assert table.made_from().keys() == {"a", "elsewhere"}


def test_a_prediction_from_other_settings_is_replaced(tmp_path: Path) -> None:
    run(tmp_path, record("a"))
    run(tmp_path, done={"a": record("a", reason="new")}, made={**MADE, "flips": True})
    assert rows(tmp_path)["reason"].to_dict() == {"a": "new"}


def test_what_is_done_and_has_no_row_gets_one(tmp_path: Path) -> None:
    """As when a run was killed between a photograph's record and its part."""
    run(tmp_path, record("a"))
    run(tmp_path, done={name: record(name) for name in "ab"})
    assert list(rows(tmp_path).index) == ["a", "b"]


def test_a_damaged_part_is_named_with_the_way_out(tmp_path: Path) -> None:
    run(tmp_path, record("a"))
    (part,) = tmp_path.glob("results/status=ok/*")
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(ValueError, match=rf"{part} must be a part of the results .*move it away"):
        run(tmp_path, record("b"))


def test_measures_by_vessel_type_and_region_have_columns(tmp_path: Path) -> None:
    structures = ("artery", "vein", "disc")
    point = dataclasses.replace(operating_point(0.5, 0.5), structures=structures, structure_thresholds=(0.5,) * 3)
    table = ResultTable(tmp_path, FindingMaker(point))
    table.add(measured_record("eye"), MADE)
    table.add(refused("cat"), MADE)
    table.flush()
    read = rows(tmp_path)
    assert (read["eye"]["eye"], read["zone_b_avr_knudtson_ratio"]["eye"]) == ("right", 0.6875)
    assert read["microns_from"]["eye"] == "assumed: disc diameter 1800 um"
    assert read["artery_field_width_mean_um"].isna().tolist() == [True, False]
    assert "vein_zone_c_crve_hubbard_um" in read and "vessel_density_fov_share" not in read
