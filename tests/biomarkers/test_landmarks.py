"""Centres of drawn discs, whatever lies beside them, and the eye that disc and fovea tell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmnet_monai.biomarkers import Landmark, centre_scores, laterality, locate


def disc(x: float, y: float, radius: float, peak: float = 1.0, size: int = 100) -> np.ndarray:
    """A map that falls from its peak to zero at twice the radius."""
    rows, columns = np.mgrid[:size, :size]
    return peak * np.clip(1.5 - np.hypot(columns - x, rows - y) / (2 * radius), 0, 1)


@given(x=st.floats(30, 70), y=st.floats(30, 70), peak=st.floats(0.01, 1))
def test_the_centre_of_a_disc_is_found_within_a_quarter_of_a_pixel(x: float, y: float, peak: float) -> None:
    found = locate(disc(x, y, 8, peak))
    assert found is not None
    assert math.hypot(found.x - x, found.y - y) < 0.25
    assert found.confidence == pytest.approx(peak)
    assert found.diameter == pytest.approx(32, rel=0.05)  # where the map is half its peak


def test_another_region_does_not_move_the_centre() -> None:
    found = locate(np.maximum(disc(30, 40, 5), disc(80, 80, 5, peak=0.7)))
    assert found is not None
    assert (found.x, found.y) == pytest.approx((30, 40), abs=0.1)


def test_an_empty_map_has_no_centre() -> None:
    assert locate(np.zeros((5, 5))) is None


@pytest.mark.parametrize("wrong", [np.full((2, 2), 1.5), np.full((2, 2), np.nan), np.zeros((1, 2, 2))])
def test_what_is_no_map_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="map .H, W. of values within 0 to 1"):
        locate(wrong)


def test_a_centre_is_scored_in_diameters_of_the_reference() -> None:
    reference = disc(40, 50, 8) >= 0.5  # of diameter 32
    scores = centre_scores(disc(52, 34, 8), reference)
    assert scores["centre_distance_diameters"] == pytest.approx(20 / 32, rel=0.02)
    assert scores["centre_within_half_diameter"] == 0
    assert centre_scores(disc(48, 50, 8), reference)["centre_within_half_diameter"] == 1


def test_a_centre_that_is_not_found_is_not_within_and_without_reference_nothing_is_scored() -> None:
    empty = np.zeros((100, 100))
    lost = centre_scores(empty, disc(40, 50, 8) >= 0.5)
    assert math.isnan(lost["centre_distance_diameters"])
    assert lost["centre_within_half_diameter"] == 0
    assert all(math.isnan(score) for score in centre_scores(disc(40, 50, 8), empty > 0).values())


RIGHT_DISC, FOVEA = Landmark(700, 400, 0.9, 90), Landmark(450, 430, 0.8, 90)


def test_mirroring_swaps_the_eyes() -> None:
    assert laterality(RIGHT_DISC, FOVEA) == "right"
    assert laterality(RIGHT_DISC._replace(x=-700), FOVEA._replace(x=-450)) == "left"


@pytest.mark.parametrize(
    ("disc_seen", "fovea_seen"),
    [
        (None, FOVEA),
        (RIGHT_DISC, None),
        (RIGHT_DISC._replace(confidence=0.4), FOVEA),
        (RIGHT_DISC, FOVEA._replace(confidence=0.4)),
        (RIGHT_DISC, FOVEA._replace(x=640)),
        (RIGHT_DISC._replace(y=0), FOVEA),
    ],
    ids=["no disc", "no fovea", "unsure disc", "unsure fovea", "too close", "above each other"],
)
def test_what_is_not_sure_tells_no_eye(disc_seen: Landmark | None, fovea_seen: Landmark | None) -> None:
    assert laterality(disc_seen, fovea_seen) is None
