"""The two files of an evaluation: metrics.json and metrics.csv."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from feeding import DISEASES, NAN, evaluator, feed, operating_point, phantom_items, photograph, small_network

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.handlers import PredictionCollector, ScoreWriter

POINT = operating_point(0.5, 0.9)

HALF_FOUND: dict[str, Any] = {"vessel": [[0.9, 0.1, 0.9, 0.0]], "reference": [[1, 1, 0, 0]]}
"""One vessel pixel of two is found, beside one false alarm: Dice 1/2."""
ALL_FOUND: dict[str, Any] = {"vessel": [[0.9, 0.8, 0.1, 0.0]], "reference": [[1, 1, 0, 0]]}


def strict_json(path: Path) -> dict[str, Any]:
    """Read JSON as its standard has it: without NaN and infinity."""

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def handlers(folder: Path, point: OperatingPoint = POINT) -> tuple[PredictionCollector, ScoreWriter]:
    collector = PredictionCollector(thresholds=point.structure_thresholds)
    return collector, ScoreWriter(str(folder), collector, point, split="test")


def write(
    folder: Path, entries: list[dict[str, Any]], point: OperatingPoint = POINT
) -> tuple[dict[str, Any], pd.DataFrame]:
    feed([entries], *handlers(folder, point))
    return strict_json(folder / "metrics.json"), pd.read_csv(folder / "metrics.csv")


def mixed() -> list[dict[str, Any]]:
    return [
        photograph("b", "drive", **HALF_FOUND),
        photograph("a", "drive", **ALL_FOUND),
        photograph("c", "odir5k", (0.6, 0.8), (1.0, NAN)),
        photograph("d", "odir5k", (0.4, 0.95), (0.0, 1.0)),
    ]


def test_summary_says_what_was_scored_and_how(tmp_path: Path) -> None:
    summary, _ = write(tmp_path, mixed())
    assert (summary["split"], summary["photographs"]) == ("test", 4)
    assert summary["thresholds"] == {"vessel": 0.5, "normal": 0.5, "glaucoma": 0.9}


def test_vessels_are_scored_per_dataset_that_has_them_and_over_all(tmp_path: Path) -> None:
    vessel = write(tmp_path, mixed())[0]["vessel"]
    assert list(vessel) == ["inside_fov", "whole_image"]
    assert list(vessel["inside_fov"]) == ["drive", "all"]
    for scores in vessel["inside_fov"].values():
        assert scores["photographs"] == 2
        assert scores["mean"]["dice"] == pytest.approx((0.5 + 1.0) / 2)
        assert scores["pooled"]["dice"] == pytest.approx(2 * 3 / (4 + 4))


def test_diseases_are_scored_on_what_is_known(tmp_path: Path) -> None:
    disease = write(tmp_path, mixed())[0]["disease"]
    assert list(disease) == ["odir5k", "all"]
    scores = disease["odir5k"]["per_disease"]
    assert scores["normal"]["auc"] == 1.0
    assert scores["glaucoma"]["n"] == 1
    assert scores["glaucoma"]["sensitivity"] == 1.0
    assert scores["glaucoma"]["auc"] is None, "undefined with one class"


def test_calibrated_probabilities_are_scored_and_decided_beside_the_error_before(tmp_path: Path) -> None:
    """Odds of 1/4 and 4 become 1/2 and 2 with a scale of 1/2: 1/3 and 2/3 present, once each."""
    point = dataclasses.replace(POINT, disease_calibration=((0.5, 0.0), (1.0, 0.0)), disease_thresholds=(0.7, 0.9))
    entries = [
        photograph("a", "odir5k", (0.2, 0.5), (0.0, NAN)),
        photograph("b", "odir5k", (0.8, 0.5), (1.0, NAN)),
        photograph("c", "odir5k", probabilities=(0.9, NAN)),
    ]
    summary, table = write(tmp_path, entries, point)
    assert table["probability_normal"].tolist() == pytest.approx([1 / 3, 2 / 3, 0.75])
    assert table["decision_normal"].tolist() == [0, 0, 1]
    assert table["probability_glaucoma"].isna().tolist() == [False, False, True]
    for scores in (summary["disease"]["odir5k"]["per_disease"]["normal"], summary["disease"]["odir5k"]["macro"]):
        assert scores["calibration_error"] == pytest.approx(1 / 3)
        assert scores["calibration_error_uncalibrated"] == pytest.approx(0.2)
        assert scores["brier"] == pytest.approx(1 / 9)
        assert scores["brier_uncalibrated"] == pytest.approx(0.04)
        assert scores["sensitivity"] == 0


def test_table_has_one_row_per_photograph_sorted_by_id(tmp_path: Path) -> None:
    table = write(tmp_path, mixed())[1].set_index("id")
    assert table.index.tolist() == ["a", "b", "c", "d"]
    scores = {"vessel_inside_fov_dice", "vessel_inside_fov_cldice", "vessel_whole_image_auc"}
    assert {"dataset", "patient", *scores} <= set(table.columns)
    assert table.columns[-6:].tolist() == [
        f"{column}_{disease}" for disease in DISEASES for column in ("probability", "label", "decision")
    ]
    assert table.loc[["a", "b"], "vessel_inside_fov_dice"].tolist() == pytest.approx([1.0, 0.5])
    assert table.loc["c", "probability_glaucoma"] == pytest.approx(0.8)
    assert table["decision_normal"].tolist() == [1, 1, 1, 0]
    assert table["decision_glaucoma"].tolist() == [0, 0, 0, 1]


def test_groups_of_patients_are_scored_where_they_are_known(tmp_path: Path) -> None:
    write(tmp_path / "unknown", mixed())
    assert not (tmp_path / "unknown/subgroups.csv").exists()
    entries = [
        photograph(f"{i:02d}", "odir5k", (i / 40, 0.5), (float(i % 2), NAN), sex="female", age=40.0 + i)
        for i in range(40)
    ]
    _, table = write(tmp_path / "known", entries)
    assert table["sex"].unique().tolist() == ["female"]
    assert table["age"].tolist() == [40.0 + i for i in range(40)]
    groups = pd.read_csv(tmp_path / "known/subgroups.csv").set_index("group")
    assert groups.loc["female", "n"] == 40
    assert groups.loc["under 50", "remark"].startswith("too few to score: 5 with it")


def test_the_log_names_the_weakest_source_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    entries = [
        photograph(f"{name}{i:02d}", name, (score, 0.5), (float(i % 2), NAN))
        for name, scores in (("good", (0.1, 0.9)), ("bad", (0.9, 0.1)))
        for i in range(20)
        for score in scores[i % 2 : i % 2 + 1]
    ]
    with caplog.at_level("INFO"):
        summary, _ = write(tmp_path, entries)
    assert [row["dataset"] for row in summary["sources_by_auc"]["normal"]] == ["bad", "good"]
    assert "AUC of normal, the lowest first: bad 0.000 [0.000, 0.000], good 1.000" in caplog.text


def test_unknown_is_empty_in_the_table(tmp_path: Path) -> None:
    table = write(tmp_path, mixed())[1].set_index("id")
    assert table.loc[["c", "d"], "vessel_inside_fov_dice"].isna().all()
    assert table.loc["c", "label_normal"] == 1
    assert table["label_glaucoma"].isna().tolist() == [True, True, True, False]


def test_evaluation_without_vessel_masks(tmp_path: Path) -> None:
    summary, table = write(tmp_path, mixed()[2:])
    assert summary["vessel"] == {}
    assert list(summary["disease"]) == ["odir5k", "all"]
    assert not [column for column in table if str(column).startswith("vessel_")]


def test_evaluation_without_labels(tmp_path: Path) -> None:
    summary, table = write(tmp_path, mixed()[:2])
    assert summary["disease"] == {}
    assert table[["label_normal", "label_glaucoma"]].isna().all(axis=None)


def test_undefined_vessel_scores_are_null(tmp_path: Path) -> None:
    """One photograph has no standard deviation, and without vessels in its truth no Dice."""
    scores = write(tmp_path, [photograph(vessel=[[0.9, 0.1]], reference=[[0, 0]])])[0]["vessel"]["inside_fov"]["drive"]
    assert scores["mean"]["dice"] is None
    assert scores["std"]["accuracy"] is None
    assert scores["mean"]["accuracy"] == 0.5


def test_network_without_disease_head_is_scored_on_vessels(tmp_path: Path) -> None:
    summary, table = write(tmp_path, [photograph(probabilities=None, labels=(1.0, 0.0), **ALL_FOUND)])
    assert summary["disease"] == {}
    assert summary["vessel"]["inside_fov"]["drive"]["mean"]["dice"] == 1.0
    assert table[["probability_normal", "decision_normal"]].isna().all(axis=None)
    assert table["label_normal"].tolist() == [1.0]


def test_network_without_vessel_head_is_scored_on_diseases(tmp_path: Path) -> None:
    entry = photograph(labels=(1.0, 0.0), reference=[[1, 0]])
    summary, _ = write(tmp_path, [entry])
    assert summary["vessel"] == {}
    assert summary["disease"]["drive"]["micro"]["n"] == 2


def test_real_evaluator_writes_both_files(tmp_path: Path) -> None:
    items = phantom_items(tmp_path / "phantom")
    del items[0]["vessel"]
    items[1]["disease"] = [NAN, NAN]
    evaluator(items, small_network(), handlers(tmp_path)).run()
    summary, table = strict_json(tmp_path / "metrics.json"), pd.read_csv(tmp_path / "metrics.csv")
    assert summary["photographs"] == len(table) == 4
    assert summary["vessel"]["whole_image"]["phantom"]["photographs"] == 3
    assert summary["disease"]["all"]["micro"]["n"] == 6
    assert table["id"].tolist() == [item["id"] for item in items]
    assert table["vessel_inside_fov_dice"].isna().tolist() == [True, False, False, False]
