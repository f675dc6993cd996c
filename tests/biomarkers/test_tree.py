"""What is measured on drawn vessels, whose values are known: at any angle, on another grid, in regions, mirrored."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from drawn_vessels import Curve, Mask, disc, draw, koch, one_pixel, straight, tree

from vmnet_monai.biomarkers.tree import VesselTree, crossings, fractal_dimensions, tree_measures, vessel_tree

ANGLES = (0.0, 17.0, 61.0)
FIELD = disc(600)


def grown(curves: list[Curve], widths_px: list[float], angle: float = 0.0) -> VesselTree:
    return vessel_tree(draw(curves, widths_px, angle), FIELD)


def measured(curves: list[Curve], widths_px: list[float], angle: float = 0.0) -> dict[str, float]:
    measures = tree_measures(grown(curves, widths_px, angle), FIELD)
    return {name: value for name, value in measures.items() if value is not None}


def half(side: str) -> Mask:
    """Return the half of the field that a curve's first coordinate is negative or positive in."""
    region = np.zeros_like(FIELD)
    region[:300] = side == "negative"
    region[300:] = side == "positive"
    return region & FIELD


@pytest.mark.parametrize("angle", ANGLES)
def test_straight_line(angle: float) -> None:
    found = grown([straight((-200, 3), (200, 3))], [8], angle)
    measures = tree_measures(found, FIELD)
    area = np.pi * 300**2
    assert measures["area_density"] == pytest.approx((400 * 8 + np.pi * 16) / area, rel=0.03)
    assert measures["length_density"] == pytest.approx(400 / area, rel=0.02)
    assert [measures[name] for name in ("segments", "branch_points", "end_points")] == [1, 0, 2]
    assert measures["tortuosity_arc_chord"] == pytest.approx(1, abs=0.003)
    assert measures["tortuosity_arc_chord_median"] == pytest.approx(1, abs=0.003)
    assert measures["tortuosity_curvature"] == pytest.approx(0, abs=0.004)
    assert measures["width_mean"] == pytest.approx(8, abs=0.1)
    assert measures["width_largest"] == pytest.approx(8, abs=0.3)
    assert measures["branching_angle"] is None
    assert measures["asymmetry_ratio"] is None
    assert list(fractal_dimensions(found).values()) == pytest.approx([1, 1, 1], abs=0.05)


@pytest.mark.parametrize("width", [2.5, 5.0, 18.0])
def test_width_is_that_of_the_vessel(width: float) -> None:
    assert measured([straight((-200, 0), (200, 0))], [width], 33)["width_mean"] == pytest.approx(width, abs=0.25)


def test_width_of_a_vessel_ends_where_the_next_one_begins() -> None:
    vessels = [straight((-200, -6), (200, -6)), straight((-200, 6), (200, 6))]
    assert measured(vessels, [5, 5], 20)["width_mean"] == pytest.approx(5, abs=0.3)


def test_largest_width_is_that_of_the_widest_vessel() -> None:
    vessels = [straight((-200, -60), (200, -60)), straight((-200, 60), (200, 60)), straight((-150, 0), (150, 0))]
    found = measured(vessels, [6, 14, 4], 20)
    assert found["width_largest"] == pytest.approx(14, abs=0.5)
    assert found["width_mean"] == pytest.approx((6 * 400 + 14 * 400 + 4 * 300) / 1100, abs=0.3)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("radius", [60, 150])
def test_arc_of_a_circle_has_curvature_one_by_radius(radius: float, angle: float) -> None:
    turn = np.linspace(0, np.pi, 2000)
    found = measured([radius * np.column_stack([np.cos(turn), np.sin(turn)])], [6], angle)
    assert found["tortuosity_curvature"] == pytest.approx(1 / radius, rel=0.08)
    assert found["tortuosity_arc_chord"] == pytest.approx(np.pi / 2, rel=0.015)


@pytest.mark.parametrize("angle", ANGLES)
def test_curvature_and_tortuosity_of_a_sinusoid_are_their_integrals(angle: float) -> None:
    x = np.linspace(-200, 200, 4000)
    wave = 2 * np.pi / 160
    speed = np.hypot(1, 30 * wave * np.cos(x * wave))
    curvature = 30 * wave**2 * np.abs(np.sin(x * wave)) / speed**3
    length = np.trapezoid(speed, x)
    found = measured([np.column_stack([x, 30 * np.sin(x * wave)])], [6], angle)
    assert found["tortuosity_arc_chord"] == pytest.approx(length / 400, rel=0.015)
    assert found["tortuosity_curvature"] == pytest.approx(np.trapezoid(curvature * speed, x) / length, rel=0.05)


def test_arc_chord_weighs_by_the_chord_and_the_median_does_not() -> None:
    turn = np.linspace(0, np.pi, 2000)
    arcs = [40 * np.column_stack([np.cos(turn), np.sin(turn)]) + shift for shift in ([-150, 60], [150, 60])]
    found = measured([straight((-240, -60), (240, -60)), *arcs], [6, 6, 6], 10)
    assert found["tortuosity_arc_chord"] == pytest.approx((480 + 80 * np.pi) / 640, rel=0.015)
    assert found["tortuosity_arc_chord_median"] == pytest.approx(np.pi / 2, rel=0.03)


@pytest.mark.parametrize("turn", ANGLES)
@pytest.mark.parametrize(("angle", "widths"), [(50, (8, 8)), (75, (8, 6)), (100, (8, 4))])
def test_fork_has_the_angle_and_the_width_ratio_of_its_daughters(
    angle: float, widths: tuple[float, float], turn: float
) -> None:
    side = np.deg2rad(angle / 2)
    daughters = [straight((0, 0), (200 * np.cos(side), sign * 200 * np.sin(side))) for sign in (1, -1)]
    found = measured([straight((-200, 0), (0, 0)), *daughters], [9, *widths], turn)
    assert found["branching_angle"] == pytest.approx(angle, abs=3.5)
    assert found["asymmetry_ratio"] == pytest.approx(widths[1] / widths[0], abs=0.05)
    assert [found[name] for name in ("segments", "branch_points", "end_points")] == [3, 1, 3]


def test_branch_at_the_side_of_a_straight_vessel_makes_its_angle_with_the_part_that_goes_on() -> None:
    branch = straight((0, 0), (200 * np.cos(np.deg2rad(70)), 200 * np.sin(np.deg2rad(70))))
    found = measured([straight((-200, 0), (200, 0)), branch], [7, 3.5], 25)
    assert found["branching_angle"] == pytest.approx(70, abs=3.5)
    assert found["asymmetry_ratio"] == pytest.approx(0.5, abs=0.05)


def test_short_branch_counts_in_part() -> None:
    # 27 + 4 px from the middle of the vessel are 27 * 900 / 600 px from its skeleton to the tip's, on the fine grid
    lengths = {
        length: measured([straight((-200, 0), (200, 0)), straight((0, 0), (0, length))], [6, 4])
        for length in (9, 19, 50)
    }
    assert [found["branch_points"] for found in lengths.values()] == [0, pytest.approx(0.5, abs=0.4), 1]
    for found in lengths.values():
        assert found["end_points"] == pytest.approx(2 + found["branch_points"])


@cache
def binary_tree(angle: float, scale: float = 1.0) -> dict[str, float | None]:
    branches = [scale * branch for branch in tree(4, (-240, 0), 0.0, 160)]
    widths = [np.hypot(*(branch[-1] - branch[0])) / 14 for branch in branches]
    side_px = round(600 * scale)
    found = vessel_tree(draw(branches, widths, angle, side_px), disc(side_px))
    return tree_measures(found, disc(side_px)) | fractal_dimensions(found)


@pytest.mark.parametrize("angle", ANGLES)
def test_tree_has_the_counts_of_its_construction_at_any_angle(angle: float) -> None:
    found = binary_tree(angle)
    assert [found[name] for name in ("segments", "branch_points", "end_points")] == [15, 7, 9]
    assert found == pytest.approx(binary_tree(0.0), rel=0.05, abs=0.003)


def test_another_grid_scales_what_has_a_unit_and_leaves_the_rest() -> None:
    powers = {"length_density": -1, "tortuosity_curvature": -1, "width_mean": 1, "width_largest": 1}
    scaled = {name: (value or 0) / 1.2 ** powers.get(name, 0) for name, value in binary_tree(30.0, 1.2).items()}
    assert scaled == pytest.approx(binary_tree(30.0), rel=0.03, abs=0.001)


def test_mirror_image_measures_the_same() -> None:
    branches = tree(4, (-240, 0), 0.0, 160)
    mask = draw(branches, [np.hypot(*(branch[-1] - branch[0])) / 14 for branch in branches], 12)
    found, mirrored = vessel_tree(mask, FIELD), vessel_tree(mask[:, ::-1], FIELD)
    assert fractal_dimensions(mirrored) == pytest.approx(fractal_dimensions(found), rel=1e-9)
    for region in (FIELD, FIELD & np.tri(600, dtype=bool)):
        expected = tree_measures(found, region)
        assert tree_measures(mirrored, region[:, ::-1]) == pytest.approx(expected, rel=1e-9)


def test_region_has_the_part_of_a_segment_that_lies_in_it() -> None:
    found = grown([straight((-200, 0), (100, 0))], [8])
    longer, shorter = (tree_measures(found, half(side)) for side in ("negative", "positive"))
    area = np.pi * 300**2 / 2
    assert longer["length_density"] == pytest.approx(200 / area, rel=0.02)
    assert shorter["length_density"] == pytest.approx(100 / area, rel=0.03)
    assert [(part["segments"], part["end_points"]) for part in (longer, shorter)] == [(1, 1), (1, 1)]
    sliver = np.zeros_like(FIELD)
    sliver[250:256] = True  # 9 px of the grid of 900
    assert tree_measures(found, sliver)["segments"] == 0
    assert tree_measures(found, sliver)["width_mean"] == pytest.approx(8, abs=0.2)
    assert tree_measures(found, np.zeros_like(FIELD))["area_density"] is None


def test_region_without_vessels_has_zeros_and_nothing_else() -> None:
    found = tree_measures(grown([straight((-200, 0), (-100, 0))], [8]), half("positive"))
    zero = {"area_density", "length_density", "segments", "branch_points", "end_points"}
    assert {name for name, value in found.items() if value == 0} == zero
    assert {name for name, value in found.items() if value is None} == found.keys() - zero


def test_dimensions_of_a_koch_curve() -> None:
    mask = draw([koch(1674, 5)], [2.5], 20, side_px=1800)
    dimensions = fractal_dimensions(vessel_tree(mask, disc(1800)))
    assert list(dimensions.values()) == pytest.approx([np.log(4) / np.log(3)] * 3, rel=0.06)


@pytest.mark.parametrize("angle", ANGLES)
def test_crossings(angle: float) -> None:
    artery = grown([straight((-200, 0), (200, 0))], [8], angle)
    across = [straight((x - 60, -150), (x + 60, 150)) for x in (-90, 0, 90)]
    vein = grown(across, [9, 9, 9], angle)
    assert crossings(artery, vein, FIELD) == 3
    assert crossings(vein, artery, FIELD) == 3
    assert crossings(artery, grown(across[:1], [9], angle), FIELD) == 1


def test_crossing_counts_in_the_region_where_it_lies() -> None:
    artery = grown([straight((-200, 0), (200, 0))], [8])
    vein = grown(
        [straight((-90, -150), (-90, 150)), straight((90, -150), (90, 150)), straight((150, -150), (150, 150))], [9] * 3
    )
    assert [crossings(artery, vein, half(side)) for side in ("negative", "positive")] == [1, 2]


@pytest.mark.parametrize(
    "course",
    [
        straight((-200, 30), (200, 30)),
        straight((0, 12), (0, 200)),
        straight((-200, 0), (200, 0)),
        straight((-200, -8), (200, 8)),
    ],
    ids=["beside", "ends beside", "the same", "the same, nearly"],
)
def test_vessels_that_do_not_pass_over_each_other_have_no_crossing(course: Curve) -> None:
    assert crossings(grown([straight((-200, 0), (200, 0))], [8]), grown([course], [8]), FIELD) == 0


def test_paths_are_the_segments_of_one_orientation() -> None:
    found = grown([straight((-200, -50), (200, -50)), straight((-200, 50), (100, 50))], [6, 6])
    for orientation in (0, 1):
        ends = np.array([sorted((path[[0, -1]] - 299.5).tolist()) for path in found.paths(orientation)])
        ends = ends[ends[:, 0, 1].argsort()]
        assert ends == pytest.approx(np.array([[[-200, -50], [200, -50]], [[-200, 50], [100, 50]]]), abs=4)


@pytest.mark.parametrize(
    "mask",
    [np.zeros((60, 60), dtype=bool), np.ones((60, 60), dtype=bool), one_pixel(), np.eye(60, dtype=bool)]
    + [np.ones((1, 1), dtype=bool), np.ones((1, 60), dtype=bool), np.ones((60, 2), dtype=bool)]
    + [np.random.default_rng(seed).random((60, 60)) < seed / 20 for seed in (1, 8, 14)],
)
def test_any_mask_is_measured_in_finite_numbers_or_none(mask: Mask) -> None:
    for fov in (np.ones_like(mask), np.zeros_like(mask)):
        found = vessel_tree(mask, fov)
        values = tree_measures(found, fov) | fractal_dimensions(found)
        assert all(value is None or np.isfinite(value) for value in values.values())
        assert np.isfinite(crossings(found, found, fov))


def test_field_of_view_far_smaller_than_the_picture_is_measured_by_itself() -> None:
    fov = np.zeros((2000, 2000), dtype=bool)
    fov[1000:1020, 1500:1520] = True
    mask = np.zeros_like(fov)
    mask[1008:1012] = True
    assert tree_measures(vessel_tree(mask, fov), fov)["area_density"] == pytest.approx(0.2)


def test_masks_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one grid"):
        vessel_tree(np.zeros((4, 4), dtype=bool), np.zeros((4, 5), dtype=bool))
    with pytest.raises(ValueError, match="scale it"):
        tree_measures(
            vessel_tree(np.zeros((4, 4), dtype=bool), np.ones((4, 4), dtype=bool)), np.ones((4, 5), dtype=bool)
        )
