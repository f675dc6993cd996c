"""Draws structures and heat maps over a photograph."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

__all__ = ["draw_heat_map", "draw_structures"]

STRUCTURE_COLOURS = ((0, 255, 170), (86, 180, 233), (240, 228, 66))
"""Green-cyan, the complement of the fundus' red, so that fine vessels stand out; then sky blue and yellow, which stay
apart from it with colour blindness (Okabe and Ito, 2008). Further structures start over."""

HEAT_COLOURS = "inferno"
"""Matplotlib colour map of heat maps; perceptually uniform and readable with colour blindness."""

HEAT_OPACITY = 0.6
"""Opacity of a heat map where it is 1; it falls to 0 with the heat, so that the photograph stays visible."""


def draw_structures(image: NDArray[np.uint8], masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.uint8]:
    """Colour the structures of a photograph, each in its own colour; where they overlap, the last one shows.

    Args:
        image: (H, W, 3) uint8 RGB.
        masks: (H, W) bool, one per structure.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    drawn = image.copy()
    for mask, colour in zip(masks, itertools.cycle(STRUCTURE_COLOURS), strict=False):
        drawn[mask] = colour
    return drawn


def draw_heat_map(image: NDArray[np.uint8], heat: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Lay a heat map over a photograph.

    Args:
        image: (H, W, 3) uint8 RGB.
        heat: (H, W) in [0, 1].

    Returns:
        (H, W, 3) uint8 RGB.
    """
    colours = colormaps[HEAT_COLOURS](heat)[..., :3] * 255
    opacity = HEAT_OPACITY * heat[..., None]
    return (image * (1 - opacity) + colours * opacity).round().astype(np.uint8)
