"""Widths of drawn vessels, which are known, and the central equivalents of widths, which were calculated by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from vmnet_monai.biomarkers.calibre import (
    CIRCLES,
    VesselType,
    calibres,
    central_equivalent,
    vessel_widths,
    zone_widths,
)

Map = NDArray[np.float64]
Point = tuple[float, float]

SIZE = 120
CENTRE = (60.3, 59.6)
"""Of the map, (x, y); between the pixels, as vessels are."""


def along(angle_deg: float, start: float, stop: float, origin: Point = CENTRE) -> tuple[Point, Point]:
    """Both ends of a line through the origin, (x, y), at distances from it."""
    angle = math.radians(angle_deg)
    x, y = origin
    right, down = math.cos(angle), math.sin(angle)
    return (x + start * right, y + start * down), (x + stop * right, y + stop * down)


def tube(ends: tuple[Point, Point], width: float, size: int = SIZE) -> Map:
    """A vessel with straight ends, as far beyond both points as it is half wide; its edge is one pixel wide."""
    (x, y), (to_x, to_y) = ends
    length = math.hypot(to_x - x, to_y - y)
    right, down = (to_x - x) / length, (to_y - y) / length
    rows, columns = np.mgrid[:size, :size]
    forward = (columns - x) * right + (rows - y) * down
    across = (rows - y) * right - (columns - x) * down
    inside = np.minimum(np.minimum(forward, length - forward) + width / 2, width / 2 - np.abs(across))
    return np.clip(inside + 0.5, 0, 1)


def line(ends: tuple[Point, Point]) -> Map:
    """The pixels of a line, as a skeleton has them."""
    (x, y), (to_x, to_y) = ends
    steps = int(max(abs(to_x - x), abs(to_y - y))) + 1
    return np.column_stack([np.linspace(y, to_y, steps), np.linspace(x, to_x, steps)]).round()


def known(widths: Map) -> Map:
    return widths[np.isfinite(widths)]


@pytest.mark.parametrize("angle_deg", [0, 13, 30, 45, 67, 90, 122, 161])
@pytest.mark.parametrize("width", [3, 4.4, 7, 12.3, 20])
def test_a_drawn_vessel_is_measured_within_a_third_of_a_pixel_at_each_point(width: float, angle_deg: float) -> None:
    ends = along(angle_deg, -50, 50)
    widths = known(vessel_widths([line(ends)], tube(ends, width))[0])
    assert len(widths) > 20
    assert widths == pytest.approx(width, abs=0.3)
    assert np.median(widths) == pytest.approx(width, abs=0.15)


@pytest.mark.parametrize("angle_deg", [7, 30, 45, 70])
@pytest.mark.parametrize("width", [3, 6.5, 15])
def test_a_bool_mask_is_measured_between_its_pixels_too(width: float, angle_deg: float) -> None:
    ends = along(angle_deg, -50, 50)
    widths = known(vessel_widths([line(ends)], tube(ends, width) >= 0.5)[0])
    assert np.median(widths) == pytest.approx(width, abs=0.5)


def test_the_edge_is_at_half_of_the_height_however_sure_the_network_is() -> None:
    ends = along(20, -50, 50)
    vessel = tube(ends, 6)
    sure, unsure = (vessel_widths([line(ends)], height * vessel)[0] for height in (1.0, 0.6))
    assert known(unsure) == pytest.approx(known(sure), abs=1e-5)
    assert not known(vessel_widths([line(ends)], 0.2 * vessel)[0]).size


@pytest.mark.parametrize("angle_deg", [0, 25, 45, 80])
@pytest.mark.parametrize(("width", "other"), [(5, 9), (12, 3), (20, 6)])
def test_a_neighbour_two_pixels_away_changes_no_width(width: float, other: float, angle_deg: float) -> None:
    centres = CENTRE, along(angle_deg + 90, 0, (width + other) / 2 + 2)[1]
    one, two = (tube(along(angle_deg, -90, 90, at), drawn) for at, drawn in zip(centres, (width, other), strict=True))
    paths = [line(along(angle_deg, -35, 35, at)) for at in centres]
    for widths, drawn in zip(vessel_widths(paths, np.maximum(one, two)), (width, other), strict=True):
        assert known(widths).size > 20
        assert known(widths) == pytest.approx(drawn, abs=0.3)


@pytest.mark.parametrize("angle_deg", [90, 60])
def test_points_near_a_crossing_are_left_out_and_the_others_are_right(angle_deg: float) -> None:
    vessels = np.maximum(tube(along(10, -50, 50), 8), tube(along(10 + angle_deg, -50, 50), 5))
    angles = (10, 190, 10 + angle_deg, 190 + angle_deg)
    for widths, drawn in zip(
        vessel_widths([line(along(angle, 0, 50)) for angle in angles], vessels), (8, 8, 5, 5), strict=True
    ):
        assert np.isnan(widths[:5]).all()
        assert known(widths).size > 15
        assert known(widths) == pytest.approx(drawn, abs=0.3)


def test_a_thin_branch_is_measured_outside_the_wide_vessel_it_leaves() -> None:
    vessels = np.maximum(tube(along(0, -55, 55), 14), tube(along(60, 0, 50), 4))
    (widths,) = vessel_widths([line(along(60, 0, 50))], vessels)
    assert np.isnan(widths[:10]).all()
    assert known(widths).size > 15
    assert known(widths) == pytest.approx(4, abs=0.3)


def test_a_vessel_whose_edge_lies_outside_the_map_has_no_width() -> None:
    def measured(row: float) -> Map:
        ends = ((-30.0, row), (150.0, row))
        return known(vessel_widths([line(((5.0, row), (115.0, row)))], tube(ends, 6))[0])

    assert measured(4) == pytest.approx(6, abs=0.1)
    assert not measured(2).size


def test_what_lies_outside_the_field_of_view_is_no_edge() -> None:
    ends = along(0, -50, 50)
    vessel = tube(ends, 6)
    vessel[int(CENTRE[1]) + 2 :, 70:] = np.nan
    (widths,) = vessel_widths([line(ends)], vessel)
    columns = line(ends)[:, 1]
    assert np.isnan(widths[columns >= 70]).all()
    assert widths[(columns > 25) & (columns < 65)] == pytest.approx(6, abs=0.1)


def test_a_bridged_gap_has_no_width() -> None:
    vessel = tube(along(0, -50, 50), 6)
    vessel[:, 55:65] = 0
    (widths,) = vessel_widths([line(along(0, -50, 50))], vessel)
    columns = line(along(0, -50, 50))[:, 1]
    assert np.isnan(widths[(columns > 55) & (columns < 64)]).all()
    assert known(widths) == pytest.approx(6, abs=0.1)


def test_widths_are_wanted_in_a_region_only() -> None:
    ends = along(30, -50, 50)
    region = np.zeros((SIZE, SIZE), dtype=bool)
    region[:, :50] = True
    path = line(ends)
    (everywhere,) = vessel_widths([path], tube(ends, 6))
    (inside,) = vessel_widths([path], tube(ends, 6), region)
    is_inside = path[:, 1] < 50
    assert inside[is_inside] == pytest.approx(everywhere[is_inside], nan_ok=True)
    assert known(inside).size > 10
    assert np.isnan(inside[~is_inside]).all()
    assert not known(vessel_widths([path], tube(ends, 6), np.zeros_like(region))[0]).size
    with pytest.raises(ValueError, match=r"shape \(120, 120\), got \(50, 120\): scale both"):
        vessel_widths([path], tube(ends, 6), region[:50])


def test_no_path_and_paths_of_one_point_have_no_widths() -> None:
    vessel = tube(along(0, -50, 50), 6)
    assert vessel_widths([], vessel) == []
    point, path = vessel_widths([np.array([[60.0, 60.0]]), line(along(0, -50, 50))], vessel)
    assert np.isnan(point).tolist() == [True]
    assert known(path).size


BY_HAND = {
    # 0.88 sqrt(5^2 + 10^2) = 9.8387, 0.88 sqrt(6^2 + 9^2) = 9.5187, 0.88 sqrt(7^2 + 8^2) = 9.3545;
    # 0.88 sqrt(9.3545^2 + 9.8387^2) = 11.9469, and 9.5187 is kept; 0.88 sqrt(9.5187^2 + 11.9469^2) = 13.4422
    ("knudtson", "artery"): 13.4422,
    # 10.6213, 10.2758, 10.0986; 13.9231 and 10.2758; 16.4393
    ("knudtson", "vein"): 16.4393,
    # sqrt(0.87 * 60^2 + 1.01 * 110^2 - 0.22 * 60 * 110 - 10.76) = 117.8569, 113.1912, 110.2463;
    # 147.4247 and 113.1912; 171.5112
    ("hubbard", "artery"): 171.5112,
    # sqrt(0.72 * 60^2 + 0.91 * 110^2 + 450.02) = 118.5454, 114.3592, 111.4855; 148.9536 and 114.3592; 173.3681
    ("hubbard", "vein"): 173.3681,
}
"""Of widths of 5 to 10 for Knudtson, of 60 to 110 for Hubbard."""

TYPES: tuple[VesselType, ...] = ("artery", "vein")


@pytest.mark.parametrize("vessel_type", TYPES)
def test_the_widest_is_paired_with_the_narrowest(vessel_type: VesselType) -> None:
    knudtson = central_equivalent([7, 10, 5, 8, 6, 9], vessel_type, "knudtson")
    assert knudtson == pytest.approx(BY_HAND["knudtson", vessel_type], abs=1e-4)
    hubbard = central_equivalent([70, 100, 60, 110, 90, 80], vessel_type, "hubbard")
    assert hubbard == pytest.approx(BY_HAND["hubbard", vessel_type], abs=1e-4)


def test_knudtsons_formula_takes_any_unit_and_hubbards_microns() -> None:
    pixels = np.arange(5.0, 11.0)
    expected = 13 * BY_HAND["knudtson", "artery"]
    assert central_equivalent(13 * pixels, "artery", "knudtson") == pytest.approx(expected, abs=0.01)
    with pytest.raises(ValueError, match="microns, at least 5, got 0.5: check the scale"):
        central_equivalent(pixels / 10, "artery", "hubbard")


def test_the_six_widest_count_and_five_are_too_few() -> None:
    assert central_equivalent([3, *range(5, 11), 2], "vein", "knudtson") == pytest.approx(16.4393, abs=1e-4)
    assert central_equivalent(range(5, 10), "vein", "knudtson") is None


SPOKES = {15: 5.0, 75: 6.0, 130: 7.0, 190: 8.0, 250: 9.0, 310: 10.0}
"""Direction of the vessels that leave a disc in the middle of the map, in degrees -> width."""

ZONE_SIZE = 260
DISC = (129.4, 130.2)
ROWS, COLUMNS = np.mgrid[:ZONE_SIZE, :ZONE_SIZE]
DISTANCE = np.hypot(COLUMNS - DISC[0], ROWS - DISC[1])
ZONE = (DISTANCE > 55) & (DISTANCE <= 115)


def spokes(pieces: Sequence[tuple[float, float, float, float]]) -> list[Map]:
    """Widths on the circles of the zone of straight vessels: direction, from, to, width."""
    ends = [along(angle, start, stop, DISC) for angle, start, stop, _ in pieces]
    tubes = [tube(at, width, ZONE_SIZE) for at, (*_, width) in zip(ends, pieces, strict=True)]
    return zone_widths([line(at) for at in ends], np.max(tubes, axis=0), ZONE, DISC)


def test_each_vessel_that_crosses_a_circle_of_the_zone_counts_on_it() -> None:
    found = spokes([(angle, 30, 125, width) for angle, width in SPOKES.items()])
    assert len(found) == CIRCLES
    for widths in found:
        assert np.sort(widths) == pytest.approx(list(SPOKES.values()), abs=0.1)


def test_a_vessel_in_pieces_counts_once_and_one_that_branches_as_trunk_and_then_as_branches() -> None:
    # One broken in the middle of the zone, one that forks there, and one that ends before the zone.
    broken = [(0, 20, 76, 6.0), (0, 94, 125, 6.0)]
    end = along(120, 0, 85, DISC)[1]
    fork = [(along(angle, 0, 40, end), width) for angle, width in ((95, 5.0), (145, 4.0))]
    segments = [(along(angle, start, stop, DISC), width) for angle, start, stop, width in broken]
    segments += [(along(120, 20, 85, DISC), 8.0), (along(240, 20, 50, DISC), 9.0), *fork]
    vessels = np.max([tube(at, width, ZONE_SIZE) for at, width in segments], axis=0)
    found = zone_widths([line(at) for at, _ in segments], vessels, ZONE, DISC)
    assert np.sort(found[0]) == pytest.approx([6, 8], abs=0.2)
    assert np.sort(found[-1]) == pytest.approx([4, 5, 6], abs=0.2)
    assert max(len(widths) for widths in found) == 3


def test_two_vessels_that_meet_at_the_disc_are_two_though_they_are_one_segment() -> None:
    inward, outward = along(20, 125, 30, DISC), along(110, 30, 125, DISC)
    vessels = np.maximum(tube(inward, 9, ZONE_SIZE), tube(outward, 5, ZONE_SIZE))
    segment = np.concatenate([line(inward), line((inward[1], outward[0]))[1:-1], line(outward)])
    for widths in zone_widths([segment], vessels, ZONE, DISC):
        assert np.sort(widths) == pytest.approx([5, 9], abs=0.1)


def test_no_zone_and_no_path_have_no_vessels() -> None:
    ends = along(0, 30, 125, DISC)
    vessel = tube(ends, 6, ZONE_SIZE)
    for paths, zone in (([line(ends)], np.zeros_like(ZONE)), ([], ZONE)):
        assert [len(widths) for widths in zone_widths(paths, vessel, zone, DISC)] == [0] * CIRCLES


def test_calibres_of_drawn_vessels_are_those_of_their_widths() -> None:
    widths = np.array(list(SPOKES.values()))
    arteries = spokes([(angle, 30, 125, width) for angle, width in SPOKES.items()])
    veins = spokes([(angle + 30, 30, 125, 1.2 * width) for angle, width in SPOKES.items()])
    found = calibres(arteries, veins)
    assert found.crae == pytest.approx(central_equivalent(widths, "artery", "knudtson"), rel=0.01)
    assert found.crve == pytest.approx(central_equivalent(1.2 * widths, "vein", "knudtson"), rel=0.01)
    assert found.avr == pytest.approx(BY_HAND["knudtson", "artery"] / BY_HAND["knudtson", "vein"] / 1.2, rel=0.01)
    assert (found.arterioles, found.venules, found.reason) == (6, 6, "")
    in_microns = calibres(arteries, veins, "hubbard", scale=10)
    assert in_microns.crae == pytest.approx(central_equivalent(10 * widths, "artery", "hubbard"), rel=0.01)
    assert in_microns.crve == pytest.approx(central_equivalent(12 * widths, "vein", "hubbard"), rel=0.01)


SIX = np.arange(5.0, 11.0)


def test_five_arterioles_leave_the_venules_their_equivalent_and_say_why_there_is_no_other() -> None:
    found = calibres([SIX[1:]] * CIRCLES, [SIX] * CIRCLES)
    assert (found.crae, found.avr, found.arterioles, found.venules) == (None, None, 5, 6)
    assert found.crve == pytest.approx(BY_HAND["knudtson", "vein"], abs=1e-4)
    assert found.reason == "5 arterioles found, 6 are needed"
    nothing = calibres([np.empty(0)] * CIRCLES, [SIX[:2]] * CIRCLES)
    assert nothing == (None, None, None, 0, 2, "0 arterioles and 2 venules found, 6 are needed")


def test_circles_with_fewer_than_six_vessels_and_outliers_do_not_move_the_calibre() -> None:
    arteries = [SIX[1:], SIX[2:], *[SIX] * 5, 3 * SIX, SIX / 2]
    found = calibres(arteries, [SIX] * CIRCLES)
    assert (found.arterioles, found.reason) == (6, "")
    assert found.crae == pytest.approx(BY_HAND["knudtson", "artery"], abs=1e-4)
    assert calibres([SIX[1:]] * 5 + [SIX] * 4, [SIX] * CIRCLES).crae is None
    half_of_them = calibres([SIX[1:]] * CIRCLES + [np.arange(3.0, 11.0)] * CIRCLES, [SIX] * CIRCLES)
    assert (half_of_them.crae, half_of_them.arterioles) == (None, 5)
