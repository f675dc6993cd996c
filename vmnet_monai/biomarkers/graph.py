"""The graph of a vessel mask: branch points and free ends, and the centre lines between them."""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.cluster.hierarchy import DisjointSet
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree
from skimage.draw import line
from skimage.graph import pixel_graph
from skimage.morphology import skeletonize

__all__ = ["EIGHT_NEIGHBOURS", "vessel_graph"]

PATH_SMOOTHING_PX = 2.5
"""Standard deviation, in mask pixels along the path, of the Gaussian that turns pixel stairs into a curve. This and the
constants below were chosen on rotated CHASE_DB1 and HRF masks, 900 px across the field of view."""

GAP_DIAMETERS = 15 / 900
"""Longest gap between an end and another fragment that is bridged, in diameters of the field of view."""

SPUR_DIAMETERS = 18 / 900
"""A branch with a free end is pruned below this length, or below the vessel's width, in diameters of the field of
view."""

FRAGMENT_DIAMETERS = 40 / 900
"""A fragment of the skeleton below this length is left out, in diameters of the field of view."""

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=np.uint8)
"""Pixels that touch at a side or a corner are connected."""


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
    skeleton = _bridge_gaps(skeletonize(mask), GAP_DIAMETERS * diameter)
    # The nearest background pixel is wanted of a few pixels only; a distance transform would find it of all.
    border = np.argwhere(ndimage.binary_dilation(mask, EIGHT_NEIGHBOURS) & ~mask)
    graph = _trace_skeleton(skeleton, KDTree(border) if border.size else None)
    _prune_spurs(graph, SPUR_DIAMETERS * diameter)
    for fragment in list(nx.connected_components(graph)):
        if sum(length for *_, length in graph.edges(fragment, data="length")) < FRAGMENT_DIAMETERS * diameter:
            graph.remove_nodes_from(fragment)
    return graph


def _bridge_gaps(skeleton: NDArray[np.bool_], longest: float) -> NDArray[np.bool_]:
    """Draw a line from ends to other fragments within reach, shortest first, until these are connected."""
    pixels = np.argwhere(skeleton)
    if pixels.size == 0:
        return skeleton
    labels, count = ndimage.label(skeleton, EIGHT_NEIGHBOURS)
    fragment = labels[skeleton]
    neighbours = ndimage.convolve(skeleton.astype(np.uint8), EIGHT_NEIGHBOURS, mode="constant") - 1
    tree = KDTree(pixels)
    gaps = []
    for end in np.flatnonzero(neighbours[skeleton] <= 1):
        near = np.array(tree.query_ball_point(pixels[end], longest), dtype=np.intp)
        near = near[fragment[near] != fragment[end]]
        distances = np.hypot(*(pixels[near] - pixels[end]).T)
        gaps += [(distance, end, other) for distance, other in zip(distances, near, strict=True)]
    bridged = skeleton.copy()
    joined = DisjointSet(range(1, count + 1))
    for _, end, other in sorted(gaps):
        if joined.merge(fragment[end], fragment[other]):
            bridged[line(*pixels[end], *pixels[other])] = True
    return skeletonize(bridged)


def _trace_skeleton(skeleton: NDArray[np.bool_], border: KDTree | None) -> nx.MultiGraph:
    """Turn a skeleton into a graph; ``border`` holds the background pixels next to the mask, None where all is mask."""
    graph = nx.MultiGraph()
    if skeleton.sum() < 2:
        return graph
    adjacency, flat = pixel_graph(skeleton, connectivity=2)
    rows, columns = np.unravel_index(flat, skeleton.shape)
    points = np.column_stack([rows, columns]).astype(np.float64)
    neighbours = [part.tolist() for part in np.split(adjacency.indices, adjacency.indptr[1:-1])]
    degrees = np.diff(adjacency.indptr)
    is_node = degrees != 2
    count, part = connected_components(adjacency, directed=False)
    rings = np.setdiff1d(np.arange(count), part[is_node])
    is_node[[int(np.argmax(part == ring)) for ring in rings]] = True

    # Pixels of one junction touch each other and are one node; every other pixel is a node of its own.
    touching = adjacency.tocoo()
    touching.data = (degrees[touching.row] > 2) & (degrees[touching.col] > 2)
    touching.eliminate_zeros()
    _, cluster = connected_components(touching, directed=False)
    node_of = {int(pixel): int(cluster[pixel]) for pixel in np.flatnonzero(is_node)}
    for node in set(node_of.values()):
        pixels = np.flatnonzero(cluster == node)
        radius = float(border.query(points[pixels])[0].max()) if border else 0.0
        graph.add_node(node, position=points[pixels].mean(axis=0), radius=radius)

    walked: set[tuple[int, int]] = set()
    for start in node_of:
        for step in neighbours[start]:
            if (start, step) in walked or node_of.get(step) == node_of[start]:
                continue
            walk = [start, step]
            while walk[-1] not in node_of:
                one, other = neighbours[walk[-1]]
                walk.append(other if one == walk[-2] else one)
            walked.add((walk[-1], walk[-2]))
            ends = node_of[walk[0]], node_of[walk[-1]]
            path = points[walk]
            path[0], path[-1] = (graph.nodes[end]["position"] for end in ends)
            graph.add_edge(*ends, path=path, length=_length(path))
    for node in list(graph):
        _dissolve(graph, node)
    return graph


def _length(path: NDArray[np.float64]) -> float:
    """Return the length of a path of pixels after its stairs are smoothed; its ends stay in place."""
    reach = min(int(4 * PATH_SMOOTHING_PX), len(path) - 1)
    extended = np.pad(path, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    smooth = ndimage.gaussian_filter1d(extended, PATH_SMOOTHING_PX, axis=0)[reach:-reach]
    smooth[0], smooth[-1] = path[0], path[-1]
    return float(np.hypot(*np.diff(smooth, axis=0).T).sum())


def _dissolve(graph: nx.MultiGraph, node: int) -> None:
    """Join the two segments that meet in a node; a node of a ring, an end or a junction stays."""
    segments = list(graph.edges(node, data="path"))
    if graph.degree(node) != 2 or len(segments) != 2:
        return
    position = graph.nodes[node]["position"]
    (_, one, before), (_, other, after) = segments
    before = before if np.array_equal(before[-1], position) else before[::-1]
    after = after if np.array_equal(after[0], position) else after[::-1]
    path = np.concatenate([before, after[1:]])
    graph.remove_node(node)
    graph.add_edge(one, other, path=path, length=_length(path))


def _spurs(graph: nx.MultiGraph, shortest: float) -> Iterator[tuple[float, int, int]]:
    """Yield length, free end and junction of each branch that is too short."""
    for tip, degree in graph.degree():
        if degree == 1:
            ((_, root, length),) = graph.edges(tip, data="length")
            if graph.degree(root) > 2 and length < max(shortest, 2 * graph.nodes[root]["radius"]):
                yield length, tip, root


def _prune_spurs(graph: nx.MultiGraph, shortest: float) -> None:
    """Remove short branches with a free end, shortest first, until none is left."""
    while spurs := sorted(_spurs(graph, shortest)):
        for _, tip, root in spurs:
            if root in graph and graph.degree(root) > 2:
                graph.remove_node(tip)
                _dissolve(graph, root)
