"""Biomarkers of a vessel mask: density, length, width, tortuosity, fractal dimension, branch and end points."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from vmnet_monai.biomarkers.graph import EIGHT_NEIGHBOURS, SMOOTHING_LEVEL, SMOOTHING_PX, smooth_mask_graph

__all__ = ["CHORD_DIAMETERS", "GRID_SIZE", "box_dimensions", "field_of_view_diameter", "vessel_measures"]

GRID_SIZE = 896
"""Pixels across the field of view at which masks in files are measured, those of the shipped network's grid: measures
of fine vessels depend on it."""

CHORD_DIAMETERS = 15 / 900
"""Shortest chord of a segment that counts for the tortuosity, in diameters of the field of view."""

TURNS_DEG = (0.0, 45.0)
"""Turns of the grid over which the measures of the skeleton are averaged: what is counted depends on how the stairs of
the pixels fall. On rotated smooth maps of CHASE_DB1 and HRF these two scatter as little as 0, 30 and 60 degrees do, a
single orientation a fifth to two fifths more in the counts."""

BOX_DIAMETERS = 2.0 ** -np.arange(3.0, 7.0, 0.5)
"""Sides of the boxes that are counted, in diameters of the field of view: 1/8 to 1/91, by half octaves."""

BOX_GRIDS = 9
"""Grids, turned and shifted, over which the number of boxes is averaged in each of the turns above."""


def vessel_measures(mask: NDArray[np.bool_], fov: NDArray[np.bool_], pixel_px: float = 1.0) -> dict[str, float | None]:
    """Measure a vessel mask inside the field of view.

    The mask is smoothed and thinned (Zhang & Suen, 1984, doi:10.1145/357994.358023), gaps of the skeleton are bridged
    and spurs pruned. What remains is a graph: nodes are branch points and free ends, segments the smoothed centre lines
    between them. All this is done in two orientations of the grid; the measures are the means. Tolerances are
    fractions of the field of view's diameter; the rounding of pixel stairs is in mask pixels. How rotation and another
    grid move each measure is in docs/reference/measures.md.

    - ``vessel_density_fov_share``: vessel pixels / pixels of the field of view.
    - ``skeleton_length_px``, ``skeleton_length_fov_diameters``: sum of the lengths of the segments.
    - ``vessel_width_mean_px``, ``vessel_width_mean_fov_diameter_share``: area / length of the vessels whose skeleton
      was kept.
    - ``tortuosity_arc_chord_mean``: mean over the segments of length / distance between the segment's ends (Hart et
      al., 1999, doi:10.1016/S1386-5056(98)00163-4); 1 is straight.
    - ``fractal_dimension_box_count``: minus the slope of log(boxes that the skeleton meets - 1) over log(side of the
      boxes), by least squares (Liebovitch & Toth, 1989, doi:10.1016/0375-9601(89)90854-2). A straight line of length L
      meets 1 + 4 L / (pi side) boxes on average; without the 1 its dimension is 1 at every length.
    - ``branch_points_count``: bifurcations; a node where n segments meet counts n - 2 times, so that a crossing counts
      twice whether its two forks lie apart or fall on one node.
    - ``end_points_count``: free ends.

    Args:
        mask: (H, W) bool, best about 900 pixels across the field of view.
        fov: (H, W) bool.
        pixel_px: side of a mask pixel in pixels of the photograph, in which lengths and widths are given.

    Returns:
        The measures in the order above; None where one is undefined, such as the width of no vessel.

    Raises:
        ValueError: if the masks differ in shape or are not two-dimensional.

    Example:
        A straight vessel, 4 pixels wide and 80 long, in a field of view of 90 by 90 pixels:

        >>> mask = np.zeros((90, 90), dtype=bool)
        >>> mask[43:47, 5:85] = True
        >>> measures = vessel_measures(mask, np.ones_like(mask))
        >>> round(measures["vessel_width_mean_px"]), measures["branch_points_count"], measures["end_points_count"]
        (4, 0.0, 2.0)

    Example:
        >>> fov = np.ones((200, 200), dtype=bool)
        >>> vessel = np.zeros_like(fov)
        >>> vessel[96:104, 20:180] = True  # one straight vessel
        >>> measures = vessel_measures(vessel, fov)
        >>> round(measures["tortuosity_arc_chord_mean"], 2), measures["end_points_count"]
        (1.0, 2.0)
    """
    if mask.ndim != 2 or mask.shape != fov.shape:
        raise ValueError(
            f"the vessel mask and the mask of the field of view must both be (H, W), got {mask.shape} and {fov.shape}: "
            f"scale them to one grid first."
        )
    mask, fov = mask.astype(bool), fov.astype(bool)
    mask &= fov
    diameter = field_of_view_diameter(fov)
    smooth = ndimage.gaussian_filter(mask.astype(np.float32), SMOOTHING_PX, mode="constant")
    image = Image.fromarray(smooth)
    turned = [image.rotate(turn, Image.Resampling.BICUBIC, expand=True) for turn in TURNS_DEG]
    measured = [_graph_measures(np.asarray(one), diameter) for one in turned]
    mean = {key: _mean([one[key] for one in measured]) for key in measured[0]}
    length, area = mean["length"] or 0.0, mean["area"] or 0.0
    # The smoothed mask is wider than the mask: only the fraction of it whose skeleton was kept is taken from it.
    smooth_area = float((smooth > SMOOTHING_LEVEL).sum())
    width = mask.sum() * area / smooth_area / length if length else None
    return {
        "vessel_density_fov_share": float(mask.sum() / fov.sum()) if diameter else None,
        "skeleton_length_px": length * pixel_px,
        "skeleton_length_fov_diameters": length / diameter if diameter else None,
        "vessel_width_mean_px": None if width is None else width * pixel_px,
        "vessel_width_mean_fov_diameter_share": None if width is None else width / diameter,
        "tortuosity_arc_chord_mean": mean["tortuosity"],
        "fractal_dimension_box_count": mean["dimension"],
        "branch_points_count": mean["branch_points"],
        "end_points_count": mean["end_points"],
    }


def _graph_measures(smooth: NDArray[np.float32], diameter: float) -> dict[str, float | None]:
    """Measure the graph of a smoothed mask, in mask pixels; ``area`` is that of the vessels whose skeleton was kept."""
    graph, mask, _ = smooth_mask_graph(smooth, diameter)
    paths = [path for *_, path in graph.edges(data="path")]
    lengths = [length for *_, length in graph.edges(data="length")]
    return {
        "length": float(sum(lengths)),
        "area": float(_area_along(paths, mask)) if paths else 0.0,
        "tortuosity": _mean_tortuosity(paths, lengths, CHORD_DIAMETERS * diameter),
        "dimension": box_dimensions(np.concatenate(paths), diameter)[0] if paths else None,
        "branch_points": float(sum(degree - 2 for _, degree in graph.degree() if degree > 2)),
        "end_points": float(sum(degree == 1 for _, degree in graph.degree())),
    }


def _mean(values: list[float | None]) -> float | None:
    """Mean of the values, None where one is undefined."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if len(defined) == len(values) else None


def field_of_view_diameter(fov: NDArray[np.bool_]) -> float:
    """Return the largest distance between two pixels of the field of view, plus the one pixel that they cover.

    This maximum Feret diameter is that of the whole disc, also where the photograph cuts it, and rotation leaves it.

    Args:
        fov: (H, W) bool.

    Returns:
        Pixels; 0 for an empty mask.
    """
    rows = np.flatnonzero(fov.any(axis=1))
    if rows.size == 0:
        return 0.0
    first = fov[rows].argmax(axis=1)
    last = fov.shape[1] - 1 - fov[rows, ::-1].argmax(axis=1)
    rim = np.concatenate([np.column_stack([rows, first]), np.column_stack([rows, last])])
    with suppress(QhullError):  # where all lie on one line
        rim = rim[ConvexHull(rim).vertices]
    return float(pdist(rim).max()) + 1.0


def _area_along(paths: list[NDArray[np.float64]], mask: NDArray[np.bool_]) -> int:
    """Count the pixels of those connected parts that the paths run through."""
    parts, _ = ndimage.label(mask, EIGHT_NEIGHBOURS)
    rows, columns = np.concatenate(paths).round().astype(int).T
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return int(sizes[np.unique(parts[rows, columns])].sum())


def _mean_tortuosity(paths: list[NDArray[np.float64]], lengths: list[float], shortest: float) -> float | None:
    chords = [float(np.hypot(*(path[-1] - path[0]))) for path in paths]
    ratios = [length / chord for length, chord in zip(lengths, chords, strict=True) if chord >= shortest > 0]
    return float(np.mean(ratios)) if ratios else None


def box_dimensions(points: NDArray[np.float64], diameter: float) -> tuple[float | None, float | None, float | None]:
    """Estimate the generalised dimensions D0, D1 and D2 of centre lines by counting boxes.

    Renyi's dimensions, as Hentschel & Procaccia, Physica D 1983, doi:10.1016/0167-2789(83)90235-X, with p the fraction
    of the points that lie in a box: minus the slope, over log(side of the boxes), of log(boxes that are met - 1) (D0,
    see :func:`vessel_measures`), of -sum(p log p) (D1, information) and of -log(sum(p^2)) (D2, correlation), by least
    squares over the sides :data:`BOX_DIAMETERS`; the sums are means over :data:`BOX_GRIDS` grids.

    Args:
        points: (N, 2), at least one, along the lines at about equal steps, shorter than the smallest box.
        diameter: of the field of view, in the same unit.

    Returns:
        None for all three where one box holds all points.
    """
    turns = np.pi / 2 * np.arange(BOX_GRIDS) / BOX_GRIDS
    shifts = np.random.default_rng(0).random((BOX_GRIDS, 2))
    sides = BOX_DIAMETERS * diameter
    boxes, entropies, squares = np.zeros((3, len(sides)))
    lines = points.T.astype(np.float32)
    for turn, shift in zip(turns, shifts, strict=True):
        turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]], dtype=np.float32) @ lines
        turned -= turned.min(axis=1, keepdims=True)
        for index, side in enumerate(sides):
            row, column = (turned / np.float32(side) + shift[:, None].astype(np.float32)).astype(np.int32)
            counts = np.bincount(row * (column.max() + 1) + column)
            fractions = counts[counts > 0] / len(points)
            boxes[index] += len(fractions) / BOX_GRIDS
            entropies[index] -= (fractions * np.log(fractions)).sum() / BOX_GRIDS
            squares[index] += (fractions**2).sum() / BOX_GRIDS
    if boxes.min() < 1 + 1e-9:  # one in each grid, but for rounding
        return None, None, None
    d0, d1, d2 = (
        float(-np.polyfit(np.log(BOX_DIAMETERS), logs, 1)[0])
        for logs in (np.log(boxes - 1), entropies, -np.log(squares))
    )
    return d0, d1, d2
