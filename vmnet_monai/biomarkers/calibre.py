"""Widths of vessels across their centre lines, and the calibres of the central retinal vessels by these widths."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median_low
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from vmnet_monai.biomarkers.graph import is_in

__all__ = ["VESSELS_NEEDED", "Calibres", "calibres", "central_equivalent", "vessel_widths", "zone_widths"]

VesselType = Literal["artery", "vein"]
Formula = Literal["knudtson", "hubbard"]

VESSELS_NEEDED = 6
"""The widest vessels of which a central equivalent is made (Knudtson et al., 2003)."""

CIRCLES = 9
"""Circles, evenly across a zone, on which its vessels are counted."""

MASK_SMOOTHING_PX = 0.6
"""Standard deviation, in mask pixels, of the Gaussian that gives a mask edges between its pixels. This and the
constants below were chosen on drawn vessels and on rotated HRF masks, 900 px across the field of view."""

REACH_PX = 13.0
"""How far from the centre line edges are looked for, in map pixels."""

NEAR_PX = 6.0
"""How far they are looked for at first."""

STEP_PX = 0.5
"""Distance of the places of a profile where the map is read, in map pixels."""

CORE_PX = 1.0
"""How far from the centre line the height of a profile is looked for, in map pixels: the ridge may lie beside it."""

MIN_HEIGHT = 0.25
"""A profile that is lower is no vessel but a bridged gap."""

LINE_HALF_POINTS = 5
"""Points before and behind, over which a centre line is smoothed and its direction taken."""

END_RADII = 2.0
"""Points of a path that are nearer to one of its ends than this many radii of the vessel there are left out."""

END_DIRECTIONS = 8
"""Directions, each with its opposite, in which the radius at an end is looked for."""

LEAST_PX = 10.0
"""Least length of a vessel inside a zone along which its width is known, in map pixels."""

HUBBARD_LEAST_UM = 5.0
"""Narrower than a red blood cell, no vessel is: such a width is not in microns."""

_COMBINE: Mapping[tuple[str, str], Callable[[float, float], float]] = MappingProxyType(
    {
        ("knudtson", "artery"): lambda small, large: 0.88 * math.hypot(small, large),
        ("knudtson", "vein"): lambda small, large: 0.95 * math.hypot(small, large),
        ("hubbard", "artery"): lambda small, large: math.sqrt(
            0.87 * small**2 + 1.01 * large**2 - 0.22 * small * large - 10.76
        ),
        ("hubbard", "vein"): lambda small, large: math.sqrt(0.72 * small**2 + 0.91 * large**2 + 450.02),
    }
)
"""Formula and type of vessel -> width of the trunk by those of its two branches."""


class Calibres(NamedTuple):
    """The calibres of the vessels in a zone.

    Attributes:
        crae: central retinal arteriolar equivalent; None below six arterioles.
        crve: central retinal venular equivalent; None below six venules.
        avr: arteriole-to-venule ratio, that of the two; None where one is None.
        arterioles: how many arterioles were found, the median over the circles of the zone.
        venules: how many venules, likewise.
        reason: why a value is None, in plain words; empty where none is.
    """

    crae: float | None
    crve: float | None
    avr: float | None
    arterioles: int
    venules: int
    reason: str


def vessel_widths(
    paths: Sequence[NDArray[np.float64]],
    vessel_map: NDArray[np.bool_] | NDArray[np.floating],
    region: NDArray[np.bool_] | None = None,
) -> list[NDArray[np.float64]]:
    """Measure the width of vessels at each point of their centre lines.

    Across the smoothed centre line the map is read as a profile; the edges are where it falls, on each side for the
    first time, to half of its height at the line (full width at half maximum). They lie between the pixels: drawn
    vessels 3 to 20 pixels wide are measured within 0.3 pixels at any angle, also beside another vessel. A map that is
    blurred makes vessels wider that are narrower than about three times the blur's standard deviation.

    Args:
        paths: centre lines, each (N, 2) rows and columns in pixels of the map, N at least 1, from node to node as
            :func:`~vmnet_monai.biomarkers.graph.vessel_graph` gives them.
        vessel_map: (H, W), 0 to 1: the probability of a vessel, or how much of each pixel a mask covers that was scaled
            to this grid; NaN where nothing is known, as outside the field of view. A bool mask is smoothed a little:
            the stairs of its edges can change a width by half a pixel.
        region: (H, W) bool, where widths are wanted; everywhere where it is left out.

    Returns:
        For each path (N,) widths in pixels of the map; NaN where there is none: outside the region, near an end of the
        path (within a vessel's diameter, where branches and crossings widen it), where an edge is not seen inside the
        map or within 13 pixels, or where the map is lower than 0.25.

    Raises:
        ValueError: if map and region differ in shape.

    Example:
        >>> vessel = np.zeros((20, 60))
        >>> vessel[8:12] = 1  # 4 pixels wide
        >>> vessel[12] = 0.5  # and a half
        >>> line = np.column_stack([np.full(60, 10.0), np.arange(60)])
        >>> float(vessel_widths([line], vessel)[0][30])
        4.5
    """
    if region is not None and region.shape != vessel_map.shape:
        raise ValueError(
            f"the region must have the map's shape {vessel_map.shape}, got {region.shape}: scale both to one grid."
        )
    if not paths:
        return []
    sizes = np.array([len(path) for path in paths])
    values = vessel_map.astype(np.float32)
    if vessel_map.dtype == bool:
        values = ndimage.gaussian_filter(values, MASK_SMOOTHING_PX, mode="nearest")
    pixels = np.concatenate(paths)
    points, normals = _centre_lines(pixels, sizes)
    wanted = ~_is_near_end(pixels, sizes, values)
    if region is not None:
        wanted &= is_in(region, pixels)
    widths = np.full(len(points), np.nan)
    widths[wanted] = _edge_distances(values, points[wanted], normals[wanted]).sum(axis=1)
    return np.split(widths, np.cumsum(sizes)[:-1])


def _centre_lines(
    pixels: NDArray[np.float64], sizes: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Smooth paths that follow one another; return their points and the directions across, both (N, 2)."""
    stop = np.repeat(np.cumsum(sizes), sizes)
    start = stop - np.repeat(sizes, sizes)
    place = np.arange(len(pixels))
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(pixels, axis=0)])

    def mean(first: NDArray[np.intp], last: NDArray[np.intp]) -> NDArray[np.float64]:
        return (sums[last + 1] - sums[first]) / (last + 1 - first)[:, None]

    before = mean(np.maximum(place - LINE_HALF_POINTS, start), place)
    after = mean(place, np.minimum(place + LINE_HALF_POINTS, stop - 1))
    along = after - before
    half = np.minimum(LINE_HALF_POINTS, np.minimum(place - start, stop - 1 - place))
    with np.errstate(invalid="ignore"):
        return mean(place - half, place + half), along[:, ::-1] * (1, -1) / np.hypot(*along.T)[:, None]


def _is_near_end(
    pixels: NDArray[np.float64], sizes: NDArray[np.intp], values: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Tell which points of paths lie near an end of their path, as measured by the vessel's radius there."""
    stops = np.cumsum(sizes)
    ends = pixels[np.stack([stops - sizes, stops - 1])]
    turns = np.pi * np.arange(END_DIRECTIONS) / END_DIRECTIONS
    directions = np.tile(np.column_stack([np.sin(turns), np.cos(turns)]), (ends.size // 2, 1))
    reach = _edge_distances(values, np.repeat(ends.reshape(-1, 2), END_DIRECTIONS, axis=0), directions)
    radii = np.fmin.reduce(reach.reshape(*ends.shape[:2], -1), axis=2)
    path = np.repeat(np.arange(len(sizes)), sizes)
    offsets = pixels - ends[:, path]
    return (np.hypot(offsets[..., 0], offsets[..., 1]) < END_RADII * radii[:, path]).any(axis=0)


def _edge_distances(
    values: NDArray[np.float32], points: NDArray[np.float64], directions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how far the edges are from each point, in its direction and against it, (N, 2); NaN where there is none.

    Args:
        values: (H, W) map.
        points: (N, 2) rows and columns.
        directions: (N, 2), of length 1.
    """
    # Most edges are near: only the others are looked for as far as they may be.
    distances = _edge_distances_within(NEAR_PX, values, points, directions)
    is_far = np.isnan(distances).any(axis=1)
    distances[is_far] = _edge_distances_within(REACH_PX, values, points[is_far], directions[is_far])
    return distances


def _edge_distances_within(
    farthest: float, values: NDArray[np.float32], points: NDArray[np.float64], directions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Look for edges as far as ``farthest`` map pixels."""
    reach = np.arange(0, farthest + STEP_PX, STEP_PX)
    places = points.T[:, :, None, None] + directions.T[:, :, None, None] * np.stack([reach, -reach])
    profiles = ndimage.map_coordinates(values, places, order=1, mode="constant", cval=np.nan)
    height = profiles[:, :, reach <= CORE_PX].max(axis=(1, 2))
    level = height[:, None] / 2
    outside = (profiles < level[:, :, None]).argmax(axis=2)
    inner, outer = (
        np.take_along_axis(profiles, index[:, :, None], axis=2)[:, :, 0] for index in (outside - 1, outside)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = STEP_PX * (outside - 1 + (inner - level) / (inner - outer))
    return np.where((outside > 0) & (height >= MIN_HEIGHT)[:, None], distances, np.nan)


def zone_widths(
    paths: Sequence[NDArray[np.float64]],
    vessel_map: NDArray[np.bool_] | NDArray[np.floating],
    zone: NDArray[np.bool_],
    centre: tuple[float, float],
) -> list[NDArray[np.float64]]:
    """Measure the vessels of a zone on nine circles around the disc that divide the zone evenly.

    On each circle those vessels count that cross it, each once, by its median width inside the zone: a vessel is a
    stretch of a segment inside the zone. One that branches thus counts as its trunk on the circles before the fork and
    as its branches behind it, one that is broken into pieces counts once on each circle where it is seen, and one that
    turns back inside the zone counts once. Two that meet at the disc, where the trunk may be lost and both be one
    segment, are two. A stretch needs 10 pixels of length along which its width is known (:func:`vessel_widths`).

    Knudtson et al. (2003) take the six largest vessels that pass through zone B, and a grader says what is one vessel:
    on a circle no rule is needed for forks and gaps.

    Args:
        paths: centre lines of the arteries or of the veins, as for :func:`vessel_widths`.
        vessel_map: (H, W), their map, likewise.
        zone: (H, W) bool, a ring around the disc; the field of view may cut it.
        centre: (x, y) of the disc, in pixels of the map.

    Returns:
        Widths in pixels of the map for each circle, the innermost first; none where the zone is empty.

    Raises:
        ValueError: as :func:`vessel_widths`.
    """
    x, y = centre
    rows, columns = (axis.astype(np.float32) for axis in np.ogrid[: zone.shape[0], : zone.shape[1]])
    squares = ((rows - y) ** 2 + (columns - x) ** 2)[zone]
    if not (squares.size and paths):
        return [np.empty(0)] * CIRCLES
    inner, outer = math.sqrt(squares.min()), math.sqrt(squares.max())
    circles = inner + (outer - inner) * (np.arange(CIRCLES) + 0.5) / CIRCLES
    number = np.repeat(np.arange(len(paths)), [len(path) for path in paths])
    near = np.unique(number[is_in(zone, np.concatenate(paths))])
    paths, number = [paths[k] for k in near], number[np.isin(number, near)]
    if not paths:
        return [np.empty(0)] * CIRCLES
    points = np.concatenate(paths)
    widths = np.concatenate(vessel_widths(paths, vessel_map, zone))
    is_known = np.isfinite(widths)
    steps = np.where(np.diff(number, append=-1) == 0, np.hypot(*np.diff(points, axis=0, append=points[-1:]).T), 0.0)
    radius = np.hypot(*(points - (y, x)).T)
    inside = np.flatnonzero(is_in(zone, points))
    found: list[list[float]] = [[] for _ in circles]
    begins = (np.diff(inside) > 1) | (np.diff(number[inside]) > 0)
    for stretch in np.split(inside, np.flatnonzero(begins) + 1):
        known = stretch[is_known[stretch]]
        if steps[known].sum() >= LEAST_PX:
            median = float(np.median(widths[known]))
            nearest, farthest = radius[stretch].min(), radius[stretch].max()
            for circle in np.flatnonzero((nearest <= circles) & (circles <= farthest)):
                found[circle].append(median)
    return [np.array(widths) for widths in found]


def central_equivalent(widths: ArrayLike, vessel_type: VesselType, formula: Formula) -> float | None:
    """Combine the six widest vessels to the width of the central retinal vessel of which they would be the branches.

    The widest is paired with the narrowest, the second widest with the second narrowest, and so on; each pair gives a
    trunk, an odd one in the middle is kept. This is repeated with the trunks until one is left. The trunk of branches
    with the widths a <= b is

    - by Knudtson et al., Curr Eye Res 2003, doi:10.1076/ceyr.27.3.143.16049, 0.88 sqrt(a^2 + b^2) of arterioles and
      0.95 sqrt(a^2 + b^2) of venules, in any unit;
    - by Hubbard et al., Ophthalmology 1999, doi:10.1016/S0161-6420(99)90525-0, sqrt(0.87 a^2 + 1.01 b^2 - 0.22 a b -
      10.76) of arterioles and sqrt(0.72 a^2 + 0.91 b^2 + 450.02) of venules, in microns. They combined all vessels of
      the zone, and the more there are the wider the result (Knudtson et al.): six are taken here too.

    Args:
        widths: of all vessels that were found, in any order; in microns for Hubbard's formula.
        vessel_type: "artery" or "vein".
        formula: "knudtson" or "hubbard".

    Returns:
        The width in the unit of the widths; None where fewer than six are given.

    Raises:
        ValueError: if widths for Hubbard's formula are below 5 microns.

    Example:
        >>> round(central_equivalent([5, 6, 7, 8, 9, 10], "artery", "knudtson"), 2)
        13.44
    """
    trunks = sorted(np.asarray(widths, dtype=np.float64).tolist())[-VESSELS_NEEDED:]
    if len(trunks) < VESSELS_NEEDED:
        return None
    if formula == "hubbard" and trunks[0] < HUBBARD_LEAST_UM:
        raise ValueError(
            f"Hubbard's formula takes widths in microns, at least {HUBBARD_LEAST_UM:g}, got {trunks[0]:.3g}: check the "
            "scale, or use Knudtson's, which takes any unit."
        )
    combine = _COMBINE[formula, vessel_type]
    while len(trunks) > 1:
        half = len(trunks) // 2
        pairs = zip(trunks[:half], reversed(trunks[-half:]), strict=True)
        trunks = sorted([*(combine(small, large) for small, large in pairs), *trunks[half:-half]])
    return trunks[0]


def calibres(
    arteries: Sequence[NDArray[np.float64]],
    veins: Sequence[NDArray[np.float64]],
    formula: Formula = "knudtson",
    scale: float = 1.0,
) -> Calibres:
    """Return the central equivalents of the vessels in a zone, and their ratio.

    An equivalent (:func:`central_equivalent`) is the mean over the circles of the zone that have six vessels, without
    the highest and the lowest quarter: a vessel may be lost, or two run into one, on some of them. Most of the circles
    must have six.

    Args:
        arteries: widths of the arterioles on each circle, as :func:`zone_widths` gives them; also those of both
            orientations of a tree, one after the other.
        veins: widths of the venules, likewise.
        formula: "knudtson" or "hubbard".
        scale: what the widths are multiplied with: microns per pixel for Hubbard's formula.

    Returns:
        Equivalents in the unit of the scaled widths.

    Raises:
        ValueError: as :func:`central_equivalent`.
    """
    crae = _mean_equivalent(arteries, "artery", formula, scale)
    crve = _mean_equivalent(veins, "vein", formula, scale)
    arterioles, venules = (median_low(len(widths) for widths in circles) for circles in (arteries, veins))
    lacking = [
        f"{count} {name}"
        for name, count in (("arterioles", arterioles), ("venules", venules))
        if count < VESSELS_NEEDED
    ]
    return Calibres(
        crae=crae,
        crve=crve,
        avr=None if crae is None or crve is None else crae / crve,
        arterioles=arterioles,
        venules=venules,
        reason=f"{' and '.join(lacking)} found, {VESSELS_NEEDED} are needed" if lacking else "",
    )


def _mean_equivalent(
    circles: Sequence[NDArray[np.float64]], vessel_type: VesselType, formula: Formula, scale: float
) -> float | None:
    each = [central_equivalent(widths * scale, vessel_type, formula) for widths in circles]
    known = sorted(value for value in each if value is not None)
    if len(known) <= len(circles) / 2:
        return None
    quarter = len(known) // 4
    return float(np.mean(known[quarter : len(known) - quarter]))
