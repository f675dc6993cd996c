"""The published tables are those of the summary, and the summary is that of the evaluations."""

from __future__ import annotations

import json
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import results
from results_figures import draw_figures

LABELS = [0.0, 1.0] * 10


def evaluation(
    folder: Path, dataset: str, found: int = 10, split: str = "test", sexes: str = "female"
) -> tuple[str, pd.DataFrame]:
    """Twenty photographs, ten with glaucoma, of which some are found; vessels of Dice 0.5 to 0.69."""
    positive = [label == 1 and i < 2 * found for i, label in enumerate(LABELS)]
    table = pd.DataFrame(
        {
            **{"id": [f"{dataset}_{i}" for i in range(20)], "dataset": dataset},
            **{"patient": [f"{dataset}_p{i // 2}" for i in range(20)], "sex": sexes, "age": 61.0},
            **{"vessel_inside_fov_dice": [0.5 + i / 100 for i in range(20)]},
            **{"probability_glaucoma": [0.9 if one else 0.1 for one in positive], "label_glaucoma": LABELS},
            **{"decision_glaucoma": [int(one) for one in positive]},
        }
    )
    folder.mkdir()
    table.to_csv(folder / "metrics.csv", index=False)
    before = {"n": 20, "calibration_error_uncalibrated": 0.25, "brier_uncalibrated": 0.3}
    scores = {
        "split": split,
        "thresholds": {"glaucoma": 0.5},
        "disease": {dataset: {"per_disease": {"glaucoma": before}}},
    }
    (folder / "metrics.json").write_text(json.dumps(scores))
    return str(folder), table


@pytest.fixture
def summary(tmp_path: Path) -> results.Scores:
    """Of two sources: all of glaucoma is found in HRF, four of ten in a clinic."""
    folders = [evaluation(tmp_path / name, name, found)[0] for name, found in (("hrf", 10), ("clinic", 4))]
    return results.summarise(folders, samples=20)


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_committed_pages_show_the_committed_summary() -> None:
    made = results.tables(json.loads(results.SUMMARY.read_text(encoding="utf-8")))
    shown: set[str] = set()
    for page in results.PAGES:
        text = page.read_text(encoding="utf-8")
        assert results.filled(text, made) == text, f"{page.name}: run `python tests/benchmarks/results.py`"
        shown |= set(results.BLOCK.findall(text))
    assert shown == made.keys()


def test_the_bundles_metadata_has_the_scores_of_the_committed_summary() -> None:
    text = results.METADATA.read_text(encoding="utf-8")
    assert results.with_metrics(text, json.loads(results.SUMMARY.read_text(encoding="utf-8"))) == text
    assert results.EVAL_METRICS.keys() <= json.loads(text)["eval_metrics"].keys()


def test_committed_figures_are_those_that_are_drawn(tmp_path: Path) -> None:
    drawn = draw_figures(json.loads(results.SUMMARY.read_text(encoding="utf-8")), tmp_path)
    pages = "".join(page.read_text(encoding="utf-8") for page in results.PAGES)
    assert sorted(path.name for path in drawn) == sorted(path.name for path in results.IMAGES.glob("results_*"))
    for path in drawn:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
        assert f"](../images/{path.name})" in pages


def test_the_source_in_which_a_disease_is_found_worst_stands_first(summary: results.Scores) -> None:
    assert [(row["source"], row["auc"]) for row in summary["diseases"]] == [("clinic", 0.7), ("hrf", 1.0)]
    assert results.tables(summary)["lowest"].startswith("- glaucoma: **clinic 0.700 [")
    (clinic, hrf) = cells(results.tables(summary)["diseases"])
    assert clinic[:4] == ["glaucoma", "clinic", "10 of 20", "0.50"]
    assert clinic[-2:] == ["0.400", "1.000"]
    assert hrf[1] == "HRF"


def test_structures_are_averaged_over_the_photographs_of_a_source(summary: results.Scores) -> None:
    dice = summary["structures"]["hrf"]["vessel_dice"]
    assert dice["count"] == 20
    assert dice["mean"] == pytest.approx(0.595)
    (row,) = [row for row in cells(results.tables(summary)["structures"]) if row[0] == "vessels, Dice"]
    assert row == ["vessels, Dice", "0.595 ± 0.059, 20", "0.595 ± 0.059, 20"]


def test_an_aim_is_missed_or_reached_by_the_measured_value(summary: results.Scores) -> None:
    rows = {row[0]: row[1:] for row in cells(results.tables(summary)["aims"])}
    target, measured, *others = rows["HRF, vessels, Dice"]
    assert measured.startswith("0.595 [0.5")
    assert (target, *others) == ("at least 0.81", "0.795", "MISSED")
    assert rows["HRF, glaucoma, AUC"] == ["at least 0.85", "1.000 [1.000, 1.000]", "0.770", "reached"]
    assert "AVRDB, disc, Dice" not in rows, "not measured"


def test_what_has_no_finite_slope_is_said_to_have_none(summary: results.Scores, tmp_path: Path) -> None:
    results.write_summary(summary, tmp_path / "results.json")
    read = json.loads((tmp_path / "results.json").read_text())
    clinic, hrf = cells(results.tables(read)["calibration"])
    assert hrf[3] == "not finite"
    assert clinic[3] == "not finite", "the lowest with the disease is as high as the highest without"
    assert clinic[4] == "0.240", "6 of the 16 with 0.1 have it, and all 4 with 0.9: 0.8 x 0.275 + 0.2 x 0.1"


def test_the_mean_over_the_six_pairs_is_left_out_where_one_is_missing(summary: results.Scores) -> None:
    assert summary["macro"] == {}


def test_groups_stand_beside_one_another(summary: results.Scores) -> None:
    rows = cells(results.tables(summary)["subgroups"])
    assert [row[:2] for row in rows] == [["glaucoma", "clinic"], ["glaucoma", "HRF"]]
    assert rows[1][2:] == ["1.00 [1.00, 1.00], 10 of 20"] * 2


def test_a_photograph_in_two_evaluations_and_two_parts_are_refused(tmp_path: Path) -> None:
    one, _ = evaluation(tmp_path / "a", "hrf")
    again, _ = evaluation(tmp_path / "b", "hrf")
    val, _ = evaluation(tmp_path / "c", "clinic", split="val")
    with pytest.raises(ValueError, match="'hrf_0' in two"):
        results.summarise([one, again], samples=1)
    with pytest.raises(ValueError, match="test, val"):
        results.summarise([one, val], samples=1)


def test_reliability_groups_are_of_as_many_photographs() -> None:
    p, y = np.array([0.1, 0.9, 0.3, 0.7]), np.array([0.0, 1.0, 1.0, 1.0])
    groups = results.reliability(p, y, bins=2)
    assert groups["mean_probability"] == pytest.approx([0.2, 0.8])
    assert groups["frequency"] == [0.5, 1.0]
    assert groups["upper"][1] == pytest.approx(1) and groups["lower"][1] == pytest.approx(2 / (2 + 1.959964**2))


def test_net_benefit_above_both_is_told_by_runs() -> None:
    curve = {"threshold": [0.1, 0.2, 0.3, 0.4], "net_benefit": [0.3, 0.3, 0.0, 0.1], "treat_all": [0.3, 0.2, 0.1, 0.0]}
    assert results.worth_acting(curve) == "0.20, 0.40"
    assert results.worth_acting({**curve, "net_benefit": [-0.1] * 4}) == "nowhere"


def test_figures_of_unknown_sources_and_undefined_values_are_drawn(summary: results.Scores, tmp_path: Path) -> None:
    agreement = [
        {
            **{"measure": "avr_knudtson", "vessel_type": "", "region": "zone_b", "unit": "ratio"},
            **{"experts": [0.6, 0.7, math.nan], "network": [0.65, 0.7, 0.6]},
        }
    ]
    results.write_summary({**summary, "agreement": agreement}, tmp_path / "results.json")
    names = {path.name for path in draw_figures(json.loads((tmp_path / "results.json").read_text()), tmp_path)}
    assert names == {f"results_{name}.svg" for name in ("auc", "roc", "calibration", "decision", "agreement")}
