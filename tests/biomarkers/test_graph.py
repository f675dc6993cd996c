"""The graph of drawn vessels, whose nodes and segments are known."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from vmnet_monai.biomarkers.graph import drop_rings, smooth_paths, vessel_graph

Mask = NDArray[np.bool_]


def bars(*bars: tuple[slice, slice], shape: tuple[int, int] = (120, 200)) -> Mask:
    mask = np.zeros(shape, dtype=bool)
    for bar in bars:
        mask[bar] = True
    return mask


HORIZONTAL = (slice(57, 64), slice(10, 110))
"""A vessel 7 pixels wide and 100 long."""


def lengths(graph: nx.MultiGraph) -> list[float]:
    return sorted(length for *_, length in graph.edges(data="length"))


def test_a_branch_leaves_the_vessel_at_a_node_with_its_place_and_radius() -> None:
    graph = vessel_graph(bars(HORIZONTAL, (slice(10, 60), slice(58, 63))), diameter=120)
    (branch_point,) = (node for node, degree in graph.degree() if degree == 3)
    assert sorted(degree for _, degree in graph.degree()) == [1, 1, 1, 3]
    assert graph.nodes[branch_point]["position"] == pytest.approx((60, 60), abs=1)
    assert 3 <= graph.nodes[branch_point]["radius"] <= 5
    for one, other, path in graph.edges(data="path"):
        ends = {tuple(graph.nodes[node]["position"]) for node in (one, other)}
        assert {tuple(path[0]), tuple(path[-1])} == ends


@pytest.mark.parametrize("width", [7, 15, 41])
def test_the_radius_of_a_node_is_the_distance_to_the_background_however_wide_the_vessel(width: int) -> None:
    mask = bars((slice(80, 80 + width), slice(20, 380)), (slice(10, 90), slice(190, 190 + width)), shape=(200, 400))
    graph = vessel_graph(mask, diameter=120)
    distances = ndimage.distance_transform_edt(mask)
    nodes = [data for node, data in graph.nodes(data=True) if graph.degree(node) == 3]
    assert nodes
    for node in nodes:
        row, column = np.round(node["position"]).astype(int)
        assert node["radius"] == pytest.approx(distances[row, column], abs=1.5)


def test_a_spur_is_pruned_and_the_vessel_is_one_segment_again() -> None:
    graph = vessel_graph(bars(HORIZONTAL, (slice(45, 60), slice(58, 63))), diameter=900)
    assert [degree for _, degree in graph.degree()] == [1, 1]
    assert lengths(graph) == pytest.approx([97], rel=0.03)


@pytest.mark.parametrize(("diameter", "expected"), [(900, [178]), (300, [78, 88])])
def test_a_gap_of_ten_pixels_is_bridged_where_that_is_little_of_the_field_of_view(
    diameter: float, expected: list[float]
) -> None:
    mask = bars((slice(18, 21), slice(10, 90)), (slice(18, 21), slice(100, 190)), shape=(40, 200))
    assert lengths(vessel_graph(mask, diameter)) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(("diameter", "expected"), [(900, [78]), (300, [18, 78])])
def test_a_fragment_of_twenty_pixels_is_left_out_where_that_is_little_of_the_field_of_view(
    diameter: float, expected: list[float]
) -> None:
    mask = bars((slice(18, 21), slice(10, 90)), (slice(18, 21), slice(140, 160)), shape=(40, 200))
    assert lengths(vessel_graph(mask, diameter)) == pytest.approx(expected, abs=1)


def test_a_ring_is_one_segment_from_a_node_to_itself() -> None:
    y, x = np.mgrid[:120, :120] - 59.5
    graph = vessel_graph(np.abs(np.hypot(y, x) - 40) < 3, diameter=120)
    ((one, other, length),) = graph.edges(data="length")
    assert one == other
    assert length == pytest.approx(2 * np.pi * 40, rel=0.03)


@pytest.mark.parametrize("mask", [np.zeros((9, 9), dtype=bool), bars((slice(4, 5), slice(4, 5)), shape=(9, 9))])
def test_no_vessel_and_a_single_pixel_have_no_graph(mask: Mask) -> None:
    assert len(vessel_graph(mask, diameter=9)) == 0


def test_short_rings_are_dropped_and_long_ones_stay() -> None:
    graph = nx.MultiGraph()
    for node in range(4):
        graph.add_node(node, position=np.array([10.0 * node, 0.0]))
    for one, other, length in ((0, 1, 10.0), (1, 2, 10.0), (1, 1, 3.0), (2, 2, 50.0), (3, 3, 3.0)):
        path = np.array([[10.0 * one, 0.0], [10.0 * other, 0.0]])
        graph.add_edge(one, other, path=path, length=length)
    drop_rings(graph, shortest=18)
    assert sorted(graph.edges(data="length")) == [(0, 2, 20.0), (2, 2, 50.0)]


def test_smoothed_path_keeps_its_ends_and_loses_its_stairs() -> None:
    stairs = np.array([[row // 3, row] for row in range(61)], dtype=float)
    points, path = smooth_paths([stairs, stairs[:2]])
    assert path.tolist() == [0] * 61 + [1] * 2
    assert points[[0, 60, 61, 62]] == pytest.approx(stairs[[0, 60, 0, 1]])
    assert np.hypot(*np.diff(points[:61], axis=0).T).sum() == pytest.approx(np.hypot(20, 60), rel=0.01)


def test_no_path_is_smoothed_to_none() -> None:
    points, path = smooth_paths([])
    assert len(points) == len(path) == 0
