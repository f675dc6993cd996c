"""Regions of eyes that are drawn: areas, sides, and what leaves the field of view."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vmnet_monai.biomarkers.eye import Disc, Eye
from vmnet_monai.biomarkers.landmarks import Landmark
from vmnet_monai.biomarkers.regions import REGIONS, find_regions

FIELD = np.ones((400, 500), dtype=bool)
RIGHT = Eye(Disc(300, 200, 40), Landmark(195, 212, 1.0, 30))


def around(eye: Eye, right: float, down: float) -> tuple[int, int]:
    """Row and column of a pixel beside the disc."""
    assert eye.disc is not None
    return round(eye.disc.y + down), round(eye.disc.x + right)


def test_all_regions_are_found_in_their_order_and_lie_in_the_field() -> None:
    field = FIELD.copy()
    field[:60] = False
    found = find_regions(RIGHT, field, px_per_mm=20)
    assert list(found) == list(REGIONS)
    assert not any(region.mask[:60].any() for region in found.values())
    assert np.array_equal(found["field"].mask, field)


@pytest.mark.parametrize(("zone", "start", "end"), [("zone_a", 20, 40), ("zone_b", 40, 60), ("zone_c", 40, 100)])
def test_zones_are_rings_about_the_disc(zone: str, start: float, end: float) -> None:
    region = find_regions(RIGHT, FIELD)[zone]
    assert region.mask.sum() == pytest.approx(math.pi * (end**2 - start**2), rel=0.01)
    assert region.inside == pytest.approx(1, abs=0.01)
    distances = np.hypot(*(np.argwhere(region.mask) - (200, 300)).T)
    assert (distances.min(), distances.max()) == pytest.approx((start, end), abs=1)


def test_the_fraction_of_a_zone_inside_the_field_is_told() -> None:
    field = FIELD.copy()
    field[:, 301:] = False  # half of the disc's surroundings
    found = find_regions(RIGHT, field, px_per_mm=20)
    assert found["zone_b"].inside == pytest.approx(0.5, abs=0.02)
    assert found["zone_c"].inside == pytest.approx(0.5, abs=0.02)
    assert found["etdrs_outer_nasal"].inside == pytest.approx(1, abs=0.02)
    assert found["field"].inside == 1


@pytest.mark.parametrize("turn", [0, 25, -35])
@pytest.mark.parametrize("side", ["right", "left"])
def test_quadrants_and_grid_turn_with_the_eye_and_are_mirrored_with_it(turn: float, side: str) -> None:
    mirror = 1 if side == "right" else -1

    def place(temporal: float, superior: float) -> tuple[float, float]:
        """x and y of a point, by how far it lies from the disc along the line to the fovea and above it."""
        x, y = -temporal * mirror, -superior
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        return 250 + x * cos - y * sin, 200 + x * sin + y * cos

    eye = Eye(Disc(250, 200, 40), Landmark(*place(100, 0), 1.0, 30))
    assert eye.side == side
    found = find_regions(eye, FIELD, px_per_mm=20)

    def names(temporal: float, superior: float) -> set[str]:
        x, y = place(temporal, superior)
        return {name for name, region in found.items() if region.mask[round(y), round(x)]} - {"field"}

    assert names(30, 40) == {"zone_b", "zone_c", "superior_temporal"}
    assert names(-30, 40) == {"zone_b", "zone_c", "superior_nasal"}
    assert names(30, -40) == {"zone_b", "zone_c", "inferior_temporal"}
    assert names(-30, -40) == {"zone_b", "zone_c", "inferior_nasal"}
    assert names(102, 3) == {"superior_temporal", "etdrs_centre"}
    assert names(103, 20) == {"superior_temporal", "etdrs_inner_superior"}
    assert names(97, -20) == {"zone_c", "inferior_temporal", "etdrs_inner_inferior"} - (
        {"zone_c"} if math.hypot(97, 20) > 100 else set()
    )
    assert names(120, 3) == {"superior_temporal", "etdrs_inner_temporal"}
    assert names(55, -3) == {"zone_b", "zone_c", "inferior_temporal", "etdrs_outer_nasal"}
    assert names(145, -3) == {"inferior_temporal", "etdrs_outer_temporal"}


def test_quadrants_divide_the_field() -> None:
    found = find_regions(RIGHT, FIELD)
    parts = [found[f"{half}_{side}"].mask for half in ("superior", "inferior") for side in ("temporal", "nasal")]
    assert (np.sum(parts, axis=0) == 1).all()


def test_the_etdrs_grid_has_the_areas_of_its_circles() -> None:
    found = find_regions(RIGHT, FIELD, px_per_mm=20)
    areas = {name: region.mask.sum() for name, region in found.items() if name.startswith("etdrs")}
    assert areas["etdrs_centre"] == pytest.approx(math.pi * 10**2, rel=0.03)
    for name, area in areas.items():
        start, end = {"inner": (10, 30), "outer": (30, 60)}.get(name.split("_")[1], (0, 10))
        assert area == pytest.approx(math.pi * (end**2 - start**2) / (1 if start == 0 else 4), rel=0.03), name


def test_without_landmarks_or_scale_there_are_fewer_regions() -> None:
    zones = ["field", "zone_a", "zone_b", "zone_c"]
    assert list(find_regions(Eye(None, None), FIELD, 20)) == ["field"]
    assert list(find_regions(Eye(None, RIGHT.fovea), FIELD, 20)) == ["field"]
    assert list(find_regions(Eye(RIGHT.disc, None), FIELD, 20)) == zones
    assert list(find_regions(Eye(RIGHT.disc, Landmark(300, 90, 1.0, 30)), FIELD, 20)) == zones, "lying on its side"
    assert len(find_regions(RIGHT, FIELD)) == 8


def test_a_disc_that_is_cut_has_no_zones_as_its_size_is_unknown() -> None:
    found = find_regions(Eye(Disc(300, 200, 40, is_cut=True), RIGHT.fovea), FIELD)
    assert list(found) == ["field", "superior_temporal", "superior_nasal", "inferior_temporal", "inferior_nasal"]
