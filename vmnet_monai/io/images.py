"""Reads image files, DICOM photographs and slices of volumes as upright 8-bit RGB, and masks as 0 and 255."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import PathLike
from monai.data import PILReader
from monai.utils import ensure_tuple
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from vmnet_monai.errors import MAX_PIXELS, UnreadableImageError, check_size
from vmnet_monai.io.apart import decode_apart
from vmnet_monai.io.decoding import IMAGE_FORMATS, MAX_SAMPLE, REMARKS, decode
from vmnet_monai.io.depth import eight_bits
from vmnet_monai.io.masks import parse_mask_address
from vmnet_monai.io.remote import fetched, is_remote

__all__ = [
    "IMAGE_FORMATS",
    "MAX_PIXELS",
    "REMARKS",
    "FundusImageReader",
    "UnreadableImageError",
    "open_image",
    "read_image",
    "read_mask",
    "to_mask",
    "to_rgb",
]

_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")  # Pillow's, of more than 8 bits

# MONAI's LoadImage looks for a GPU decoder of DICOM, whatever its reader, and warns that there is none.
warnings.filterwarnings("ignore", message="NvImgCodecPydicomReader")
logging.getLogger("monai.data.nvimgcodec_pydicom_plugin").setLevel(logging.ERROR)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image to 8-bit RGB, upright.

    Grey becomes three equal channels, transparent pixels are drawn over black, samples of more than 8 bits are reduced
    to 8 (below), CMYK, YCbCr and CIELAB are converted, and the EXIF orientation is applied unless the EXIF data is
    damaged. Colour profiles are ignored: the network is trained on the stored values.

    Grey samples of more than 8 bits must lie within 0 to 65535 and keep the upper eight of the bits that they use, see
    :func:`vmnet_monai.io.depth.used_bits`; where these are less than 16, :data:`REMARKS` in the ``info`` of the result
    says so. Floating-point samples must lie within 0 to 1, which becomes 0 to 255.

    Args:
        image: an image as Pillow opened it, any mode.

    Returns:
        An image of mode RGB.

    Raises:
        UnreadableImageError: if samples lie outside these ranges.
    """
    image = _upright(image)
    if image.mode in _DEEP_MODES:
        pixels, remark = eight_bits(np.asarray(image), image.info.get(MAX_SAMPLE))
        colour = Image.fromarray(pixels).convert("RGB")
        colour.info[REMARKS] = [remark] if remark else []
        return colour
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba).convert("RGB")
    return image.convert("RGB")


def to_mask(image: Image.Image) -> Image.Image:
    """Convert a mask to 8-bit grey with 255 inside, whether it was stored as 0/1, 0/255, palette or colour.

    Args:
        image: an image as Pillow opened it, any mode.

    Returns:
        An image of mode L with the values 0 and 255.
    """
    grey = np.asarray(image if image.mode in _DEEP_MODES else image.convert("L"))
    return Image.fromarray(np.where(grey > grey.max() / 2, 255, 0).astype(np.uint8))


class FundusImageReader(PILReader):
    """Reads images, and slices of volumes as if they were images, as (rows, columns[, channels]).

    A name is the path of an image, the address of a slice (:func:`vmnet_monai.io.slices.slice_address`) or of a mask
    (:mod:`vmnet_monai.io.masks`), or, where LoadImage leaves names as they are (``expanduser=False``), an image in
    memory, see :func:`open_image`.

    Where :meth:`read` raises an error, MONAI's LoadImage tries its other readers, which would open the refused image
    without converting it. Therefore :meth:`read` returns the error, and :meth:`get_data` raises it; also that of a
    file in a bucket that cannot be reached, which is no error of the image.

    Args:
        converter: converts the image that Pillow opened, such as :func:`to_rgb` and :func:`to_mask`; None leaves it as
            it is.
    """

    def __init__(self, converter: Callable[[Image.Image], Image.Image] | None = None) -> None:
        super().__init__(converter, reverse_indexing=False)

    def read(
        self, data: Sequence[PathLike] | PathLike | np.ndarray, **kwargs: Any
    ) -> Image.Image | list[Image.Image] | UnreadableImageError | OSError:
        """Return the converted image of a name, or a list of them for several names; or the error of one that fails."""
        try:
            images = [open_image(name, self.converter) for name in ensure_tuple(data)]
        except (UnreadableImageError, OSError) as error:
            return error
        return images if len(images) > 1 else images[0]

    def get_data(
        self, img: Image.Image | list[Image.Image] | UnreadableImageError | OSError
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the pixels and properties of what :meth:`read` returned.

        Raises:
            OSError: if it could not be fetched from a bucket.
            UnreadableImageError: if it could not be read.
        """
        if isinstance(img, (UnreadableImageError, OSError)):
            raise img
        pixels, properties = super().get_data(img)
        images = img if isinstance(img, list) else [img]
        properties[REMARKS] = "\n".join(remark for image in images for remark in image.info.get(REMARKS, ()))
        return np.array(pixels), properties  # Pillow's own memory cannot be written to, which PyTorch warns about


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read an image, or the slice of a volume at an address, as upright RGB.

    Returns:
        (H, W, 3) uint8.

    Raises:
        UnreadableImageError: as :func:`open_image` and :func:`to_rgb`.
    """
    return np.array(open_image(path, to_rgb))


def read_mask(path: str | Path) -> NDArray[np.bool_]:
    """Read a mask: an image, a slice of a volume, or colours of a label picture or an ellipse at an address.

    Returns:
        (H, W) bool, where it is not 0.

    Raises:
        UnreadableImageError: as :func:`open_image` and :func:`to_mask`.
    """
    return np.asarray(open_image(path, to_mask)) > 0


def open_image(
    path: str | Path | Image.Image, converter: Callable[[Image.Image], Image.Image] | None = None
) -> Image.Image:
    """Open and decode an image, or a slice of a volume as if it were one; the file is closed again.

    Of a TIFF the first page is read, of an animation the first frame. Samples of 16 bits of which a camera used less,
    such as 12, are read by these: as 16 bits they would show a black image. This does not apply to slices. The result's
    ``info`` has a list of sentences on both, under :data:`REMARKS`.

    What a file may take is held against :mod:`vmnet_monai.io.budget` before anything is allocated for it.

    A slice is 8-bit or 16-bit grey, or with a label 255 where the volume has that label and 0 elsewhere. A mask that is
    made of another image (:mod:`vmnet_monai.io.masks`) is 255 inside and 0 elsewhere. Warnings of the decoders are
    dropped.

    DICOM is recognised by its content, whatever the name; without an address its first frame is read. It has 8 bits,
    see :func:`vmnet_monai.io.dicom.decode_frame`.

    Args:
        path: an image in one of :data:`IMAGE_FORMATS`, a DICOM photograph, the address of a slice, of a DICOM frame or
            of a mask, the address of an image or DICOM photograph in a bucket (:mod:`vmnet_monai.io.remote`), or an
            image that Pillow opened.
        converter: converts the image while its file is open; None leaves it as it is.

    Raises:
        ImportError: if the package that reads a bucket is not installed.
        OSError: if a file in a bucket cannot be fetched.
        UnreadableImageError: if the file is missing, empty, no regular file, of another format, damaged, larger than
            the budget, or may not be read; if an address is wrong, or a volume lacks the slice, or holds other
            grey values than unsigned 8-bit and 16-bit; if a DICOM object is no photograph or lacks the frame; or if the
            converter refuses the image.
    """
    converter = converter or Image.Image.copy
    if isinstance(path, Image.Image):
        return _converted(path, "image in memory", converter)
    name = str(path)
    with fetched(name) if is_remote(name) else nullcontext(name) as file:
        return _converted(str(file), name, converter)


def _converted(path: str | Image.Image, name: str, converter: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """The image of a file or in memory, converted; errors bear the name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if isinstance(path, Image.Image):
                check_size(*path.size)
            image = path if isinstance(path, Image.Image) else _decoded(path)
            converted = converter(image)
    except UnreadableImageError as error:
        raise UnreadableImageError(f"{name}: {error}") from None
    # Of any class: an image in memory may have a file that is not yet decoded.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise UnreadableImageError(
            f"{name}: the file is damaged or incomplete ({reason}): copy or export it again."
        ) from error
    remarks = [*image.info.get(REMARKS, ()), *converted.info.get(REMARKS, ())]
    converted.info[REMARKS] = list(dict.fromkeys(remarks))
    return converted


def _decoded(name: str) -> Image.Image:
    """The image at a path or an address, before it is converted."""
    try:
        mask = parse_mask_address(name)
    except ValueError as error:
        raise UnreadableImageError(str(error)) from error
    if mask is None:
        return decode(name, apart=decode_apart)
    drawn = mask.draw(np.asarray(to_rgb(_decoded(mask.path))))
    return Image.fromarray(drawn.astype(np.uint8) * 255)


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        is_turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        return ImageOps.exif_transpose(image) if is_turned else image
    except Exception:  # damaged EXIF data raises anything, and the pixels are still good
        return image
