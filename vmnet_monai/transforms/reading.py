"""Pillow converters that bring every picture file to one convention before MONAI's reader hands it on."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

__all__ = ["to_mask", "to_rgb"]


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a photograph to 8-bit RGB, upright.

    Grey becomes three equal channels, transparency is laid over black, 16-bit samples keep their upper eight bits,
    and the EXIF orientation is applied.

    Args:
        image: a picture as Pillow opened it, any mode.

    Returns:
        A picture of mode RGB.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "I;16", "I;16B", "I;16L"):
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba).convert("RGB")
    return image.convert("RGB")


def to_mask(image: Image.Image) -> Image.Image:
    """Convert a mask to 8-bit grey with 255 inside, whether it was stored as 0/1, 0/255, palette or colour.

    Args:
        image: a picture as Pillow opened it, any mode.

    Returns:
        A picture of mode L with the values 0 and 255.
    """
    grey = np.asarray(image.convert("L") if image.mode not in ("I", "I;16", "F") else image)
    return Image.fromarray(np.where(grey > grey.max() / 2, 255, 0).astype(np.uint8))
