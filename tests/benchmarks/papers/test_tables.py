"""The papers' tables of evaluations that are small enough to compute by hand, and of the papers' own numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tables import main, multi_task_table, segmentation_table

from vmnet_monai.metrics import confusion_scores

POOLED, MEAN = "pooled over pixels", "mean over photographs"


def pixels(tp: int, fp: int, tn: int, fn: int) -> dict[str, Any]:
    """Scores of a 2 x 2 table as an evaluation writes them: null where undefined, Dice in place of F1."""
    scores: dict[str, Any] = {
        name: None if math.isnan(value) else value for name, value in confusion_scores(tp, fp, tn, fn).items()
    }
    return {"dice": scores.pop("f1"), **scores}


def part(pooled: dict[str, Any], mean: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"photographs": 2, "mean": mean or pooled, "std": {}, "pooled": pooled}


def micro(**scores: Any) -> dict[str, Any]:
    return {"per_disease": {}, "macro": {}, "micro": scores}


def summary(disease: dict[str, Any] | None = None, **structures: dict[str, Any]) -> dict[str, Any]:
    return {"split": "test", "photographs": 2, "thresholds": {}, **structures, "disease": disease or {}}


def row(table: pd.DataFrame, **where: str) -> pd.Series:
    for column, value in where.items():
        table = table[table[column] == value]
    assert len(table) == 1
    return table.iloc[0]


HALF = pixels(tp=1, fp=1, tn=1, fn=1)
"""Every rate 1/2, IoU 1/3, no correlation."""
PERFECT = pixels(tp=1, fp=0, tn=3, fn=0)
DRIVE = summary(vessel={"inside_fov": {"drive": part(HALF, PERFECT), "all": part(HALF, PERFECT)}})


def test_segmentation_table_has_the_papers_columns_pooled_and_per_photograph() -> None:
    table = segmentation_table({"ours": DRIVE}, "inside_fov")
    scores = ["accuracy", "F1", "two-class mean IoU", "IoU", "MCC", "precision", "recall", "specificity"]
    assert list(table) == ["run", "dataset", "structure", "average", *scores]
    assert list(zip(table["dataset"], table["structure"], table["average"], strict=True)) == [
        ("drive", "vessel", POOLED),
        ("drive", "vessel", MEAN),
    ]
    assert table.loc[0, scores].tolist() == pytest.approx([1 / 2, 1 / 2, 1 / 3, 1 / 3, 0, 1 / 2, 1 / 2, 1 / 2])
    assert table.loc[1, scores].tolist() == pytest.approx([1] * 8)


@pytest.mark.parametrize("counts", [(719, 149, 10519, 281), (1, 0, 0, 0), (5, 9, 2, 1)])
def test_iou_of_the_structure_follows_from_f1(counts: tuple[int, int, int, int]) -> None:
    one = summary(vessel={"inside_fov": {"all": part(pixels(*counts))}})
    pooled = row(segmentation_table({"ours": one}, "inside_fov"), average=POOLED)
    assert pooled["IoU"] == pytest.approx(pooled["F1"] / (2 - pooled["F1"]))


def test_published_f1_is_an_iou_of_the_vessels_of_0622() -> None:
    """F1 767 / (767 + 233), IoU 767 / (767 + 2 * 233), whatever the background."""
    one = summary(vessel={"whole_image": {"all": part(pixels(tp=767, fp=233, tn=9000, fn=233))}})
    pooled = row(segmentation_table({"paper": one}, "whole_image"), average=POOLED)
    assert pooled[["F1", "IoU"]].tolist() == pytest.approx([0.767, 0.622], abs=0.0005)


def test_published_iou_is_the_mean_of_two_classes() -> None:
    """The EfficientNet-B0 U-Net's published precision, recall and specificity, made into a 2 x 2 table.

    Of 1000 vessel pixels 719 are found (recall 0.719), with 149 false ones (precision 719 / 868 = 0.828) among 10668
    of background (specificity 1 - 149 / 10668 = 0.986). All of its numbers follow, if its IoU of 0.793 is the mean of
    two classes; the vessels' own is 0.622, as its F1 says.
    """
    published = {"accuracy": 0.963, "F1": 0.767, "two-class mean IoU": 0.793, "MCC": 0.749}
    published |= {"precision": 0.828, "recall": 0.719, "specificity": 0.986}
    one = summary(vessel={"whole_image": {"all": part(pixels(tp=719, fp=149, tn=10519, fn=281))}})
    pooled = row(segmentation_table({"paper": one}, "whole_image"), average=POOLED)
    assert pooled[list(published)].to_dict() == pytest.approx(published, abs=0.005)
    assert pooled["IoU"] == pytest.approx(0.622, abs=0.005)


def test_several_structures_are_listed_and_averaged_where_defined() -> None:
    fluid = pixels(tp=1, fp=0, tn=1, fn=2)  # Dice 2/4, IoU 1/3
    nothing_called = pixels(tp=0, fp=0, tn=3, fn=1)  # no precision
    oct_scan = summary(
        irf={"inside_fov": {"retouch": part(PERFECT), "all": part(PERFECT)}},
        srf={"inside_fov": {"retouch": part(fluid), "all": part(fluid)}},
        ped={"inside_fov": {"retouch": part(nothing_called), "all": part(nothing_called)}},
    )
    pooled = segmentation_table({"ours": oct_scan}, "inside_fov").query("average == @POOLED").set_index("structure")
    assert pooled["F1"].to_dict() == pytest.approx({"irf": 1, "srf": 0.5, "ped": 0, "mean of structures": 0.5})
    assert math.isnan(pooled.loc["ped", "precision"])
    assert pooled.loc["mean of structures", "precision"] == 1

    both = multi_task_table({"ours": oct_scan}, "inside_fov")
    columns = [f"{score} {name}" for name in ("irf", "srf", "ped", "mean of structures") for score in ("JI", "DSC")]
    assert list(both)[3:11] == columns
    expected = [1, 1, 1 / 3, 1 / 2, 0, 0, (1 + 1 / 3) / 3, 1 / 2]
    assert row(both, average=POOLED)[columns].tolist() == pytest.approx(expected)

    chosen = segmentation_table({"ours": oct_scan}, "inside_fov", ["srf"])
    assert set(chosen["structure"]) == {"srf"}


def test_multi_task_table_has_overlap_and_micro_scores() -> None:
    counts = confusion_scores(tp=2, fp=2, tn=3, fn=1)
    diseases = micro(**{name: counts[name] for name in ("accuracy", "sensitivity", "specificity", "precision")})
    one = summary({"drive": diseases, "all": diseases}, vessel=DRIVE["vessel"])
    table = multi_task_table({"ours": one}, "inside_fov")
    rates = ["micro accuracy", "micro sensitivity", "micro specificity"]
    assert list(table) == ["run", "dataset", "average", "JI vessel", "DSC vessel", *rates]
    pooled = row(table, average=POOLED)
    assert pooled[["JI vessel", "DSC vessel", *rates]].tolist() == pytest.approx([1 / 3, 1 / 2, 5 / 8, 2 / 3, 3 / 5])
    mean = row(table, average=MEAN)
    assert mean[["JI vessel", "DSC vessel"]].tolist() == [1, 1]
    assert mean[rates].isna().all(), "what is summed over diseases is pooled"


def test_datasets_of_either_task_have_rows_and_so_have_all_together() -> None:
    both = summary({"odir5k": micro(accuracy=0.9), "all": micro(accuracy=0.9)}, vessel=DRIVE["vessel"])
    table = multi_task_table({"ours": both}, "inside_fov")
    assert list(zip(table["dataset"], table["average"], strict=True)) == [
        ("drive", POOLED),
        ("drive", MEAN),
        ("odir5k", POOLED),
        ("all", POOLED),
        ("all", MEAN),
    ]
    assert row(table, dataset="odir5k")[["JI vessel", "micro accuracy"]].isna().tolist() == [True, False]
    assert set(segmentation_table({"ours": both}, "inside_fov")["dataset"]) == {"drive"}


def test_network_of_a_single_task_has_rows_for_it_only() -> None:
    diseases = summary({"odir5k": micro(accuracy=0.9), "all": micro(accuracy=0.9)}, vessel={})
    runs = {"ours": DRIVE, "diseases": diseases}
    assert set(segmentation_table(runs, "inside_fov")["run"]) == {"ours"}
    table = multi_task_table(runs, "inside_fov")
    assert row(table, run="diseases")[["DSC vessel", "micro accuracy"]].isna().tolist() == [True, False]


def write(folder: Path, content: dict[str, Any]) -> str:
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps(content))
    return str(folder)


def test_command_prints_two_tables_per_region(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    undefined = pixels(tp=0, fp=0, tn=1, fn=1)
    vessel = {"inside_fov": {"all": part(HALF)}, "whole_image": {"all": part(undefined)}}
    disease = micro(accuracy=0.5, sensitivity=None, specificity=0.5)
    run = write(tmp_path / "run", summary({"all": disease}, vessel=vessel))
    assert main([run]) == 0
    inside, whole = capsys.readouterr().out.split("Segmentation, whole_image\n")
    lines = inside.splitlines()
    assert lines[0] == "Segmentation, inside_fov"
    assert (
        lines[4]
        == f"| {run} | all | vessel | {POOLED} | 0.500 | 0.500 | 0.333 | 0.333 | 0.000 | 0.500 | 0.500 | 0.500 |"
    )
    assert f"| {run} | all | {POOLED} | 0.333 | 0.500 | 0.500 |  | 0.500 |" in lines
    cells = whole.splitlines()[3].split(" | ")
    assert cells[4:] == ["0.500", "0.000", "0.250", "0.000", "", "", "0.000", "1.000 |"]

    assert main([run, "--region", "inside_fov", "--structure", "vessel"]) == 0
    assert capsys.readouterr().out.rstrip() == inside.rstrip()


def test_command_explains_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere")]) == 1
    assert "error: " in (said := capsys.readouterr().err)
    assert "metrics.json is missing: give the output folder of an evaluation" in said
    run = write(tmp_path / "run", DRIVE)
    assert main([run, "--structure", "irf"]) == 1
    assert "error: structure must be one that a run has, vessel, got 'irf'" in capsys.readouterr().err
    (tmp_path / "run/metrics.json").write_text("{")
    assert main([run]) == 1
    assert "is no JSON" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main([run, "--region", "outside"])
    assert caught.value.code == 2


def test_unknown_region_is_refused() -> None:
    with pytest.raises(ValueError, match="region.*inside_fov, whole_image.*'outside'"):
        multi_task_table({"ours": DRIVE}, "outside")
