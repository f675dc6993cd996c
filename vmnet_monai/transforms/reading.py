"""Reading of pictures and of single slices of volumes, and the converters that bring them all to one convention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import PathLike
from monai.data import PILReader
from monai.utils import ensure_tuple
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vmnet_monai.slices import SliceAddress, parse_slice_address, read_volume

__all__ = ["PictureReader", "read_picture", "to_mask", "to_rgb"]


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


class PictureReader(PILReader):
    """Reads pictures, and slices of volumes as if they were pictures, as (rows, columns[, channels]).

    A name is the path of a picture, or the address of a slice (:func:`vmnet_monai.slices.slice_address`): its pixels as
    8-bit or 16-bit grey, or with a label 255 where the volume has that label and 0 elsewhere.

    Args:
        converter: from the picture as Pillow opened it to the picture as it should be, such as :func:`to_rgb` and
            :func:`to_mask`; None leaves it as it is.

    Raises:
        OSError: (when reading) if a file is missing or no picture.
        ValueError: (when reading) if an address is wrong, a volume is damaged, lacks the slice, or holds other grey
            values than unsigned 8-bit and 16-bit.
    """

    def __init__(self, converter: Callable[[Image.Image], Image.Image] | None = None) -> None:
        super().__init__(converter, reverse_indexing=False)

    def read(self, data: Sequence[PathLike] | PathLike | np.ndarray, **kwargs: Any) -> Image.Image | list[Image.Image]:
        """The converted picture of a name, or a list of them for several names."""
        pictures = [self._read(str(name), **kwargs) for name in ensure_tuple(data)]
        return pictures if len(pictures) > 1 else pictures[0]

    def _read(self, name: str, **kwargs: Any) -> Image.Image:
        address = parse_slice_address(name)
        if address is None:
            return super().read(name, **kwargs)
        picture = _slice_picture(address)
        return picture if self.converter is None else self.converter(picture)


def read_picture(path: str | Path) -> NDArray[np.uint8]:
    """Read a picture, or the slice of a volume at an address, as upright RGB.

    Returns:
        (H, W, 3) uint8.

    Raises:
        OSError, ValueError: as :class:`PictureReader`.
    """
    return np.array(PictureReader(to_rgb).read(path))


def _slice_picture(address: SliceAddress) -> Image.Image:
    """The slice as Pillow would open it: mode L or I;16."""
    volume = read_volume(address.path)
    if address.index >= len(volume):
        raise ValueError(
            f"{address.path} has the slices 0 to {len(volume) - 1}, got {address.index}: address one of these."
        )
    pixels = volume[address.index]
    if address.label is not None:
        return Image.fromarray(np.where(pixels == address.label, 255, 0).astype(np.uint8))
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"the grey values of a volume must be unsigned 8-bit or 16-bit, {address.path} has {pixels.dtype}: "
            "export it as one of these."
        )
    return Image.fromarray(pixels)
