"""Geometry of eyes that are drawn: sizes, distance, angle and side, turned, mirrored and at the rim."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vmnet_monai.biomarkers.eye import Disc, Eye, find_eye
from vmnet_monai.biomarkers.landmarks import Landmark

SIZE = 400
FIELD = np.hypot(*np.indices((SIZE, SIZE)) - (SIZE - 1) / 2) <= 195


def ellipse(x: float, y: float, width: float, height: float, turn_deg: float = 0) -> np.ndarray:
    """An ellipse with its full axes, the first of them turned from the rows; coverage of the pixels, 0 to 1."""
    rows, columns = np.indices((SIZE, SIZE))
    cos, sin = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    across, along = (columns - x) * cos + (rows - y) * sin, (rows - y) * cos - (columns - x) * sin
    radius = np.hypot(across / width, along / height)
    return np.clip(0.5 + (0.5 - radius) * min(width, height), 0, 1)


def turned(x: float, y: float, turn_deg: float) -> tuple[float, float]:
    """A point of the upright eye, (x, y) from the middle, on the turned photograph."""
    cos, sin = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    return (SIZE - 1) / 2 + x * cos - y * sin, (SIZE - 1) / 2 + x * sin + y * cos


@pytest.mark.parametrize("turn", [0, 3, 17, -30, 40])
def test_disc_and_fovea_are_measured_however_the_photograph_is_turned(turn: float) -> None:
    (x, y), (fovea_x, fovea_y) = turned(70, 0, turn), turned(-40, 12, turn)
    eye = find_eye(ellipse(x, y, 42, 48, turn), ellipse(fovea_x, fovea_y, 30, 30), FIELD)
    assert eye.disc is not None and eye.fovea is not None
    assert (eye.disc.x, eye.disc.y) == pytest.approx((x, y), abs=0.2)
    assert (eye.fovea.x, eye.fovea.y) == pytest.approx((fovea_x, fovea_y), abs=0.2)
    assert eye.disc.diameter == pytest.approx(math.sqrt(42 * 48), rel=0.01)
    assert eye.disc.longest == pytest.approx(48, rel=0.015)
    assert eye.disc.shortest == pytest.approx(42, rel=0.015)
    assert eye.disc.area == pytest.approx(math.pi / 4 * 42 * 48, rel=0.02)
    assert not eye.disc.is_cut
    assert eye.disc_fovea_distance == pytest.approx(math.hypot(110, 12), abs=0.3)
    # the fovea lies left and below; turning the photograph clockwise lifts it
    assert eye.disc_fovea_angle == pytest.approx(math.degrees(math.atan2(12, 110)) - turn, abs=0.2)
    assert eye.side == "right"


def test_a_mirrored_photograph_is_the_other_eye_with_the_same_measures() -> None:
    disc, fovea = ellipse(270, 200, 42, 48), ellipse(160, 212, 30, 30)
    one, other = find_eye(disc, fovea, FIELD), find_eye(disc[:, ::-1], fovea[:, ::-1], FIELD)
    assert (one.side, other.side) == ("right", "left")
    assert other.disc_fovea_angle == pytest.approx(one.disc_fovea_angle)
    assert other.disc_fovea_distance == pytest.approx(one.disc_fovea_distance)
    assert one.disc is not None and other.disc is not None
    assert other.disc[2:] == pytest.approx(one.disc[2:])


@pytest.mark.parametrize("x", [380, 12])
def test_a_disc_at_the_rim_is_cut(x: float) -> None:
    eye = find_eye(ellipse(x, 200, 42, 48), None, FIELD)
    assert eye.disc is not None
    assert eye.disc.is_cut
    assert eye.disc.diameter < 44.5


def test_a_disc_at_the_edge_of_the_photograph_is_cut() -> None:
    eye = find_eye(ellipse(200, 0, 42, 48), None, np.ones_like(FIELD))
    assert eye.disc is not None and eye.disc.is_cut


def test_without_disc_or_fovea_nothing_is_said_that_needs_them() -> None:
    disc, empty = ellipse(270, 200, 42, 48), np.zeros(FIELD.shape)
    for eye in (find_eye(disc, empty, FIELD), find_eye(empty, disc, FIELD), find_eye(None, None, FIELD)):
        assert eye.side is None
        assert eye.disc_fovea_distance is None
        assert eye.disc_fovea_angle is None
    assert find_eye(disc, empty, FIELD).fovea is None
    assert find_eye(None, disc, FIELD).disc is None


def test_what_the_network_is_not_sure_of_or_lies_outside_the_field_is_no_landmark() -> None:
    disc = ellipse(270, 200, 42, 48)
    assert find_eye(0.4 * disc, 0.4 * disc, FIELD) == (None, None)
    assert find_eye(ellipse(10, 10, 30, 30), None, FIELD).disc is None


def test_the_largest_part_of_a_mask_is_the_disc() -> None:
    mask = ellipse(270, 200, 42, 48) >= 0.5
    mask[100:103, 150:153] = True  # a stray stroke of the brush
    eye = find_eye(mask, None, FIELD)
    assert eye.disc is not None
    assert (eye.disc.x, eye.disc.y) == pytest.approx((270, 200), abs=0.1)


def test_maps_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"map of the fovea .* got \(3, 4\) and \(400, 400\): scale"):
        find_eye(None, np.zeros((3, 4)), FIELD)


def test_points_are_an_eye_too() -> None:
    eye = Eye(Disc(100, 200, 40), Landmark(210, 212, 1.0, 1.0))
    assert eye.side == "left"
    assert eye.disc_fovea_angle == pytest.approx(6.2, abs=0.05)
