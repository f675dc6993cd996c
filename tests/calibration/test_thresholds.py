"""Thresholds chosen from hand-made tables, and against every other threshold."""

from __future__ import annotations

import numpy as np
import pytest

from vmnet_monai.calibration.thresholds import best_dice_threshold, best_threshold, best_thresholds
from vmnet_monai.metrics import histogram_scores, probability_histogram

NAN = float("nan")


def random_image() -> tuple[np.ndarray, np.ndarray]:
    """A 40 x 30 probability map with many ties, and a reference that it predicts better than chance."""
    generator = np.random.default_rng(2)
    reference = generator.random((40, 30)) < 0.2
    return np.round(0.6 * generator.random((40, 30)) + 0.3 * reference, 2), reference


@pytest.mark.parametrize(
    ("probabilities", "labels", "threshold"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 0.5),
        ([0.1, 0.2, 0.3, 0.9], [0, 0, 1, 1], 0.25),
        ([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1], 0.15),  # J = 0.5 at 0.15 and at 0.35: the lower is more sensitive
        ([0.1, 0.4, 0.8, 0.9], [0, NAN, 1, 1], 0.45),
        ([0.1, 0.2], [0, 0], 0.5),
        ([0.1, 0.2], [NAN, NAN], 0.5),
        ([0.7, 0.7], [0, 1], 0.5),
        ([0.9, 0.1], [0, 1], 0.5),  # no threshold is better than chance
    ],
)
def test_best_threshold(probabilities: list[float], labels: list[float], threshold: float) -> None:
    assert best_threshold(np.array(probabilities), np.array(labels)) == pytest.approx(threshold)


def test_best_thresholds_are_those_of_the_columns() -> None:
    probabilities = np.array([[0.1, 0.3], [0.2, 0.5]])
    assert best_thresholds(probabilities, np.array([[0.0, 0.0], [1.0, 1.0]])) == pytest.approx([0.15, 0.4])


@pytest.mark.parametrize("seed", range(3))
def test_no_threshold_has_a_higher_youden_index(seed: int) -> None:
    """Of equals the lowest is taken, whatever the rounding of the two rates whose difference the index is."""
    generator = np.random.default_rng(seed)
    labels = (generator.random(90) < 0.3).astype(float)
    probabilities = np.round(0.7 * generator.random(90) + 0.3 * labels, 1)

    def youden(threshold: float) -> int:
        positive, present = probabilities >= threshold, labels == 1
        return (positive & present).sum() * (~present).sum() - (positive & ~present).sum() * present.sum()

    best = best_threshold(probabilities, labels)
    others = np.unique(probabilities)
    assert youden(best) == max(map(youden, others))
    assert all(youden(threshold) < youden(best) for threshold in others if threshold < best)


def test_best_dice_threshold_lies_midway_between_separable_classes() -> None:
    histogram = probability_histogram(np.array([[0.2, 0.6]]), np.array([[False, True]]))
    assert best_dice_threshold(histogram) == pytest.approx(0.4, abs=1e-4)


def test_best_dice_threshold_beats_every_other_threshold() -> None:
    histogram = probability_histogram(*random_image())
    best = histogram_scores(histogram, best_dice_threshold(histogram))["dice"]
    assert best == max(histogram_scores(histogram, threshold)["dice"] for threshold in np.linspace(0, 1, 101))


def test_all_is_positive_where_all_is_vessel() -> None:
    histogram = probability_histogram(np.array([[0.3, 0.9]]), np.array([[True, True]]))
    assert best_dice_threshold(histogram) <= 0.3


def test_best_dice_threshold_needs_a_pixel_of_the_structure() -> None:
    with pytest.raises(ValueError, match="pixels of the structure"):
        best_dice_threshold(probability_histogram(np.ones((2, 2)), np.zeros((2, 2), dtype=bool)))
