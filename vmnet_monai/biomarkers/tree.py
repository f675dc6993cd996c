"""The tree of vessels of one type, and what is measured on it in any region: densities, counts, angles, tortuosity."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.signal import savgol_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from vmnet_monai.biomarkers.graph import SMOOTHING_PX, drop_rings, is_in, smooth_mask_graph, smooth_paths
from vmnet_monai.biomarkers.measures import CHORD_DIAMETERS, box_dimensions, field_of_view_diameter

__all__ = ["VesselTree", "crossings", "fractal_dimensions", "tree_measures", "vessel_tree"]

GRID_PX = 900
"""Pixels across the field of view of the grid on which every tree is made. Lengths below that end in PX are in them."""

LEAST_DIAMETER_PX = 100
"""A smaller field of view is drawn as a part of one of this size, lest a few pixels fill the grid."""

TURN_DEG = 22.5
"""The mask is turned by this angle, and so is its mirror image: the two grids lie 45 degrees from each other, and what
is averaged over both is the same for a mask and its mirror image."""

STEP_PX = 2.0
"""Distance of the places on a centre line at which it is measured, to be rounded so that it divides the segment."""

CURVATURE_STEPS = 5
"""Steps on each side over which curvature is measured, 10 px: of 10, 14 and 20 px the one that rotation moves least."""

SHARPEST_PX = 20.0
"""Smaller radii of curvature count as this one, which is as long as what curvature is measured over: they are kinks of
the skeleton."""

FORK_RADII = 2.0
"""The direction and width of a branch are taken from this many radii of the vessel at the branch point on: nearer, the
skeleton bends towards the other branches, and the angle of drawn forks of 50 to 90 degrees is found 2 to 7 degrees too
large from one radius on, within 2 degrees from two on."""

FORK_PX = 10.0
"""Length over which the direction of a branch is taken."""

FORK_WIDTH_PX = 20.0
"""Length over which the width of a branch is taken, or less where the branch is shorter. A branch point counts for
angles and widths from 0 to 1, as the fraction of this length that its shortest branch has."""

RING_PX = 18.0
"""A ring that starts and ends at one node is left out below this length: three pixels that touch one another make
one."""

END_TAPER_PX = (18.0, 36.0)
"""A branch with a free end counts from 0 to 1 as it is that long: below, it is pruned (graph.py)."""

FRAGMENT_TAPER_PX = (40.0, 70.0)
"""Likewise both ends of a segment that is connected to no other."""

WIDTH_REACH_PX = 15
"""Farthest edge that is looked for from a centre line."""

WIDTH_FLOOR = 0.03
"""A vessel ends where the smoothed mask falls below this level or, once below one half, rises by as much: there begins
another one."""

CLEAR_PX = 10.0
"""Places nearer to a branch point do not count for the largest width: two vessels are one there."""

LARGEST_PERCENTILE = 95
"""Percentile of the width, by length, that stands for the largest one; the maximum itself moves by up to 29 % as the
photograph is turned."""

CROSSING_DEG = 30.0
"""Centre lines that meet at less than this angle run side by side."""

CROSSING_WIDTHS = 1.5
"""Crossings that are nearer to each other than this many widths of the wider vessel are one. Of angles from 0 to 45
degrees and 1 to 3 widths, those that rotation moves least."""


class VesselTree(NamedTuple):
    """The centre lines of a vessel mask, found in two orientations of the grid; all in pixels of the mask.

    Attributes:
        mask: (H, W) bool, the vessels in the field of view.
        diameter: of the field of view.
        dimensions: D0, D1 and D2 of the centre lines, see :func:`fractal_dimensions`.
        points: (N, 2), rows and columns of places along the segments, about 2/900 diameter from each other.
        orientation: (N,), 0 or 1.
        along: (N,), distance from the start of the segment, 0 at its first place.
        length: (N,), the length that a place stands for.
        curvature: (N,), 1 / radius, without sign; NaN within 10/900 diameter of the ends of the segment.
        width: (N,), the area of the vessel by its length there.
        is_clear: (N,) bool, away from branch points.
        nodes: (M, 2), rows and columns of branch points and ends.
        branch_points: (M,), how many branch points each counts as.
        end_points: (M,), how many ends, 0 to 1.
        forks: (F, 2), rows and columns of the nodes where three segments meet.
        angles: (F,), between the daughters, degrees.
        width_ratios: (F,), of the thinner to the thicker daughter.
        fork_weights: (F,), 0 to 1, how much the fork counts.
    """

    mask: NDArray[np.bool_]
    diameter: float
    dimensions: tuple[float | None, ...]
    points: NDArray[np.float64]
    orientation: NDArray[np.intp]
    along: NDArray[np.float64]
    length: NDArray[np.float64]
    curvature: NDArray[np.float64]
    width: NDArray[np.float64]
    is_clear: NDArray[np.bool_]
    nodes: NDArray[np.float64]
    branch_points: NDArray[np.float64]
    end_points: NDArray[np.float64]
    forks: NDArray[np.float64]
    angles: NDArray[np.float64]
    width_ratios: NDArray[np.float64]
    fork_weights: NDArray[np.float64]

    def paths(self, orientation: int) -> list[NDArray[np.float64]]:
        """Return the points of each segment of one orientation, 0 or 1: (N, 2), rows and columns."""
        starts, stops = _parts(self, self.orientation == orientation)
        return [self.points[start : stop + 1] for start, stop in zip(starts, stops, strict=True)]


class _Segments(NamedTuple):
    """Places along the segments of a graph, one segment after the other, in pixels of the turned grid."""

    points: NDArray[np.float64]  # (N, 2)
    segment: NDArray[np.intp]  # (N,)
    place: NDArray[np.intp]  # (N,), 0 at the start of the segment
    start: NDArray[np.intp]  # (S,), where each segment starts
    steps: NDArray[np.intp]  # (S,), the place of each segment's last point
    step: NDArray[np.float64]  # (S,), their length


def vessel_tree(mask: NDArray[np.bool_], fov: NDArray[np.bool_]) -> VesselTree:
    """Find the centre lines of a vessel mask and what is measured along them: the dear part, once for all regions.

    The mask is smoothed and drawn on a grid of 900 pixels across the field of view, twice: turned, and mirrored and
    turned. Each is thinned and made into a graph (:func:`~vmnet_monai.biomarkers.graph.vessel_graph`). Whatever is
    measured is the mean over both, so that a mask and its mirror image measure the same.

    Args:
        mask: (H, W) bool, the vessels of one type, or of all.
        fov: (H, W) bool, the field of view.

    Returns:
        What :func:`tree_measures`, :func:`fractal_dimensions` and :func:`crossings` take.

    Raises:
        ValueError: if the masks differ in shape or are not two-dimensional.
    """
    if mask.ndim != 2 or mask.shape != fov.shape:
        raise ValueError(
            f"the vessel mask and the mask of the field of view must both be (H, W), got {mask.shape} and {fov.shape}: "
            f"scale them to one grid first."
        )
    mask = mask.astype(bool) & fov.astype(bool)
    diameter = field_of_view_diameter(fov)
    pixel = max(diameter, LEAST_DIAMETER_PX) / GRID_PX  # side of a pixel of the grid, in pixels of the mask
    traces = []
    for rows, columns in ndimage.find_objects(mask.view(np.uint8)):  # one box, none without vessels
        margin = int(np.ceil(4 * SMOOTHING_PX * pixel)) + 3
        vessels = np.pad(mask[rows, columns], margin).astype(np.float32)
        smooth = ndimage.gaussian_filter(vessels, SMOOTHING_PX * pixel, mode="constant")
        corner = np.array([rows.start, columns.start]) - margin
        traces = [_trace(smooth, pixel, corner, orientation) for orientation in (0, 1)]
    dimensions = [values for values, _ in traces if None not in values]
    return VesselTree(
        mask,
        diameter,
        tuple(np.array(dimensions, dtype=float).mean(axis=0).tolist()) if dimensions else (None, None, None),
        *(np.concatenate(parts) for parts in zip(_NOTHING, *(arrays for _, arrays in traces), strict=True)),
    )


def tree_measures(tree: VesselTree, region: NDArray[np.bool_]) -> dict[str, float | None]:
    """Measure the vessels in a region of the retina.

    A segment is the vessel between two branch points or ends. Where a region cuts it, its part inside is a segment of
    the region; directions, widths and curvature are taken along the whole segment.

    - ``area_density``: pixels of vessels / pixels of the region.
    - ``length_density``: length of the centre lines / area of the region, in 1 / pixel.
    - ``segments``: segments, and parts of them, from 15/900 diameter on.
    - ``branch_points``: a node where n segments meet counts n - 2 times, so that a crossing counts twice.
    - ``end_points``: free ends. Short branches, 18/900 to 36/900 diameter long, count with their end from 0 to 1 in
      both numbers; the ends of a vessel that is connected to no other do from 40/900 to 70/900.
    - ``branching_angle``: mean, in degrees, over the branch points of three segments, of the smallest angle between two
      of them: those are the daughters. Direction is that of the chord of 10/900 diameter that starts two radii of the
      vessel away from the branch point; where the shortest segment ends before 20/900, the branch point counts as the
      fraction of that. In the human retina: Zamir et al., J. Gen. Physiol. 1979, doi:10.1085/jgp.74.4.537.
    - ``asymmetry_ratio``: mean, over the same branch points, of the width of the thinner daughter / that of the
      thicker one, over 20/900 diameter from the same place on; 1 is symmetric (there, relative diameters).
    - ``tortuosity_arc_chord``: sum of the lengths of segments / sum of their chords, the mean of length / chord (Hart
      et al., 1999, doi:10.1016/S1386-5056(98)00163-4) weighted by the chord (Handayani et al., 2018,
      doi:10.18517/ijaseit.8.4.6509); 1 is straight. ``tortuosity_arc_chord_median``: median of length / chord.
      Segments whose chord is shorter than 15/900 diameter, rings among them, do not count.
    - ``tortuosity_curvature``: mean along the centre lines of 1 / radius, total curvature / length (Hart et al., 1999),
      in 1 / pixel. A parabola is fitted to 20/900 diameter around each place (Savitzky & Golay, 1964,
      doi:10.1021/ac60214a047); a smaller radius counts as 20/900 diameter. Places within 10/900 of the ends of a
      segment have no curvature.
    - ``width_mean``: mean along the centre lines of the vessel's width: the area of the smoothed mask along the
      perpendicular. ``width_largest``: the width that 95 % of the length does not exceed, without the 10/900 diameter
      around branch points.

    Args:
        tree: from :func:`vessel_tree`.
        region: (H, W) bool, in the field of view.

    Returns:
        Pixels are those of the mask. None where a measure is undefined, such as the width of no vessel.

    Raises:
        ValueError: if the region has another shape than the mask.

    Example:
        A straight vessel, 8 pixels wide, of which half lies in the region:

        >>> fov = np.ones((200, 200), dtype=bool)
        >>> vessel = np.zeros_like(fov)
        >>> vessel[96:104, 20:180] = True
        >>> left = np.zeros_like(fov)
        >>> left[:, :100] = True
        >>> measures = tree_measures(vessel_tree(vessel, fov), left)
        >>> round(measures["width_mean"]), measures["segments"], measures["end_points"], measures["branching_angle"]
        (8, 1.0, 1.0, None)
    """
    if region.shape != tree.mask.shape:
        raise ValueError(f"the region must be {tree.mask.shape} as the vessel mask is, got {region.shape}: scale it.")
    area = float(np.count_nonzero(region))
    inside = is_in(region, tree.points)
    is_clear = inside & tree.is_clear
    is_curved = inside & np.isfinite(tree.curvature)
    starts, stops = _parts(tree, inside)
    arcs = tree.along[stops] - tree.along[starts]
    chords = np.hypot(*(tree.points[stops] - tree.points[starts]).T)
    shortest = CHORD_DIAMETERS * tree.diameter
    has_chord = chords >= shortest
    nodes, forks = is_in(region, tree.nodes), is_in(region, tree.forks)
    return {
        "area_density": np.count_nonzero(tree.mask & region) / area if area else None,
        "length_density": float(tree.length[inside].sum() / 2 / area) if area else None,
        "segments": float((arcs >= shortest).sum() / 2),
        "branch_points": float(tree.branch_points[nodes].sum() / 2),
        "end_points": float(tree.end_points[nodes].sum() / 2),
        "branching_angle": _mean(tree.angles[forks], tree.fork_weights[forks]),
        "asymmetry_ratio": _mean(tree.width_ratios[forks], tree.fork_weights[forks]),
        "tortuosity_arc_chord": _mean(arcs[has_chord] / chords[has_chord], chords[has_chord]),
        "tortuosity_arc_chord_median": (
            float(np.median(arcs[has_chord] / chords[has_chord])) if has_chord.any() else None
        ),
        "tortuosity_curvature": _mean(tree.curvature[is_curved], tree.length[is_curved]),
        "width_mean": _mean(tree.width[inside], tree.length[inside]),
        "width_largest": float(np.percentile(tree.width[is_clear], LARGEST_PERCENTILE)) if is_clear.any() else None,
    }


def fractal_dimensions(tree: VesselTree) -> dict[str, float | None]:
    """Return the generalised dimensions of the centre lines in the field of view.

    Box counting (``fractal_dimension_d0``), information (``_d1``) and correlation (``_d2``) dimension, of retinal
    vessels first by Stosic & Stosic, 2006, arXiv:physics/0410076, there of the pixels of the vessels;
    :func:`~vmnet_monai.biomarkers.measures.box_dimensions` says how.

    Returns:
        0 to 2; None without vessels.
    """
    return dict(
        zip(("fractal_dimension_d0", "fractal_dimension_d1", "fractal_dimension_d2"), tree.dimensions, strict=True)
    )


def crossings(artery: VesselTree, vein: VesselTree, region: NDArray[np.bool_]) -> float:
    """Count where arteries and veins cross.

    That is where their centre lines do, at more than 30 degrees; crossings nearer to each other than 1.5 times the
    width of the wider vessel are one. The lines of both orientations of the arteries are crossed with those of both
    orientations of the veins: what only some of the four pairs show counts as that fraction.

    Args:
        artery: tree of the arteries, whose mask goes on where they cross veins.
        vein: tree of the veins, likewise.
        region: (H, W) bool, in the field of view.

    Example:
        >>> fov = np.ones((200, 200), dtype=bool)
        >>> artery, vein = np.zeros_like(fov), np.zeros_like(fov)
        >>> artery[97:103, 20:180] = vein[20:180, 96:104] = True
        >>> crossings(vessel_tree(artery, fov), vessel_tree(vein, fov), fov)
        1.0
    """
    one, other = _steps(artery), _steps(vein)
    if not (len(one) and len(other)):
        return 0.0
    step, other_step = artery.points[one + 1] - artery.points[one], vein.points[other + 1] - vein.points[other]
    middle, other_middle = artery.points[one] + step / 2, vein.points[other] + other_step / 2
    longest = max(np.hypot(*step.T).max(), np.hypot(*other_step.T).max())
    near = KDTree(middle).sparse_distance_matrix(KDTree(other_middle), longest, output_type="ndarray")
    step, other_step = step[near["i"]], other_step[near["j"]]
    one, other = one[near["i"]], other[near["j"]]
    start = artery.points[one]
    gap = vein.points[other] - start
    with np.errstate(divide="ignore", invalid="ignore"):  # parallel steps
        at, other_at = _cross(gap, other_step) / _cross(step, other_step), _cross(gap, step) / _cross(step, other_step)
    course, other_course = _courses(artery, one), _courses(vein, other)
    is_crossing = (at >= 0) & (at < 1) & (other_at >= 0) & (other_at < 1)
    is_crossing &= np.abs((course * other_course).sum(axis=1)) < np.cos(np.deg2rad(CROSSING_DEG))
    one, other = one[is_crossing], other[is_crossing]
    points = (start + at[:, None] * step)[is_crossing]
    if len(points) == 0:
        return 0.0
    reaches = CROSSING_WIDTHS * np.maximum(artery.width[one], vein.width[other])
    pairs = KDTree(points).sparse_distance_matrix(KDTree(points), reaches.max(), output_type="ndarray")
    pairs = pairs[pairs["v"] <= np.maximum(reaches[pairs["i"]], reaches[pairs["j"]])]
    links = coo_array((np.ones(len(pairs)), (pairs["i"], pairs["j"])), shape=(len(points), len(points)))
    count, crossing = connected_components(links, directed=False)
    middle = np.column_stack([np.bincount(crossing, axis) for axis in points.T]) / np.bincount(crossing)[:, None]
    which = 2 * artery.orientation[one] + vein.orientation[other]
    seen = np.zeros((count, 4), dtype=bool)
    seen[crossing, which] = True
    return float(seen[is_in(region, middle)].sum() / 4)


def _mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float | None:
    return float(np.average(values, weights=weights)) if weights.sum() > 0 else None


def _ramp(values: NDArray[np.float64], taper: tuple[float, float]) -> NDArray[np.float64]:
    """Rise from 0 to 1 between the two ends of the taper."""
    return np.clip((values - taper[0]) / (taper[1] - taper[0]), 0, 1)


def _parts(tree: VesselTree, inside: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first and last place of each run of places of one segment that are inside."""
    is_first = np.append(tree.along == 0, True)
    outside = np.append(~inside, True)
    starts = inside & (is_first[:-1] | np.roll(outside, 1)[:-1])
    stops = inside & (is_first[1:] | outside[1:])
    return np.flatnonzero(starts), np.flatnonzero(stops)


def _steps(tree: VesselTree) -> NDArray[np.intp]:
    """Return the places that are followed by another one of the same segment."""
    return np.flatnonzero(tree.along[1:] > 0)


def _courses(tree: VesselTree, places: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the direction, of length 1, of the centre lines over CURVATURE_STEPS before and after places."""
    starts, stops = _parts(tree, np.ones(len(tree.points), dtype=bool))
    segment = np.searchsorted(starts, places, side="right") - 1
    before = np.maximum(places - CURVATURE_STEPS, starts[segment])
    after = np.minimum(places + CURVATURE_STEPS, stops[segment])
    return _unit(tree.points[after] - tree.points[before])


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.maximum(np.hypot(*vectors.T), 1e-9)[:, None]


def _cross(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]


_Arrays = tuple[NDArray[np.generic], ...]
"""The arrays of a tree from ``points`` on, in their order."""

_NOTHING: _Arrays = tuple(
    np.empty(
        (0, 2) if name in ("points", "nodes", "forks") else 0, {"orientation": int, "is_clear": bool}.get(name, float)
    )
    for name in VesselTree._fields[3:]
)
"""Those of a tree without vessels."""


def _trace(
    smooth: NDArray[np.float32], pixel: float, corner: NDArray[np.intp], orientation: int
) -> tuple[tuple[float | None, ...], _Arrays]:
    """Find dimensions and arrays of the tree in one orientation of the grid."""
    turned, matrix, origin = _turn(smooth[:, ::-1] if orientation else smooth, pixel)
    graph, _, first = smooth_mask_graph(turned, GRID_PX)
    drop_rings(graph, RING_PX)
    if graph.number_of_edges() == 0:
        return (None, None, None), _NOTHING

    def to_mask(points: NDArray[np.float64]) -> NDArray[np.float64]:
        points = (points + first) @ matrix + origin
        return corner + (points * [1, -1] + [0, smooth.shape[1] - 1] if orientation else points)

    number = {node: index for index, node in enumerate(graph)}
    positions = np.array([position for _, position in graph.nodes(data="position")])
    radii = np.array([radius for _, radius in graph.nodes(data="radius")])
    paths = [path for *_, path in graph.edges(data="path")]
    ends = np.array([[number[one], number[other]] for one, other in graph.edges()])
    is_back = [not np.array_equal(path[0], positions[one]) for path, one in zip(paths, ends[:, 0], strict=True)]
    ends[is_back] = ends[is_back, ::-1]

    lines = _resample(paths)
    widths = _widths(turned, lines.points + first, lines)
    degrees = np.bincount(ends.ravel(), minlength=len(positions))
    along = lines.place * lines.step[lines.segment]
    lengths = lines.steps * lines.step
    before, after = (np.where(degrees[end] > 2, 0.0, np.inf)[lines.segment] for end in ends.T)
    from_branch = np.minimum(before + along, after + lengths[lines.segment] - along)
    is_end = (lines.place == 0) | (lines.place == lines.steps[lines.segment])
    forks, angles, ratios, weights = _forks(lines, widths, ends, degrees, radii)
    return box_dimensions(np.concatenate(paths), GRID_PX), (
        to_mask(lines.points),
        np.full(len(along), orientation),
        along * pixel,
        lines.step[lines.segment] * np.where(is_end, 0.5, 1.0) * pixel,
        _curvatures(lines) / pixel,
        widths * pixel,
        from_branch > CLEAR_PX,
        to_mask(positions),
        *_counts(lengths, ends, degrees),
        to_mask(positions[forks]),
        angles,
        ratios,
        weights,
    )


def _turn(
    smooth: NDArray[np.float32], pixel: float
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """Turn a picture and scale it by 1 / ``pixel``.

    Returns:
        The new picture; and the matrix and the origin that lead back: points (rows, columns) @ matrix + origin.
    """
    turn = np.deg2rad(TURN_DEG)
    cos, sin = np.cos(turn), np.sin(turn)
    size = np.array(smooth.shape)
    new_size = np.ceil((cos * size + sin * size[::-1]) / pixel).astype(int)
    matrix = pixel * np.array([[cos, sin], [-sin, cos]])
    origin = (size - 1) / 2 - (new_size - 1) / 2 @ matrix
    # Pillow counts from the upper left corner of the first pixel, columns first.
    column, row = (origin + 0.5 - [0.5, 0.5] @ matrix)[::-1]
    turned = Image.fromarray(np.ascontiguousarray(smooth)).transform(
        (int(new_size[1]), int(new_size[0])),
        Image.Transform.AFFINE,
        (matrix[1, 1], matrix[0, 1], column, matrix[1, 0], matrix[0, 0], row),
        Image.Resampling.BICUBIC,
    )
    return np.asarray(turned), matrix, origin


def _resample(paths: list[NDArray[np.float64]]) -> _Segments:
    """Smooth paths of pixels and take places at equal steps along them."""
    points, path = smooth_paths(paths)
    is_first = np.append(True, path[1:] != path[:-1])
    distances = np.append(0.0, np.hypot(*np.diff(points, axis=0).T))
    lengths = np.bincount(path, np.where(is_first, 0.0, distances))
    # Along all paths, with a gap of 1 between two, so that no place belongs to both.
    along = np.cumsum(np.where(is_first, 1.0, distances))
    steps = np.maximum(np.round(lengths / STEP_PX).astype(int), 1)
    start = np.cumsum(steps + 1) - (steps + 1)
    segment = np.repeat(np.arange(len(paths)), steps + 1)
    place = np.arange(len(segment)) - start[segment]
    first = along[is_first][segment]
    wanted = np.minimum(first + place * (lengths / steps)[segment], first + lengths[segment])
    resampled = np.column_stack([np.interp(wanted, along, axis) for axis in points.T])
    return _Segments(resampled, segment, place, start, steps, lengths / steps)


def _curvatures(lines: _Segments) -> NDArray[np.float64]:
    """Return the curvature, without sign, of the parabola around each place; NaN near the ends of the segments."""
    window = 2 * CURVATURE_STEPS + 1
    velocity, acceleration = (
        savgol_filter(lines.points, window, polyorder=2, deriv=order, axis=0, mode="nearest") for order in (1, 2)
    )
    curvatures = np.abs(_cross(velocity, acceleration)) / np.maximum(np.hypot(*velocity.T), 1e-9) ** 3
    curvatures = np.minimum(curvatures, 1 / SHARPEST_PX)
    to_end = np.minimum(lines.place, lines.steps[lines.segment] - lines.place)
    return np.where(to_end >= CURVATURE_STEPS, curvatures, np.nan)


def _widths(smooth: NDArray[np.float32], points: NDArray[np.float64], lines: _Segments) -> NDArray[np.float64]:
    """Return the area of the smoothed mask per length: the sum along the perpendicular, as far as the vessel goes."""
    after = np.where(lines.place < lines.steps[lines.segment], 1, 0)
    before = np.where(lines.place > 0, 1, 0)
    place = np.arange(len(points))
    normal = _unit(points[place + after] - points[place - before])[:, ::-1] * [1, -1]
    widths = np.zeros(len(points))
    for side in (-1, 1):
        half_widths = np.empty(len(points))
        goes_on = np.ones(len(points), dtype=bool)
        # Most vessels end within half the reach: the others are read again, farther.
        for reach in (WIDTH_REACH_PX // 2, WIDTH_REACH_PX):
            offsets = side * normal[goes_on, :, None] * np.arange(reach + 1)
            profile = ndimage.map_coordinates(smooth, (points[goes_on, :, None] + offsets).transpose(1, 0, 2), order=1)
            lowest = np.minimum.accumulate(profile, axis=1)
            is_vessel = (lowest > 0.5) | ((lowest > WIDTH_FLOOR) & (profile <= lowest + WIDTH_FLOOR))
            is_vessel = np.logical_and.accumulate(is_vessel, axis=1)
            profile *= is_vessel
            half_widths[goes_on] = profile.sum(axis=1) - profile[:, 0] / 2  # the middle belongs to both sides
            goes_on[goes_on] = is_vessel[:, -1]
        widths += half_widths
    return widths


def _counts(
    lengths: NDArray[np.float64], ends: NDArray[np.intp], degrees: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how many branch points and how many ends each node counts as."""
    is_tip = degrees[ends] == 1
    is_alone = is_tip.all(axis=1)
    weight = np.where(is_alone, _ramp(lengths, FRAGMENT_TAPER_PX), _ramp(lengths, END_TAPER_PX))
    weights = np.column_stack([weight, weight])
    end_points = np.bincount(ends[is_tip], weights=weights[is_tip], minlength=len(degrees))
    is_root = is_tip[:, ::-1] & ~is_alone[:, None]
    missing = np.bincount(ends[is_root], weights=1 - weights[is_root], minlength=len(degrees))
    return np.maximum(degrees - 2 - missing, 0.0), end_points.astype(np.float64)


def _forks(
    lines: _Segments,
    widths: NDArray[np.float64],
    ends: NDArray[np.intp],
    degrees: NDArray[np.intp],
    radii: NDArray[np.float64],
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the nodes where three segments meet, the daughters' angles and ratios of widths, and their weights."""
    node = ends.T.ravel()
    segment = np.tile(np.arange(len(ends)), 2)
    away = np.repeat([1, -1], len(ends))  # from the node
    branch = np.argsort(node, kind="stable")
    branch = branch[degrees[node[branch]] == 3]
    node, segment, away = node[branch], segment[branch], away[branch]
    radius, step, steps = radii[node], lines.step[segment], lines.steps[segment]
    origin = lines.start[segment] + np.where(away > 0, 0, steps)
    first, heading_end, width_end = (
        origin + away * np.minimum(np.round((FORK_RADII * radius + distance) / step).astype(int), steps)
        for distance in (0.0, FORK_PX, FORK_WIDTH_PX)
    )
    headings = _unit(lines.points[heading_end] - lines.points[first]).reshape(-1, 3, 2)
    sums = np.append(0.0, np.cumsum(widths))
    low, high = np.minimum(first, width_end), np.maximum(first, width_end) + 1
    mean_widths = ((sums[high] - sums[low]) / (high - low)).reshape(-1, 3)
    room = (steps * step - FORK_RADII * radius).reshape(-1, 3).min(axis=1)

    pairs = np.array([[0, 1], [1, 2], [2, 0]])
    cosines = (headings[:, pairs[:, 0]] * headings[:, pairs[:, 1]]).sum(axis=2)
    daughters = pairs[cosines.argmax(axis=1)]
    angles = np.degrees(np.arccos(np.clip(cosines.max(axis=1), -1, 1)))
    thin, thick = np.sort(np.take_along_axis(mean_widths, daughters, axis=1), axis=1).T
    return node[::3], angles, thin / np.maximum(thick, 1e-9), np.clip(room / FORK_WIDTH_PX, 0, 1)
