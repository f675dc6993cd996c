"""Draws vessels and heat maps over a photograph."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

__all__ = ["draw_heat_map", "draw_vessels"]

VESSEL_COLOUR = (0, 255, 170)
"""Green-cyan: the complement of the fundus' red, so that fine vessels stand out."""

HEAT_COLOURS = "inferno"
"""Matplotlib colour map of heat maps; perceptually uniform and readable with colour blindness."""

HEAT_OPACITY = 0.6
"""Opacity of a heat map where it is 1; it falls to 0 with the heat, so that the photograph stays visible."""


def draw_vessels(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Colour the vessels of a photograph.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    drawn = image.copy()
    drawn[mask] = VESSEL_COLOUR
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
