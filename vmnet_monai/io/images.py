"""Reads image files, DICOM photographs and slices of volumes as upright 8-bit RGB, and masks as 0 and 255."""

from __future__ import annotations

import logging
import os
import stat
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from monai.config import PathLike
from monai.data import PILReader
from monai.utils import ensure_tuple
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from vmnet_monai.errors import MAX_PIXELS, TOO_LARGE, UnreadableImageError, check_size
from vmnet_monai.io.dicom import decode_frame, frame_number, is_dicom, read_dataset
from vmnet_monai.io.masks import parse_mask_address
from vmnet_monai.io.slices import SliceAddress, parse_slice_address, read_volume, volume_shape

__all__ = [
    "IMAGE_FORMATS",
    "MAX_PIXELS",
    "FundusImageReader",
    "UnreadableImageError",
    "open_image",
    "read_image",
    "to_mask",
    "to_rgb",
]

MAX_VOXELS = 1_000_000_000
"""Most voxels of a volume whose slices are read; RETOUCH's largest have 67 million."""

IMAGE_FORMATS = ("BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's names of the formats that are read. Others are refused, such as PostScript, which Pillow passes to another
program."""

_MAX_TWELVE_BIT = 2**12 - 1
_MAX_SIXTEEN_BIT = 2**16 - 1
_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")  # Pillow's, of more than 8 bits
_PLANAR_CONFIGURATION, _BITS_PER_SAMPLE = 284, 258  # TIFF tags
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the latter two: BigTIFF

# MONAI's LoadImage looks for a GPU decoder of DICOM, whatever its reader, and warns that there is none.
warnings.filterwarnings("ignore", message="NvImgCodecPydicomReader")
logging.getLogger("monai.data.nvimgcodec_pydicom_plugin").setLevel(logging.ERROR)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image to 8-bit RGB, upright.

    Grey becomes three equal channels, transparent pixels are drawn over black, samples of more than 8 bits are reduced
    to 8 (below), CMYK, YCbCr and CIELAB are converted, and the EXIF orientation is applied unless the EXIF data is
    damaged. Colour profiles are ignored: the network is trained on the stored values.

    Grey samples of more than 8 bits must lie within 0 to 65535 and keep their upper eight bits. Floating-point samples
    must lie within 0 to 1, which becomes 0 to 255.

    Args:
        image: an image as Pillow opened it, any mode.

    Returns:
        An image of mode RGB.

    Raises:
        UnreadableImageError: if samples lie outside these ranges.
    """
    image = _upright(image)
    if image.mode in _DEEP_MODES:
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
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
    without converting it. Therefore :meth:`read` returns the error, and :meth:`get_data` raises it.

    Args:
        converter: converts the image that Pillow opened, such as :func:`to_rgb` and :func:`to_mask`; None leaves it as
            it is.
    """

    def __init__(self, converter: Callable[[Image.Image], Image.Image] | None = None) -> None:
        super().__init__(converter, reverse_indexing=False)

    def read(
        self, data: Sequence[PathLike] | PathLike | np.ndarray, **kwargs: Any
    ) -> Image.Image | list[Image.Image] | UnreadableImageError:
        """Return the converted image of a name, or a list of them for several names; or the error of one that fails."""
        try:
            images = [open_image(name, self.converter) for name in ensure_tuple(data)]
        except UnreadableImageError as error:
            return error
        return images if len(images) > 1 else images[0]

    def get_data(
        self, img: Image.Image | list[Image.Image] | UnreadableImageError
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the pixels and properties of what :meth:`read` returned.

        Raises:
            UnreadableImageError: if it could not be read.
        """
        if isinstance(img, UnreadableImageError):
            raise img
        pixels, properties = super().get_data(img)
        return np.array(pixels), properties  # Pillow's own memory cannot be written to, which PyTorch warns about


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """Read an image, or the slice of a volume at an address, as upright RGB.

    Returns:
        (H, W, 3) uint8.

    Raises:
        UnreadableImageError: as :func:`open_image` and :func:`to_rgb`.
    """
    return np.array(open_image(path, to_rgb))


def open_image(
    path: str | Path | Image.Image, converter: Callable[[Image.Image], Image.Image] | None = None
) -> Image.Image:
    """Open and decode an image, or a slice of a volume as if it were one; the file is closed again.

    Of a TIFF the first page is read, of an animation the first frame. Samples of 16 bits of which none exceeds 4095 are
    a camera's 12 bits, and are multiplied by 16: as 16 bits they would show a black image. This does not apply
    to colour that Pillow itself reduces to 8 bits (PNG, most TIFF), nor to slices.

    A slice is 8-bit or 16-bit grey, or with a label 255 where the volume has that label and 0 elsewhere. A mask that is
    made of another image (:mod:`vmnet_monai.io.masks`) is 255 inside and 0 elsewhere. Warnings of the decoders are
    dropped.

    DICOM is recognised by its content, whatever the name; without an address its first frame is read. It has 8 bits,
    see :func:`vmnet_monai.io.dicom.decode_frame`.

    Args:
        path: an image in one of :data:`IMAGE_FORMATS`, a DICOM photograph, the address of a slice, of a DICOM frame or
            of a mask, or an image that Pillow opened.
        converter: converts the image while its file is open; None leaves it as it is.

    Raises:
        UnreadableImageError: if the file is missing, empty, no regular file, of another format, damaged, larger than
            :data:`MAX_PIXELS`, or may not be read; if an address is wrong, or a volume lacks the slice, or holds other
            grey values than unsigned 8-bit and 16-bit; if a DICOM object is no photograph or lacks the frame; or if the
            converter refuses the image.
    """
    name = "image in memory" if isinstance(path, Image.Image) else str(path)
    converter = converter or Image.Image.copy
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if isinstance(path, Image.Image):
                check_size(*path.size)
                return converter(path)
            return _open_image(name, converter)
    except UnreadableImageError as error:
        raise UnreadableImageError(f"{name}: {error}") from None
    except UnidentifiedImageError as error:
        raise UnreadableImageError(
            f"{name}: the file is no image of a format that is read here ({', '.join(IMAGE_FORMATS)}, and DICOM "
            "files, which have the letters DICM after 128 bytes), or its beginning is damaged: save it as PNG or JPEG, "
            "or copy it again."
        ) from error
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(f"{name}: {TOO_LARGE}.") from error
    except PermissionError as error:
        raise UnreadableImageError(f"{name}: the file may not be read: allow it in the file's properties.") from error
    # Decoders of damaged bytes raise errors of any class, struct.error and MemoryError among them.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise UnreadableImageError(
            f"{name}: the file is damaged or incomplete ({reason}): copy or export it again."
        ) from error


def _open_image(name: str, converter: Callable[[Image.Image], Image.Image]) -> Image.Image:
    try:
        mask = parse_mask_address(name)
        address = parse_slice_address(name) if mask is None else None
    except ValueError as error:
        raise UnreadableImageError(str(error)) from error
    if mask is not None:
        drawn = mask.draw(np.asarray(_open_image(mask.path, to_rgb)))
        return converter(Image.fromarray(drawn.astype(np.uint8) * 255))
    path = name if address is None else address.path
    _check_file(path)
    if is_dicom(path):
        frame = frame_number(address)
        return converter(decode_frame(read_dataset(path), frame))
    if address is not None:
        return converter(_slice_image(address))
    with open(name, "rb") as file:
        return converter(_decode(file))


def _check_file(name: str) -> None:
    """Refuse what is no file with content, before opening it: a named pipe would wait for ever."""
    try:
        status = os.stat(name)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnreadableImageError("the file does not exist: correct the name, or copy the file again.") from error
    except PermissionError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UnreadableImageError(f"the name cannot be opened ({reason}): correct it.") from error
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableImageError("this is a folder, not an image: name the images in it.")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableImageError("this is a device or a pipe, not a file: save the image as a file.")
    if status.st_size == 0:
        raise UnreadableImageError("the file is empty (0 bytes): copy or export it again.")


def _decode(file: BinaryIO) -> Image.Image:
    try:
        image = Image.open(file, formats=IMAGE_FORMATS)
    except UnidentifiedImageError:
        file.seek(0)
        if file.read(4) not in _TIFF_SIGNATURES:
            raise
        return _decode_unusual_tiff(file)
    check_size(*image.size)
    # Pillow 13 opens 16-bit colour that is stored plane by plane, and mixes its channels up.
    tags = getattr(image, "tag_v2", {})
    if tags.get(_PLANAR_CONFIGURATION) == 2 and max(tags.get(_BITS_PER_SAMPLE, (8,))) > 8:
        return _decode_unusual_tiff(file)
    image.load()
    if image.mode not in _DEEP_MODES:
        return image
    deep = Image.fromarray(_in_sixteen_bits(np.asarray(image)))
    deep.info = image.info  # EXIF data among it
    return deep


def _decode_unusual_tiff(file: BinaryIO) -> Image.Image:
    """Decode what Pillow cannot, such as colour in floating point, with tifffile, to 8 bits per sample."""
    import tifffile

    file.seek(0)
    with _silent(tifffile.logger()), tifffile.TiffFile(file) as tiff:
        page = tiff.pages.first
        check_size(page.imagewidth, page.imagelength)
        if page.photometric not in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB):
            raise UnreadableImageError("a TIFF of this kind is not read: export it as PNG or 8-bit RGB TIFF.")
        samples = page.asarray()
    if page.axes.startswith("S"):
        samples = np.moveaxis(samples, 0, -1)
    if samples.ndim not in (2, 3) or (samples.ndim == 3 and samples.shape[-1] not in (3, 4)):
        raise UnreadableImageError(
            f"an image must have 1, 3 or 4 samples per pixel, this TIFF is {' x '.join(map(str, samples.shape))}: "
            "export it as PNG or 8-bit RGB TIFF."
        )
    return Image.fromarray(np.ascontiguousarray(_eight_bits(_in_sixteen_bits(samples))))


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    """Disable a logger that repeats the text of the error."""
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _eight_bits(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert samples of any depth to 8 bits, as described in :func:`to_rgb`."""
    if samples.dtype == np.uint8:
        return samples
    floating = np.issubdtype(samples.dtype, np.floating)
    lowest, highest = samples.min(), samples.max()
    if not (lowest >= 0 and highest <= (1 if floating else _MAX_SIXTEEN_BIT)):  # so that NaN is refused
        raise UnreadableImageError(
            f"samples must lie within 0 to 65535, or within 0 to 1 in floating point, these {samples.dtype} samples "
            f"lie within {lowest:g} to {highest:g}: export the image with 8 or 16 bits."
        )
    if floating:
        return np.round(samples * 255.0).astype(np.uint8)
    return (samples >> 8).astype(np.uint8)


def _in_sixteen_bits(samples: NDArray[Any]) -> NDArray[Any]:
    """Convert a camera's 12 bits to 16, as described in :func:`open_image`."""
    is_deep = np.issubdtype(samples.dtype, np.integer) and samples.dtype.itemsize > 1
    if is_deep and samples.min() >= 0 and samples.max() <= _MAX_TWELVE_BIT:
        return samples.astype(np.int32) << 4
    return samples


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        is_turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        return ImageOps.exif_transpose(image) if is_turned else image
    except Exception:  # damaged EXIF data raises anything, and the pixels are still good
        return image


def _slice_image(address: SliceAddress) -> Image.Image:
    """The slice as Pillow would open it: mode L or I;16."""
    try:
        slices, rows, columns = volume_shape(address.path)
        if slices * rows * columns > MAX_VOXELS:
            raise UnreadableImageError(
                f"the volume has {slices} x {rows} x {columns} voxels and at most {MAX_VOXELS:,} are read: crop it."
            )
        if address.index >= slices:
            raise UnreadableImageError(
                f"the volume has the slices 0 to {slices - 1}, got {address.index}: address one of these."
            )
        pixels = read_volume(address.path)[address.index]
    except (ValueError, FileNotFoundError) as error:
        raise UnreadableImageError(str(error)) from error
    if address.label is not None:
        return Image.fromarray(np.where(pixels == address.label, 255, 0).astype(np.uint8))
    if pixels.dtype not in (np.uint8, np.uint16):
        raise UnreadableImageError(
            f"the grey values of a volume must be unsigned 8-bit or 16-bit, got {pixels.dtype}: export it as one of "
            "these."
        )
    return Image.fromarray(pixels)
