"""Masks of vessels whose measures are known: lines and curves of any width, drawn at any angle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

Curve = NDArray[np.float64]
Mask = NDArray[np.bool_]


def disc(side_px: int) -> Mask:
    y, x = np.mgrid[:side_px, :side_px] - (side_px - 1) / 2
    return np.hypot(y, x) < side_px / 2


def one_pixel() -> Mask:
    mask = np.zeros((60, 60), dtype=bool)
    mask[20, 20] = True
    return mask


def straight(start: tuple[float, float], end: tuple[float, float]) -> Curve:
    """Points every quarter pixel, as (x, y) about the picture's centre."""
    return np.linspace(start, end, int(4 * np.hypot(end[0] - start[0], end[1] - start[1])) + 2)


def draw(curves: list[Curve], widths_px: list[float], angle: float, side_px: int = 600) -> Mask:
    """Draw turned curves with round caps: a pixel is set where its centre lies within half a width of the curve."""
    turn = np.deg2rad(angle)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    mask = np.zeros((side_px, side_px), dtype=bool)
    for curve, width in zip(curves, widths_px, strict=True):
        middle = curve @ rotation + (side_px - 1) / 2
        near = np.zeros_like(mask)
        near[tuple(middle.round().astype(int).T)] = True
        near = ndimage.maximum_filter(near, size=int(width) + 5)
        distances, _ = KDTree(middle).query(np.argwhere(near))
        mask[near] |= distances <= width / 2
    return mask


def koch(length_px: float, iterations: int) -> Curve:
    corners = np.array([0, 1], dtype=complex)
    for _ in range(iterations):
        third = np.diff(corners) / 3
        start = corners[:-1]
        tip = start + third + third * np.exp(1j * np.pi / 3)
        corners = np.append(np.column_stack([start, start + third, tip, start + 2 * third]).ravel(), 1)
    points = np.column_stack([corners.real - 0.5, corners.imag - 0.14]) * length_px
    return np.concatenate([np.linspace(one, other, 16) for one, other in zip(points, points[1:], strict=False)])


def tree(depth: int, start: tuple[float, float], heading: float, length: float) -> list[Curve]:
    """A binary tree of 2**depth - 1 straight branches."""
    end = (start[0] + length * np.cos(heading), start[1] + length * np.sin(heading))
    branches = [straight(start, end)]
    if depth > 1:
        for turn in (-0.5, 0.42):
            branches += tree(depth - 1, end, heading + turn, 0.78 * length)
    return branches
