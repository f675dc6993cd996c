"""The regions of a retina in which vessels are measured: zones around the disc, quadrants, and the ETDRS grid."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vmnet_monai.biomarkers.eye import Disc, Eye

__all__ = ["ETDRS_RADII_MM", "REGIONS", "ZONES", "Region", "find_regions"]

ZONES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"zone_a": (0.0, 0.5), "zone_b": (0.5, 1.0), "zone_c": (0.5, 2.0)}
)
"""Zone -> from and to, in disc diameters from the margin of the disc, which is taken as the circle of its area. A and B
are those of Hubbard et al., Ophthalmology 1999, doi:10.1016/S0161-6420(99)90525-0, C that of Cheung et al.,
Microcirculation 2010, doi:10.1111/j.1549-8719.2010.00048.x, which holds B."""

ETDRS_RADII_MM = (0.5, 1.5, 3.0)
"""Radii of the circles of the ETDRS grid: Early Treatment Diabetic Retinopathy Study Report 10, Ophthalmology 1991,
doi:10.1016/S0161-6420(13)38012-9."""

_QUADRANTS = ("superior_temporal", "superior_nasal", "inferior_temporal", "inferior_nasal")
_SIDES = ("superior", "nasal", "inferior", "temporal")

REGIONS: Mapping[str, str] = MappingProxyType(
    {
        "field": "the whole field of view",
        "zone_a": "from the margin of the optic disc to 0.5 disc diameters",
        "zone_b": "0.5 to 1 disc diameters from the margin of the optic disc",
        "zone_c": "0.5 to 2 disc diameters from the margin of the optic disc",
        **{
            name: f"the {name.replace('_', ' ')} quadrant about the optic disc, divided by the line from disc to fovea "
            "and the one across it"
            for name in _QUADRANTS
        },
        "etdrs_centre": "the centre of the ETDRS grid, 0.5 mm around the fovea",
        **{
            f"etdrs_{ring}_{side}": f"the {ring} {side} field of the ETDRS grid, {reach} mm from the fovea, a quarter "
            "whose middle lies on the line from disc to fovea or across it"
            for ring, reach in (("inner", "0.5 to 1.5"), ("outer", "1.5 to 3"))
            for side in _SIDES
        },
    }
)
"""Region -> what it is."""


class Region(NamedTuple):
    """A part of the retina.

    Attributes:
        mask: (H, W) bool, inside the field of view.
        inside: fraction of the region's area that lies inside the field of view, 0 to 1; 1 for the field itself and for
            quadrants, which have no other limit.
    """

    mask: NDArray[np.bool_]
    inside: float


def find_regions(eye: Eye, fov: NDArray[np.bool_], px_per_mm: float | None = None) -> dict[str, Region]:
    """Divide the field of view into the regions of :data:`REGIONS`, as far as the landmarks are seen.

    Zones need an optic disc that is seen whole, quadrants disc, fovea and the side that both tell, the ETDRS grid also
    the scale. The axes of quadrants and grid are the line through the centres of disc and fovea and its perpendicular,
    so that they turn with the photograph: the horizontal of the usual grid is about 6 degrees off. Pixels on an axis
    belong to the superior or temporal side.

    Args:
        eye: the landmarks, in the pixels of ``fov``.
        fov: (H, W) bool, the field of view.
        px_per_mm: grid pixels per millimetre of retina; None where unknown.

    Returns:
        Region -> its mask, in the order of :data:`REGIONS`.

    Example:
        >>> zones = find_regions(Eye(Disc(200, 200, 40), None), np.ones((400, 400), dtype=bool))
        >>> list(zones), round(zones["zone_b"].mask.sum() / np.pi, -2), round(zones["zone_b"].inside, 2)
        (['field', 'zone_a', 'zone_b', 'zone_c'], np.float64(2000.0), 1.0)
    """
    rows, columns = (axis.astype(np.float32) for axis in np.ogrid[: fov.shape[0], : fov.shape[1]])
    found = {"field": Region(fov, 1.0)}
    if eye.disc is None:
        return found
    if not eye.disc.is_cut:
        found |= _zones(eye.disc, rows, columns, fov)
    axes = _axes(eye)
    if axes is None or eye.fovea is None:
        return found
    (right, down), (side_right, side_down) = axes
    across, along = columns - eye.disc.x, rows - eye.disc.y
    temporal, superior = across * right + along * down >= 0, across * side_right + along * side_down >= 0
    for name in _QUADRANTS:
        half, other = name.split("_")
        is_inside = (superior == (half == "superior")) & (temporal == (other == "temporal"))
        found[name] = Region(is_inside & fov, 1.0)
    if px_per_mm is not None:
        across, along = columns - eye.fovea.x, rows - eye.fovea.y
        found |= _etdrs(across * right + along * down, across * side_right + along * side_down, fov, px_per_mm)
    return found


def _zones(disc: Disc, rows: NDArray, columns: NDArray, fov: NDArray[np.bool_]) -> dict[str, Region]:
    radius = np.hypot(columns - disc.x, rows - disc.y) / disc.diameter
    zones = {}
    for name, (start, end) in ZONES.items():
        mask = (radius > 0.5 + start) & (radius <= 0.5 + end) & fov
        area = math.pi * ((0.5 + end) ** 2 - (0.5 + start) ** 2) * disc.diameter**2
        zones[name] = Region(mask, _fraction(mask, area))
    return zones


def _axes(eye: Eye) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """The directions, right and down, from disc to fovea and, across it, upwards; None where the side is unknown."""
    distance = eye.disc_fovea_distance
    if eye.side is None or not distance or eye.disc is None or eye.fovea is None:
        return None
    right, down = (eye.fovea.x - eye.disc.x) / distance, (eye.fovea.y - eye.disc.y) / distance
    return (right, down), ((-down, right) if eye.side == "right" else (down, -right))


def _etdrs(temporal: NDArray, superior: NDArray, fov: NDArray[np.bool_], px_per_mm: float) -> dict[str, Region]:
    """The fields of the ETDRS grid, by how far a pixel lies temporal and superior of the fovea."""
    radius = np.hypot(temporal, superior) / px_per_mm
    first, second, third = ETDRS_RADII_MM
    is_vertical = np.abs(superior) > np.abs(temporal)
    sides = {
        "superior": is_vertical & (superior > 0),
        "nasal": ~is_vertical & (temporal < 0),
        "inferior": is_vertical & (superior < 0),
        "temporal": ~is_vertical & (temporal >= 0),
    }
    centre = (radius <= first) & fov
    fields = {"etdrs_centre": Region(centre, _fraction(centre, math.pi * (first * px_per_mm) ** 2))}
    for ring, start, end in (("inner", first, second), ("outer", second, third)):
        area = math.pi * (end**2 - start**2) * px_per_mm**2 / 4
        for side in _SIDES:
            mask = (radius > start) & (radius <= end) & sides[side] & fov
            fields[f"etdrs_{ring}_{side}"] = Region(mask, _fraction(mask, area))
    return fields


def _fraction(mask: NDArray[np.bool_], area: float) -> float:
    return min(1.0, float(np.count_nonzero(mask) / area))
