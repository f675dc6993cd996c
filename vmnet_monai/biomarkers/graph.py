"""The graph of a vessel mask: branch points and free ends, and the centre lines between them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.cluster.hierarchy import DisjointSet
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.spatial import KDTree
from skimage.draw import line
from skimage.morphology import skeletonize

__all__ = [
    "EIGHT_NEIGHBOURS",
    "SMOOTHING_LEVEL",
    "SMOOTHING_PX",
    "drop_rings",
    "is_in",
    "smooth_mask_graph",
    "smooth_paths",
    "vessel_graph",
]

SMOOTHING_PX = 1.5
"""Standard deviation, in mask pixels, of the Gaussian that rounds the mask's stairs before it is thinned: stairs grow
spurs. This and the constants below were chosen on rotated CHASE_DB1 and HRF masks, 900 px across the field of view."""

SMOOTHING_LEVEL = 0.2
"""Level at which the smoothed mask is cut. Below one half, so that vessels one pixel wide stay whole."""

HOLE_DIAMETERS = 5 / 900
"""Side of the largest square hole in a vessel that is filled, in diameters of the field of view."""

PATH_SMOOTHING_PX = 2.5
"""Standard deviation, in mask pixels along the path, of the Gaussian that turns pixel stairs into a curve."""

GAP_DIAMETERS = 15 / 900
"""Longest gap between an end and another fragment that is bridged, in diameters of the field of view."""

SPUR_DIAMETERS = 18 / 900
"""A branch with a free end is pruned below this length, or below the vessel's width, in diameters of the field of
view."""

FRAGMENT_DIAMETERS = 40 / 900
"""A fragment of the skeleton below this length is left out, in diameters of the field of view."""

RADIUS_REACH_PX = 12
"""How far the edge of a vessel is looked for in each direction before all edges are looked through."""

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=np.uint8)
"""Pixels that touch at a side or a corner are connected."""


_AROUND = np.mgrid[-RADIUS_REACH_PX : RADIUS_REACH_PX + 1, -RADIUS_REACH_PX : RADIUS_REACH_PX + 1].reshape(2, -1)
_SQUARES = (_AROUND**2).sum(axis=0)
_NEAR = _AROUND[:, np.argsort(_SQUARES, kind="stable")][:, : (_SQUARES <= RADIUS_REACH_PX**2).sum()]
"""Rows and columns of the disc of that reach around a pixel, the nearest first."""
_NEARER = int((_SQUARES <= (RADIUS_REACH_PX / 3) ** 2).sum())
"""How many of them lie within a third of the reach."""


def smooth_mask_graph(
    smooth: NDArray[np.float32], diameter: float
) -> tuple[nx.MultiGraph, NDArray[np.bool_], NDArray[np.intp]]:
    """Make the graph of a mask that was smoothed, and may have been turned since.

    Args:
        smooth: (H, W), 0 to 1, of a Gaussian of :data:`SMOOTHING_PX`; cut at :data:`SMOOTHING_LEVEL`.
        diameter: of the field of view in pixels.

    Returns:
        The graph of :func:`vessel_graph`; the mask that was thinned, whose small holes are filled; and row and column,
        in ``smooth``, of the pixel that is the first of both.
    """
    mask = smooth > SMOOTHING_LEVEL
    # A turned grid has empty corners.
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    (top, bottom), (left, right) = ((side[0], side[-1] + 1) if side.size else (0, 0) for side in (rows, columns))
    mask = _fill_holes(np.pad(mask[top:bottom, left:right], 1), int((HOLE_DIAMETERS * diameter) ** 2))
    return vessel_graph(mask, diameter), mask, np.array([top - 1, left - 1])


def is_in(region: NDArray[np.bool_], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which points, (N, 2) rows and columns, lie in a region; one beyond the picture lies where its rim does."""
    row, column = np.clip(points.round().astype(int), 0, np.array(region.shape) - 1).T
    return region[row, column]


def vessel_graph(mask: NDArray[np.bool_], diameter: float) -> nx.MultiGraph:
    """Make the graph of a vessel mask from its skeleton, with gaps bridged and spurs and small fragments left out.

    The skeleton is that of Zhang & Suen, Commun. ACM 1984, doi:10.1145/357994.358023.

    Args:
        mask: (H, W) bool, smooth: stairs of pixels grow spurs.
        diameter: of the field of view in mask pixels, by which gaps, spurs and fragments are judged.

    Returns:
        Nodes are branch points and free ends, with their ``position`` (row, column) and the vessel's ``radius``; edges
        are the segments between them, with their ``path``, (N, 2) rows and columns, and its ``length``. A ring without
        branch point has one node, wherever it starts. All in mask pixels.

    Example:
        >>> mask = np.zeros((40, 90), dtype=bool)
        >>> mask[18:22, 5:85] = True
        >>> graph = vessel_graph(mask, diameter=90)
        >>> len(graph), [round(length) for *_, length in graph.edges(data="length")]
        (2, [76])
    """
    skeleton = skeletonize(mask)
    if not skeleton.any():
        return nx.MultiGraph()
    graph = _trace_skeleton(_bridge_gaps(skeleton, GAP_DIAMETERS * diameter), mask)
    _prune_spurs(graph, SPUR_DIAMETERS * diameter)
    for fragment in list(nx.connected_components(graph)):
        if sum(length for *_, length in graph.edges(fragment, data="length")) < FRAGMENT_DIAMETERS * diameter:
            graph.remove_nodes_from(fragment)
    segments = [segment for *_, segment in graph.edges(data=True)]
    for segment, length in zip(segments, _lengths([segment["path"] for segment in segments]), strict=True):
        segment["length"] = length
    return graph


def _fill_holes(mask: NDArray[np.bool_], largest: int) -> NDArray[np.bool_]:
    """Fill holes of at most ``largest`` pixels that touch at their sides; the mask's rim is background."""
    # The background as runs along the rows, a few thousand, is labelled in half the time that its pixels take. From the
    # end of a row a run goes on in the next one, both in the rim.
    filled = mask.ravel().copy()
    changes = np.flatnonzero(filled[1:] != filled[:-1]) + 1
    starts, stops = np.append(0, changes[1::2]), np.append(changes[::2], filled.size)
    first_below = np.searchsorted(stops, starts + mask.shape[1], side="right")
    counts = np.searchsorted(starts, stops + mask.shape[1]) - first_below
    links = np.append(0, np.cumsum(counts))
    below = np.arange(links[-1]) + np.repeat(first_below - links[:-1], counts)
    touches = csr_array((np.ones(len(below)), below, links), shape=(len(starts), len(starts)))
    _, hole = connected_components(touches, directed=False)
    for run in np.flatnonzero(np.bincount(hole, weights=stops - starts)[hole] <= largest):
        filled[starts[run] : stops[run]] = True
    return filled.reshape(mask.shape)


def _pixels(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return what :func:`numpy.argwhere` does, in a tenth of its time: (N, 2) rows and columns."""
    return np.column_stack(np.divmod(np.flatnonzero(mask), mask.shape[1]))


def _skeleton_pixels(skeleton: NDArray[np.bool_]) -> tuple[NDArray[np.intp], csr_array]:
    """Return the pixels of a skeleton, (N, 2) rows and columns, and which of them touch, (N, N)."""
    pixels = _pixels(skeleton)
    width = skeleton.shape[1] + 2
    places = (pixels[:, 0] + 1) * width + pixels[:, 1] + 1
    number = np.full((skeleton.shape[0] + 2) * width, -1, dtype=np.int32)
    number[places] = np.arange(len(pixels))
    around = [down * width + right for down, right in product((-1, 0, 1), repeat=2) if down or right]
    neighbours = number[places[:, None] + around]
    touches = neighbours >= 0
    first = np.append(0, np.cumsum(touches.sum(axis=1)))
    return pixels, csr_array((np.ones(first[-1]), neighbours[touches], first), shape=(len(pixels), len(pixels)))


def _bridge_gaps(skeleton: NDArray[np.bool_], longest: float) -> NDArray[np.bool_]:
    """Draw a line from ends to other fragments within reach, shortest first, until these are connected."""
    pixels, adjacency = _skeleton_pixels(skeleton)
    count, fragment = connected_components(adjacency, directed=False)
    ends = np.flatnonzero(np.diff(adjacency.indptr) <= 1)
    if count < 2 or ends.size == 0:
        return skeleton
    # Of the gaps between two fragments, only the shortest can be bridged.
    near = KDTree(pixels[ends]).sparse_distance_matrix(KDTree(pixels), longest, output_type="ndarray")
    gaps = np.column_stack([ends[near["i"]], near["j"]])[np.argsort(near["v"], kind="stable")]
    sides = np.sort(fragment[gaps].astype(np.int64), axis=1)
    _, shortest = np.unique(sides[:, 0] * count + sides[:, 1], return_index=True)
    bridged = skeleton.copy()
    joined = DisjointSet(range(count))
    for gap in np.sort(shortest):
        if joined.merge(*sides[gap].tolist()):
            end, other = pixels[gaps[gap]]
            bridged[line(*end, *other)] = True
    return skeletonize(bridged)


def _trace_skeleton(skeleton: NDArray[np.bool_], mask: NDArray[np.bool_]) -> nx.MultiGraph:
    """Turn the skeleton of a mask into a graph."""
    graph = nx.MultiGraph()
    pixels, adjacency = _skeleton_pixels(skeleton)
    count = len(pixels)
    degrees = np.diff(adjacency.indptr)
    row, column = np.repeat(np.arange(count), degrees), adjacency.indices
    is_node = degrees != 2
    parts, part = connected_components(adjacency, directed=False)
    is_ring = np.bincount(part, weights=is_node, minlength=parts) == 0
    is_node[np.unique(part, return_index=True)[1][is_ring]] = True

    # Pixels of one junction touch each other and are one node; every other pixel is a node of its own.
    touching = (degrees[row] > 2) & (degrees[column] > 2)
    _, cluster = connected_components(_links(row[touching], column[touching], count), directed=False)
    sums = np.column_stack([np.bincount(cluster, weights=axis) for axis in pixels.T])
    positions = sums / np.bincount(cluster)[:, None]

    # Each step out of a node starts at a vertex of its own: paths from one such vertex to another are left.
    step = ~(is_node[row] & (cluster[row] == cluster[column]))
    row, column = row[step], column[step]
    pixel = np.concatenate([np.arange(count), row])
    tail = np.where(is_node[row], count + np.arange(len(row)), row)
    head = tail[np.argsort(column, kind="stable")]  # that of the step back
    _, path = connected_components(_links(tail, head, len(pixel)), directed=False)
    ends = tail[is_node[row]]
    if ends.size == 0:
        return graph
    ends = ends[np.argsort(path[ends], kind="stable")].reshape(-1, 2)
    # The end of each path leads to the start of the next one: one search from the first start follows them all.
    tail, head = np.append(tail, ends[:-1, 1]), np.append(head, ends[1:, 0])
    order = breadth_first_order(_links(tail, head, len(pixel)), ends[0, 0], return_predecessors=False)
    points = pixels[pixel[order]].astype(np.float64)
    is_end = order >= count
    points[is_end] = positions[cluster[pixel[order[is_end]]]]
    paths = np.split(points, np.flatnonzero(is_end)[2::2])

    nodes = cluster[pixel[ends]]
    radii = _radii(mask, pixels[is_node], cluster[is_node])
    for node in np.unique(nodes).tolist():
        graph.add_node(node, position=positions[node], radius=radii[node])
    for (one, other), path, length in zip(nodes.tolist(), paths, _lengths(paths), strict=True):
        graph.add_edge(one, other, path=path, length=length)
    for node in np.flatnonzero(np.bincount(nodes.ravel()) == 2).tolist():
        _dissolve(graph, node)
    return graph


def _links(tail: NDArray[np.intp], head: NDArray[np.intp], count: int) -> csr_array:
    """Return the graph of ``count`` vertices with an edge from each tail to its head."""
    return csr_array((np.ones(len(tail)), (tail, head)), shape=(count, count))


def _radii(mask: NDArray[np.bool_], pixels: NDArray[np.intp], cluster: NDArray[np.intp]) -> list[float]:
    """Return the largest distance of a cluster's pixels to the background."""
    # The nearest background pixel is wanted of a few pixels only; a distance transform would find it of all.
    padded = np.pad(mask, 1)
    beside = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    border = np.pad(beside & ~mask, RADIUS_REACH_PX)
    row, column = _NEAR
    places = (pixels[:, 0] + RADIUS_REACH_PX) * border.shape[1] + pixels[:, 1] + RADIUS_REACH_PX
    distances = np.empty(len(pixels))
    is_far = np.ones(len(pixels), dtype=bool)
    # Most edges are near: the farther pixels are looked at for the others only.
    for looked_at in (slice(_NEARER), slice(None)):
        around = row[looked_at] * border.shape[1] + column[looked_at]
        is_border = border.ravel()[places[is_far, None] + around]
        distances[is_far] = np.sqrt(row**2 + column**2)[is_border.argmax(axis=1)]
        is_far[is_far] = ~is_border.any(axis=1)
    if is_far.any() and border.any():
        distances[is_far] = KDTree(_pixels(border) - RADIUS_REACH_PX).query(pixels[is_far])[0]
    radii = np.zeros(cluster.max() + 1)
    np.maximum.at(radii, cluster, distances)
    return radii.tolist()


def smooth_paths(paths: list[NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Smooth paths of pixels along themselves: their stairs become curves, their ends stay in place.

    Args:
        paths: each (N, 2), with at least two points.

    Returns:
        The points of all paths, one path after the other, as many as before, and of each point its path's number.
    """
    # All paths in one array, each with its reflections before and after it: one filter smooths them all.
    if not paths:
        return np.empty((0, 2)), np.empty(0, dtype=np.intp)
    points = np.concatenate(paths)
    sizes = np.array([len(path) for path in paths])
    reach = int(4 * PATH_SMOOTHING_PX)
    padded = sizes + 2 * reach
    path = np.repeat(np.arange(len(paths)), padded)
    start = np.cumsum(sizes) - sizes
    place = np.arange(padded.sum()) - (np.cumsum(padded) - padded)[path] - reach
    # Point reflections at both ends, again and again for paths shorter than the reach.
    last = sizes[path] - 1
    turns, place = np.divmod(place, 2 * last)
    back = place > last
    first_point, last_point = points[start[path]], points[start[path] + last]
    extended = points[start[path] + np.where(back, 2 * last - place, place)]
    extended[back] = 2 * last_point[back] - extended[back]
    extended += 2 * turns[:, None] * (last_point - first_point)
    smooth = ndimage.gaussian_filter1d(extended, PATH_SMOOTHING_PX, axis=0)
    kept = (turns == 0) & ~back
    return smooth[kept], path[kept]


def _lengths(paths: list[NDArray[np.float64]]) -> list[float]:
    """Return the length of each path of pixels after its stairs are smoothed."""
    points, path = smooth_paths(paths)
    steps = np.hypot(*np.diff(points, axis=0).T)
    steps[path[1:] != path[:-1]] = 0
    return np.bincount(path[1:], weights=steps).tolist() if paths else []


def _dissolve(graph: nx.MultiGraph, node: int) -> None:
    """Join the two segments that meet in a node; a node of a ring, an end or a junction stays."""
    if graph.degree(node) != 2 or node in graph[node]:
        return
    position = graph.nodes[node]["position"]
    (_, one, before), (_, other, after) = graph.edges(node, data=True)
    start = before["path"] if np.array_equal(before["path"][-1], position) else before["path"][::-1]
    end = after["path"] if np.array_equal(after["path"][0], position) else after["path"][::-1]
    graph.remove_node(node)
    graph.add_edge(one, other, path=np.concatenate([start, end[1:]]), length=before["length"] + after["length"])


def _spurs(graph: nx.MultiGraph, shortest: float) -> Iterator[tuple[float, int, int]]:
    """Yield length, free end and junction of each branch that is too short."""
    for tip, neighbours in graph.adjacency():
        if len(neighbours) == 1:
            ((root, segments),) = neighbours.items()
            length = next(iter(segments.values()))["length"]
            is_short = length < max(shortest, 2 * graph.nodes[root]["radius"])
            if is_short and graph.degree(tip) == 1 and graph.degree(root) > 2:
                yield length, tip, root


def _prune_spurs(graph: nx.MultiGraph, shortest: float) -> None:
    """Remove short branches with a free end, shortest first, until none is left."""
    while spurs := sorted(_spurs(graph, shortest)):
        for _, tip, root in spurs:
            if root in graph and graph.degree(root) > 2:
                graph.remove_node(tip)
                _dissolve(graph, root)


def drop_rings(graph: nx.MultiGraph, shortest: float) -> None:
    """Remove segments from a node to itself that are shorter than ``shortest``, and the node where no other is left.

    Where three pixels of the skeleton touch one another, :func:`vessel_graph` finds such a ring.
    """
    for node, _, key, length in list(nx.selfloop_edges(graph, keys=True, data="length")):
        if length < shortest:
            graph.remove_edge(node, node, key)
            if graph.degree(node):
                _dissolve(graph, node)
            else:
                graph.remove_node(node)
