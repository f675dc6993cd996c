"""Images of a report: scaled down, and coloured with transparency."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vmnet_monai.explain.overlay import outline
from vmnet_monai.io.files import whole_file
from vmnet_monai.structures import StructureLook

__all__ = [
    "PAGE_SIDE_PX",
    "THUMBNAIL_SIDE_PX",
    "lay_over",
    "levels",
    "shrink",
    "structure_levels",
    "structure_palette",
    "write_jpeg",
]

PAGE_SIDE_PX = 1400
"""Longer side of a page's images: sharp on a screen of 1920 pixels, and quick to load from a slow disk."""

THUMBNAIL_SIDE_PX = 160
"""Longer side of a thumbnail: twice its size on the index, for dense screens."""

JPEG_QUALITY = 90
"""JPEG quality of photographs, at which no blocks show around fine vessels."""


BAND_ROWS = 512
"""Rows of a map that are written as levels at a time."""

REDUCING_GAP = 1.1
"""How much larger than its final size an image may still be after whole pixels were averaged: quick, and as good as
needed here, where the last step is antialiased."""


def shrink(pixels: NDArray[np.uint8], longer_side_px: int) -> NDArray[np.uint8]:
    """Scale an image down, antialiased, until it fits; a smaller one is returned unchanged.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.
        longer_side_px: most pixels of the longer side.

    Returns:
        (h, w) or (h, w, 3) uint8.
    """
    height, width = pixels.shape[:2]
    scale = longer_side_px / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP))


def levels(values: NDArray[np.bool_] | NDArray[np.floating]) -> NDArray[np.uint8]:
    """Write a mask or a map in [0, 1] as levels 0 to 255."""
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    scaled = np.empty(values.shape, dtype=np.uint8)
    for start in range(0, len(values), BAND_ROWS):  # in floating point all of 60 megapixels would take 480 MB
        band = slice(start, start + BAND_ROWS)
        scaled[band] = values[band] * np.float32(255) + np.float32(0.5)
    return scaled


def structure_levels(mask: NDArray[np.bool_], look: StructureLook, longer_side_px: int) -> NDArray[np.uint8]:
    """Scale a structure's mask down, as it is shown: all of it, or its outline.

    Args:
        mask: (H, W) bool.
        look: how the structure is shown.
        longer_side_px: most pixels of the longer side.

    Returns:
        (h, w) uint8 levels.
    """
    small = shrink(levels(mask), longer_side_px)
    return levels(outline(small >= 128)) if look.outlined else small


def structure_palette(look: StructureLook) -> NDArray[np.uint8]:
    """Colours of the levels of one structure: one colour, opaque where the structure fills the pixel.

    Scaled down, a vessel thinner than a pixel has a level between, and stays as a trace.

    Args:
        look: how the structure is shown.

    Returns:
        (256, 4) uint8 RGBA.
    """
    colours = np.empty((256, 4), dtype=np.uint8)
    colours[:, :3] = look.colour
    colours[:, 3] = np.arange(256)
    return colours


def lay_over(image: NDArray[np.uint8], overlay: NDArray[np.uint8], palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay coloured levels over a photograph of the same size.

    Args:
        image: (H, W, 3) uint8 RGB.
        overlay: (H, W) uint8 levels.
        palette: (256, 4) uint8 RGBA.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    opacity = palette[overlay, 3:] / np.float32(255)
    return (image * (1 - opacity) + palette[overlay, :3] * opacity).round().astype(np.uint8)


def write_jpeg(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a photograph as JPEG, whole or not at all.

    Args:
        path: the final name.
        pixels: (H, W, 3) uint8 RGB.
    """
    with whole_file(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="JPEG", quality=JPEG_QUALITY)
