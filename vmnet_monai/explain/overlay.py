"""Draws structures and heat maps over an image."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = ["draw_heat_map", "draw_scale", "draw_structures"]

STRUCTURE_COLOURS = ((0, 255, 170), (86, 180, 233), (240, 228, 66))
"""Green-cyan, the complement of the fundus' red, so that fine vessels stand out; then sky blue and yellow, which stay
apart from it with colour blindness (Okabe and Ito, 2008). Further structures start over."""

HEAT_COLOURS = "inferno"
"""Matplotlib colour map of heat maps; perceptually uniform and readable with colour blindness."""

HEAT_OPACITY = 0.6
"""Opacity of a heat map where it is 1; it falls to 0 with the heat, so that the image stays visible."""

CAPTION = "fraction of maximum"
"""Caption of the colour scale: each heat map is divided by its own maximum."""

MIN_LEGEND_SIDE_PX = 128
"""Below this shorter side the letters of the legend would be too small to read, and it is left out."""

FONT_FRACTION, MIN_FONT_PX = 0.028, 10
"""Height of the legend's letters as a fraction of the image's shorter side, and the least that can be read."""


def draw_structures(image: NDArray[np.uint8], masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.uint8]:
    """Colour the structures of an image, each in its own colour; where they overlap, the last one shows.

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


def draw_heat_map(image: NDArray[np.uint8], heat: NDArray[np.floating], caption: str = CAPTION) -> NDArray[np.uint8]:
    """Draw a heat map over an image, with its colour scale in the lower right corner.

    Args:
        image: (H, W, 3) uint8 RGB.
        heat: (H, W) in [0, 1].
        caption: what 0 and 1 mean, see :func:`draw_scale`.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    levels = (np.asarray(heat) * 255).round().astype(np.uint8)
    # By Pillow in whole numbers: in floating point 60 megapixels would take gigabytes.
    opacity = Image.fromarray(levels).point([round(HEAT_OPACITY * level) for level in range(256)])
    colours = Image.fromarray(levels)
    colours.putpalette((colormaps[HEAT_COLOURS](np.arange(256), bytes=True)[:, :3]).tobytes())
    return draw_scale(np.array(Image.composite(colours.convert("RGB"), Image.fromarray(image), opacity)), caption)


def draw_scale(image: NDArray[np.uint8], caption: str = CAPTION) -> NDArray[np.uint8]:
    """Write the colour scale of heat maps, from 0 to 1, into the lower right corner of an image.

    The scale is the same in every image, with the colours at full opacity. An image with a side below
    :data:`MIN_LEGEND_SIDE_PX` is returned unchanged.

    Args:
        image: (H, W, 3) uint8 RGB.
        caption: written below the scale.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    height, width = image.shape[:2]
    if min(height, width) < MIN_LEGEND_SIDE_PX:
        return image.copy()
    letter = max(MIN_FONT_PX, round(FONT_FRACTION * min(height, width)))
    font = ImageFont.load_default(letter)
    gap, digit = letter // 2, round(font.getlength("0"))
    panel_width, panel_height = round(font.getlength(caption)) + 2 * gap, 3 * letter + gap
    bar = np.linspace(0, 1, panel_width - 4 * gap - 2 * digit)
    colours = (colormaps[HEAT_COLOURS](bar)[:, :3] * 255).round().astype(np.uint8)

    panel = Image.new("RGB", (panel_width, panel_height))
    panel.paste(Image.fromarray(np.tile(colours, (letter, 1, 1))), (2 * gap + digit, gap))
    pen = ImageDraw.Draw(panel)
    middle = gap + letter // 2
    pen.text((gap, middle), "0", font=font, anchor="lm")
    pen.text((panel_width - gap, middle), "1", font=font, anchor="rm")
    pen.text((panel_width // 2, panel_height - gap), caption, font=font, anchor="ms")
    drawn = image.copy()
    drawn[-panel_height:, -panel_width:] = np.asarray(panel)[-height:, -width:]
    return drawn
