"""The operating point from what a network answered."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from vmnet_monai.calibration import fit_operating_point
from vmnet_monai.calibration.fit import labels_for_calibration
from vmnet_monai.metrics import PROBABILITY_LEVELS

NAN = math.nan


def histogram(background: dict[float, int], structure: dict[float, int]) -> np.ndarray:
    counts = np.zeros((2, PROBABILITY_LEVELS), dtype=np.int64)
    for row, part in enumerate((background, structure)):
        for probability, count in part.items():
            counts[row, round(probability * (PROBABILITY_LEVELS - 1))] = count
    return counts


def fitted(**changes: Any) -> Any:
    parts: dict[str, Any] = {
        "diseases": ["amd"],
        "probabilities": np.array([[0.1], [0.2], [0.8], [0.9]]),
        "labels": np.array([[0.0], [0.0], [1.0], [1.0]]),
        "datasets": ["a"] * 4,
        "histograms": {"vessel": histogram({0.2: 5}, {0.8: 5})},
        "grid_size": 64,
        "disease_size": None,
        "contrast": "none",
        "field_of_view": "estimate",
        "network": "VMNet()",
    }
    return fit_operating_point(**parts | changes)


def test_thresholds_lie_between_the_classes() -> None:
    point = fitted()
    assert 0.2 < point.structure_thresholds[0] < 0.8
    calibrated = point.calibrate([[0.2], [0.8]])[:, 0]
    assert calibrated[0] < point.disease_thresholds[0] < calibrated[1]
    assert point.structures == ("vessel",)


def test_reference_eyes_are_those_of_the_sources_with_the_disease_and_without() -> None:
    """30 photographs of a source that shows both ways; of the other all have it, so that it is left out."""
    probabilities = np.linspace(0.1, 0.9, 60)[:, np.newaxis]
    labels = np.array([[0.0], [1.0]] * 15 + [[1.0]] * 30)
    point = fitted(probabilities=probabilities, labels=labels, datasets=["both"] * 30 + ["one"] * 30)
    assert point.disease_sources == (("both",),)
    ends = point.calibrate(probabilities[[0, 29]])[:, 0]
    assert point.disease_reference[0][0] == pytest.approx(ends[0], abs=1e-6)
    assert point.disease_reference[0][-1] == pytest.approx(ends[1], abs=1e-6)
    assert len(point.disease_reference[0]) == 101


def test_few_photographs_are_no_reference_and_one_class_no_source() -> None:
    assert fitted().disease_reference == ((),)
    assert fitted().disease_sources == (("a",),)
    assert fitted(labels=np.array([[1.0]] * 4)).disease_sources == ((),)


def test_without_a_choice_thresholds_are_one_half_and_probabilities_stay() -> None:
    point = fitted(labels=np.full((4, 1), NAN), histograms={"vessel": histogram({0.2: 5}, {})})
    assert point.structure_thresholds == point.disease_thresholds == (0.5,)
    assert point.disease_calibration == ((1.0, 0.0),)


def test_a_network_without_disease_head_is_no_obstacle() -> None:
    assert fitted(probabilities=np.full((4, 1), NAN)).disease_thresholds == (0.5,)


def test_labels_that_a_source_shares_are_left_out_where_another_shows_both() -> None:
    labels = np.array([[1.0], [0.0], [0.0], [0.0]])
    assert labels_for_calibration(labels, ["both", "both", "one", "one"])[:, 0].tolist() == pytest.approx(
        [1, 0, NAN, NAN], nan_ok=True
    )


def test_a_disease_that_no_source_shows_both_ways_keeps_its_labels() -> None:
    labels = np.array([[1.0], [1.0], [0.0], [0.0]])
    assert labels_for_calibration(labels, ["sick", "sick", "well", "well"]).tolist() == labels.tolist()
