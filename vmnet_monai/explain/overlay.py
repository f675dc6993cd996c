"""Draws structures and heat maps over an image."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from vmnet_monai.structures import structure_looks

__all__ = ["draw_heat_map", "draw_scale", "draw_structures", "heat_palette", "outline", "scale_colours"]

HEAT_COLOURS = LinearSegmentedColormap.from_list(
    "vmnet_heat", [(0.0, "#2a2cff"), (0.45, "#00a8ff"), (0.8, "#2ff0ff"), (1.0, "#c8ffff")]
)
"""Colours of heat maps, from blue over cyan to its palest: a red retina has none of them, neither have haemorrhages
(dark red) and exudates (yellow). The lightness rises, so that their order is seen with colour blindness and in grey."""

HEAT_FROM = 0.3
"""Nothing is drawn below this fraction of a map's maximum, so that the photograph shows where the map is low."""

HEAT_OPACITY = 0.8
"""Opacity of a heat map where it is 1; it falls to 0 at :data:`HEAT_FROM`."""

CAPTION = "fraction of maximum"
"""Caption of the colour scale: each heat map is divided by its own maximum."""

MIN_LEGEND_SIDE_PX = 128
"""Below this shorter side the letters of the legend would be too small to read, and it is left out."""

FONT_FRACTION, MIN_FONT_PX = 0.028, 10
"""Height of the legend's letters as a fraction of the image's shorter side, and the least that can be read."""

BAND_ROWS = 512
"""Rows that a heat map is drawn over at a time."""

OUTLINE_FRACTION = 0.004
"""Width of an outline as a fraction of the image's longer side."""


def outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep of a mask the band along its rim, of a width that suits the image.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) bool.
    """
    band = np.zeros_like(mask)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size:
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        width_px = max(1, round(OUTLINE_FRACTION * max(mask.shape)))
        # The distance to the nearest pixel outside; beyond the part everything lies outside.
        inside = ndimage.distance_transform_edt(np.pad(mask[part], 1))[1:-1, 1:-1]
        band[part] = mask[part] & (inside <= width_px)
    return band


def draw_structures(image: NDArray[np.uint8], masks: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.uint8]:
    """Colour the structures of an image, each in its own colour; where they overlap, the last one shows.

    Those that are outlined (:data:`~vmnet_monai.structures.STRUCTURE_LOOKS`) are drawn last, as an outline.

    Args:
        image: (H, W, 3) uint8 RGB.
        masks: structure -> (H, W) bool.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    drawn = image.copy()
    looks = structure_looks(list(masks))
    for name in sorted(masks, key=lambda name: looks[name].outlined):
        drawn[outline(masks[name]) if looks[name].outlined else masks[name]] = looks[name].colour
    return drawn


def heat_palette() -> NDArray[np.uint8]:
    """Colours of the levels of a heat map, 0 to 255; nothing below :data:`HEAT_FROM`, more opaque the hotter.

    Returns:
        (256, 4) uint8 RGBA.
    """
    heat = np.linspace(0, 1, 256)
    strength = np.clip((heat - HEAT_FROM) / (1 - HEAT_FROM), 0, 1)
    colours: NDArray[np.float64] = HEAT_COLOURS(strength)
    colours[:, 3] = HEAT_OPACITY * np.sqrt(strength)  # rises soon, so that the rim of what is drawn can be seen
    return (colours * 255).round().astype(np.uint8)


def scale_colours(steps: int) -> NDArray[np.uint8]:
    """Colours of the scale of heat maps from 0 to 1, over black: black where nothing is drawn.

    Args:
        steps: number of colours.

    Returns:
        (steps, 3) uint8 RGB.
    """
    palette = heat_palette().astype(np.float64)
    colours = palette[:, :3] * palette[:, 3:] / palette[:, 3].max()
    return colours[np.linspace(0, 255, steps).round().astype(int)].round().astype(np.uint8)


def draw_heat_map(
    image: NDArray[np.uint8], heat: NDArray[np.floating], title: str = "", caption: str = CAPTION
) -> NDArray[np.uint8]:
    """Draw a heat map over an image, with what it shows and its colour scale in the lower right corner.

    Args:
        image: (H, W, 3) uint8 RGB.
        heat: (H, W) in [0, 1].
        title: the disease and the method.
        caption: what 0 and 1 mean, see :func:`draw_scale`.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    palette = heat_palette()
    drawn = np.empty_like(image)
    # By Pillow in whole numbers, and band by band: 60 megapixels would take gigabytes.
    for start in range(0, len(image), BAND_ROWS):
        band = slice(start, start + BAND_ROWS)
        levels = Image.fromarray((np.asarray(heat[band]) * 255).round().astype(np.uint8))
        opacity = levels.point(palette[:, 3].tolist())
        levels.putpalette(palette[:, :3].tobytes())
        drawn[band] = np.asarray(Image.composite(levels.convert("RGB"), Image.fromarray(image[band]), opacity))
    return _with_scale(drawn, title, caption)


def draw_scale(image: NDArray[np.uint8], title: str = "", caption: str = CAPTION) -> NDArray[np.uint8]:
    """Write the colour scale of heat maps, from 0 to 1, into the lower right corner of an image.

    The scale is the same in every image, as the colours look over black: empty where nothing is drawn. An image with a
    side below :data:`MIN_LEGEND_SIDE_PX` is returned unchanged.

    Args:
        image: (H, W, 3) uint8 RGB.
        title: written above the scale; empty for none.
        caption: written below the scale.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    return _with_scale(image.copy(), title, caption)


def _with_scale(drawn: NDArray[np.uint8], title: str, caption: str) -> NDArray[np.uint8]:
    """Write the colour scale into the image itself, and return it."""
    height, width = drawn.shape[:2]
    if min(height, width) < MIN_LEGEND_SIDE_PX:
        return drawn
    letter = max(MIN_FONT_PX, round(FONT_FRACTION * min(height, width)))
    lines = [line for line in (*title.split("\n"), caption) if line]
    while True:
        font = ImageFont.load_default(letter)
        gap, digit = letter // 2, round(font.getlength("0"))
        text_width = max(round(font.getlength(line)) for line in lines)
        if text_width + 2 * gap <= width or letter <= MIN_FONT_PX:
            break
        letter -= 1
    panel_width = max(text_width + 2 * gap, 4 * gap + 2 * digit + 8)
    step = letter + gap
    panel_height = step * len(lines) + letter + 2 * gap

    bar = scale_colours(panel_width - 4 * gap - 2 * digit)
    panel = Image.new("RGB", (panel_width, panel_height))
    pen = ImageDraw.Draw(panel)
    for number, line in enumerate(lines[:-1]):
        pen.text((panel_width // 2, gap + number * step + letter // 2), line, font=font, anchor="mm")
    top = gap + step * (len(lines) - 1)
    panel.paste(Image.fromarray(np.tile(bar, (letter, 1, 1))), (2 * gap + digit, top))
    pen.rectangle((2 * gap + digit - 1, top - 1, panel_width - 2 * gap - digit, top + letter), outline=(110, 110, 110))
    middle = top + letter // 2
    pen.text((gap, middle), "0", font=font, anchor="lm")
    pen.text((panel_width - gap, middle), "1", font=font, anchor="rm")
    pen.text((panel_width // 2, top + step + letter // 2), caption, font=font, anchor="mm")
    drawn[-panel_height:, -panel_width:] = np.asarray(panel)[-height:, -width:]
    return drawn
