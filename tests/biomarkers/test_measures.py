"""The measures of drawn vessels, whose values are known, at any angle; of a drawn tree; and of masks by hand."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from drawn_vessels import Curve, Mask, disc, draw, koch, one_pixel, straight, tree
from PIL import Image
from scipy import ndimage

from vmnet_monai.biomarkers.measures import box_dimensions, field_of_view_diameter, vessel_measures

ANGLES = (0.0, 15.0, 61.0, float(np.random.default_rng(7).uniform(0, 180)))
COUNTS = ("branch_points_count", "end_points_count")
CHASEDB1 = Path(__file__).parents[2] / "../shared/data/CHASEDB1"


def measure(curves: list[Curve], widths_px: list[float], angle: float, side_px: int = 600) -> dict[str, float]:
    measures = vessel_measures(draw(curves, widths_px, angle, side_px), disc(side_px))
    return {name: value for name, value in measures.items() if value is not None}


@pytest.mark.parametrize("angle", ANGLES)
def test_straight_line(angle: float) -> None:
    found = measure([straight((-200, 3), (200, 3))], [8], angle)
    assert found["skeleton_length_px"] == pytest.approx(400, rel=0.02)
    assert found["skeleton_length_fov_diameters"] == pytest.approx(400 / 600, rel=0.02)
    assert found["tortuosity_arc_chord_mean"] == pytest.approx(1, abs=0.01)
    assert found["fractal_dimension_box_count"] == pytest.approx(1, abs=0.05)
    assert found["vessel_density_fov_share"] == pytest.approx((400 * 8 + np.pi * 16) / (np.pi * 300**2), rel=0.03)
    assert [found[name] for name in COUNTS] == [0, 2]


@pytest.mark.parametrize("angle", ANGLES)
def test_quarter_circle_is_longer_than_its_chord_by_pi_over_two_root_two(angle: float) -> None:
    turn = np.linspace(0, np.pi / 2, 2000)
    found = measure([250 * np.column_stack([np.cos(turn), np.sin(turn)]) - 125], [8], angle)
    assert found["tortuosity_arc_chord_mean"] == pytest.approx(1.110721, rel=0.01)
    assert found["skeleton_length_px"] == pytest.approx(250 * np.pi / 2, rel=0.02)


@pytest.mark.parametrize("angle", ANGLES)
def test_tortuosity_of_a_sinusoid_is_its_integral(angle: float) -> None:
    x = np.linspace(-200, 200, 4000)
    slope = 30 * 2 * np.pi / 160 * np.cos(x * 2 * np.pi / 160)
    found = measure([np.column_stack([x, 30 * np.sin(x * 2 * np.pi / 160)])], [6], angle)
    chord = 2 * np.hypot(200, 30 * np.sin(200 * 2 * np.pi / 160))
    expected = np.trapezoid(np.sqrt(1 + slope**2), x) / chord
    assert found["tortuosity_arc_chord_mean"] == pytest.approx(expected, rel=0.015)


@pytest.mark.parametrize("angle", ANGLES)
def test_y_has_one_branch_point_and_three_ends(angle: float) -> None:
    arms = [straight((0, 0), end) for end in ((200, 0), (-160, 120), (-160, -120))]
    found = measure(arms, [10, 8, 8], angle)
    assert [found[name] for name in COUNTS] == [1, 3]
    assert found["skeleton_length_px"] == pytest.approx(600, rel=0.02)
    assert found["tortuosity_arc_chord_mean"] == pytest.approx(1, abs=0.015)


@pytest.mark.parametrize("angle", ANGLES)
def test_crossing_counts_as_two_branch_points(angle: float) -> None:
    found = measure([straight((-200, 0), (200, 0)), straight((-100, -170), (100, 170))], [8, 8], angle)
    assert [found[name] for name in COUNTS] == [2, 4]


@pytest.mark.parametrize("angle", [0.0, 30.0, 61.0])
def test_mean_width_of_parallel_vessels(angle: float) -> None:
    lower, upper = straight((-300, -60), (300, -60)), straight((-300, 60), (300, 60))
    both = measure([lower, upper], [16, 24], angle, side_px=700)
    assert both["vessel_width_mean_px"] == pytest.approx(20, abs=1)
    assert both["vessel_width_mean_fov_diameter_share"] == pytest.approx(20 / 700, abs=1 / 700)
    assert measure([lower], [16], angle, side_px=700)["vessel_width_mean_px"] == pytest.approx(16, abs=1)
    assert measure([upper], [24], angle, side_px=700)["vessel_width_mean_px"] == pytest.approx(24, abs=1)
    assert [both[name] for name in COUNTS] == [0, 4]


@pytest.mark.parametrize("angle", [20.0])
def test_fractal_dimension_of_koch_curve(angle: float) -> None:
    found = measure([koch(1674, 5)], [2.5], angle, side_px=1800)
    assert found["fractal_dimension_box_count"] == pytest.approx(np.log(4) / np.log(3), rel=0.05)


def sierpinski(weights: tuple[float, float, float]) -> Curve:
    """Points of a Sierpinski triangle whose three thirds, again and again, hold these fractions of them."""
    corners = np.array([[0, 0], [1, 0], [0.5, np.sqrt(3) / 2]])
    choices = np.random.default_rng(0).choice(3, size=(20, 40000), p=weights)
    points = np.zeros((40000, 2))
    for choice in choices:
        points = (points + corners[choice]) / 2
    return points


@pytest.mark.parametrize("weights", [(1 / 3, 1 / 3, 1 / 3), (0.45, 0.3, 0.25)])
def test_generalised_dimensions_of_a_sierpinski_triangle(weights: tuple[float, float, float]) -> None:
    shares = np.array(weights)
    expected = [np.log2(3), -(shares * np.log2(shares)).sum(), -np.log2((shares**2).sum())]
    assert box_dimensions(sierpinski(weights), diameter=1) == pytest.approx(expected, rel=0.06)


def test_points_of_one_box_have_no_dimension() -> None:
    assert box_dimensions(np.zeros((5, 2)), diameter=1) == (None, None, None)


@cache
def turned_tree(angle: float, scale: float = 1.0) -> dict[str, float]:
    branches = [scale * branch for branch in tree(4, (-240, 0), 0.0, 160)]
    widths = [np.hypot(*(branch[-1] - branch[0])) / 14 for branch in branches]
    return measure(branches, widths, angle, side_px=round(600 * scale))


@pytest.mark.parametrize("angle", ANGLES)
def test_tree_has_the_branch_points_and_ends_of_its_construction(angle: float) -> None:
    assert [turned_tree(angle)[name] for name in COUNTS] == [7, 9]


@pytest.mark.parametrize("angle", ANGLES)
def test_rotation_leaves_every_measure_of_a_tree(angle: float) -> None:
    assert turned_tree(angle) == pytest.approx(turned_tree(0.0), rel=0.05)


@pytest.mark.parametrize("scale", [1.2, 1.5])
def test_scale_leaves_every_measure_of_a_tree(scale: float) -> None:
    scaled = {name: value / (scale if name.endswith("_px") else 1) for name, value in turned_tree(30.0, scale).items()}
    assert scaled == pytest.approx(turned_tree(30.0), rel=0.05)


def test_pixel_size_scales_lengths_and_widths_only() -> None:
    mask = draw([straight((-100, 0), (100, 0))], [6], 10, side_px=300)
    fine, coarse = vessel_measures(mask, disc(300)), vessel_measures(mask, disc(300), pixel_px=3.5)
    for name, value in fine.items():
        assert coarse[name] == (None if value is None else pytest.approx(value * (3.5 if name.endswith("_px") else 1)))


def test_gap_in_a_vessel_is_bridged() -> None:
    whole, broken = straight((-200, 0), (200, 0)), [straight((-200, 0), (-3, 0)), straight((3, 0), (200, 0))]
    found = measure(broken, [3, 3], 20)
    assert found["end_points_count"] == 2
    assert found["skeleton_length_px"] == pytest.approx(measure([whole], [3], 20)["skeleton_length_px"], rel=0.01)


def test_vessels_outside_the_field_of_view_do_not_count() -> None:
    mask = draw([straight((-290, 0), (290, 0))], [6], 0)
    fov = np.zeros_like(mask)
    fov[:, :300] = True
    assert vessel_measures(mask, fov) == vessel_measures(mask & fov, fov)


def test_diameter_of_a_disc_stays_when_the_photograph_cuts_it() -> None:
    assert field_of_view_diameter(disc(301)) == pytest.approx(301, abs=1)
    assert field_of_view_diameter(disc(301)[40:260]) == pytest.approx(301, abs=1)


def ring() -> Mask:
    y, x = np.mgrid[:120, :120] - 59.5
    return np.abs(np.hypot(y, x) - 40) < 3


def test_ring_has_length_and_no_tortuosity() -> None:
    found = vessel_measures(ring(), np.ones((120, 120), dtype=bool))
    assert found["skeleton_length_px"] == pytest.approx(2 * np.pi * 40, rel=0.03)
    assert found["tortuosity_arc_chord_mean"] is None
    assert [found[name] for name in COUNTS] == [0, 0]


def test_no_vessel_has_no_length_and_no_width() -> None:
    found = vessel_measures(np.zeros((60, 60), dtype=bool), np.ones((60, 60), dtype=bool))
    zero = {"vessel_density_fov_share", "skeleton_length_px", "skeleton_length_fov_diameters", *COUNTS}
    assert {name for name, value in found.items() if value == 0} == zero
    assert {name for name, value in found.items() if value is None} == found.keys() - zero


@pytest.mark.parametrize(
    "mask",
    [np.zeros((60, 60), dtype=bool), np.ones((60, 60), dtype=bool), one_pixel(), ring(), np.eye(60, dtype=bool)]
    + [np.ones((1, 1), dtype=bool), np.ones((1, 60), dtype=bool), np.ones((60, 2), dtype=bool)]
    + [np.random.default_rng(seed).random((60, 60)) < seed / 20 for seed in range(1, 20, 2)],
)
def test_any_mask_is_measured_in_finite_numbers_or_none(mask: Mask) -> None:
    for fov in (np.ones_like(mask), np.zeros_like(mask), mask):
        measures = vessel_measures(mask, fov)
        assert all(value is None or np.isfinite(value) for value in measures.values())


def test_masks_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one grid"):
        vessel_measures(np.zeros((4, 4), dtype=bool), np.zeros((4, 5), dtype=bool))


@pytest.mark.skipif(not CHASEDB1.is_dir(), reason="CHASE_DB1 is not in shared/data")
@pytest.mark.parametrize("name", ["Image_01L"])
def test_rotation_leaves_every_measure_of_a_manual_mask(name: str) -> None:
    drawn = np.asarray(Image.open(CHASEDB1 / f"{name}_1stHO.png").convert("L")) > 127
    lit = np.asarray(Image.open(CHASEDB1 / f"{name}.jpg")).max(axis=2) > 25
    fov = ndimage.binary_fill_holes(ndimage.binary_opening(lit, iterations=4))
    soft = ndimage.gaussian_filter(drawn.astype(np.float32), 1)
    found = []
    for angle in (0, 15, 61):
        turned = ndimage.rotate(soft, angle, order=3) > 0.3
        found.append(vessel_measures(turned, ndimage.rotate(fov.astype(np.float32), angle, order=1) > 0.5))
    for turned_measures in found[1:]:
        assert turned_measures == pytest.approx(found[0], rel=0.05)
