"""The report: means over photographs, pooled pixels, datasets apart and together."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from vmnet_monai.metrics import (
    PROBABILITY_LEVELS,
    Histograms,
    ImageScores,
    add_histograms,
    disease_report,
    evaluation_summary,
    evaluation_table,
    pooled,
    probability_histogram,
    score_regions,
    segmentation_report,
    sources_by_auc,
)

NAN = float("nan")


def histogram(hits: int, misses: int, background: int) -> np.ndarray:
    """Counts of vessel pixels found with certainty, vessel pixels missed, and background seen as such."""
    probability = np.array([[1.0] * hits + [0.0] * (misses + background)])
    return probability_histogram(probability, np.array([[True] * (hits + misses) + [False] * background]))


SCORES = pd.DataFrame({"dataset": ["drive", "hrf", "drive"], "dice": [0.5, 0.9, 0.7], "auc": [0.8, NAN, 0.6]})


def test_vessel_scores_are_averaged_over_photographs_within_and_over_datasets() -> None:
    report = segmentation_report(SCORES, {"drive": histogram(1, 1, 2), "hrf": histogram(2, 0, 2)}, threshold=0.5)
    assert list(report) == ["drive", "hrf", "all"]
    assert [report[name]["photographs"] for name in report] == [2, 1, 3]
    assert report["drive"]["mean"] == pytest.approx({"dice": 0.6, "auc": 0.7})
    assert report["drive"]["std"] == pytest.approx({"dice": math.sqrt(0.02), "auc": math.sqrt(0.02)})
    assert report["all"]["mean"] == pytest.approx({"dice": 0.7, "auc": 0.7}), "an undefined score is left out"


def test_one_photograph_has_no_spread() -> None:
    report = segmentation_report(SCORES, {"hrf": histogram(2, 0, 2)}, threshold=0.5)
    assert math.isnan(report["hrf"]["std"]["dice"])


def test_pooled_scores_count_pixels_not_photographs() -> None:
    """1 of 2 vessel pixels in the one, 6 of 6 in the other: pooled sensitivity 7/8, Dice 2 * 7 / (7 + 8)."""
    report = segmentation_report(SCORES, {"drive": histogram(1, 1, 2), "hrf": histogram(6, 0, 2)}, threshold=0.5)
    assert report["drive"]["pooled"]["sensitivity"] == 0.5
    assert report["all"]["pooled"]["sensitivity"] == pytest.approx(7 / 8)
    assert report["all"]["pooled"]["dice"] == pytest.approx(14 / 15)


def test_no_photograph_with_vessels_gives_an_empty_report() -> None:
    assert segmentation_report(pd.DataFrame([]), {}, threshold=0.5) == {}


def report(labels: list[list[float]], probabilities: list[list[float]]) -> dict:
    return disease_report(
        ["odir5k", "odir5k", "rfmid", "rfmid"],
        np.array(probabilities),
        np.array(probabilities) ** 2,
        np.array(labels),
        [0.5],
        ["glaucoma"],
        ["p1", "p2", "p3", "p4"],
    )


def test_a_source_that_gives_the_disease_away_shows_in_the_scores_within_datasets() -> None:
    """Scores tell the datasets apart, of which one is mostly ill, and say nothing about the patients within."""
    scores = report([[0], [1], [1], [1]], [[0.1], [0.1], [0.9], [0.9]])
    assert list(scores) == ["odir5k", "rfmid", "all"]
    assert scores["odir5k"]["per_disease"]["glaucoma"]["auc"] == 0.5
    assert math.isnan(scores["rfmid"]["per_disease"]["glaucoma"]["auc"])
    assert scores["all"]["per_disease"]["glaucoma"]["auc"] == pytest.approx((0.5 + 1 + 1) / 3)


def test_calibration_is_scored_before_it_as_well() -> None:
    """Before calibration the probabilities were the squares: 0.01 and 0.81 in the first dataset, labels 0 and 1."""
    scores = report([[0], [1], [1], [1]], [[0.1], [0.9], [0.9], [0.9]])["odir5k"]
    for part in (scores["per_disease"]["glaucoma"], scores["macro"], scores["micro"]):
        assert part["calibration_error"] == pytest.approx(0.1)
        assert part["calibration_error_uncalibrated"] == pytest.approx((0.01 + 0.19) / 2)
        assert part["brier"] == pytest.approx(0.01)
        assert part["brier_uncalibrated"] == pytest.approx((0.0001 + 0.0361) / 2)


def test_the_source_in_which_a_disease_is_found_worst_comes_first() -> None:
    """Two with and two without in each of both; the third has nobody without."""
    datasets = ["a"] * 4 + ["b"] * 4 + ["c"]
    probabilities = np.array([0.1, 0.2, 0.8, 0.9, 0.1, 0.8, 0.2, 0.9, 0.5])[:, None]
    labels = np.array([0.0, 0, 1, 1, 0, 0, 1, 1, 1])[:, None]
    scores = disease_report(datasets, probabilities, probabilities, labels, [0.5], ["amd"], [str(i) for i in range(9)])
    rows = sources_by_auc(scores, min_count=2)["amd"]
    assert [(row["dataset"], row["auc"], row["positives"], row["n"]) for row in rows] == [
        ("b", 0.75, 2, 4),
        ("a", 1, 2, 4),
    ]
    assert sources_by_auc(scores, min_count=3) == {}


def test_dataset_without_labels_is_left_out() -> None:
    scores = report([[0], [1], [NAN], [NAN]], [[0.1], [0.9], [0.4], [0.6]])
    assert list(scores) == ["odir5k", "all"]
    assert scores["all"]["micro"]["n"] == 2


def test_no_label_at_all_gives_an_empty_report() -> None:
    assert report([[NAN]] * 4, [[0.5]] * 4) == {}


def test_network_without_disease_head_gives_an_empty_report() -> None:
    assert report([[0], [1], [0], [1]], [[NAN]] * 4) == {}


# Inside the field of view: a hit, a false positive, a miss and a true negative; outside it one more hit.
PROBABILITY = np.array([[0.9, 0.8, 0.2], [0.1, 1.0, 0.0]])
REFERENCE = np.array([[1, 0, 1], [0, 1, 0]]) > 0
FOV = np.array([[1, 1, 1], [1, 0, 0]]) > 0


def test_regions_are_scored_and_counted_apart() -> None:
    histograms, scores = score_regions(PROBABILITY, REFERENCE, FOV, threshold=0.5)
    assert {region: counts.sum(axis=1).tolist() for region, counts in histograms.items()} == {
        "inside_fov": [2, 2],
        "whole_image": [3, 3],
    }
    assert scores["inside_fov"]["dice"] == pytest.approx(2 / 4)
    assert scores["whole_image"]["dice"] == pytest.approx(4 / 6)


def test_without_a_threshold_only_pixels_inside_are_counted() -> None:
    histograms, scores = score_regions(PROBABILITY, REFERENCE, FOV)
    assert list(histograms) == ["inside_fov"]
    assert scores == {}


def test_histograms_add_up_by_structure_region_and_dataset() -> None:
    one, other = histogram(1, 2, 3), histogram(4, 0, 1)
    total: Histograms = {"vessel": {}}
    add_histograms(total, {"vessel": {"inside_fov": {"drive": one}}})
    add_histograms(total, {"vessel": {"inside_fov": {"drive": other, "hrf": other}}, "disc": {"inside_fov": {}}})
    np.testing.assert_array_equal(total["vessel"]["inside_fov"]["drive"], one + other)
    np.testing.assert_array_equal(total["vessel"]["inside_fov"]["hrf"], other)
    np.testing.assert_array_equal(one, histogram(1, 2, 3), "the parts stay as they were")
    np.testing.assert_array_equal(pooled(total["vessel"]["inside_fov"]), one + 2 * other)
    np.testing.assert_array_equal(pooled({}), np.zeros((2, PROBABILITY_LEVELS)))


IMAGES = [
    ImageScores("a", "drive", "p1", (0.2, NAN), (NAN, NAN), {"vessel": {"inside_fov": {"dice": 0.5}}}),
    ImageScores("b", "odir5k", "p2", (0.6, 0.8), (1.0, NAN), {}),
    ImageScores("c", "odir5k", "p3", (0.4, 0.9), (0.0, 1.0), {}),
]
PROBABILITIES = np.array([[0.3, NAN], [0.7, 0.8], [0.5, 0.9]])


def test_table_has_a_row_per_image_with_what_is_known_of_it() -> None:
    table = evaluation_table(IMAGES, ["normal", "glaucoma"], PROBABILITIES, [[0, None], [1, 0], [0, 1]])
    assert table.columns.tolist() == [
        *("id", "dataset", "patient", "sex", "age", "vessel_inside_fov_dice"),
        *("probability_normal", "label_normal", "decision_normal"),
        *("probability_glaucoma", "label_glaucoma", "decision_glaucoma"),
    ]
    expected = {
        "vessel_inside_fov_dice": [0.5, NAN, NAN],
        "probability_normal": [0.3, 0.7, 0.5],
        "label_normal": [NAN, 1, 0],
        "decision_normal": [0, 1, 0],
        "decision_glaucoma": [NAN, 0, 1],
    }
    for column, values in expected.items():
        np.testing.assert_array_equal(table[column].to_numpy(dtype=float), values)


def test_summary_scores_structures_and_diseases_by_their_thresholds() -> None:
    histograms: Histograms = {"vessel": {"inside_fov": {"drive": histogram(1, 1, 2)}}}
    thresholds = {"normal": 0.6, "glaucoma": 0.9}
    summary = evaluation_summary(IMAGES, histograms, PROBABILITIES, {"vessel": 0.5, "disc": 0.4}, thresholds, "test")
    assert (summary["split"], summary["photographs"]) == ("test", 3)
    assert summary["thresholds"] == {"vessel": 0.5, "disc": 0.4, **thresholds}
    assert summary["disc"] == {}
    assert summary["vessel"]["inside_fov"]["drive"]["photographs"] == 1
    assert summary["vessel"]["inside_fov"]["all"]["mean"]["dice"] == 0.5
    normal = summary["disease"]["odir5k"]["per_disease"]["normal"]
    assert normal["sensitivity"] == normal["specificity"] == 1
    assert normal["brier"] == pytest.approx((0.09 + 0.25) / 2)
    assert normal["brier_uncalibrated"] == pytest.approx((0.16 + 0.16) / 2)
