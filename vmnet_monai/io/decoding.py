"""Decodes image files, DICOM photographs and slices of volumes, after their headers were held against the budget.

Imports neither PyTorch nor MONAI, so that the process that decodes (:mod:`vmnet_monai.io.apart`) starts soon.
"""

from __future__ import annotations

import logging
import os
import stat
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from vmnet_monai.errors import TOO_LARGE, UnreadableImageError, check_size
from vmnet_monai.io.budget import (
    MAX_FILE_BYTES,
    MAX_SAMPLES_PER_PIXEL,
    allow,
    check_decoded_bytes,
    lift_limits,
)
from vmnet_monai.io.codestream import MAX_SCANS, check_codestream, count_scans
from vmnet_monai.io.counting import CountedFile, TooManyPartsError
from vmnet_monai.io.depth import eight_bits
from vmnet_monai.io.dicom import (
    HEADER_TAGS,
    check_image_object,
    decode_frame,
    decoded_bytes,
    frame_count,
    frame_number,
    is_bounded,
    is_dicom,
    read_dataset,
    read_header,
)
from vmnet_monai.io.slices import SliceAddress, load_library, parse_slice_address, read_volume, volume_shape

__all__ = ["IMAGE_FORMATS", "MAX_SAMPLE", "REMARKS", "decode"]

IMAGE_FORMATS = ("BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's names of the formats that are read. Others are refused, such as PostScript, which Pillow passes to another
program."""

REMARKS = "vmnet_remarks"
"""Key of an image's ``info``: a list of sentences on how it was read."""

MAX_SAMPLE = "vmnet_max_sample"
"""Key of an image's ``info``: the largest sample that is possible, where samples of more than 8 bits have one."""

_PAGED_FORMATS = {"TIFF": "pages", "GIF": "frames", "PNG": "frames", "WEBP": "frames"}

# How files begin of which a header may bound time and memory: JPEG, PNG, BMP and binary PPM. Frames of GIF are counted
# one by one, WebP takes memory for a canvas of its own as soon as it is opened, the others see io.apart.
_SIGNATURES_HERE = (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"P4", b"P5", b"P6")

_HEADER_READS, _HEADER_BYTES = 10_000, 4_000_000
"""Most of what is read of a file that is opened here. Some lists are copied whole for each of their parts."""

_LOADING_READS = 300_000
"""Most reads of the pixels, three for each chunk of a PNG; of 100 million pixels in chunks of 8 kB it takes half."""

_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the latter two: BigTIFF
_PLANAR_CONFIGURATION, _BITS_PER_SAMPLE, _MAX_SAMPLE_VALUE = 284, 258, 281  # TIFF tags

# Pillow's names of 16-bit colour in a file, of which it reads the upper eight bits -> that by which it reads the lower.
_SIXTEEN_BITS = {
    ";16B": ";16L",
    ";16L": ";16B",
    ";16N": ";16B" if sys.byteorder == "little" else ";16L",
}
_FOURTEEN_BIT_HIGH_BYTE = 2**6
"""Upper byte of a sample of 16 bits from which on it needs more than 14."""

Apart = Callable[[str], Image.Image]


def decode(name: str, apart: Apart | None = None) -> Image.Image:
    """Decode an image file, a DICOM photograph, or a slice of a volume; the file is closed again.

    Args:
        name: a path, or the address of a slice or a frame.
        apart: decodes what the header does not bound, such as
            :func:`vmnet_monai.io.apart.decode_apart`; None decodes everything here.

    Returns:
        The image as it is stored, of any mode, with :data:`REMARKS` and :data:`MAX_SAMPLE` in its ``info``.

    Raises:
        UnreadableImageError: see :func:`vmnet_monai.io.images.open_image`; the message does not name the file.
    """
    with _plain_errors():
        try:
            address = parse_slice_address(name)
        except ValueError as error:
            raise UnreadableImageError(str(error)) from error
        path = name if address is None else address.path
        size = _check_file(path)
        is_object = is_dicom(path)
        if address is not None and not is_object and apart is None:
            lift_limits()
            load_library()
        allow(size)
        if is_object:
            return _decode_dicom(name, path, address, apart)
        if address is not None:
            return apart(name) if apart else _slice_image(address)
        return _decode_here_or_apart(name, apart) if apart else _decode_file(name)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Raise whatever decoders of damaged bytes raise as UnreadableImageError, and drop their warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnreadableImageError:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableImageError(
            f"the file is no image of a format that is read here ({', '.join(IMAGE_FORMATS)}, and DICOM "
            "files, which have the letters DICM after 128 bytes), or its beginning is damaged: save it as PNG or JPEG, "
            "or copy it again."
        ) from error
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(f"{TOO_LARGE}.") from error
    except PermissionError as error:
        raise UnreadableImageError("the file may not be read: allow it in the file's properties.") from error
    except MemoryError as error:
        raise UnreadableImageError(
            "decoding takes more memory than the size in its header accounts for: export it again."
        ) from error
    # Of any class, struct.error among them.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise UnreadableImageError(f"the file is damaged or incomplete ({reason}): copy or export it again.") from error


def _check_file(name: str) -> int:
    """Refuse what is no file with content, before opening it: a named pipe would wait for ever. Its bytes."""
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
    if status.st_size > MAX_FILE_BYTES:
        raise UnreadableImageError(
            f"the file has {status.st_size:,} bytes and at most {MAX_FILE_BYTES:,} are read: export its images as "
            "several files."
        )
    return status.st_size


def _decode_dicom(name: str, path: str, address: SliceAddress | None, apart: Apart | None) -> Image.Image:
    frame = frame_number(address)
    header = read_header(path, HEADER_TAGS)
    check_image_object(header, frame)
    if apart and not is_bounded(header):
        return apart(name)
    allow(os.path.getsize(path) + decoded_bytes(header))
    image = decode_frame(read_dataset(path), frame)
    if address is None:
        _remark_on_pages(image, frame_count(header), "frames")
    return image


def _decode_here_or_apart(name: str, apart: Apart) -> Image.Image:
    """Decode a file here where its header bounds what that takes; otherwise apart."""
    with CountedFile(name) as file:
        if file.read(max(map(len, _SIGNATURES_HERE))).startswith(_SIGNATURES_HERE):
            file.seek(0)
            try:
                file.allow(_HEADER_READS, _HEADER_BYTES)
                image = Image.open(file, formats=IMAGE_FORMATS)
                check_size(*image.size)
                if _is_bounded(image, file):
                    file.allow(_LOADING_READS)
                    return _loaded(image, file)
            except TooManyPartsError:
                pass
    return apart(name)


def _decode_file(name: str) -> Image.Image:
    with open(name, "rb") as file:
        is_tiff = file.read(len(_TIFF_SIGNATURES[0])) in _TIFF_SIGNATURES
        file.seek(0)
        try:
            image = Image.open(file, formats=IMAGE_FORMATS)
        except UnidentifiedImageError:
            if not is_tiff:
                raise
            return _decode_unusual_tiff(file)
        check_size(*image.size)
        # Pillow 13 opens 16-bit colour that is stored plane by plane, and mixes its channels up.
        tags = getattr(image, "tag_v2", {})
        if tags.get(_PLANAR_CONFIGURATION) == 2 and max(tags.get(_BITS_PER_SAMPLE, (8,))) > 8:
            return _decode_unusual_tiff(file)
        if image.format == "JPEG2000":
            check_codestream(_content(file), *image.size)
        allow(_most_bytes(image))
        return _loaded(image, file)


def _loaded(opened: ImageFile.ImageFile, file: BinaryIO) -> Image.Image:
    """An opened image with its pixels and remarks."""
    image: Image.Image = opened
    pages, rawmode = int(getattr(image, "n_frames", 1)), _rawmode(opened)
    stated = _first(getattr(image, "tag_v2", {}).get(_MAX_SAMPLE_VALUE))
    image.load()
    if rawmode[-4:] in _SIXTEEN_BITS and image.mode in ("RGB", "RGBA"):
        image = _in_full_depth(image, file, rawmode, stated)
    elif stated is not None:
        image.info[MAX_SAMPLE] = stated
    if image.format in _PAGED_FORMATS:
        _remark_on_pages(image, pages, _PAGED_FORMATS[image.format])
    return image


def _most_bytes(image: Image.Image) -> int:
    """Bytes of an image with 16 bits for each sample, which some modes have."""
    return 2 * len(image.getbands()) * image.width * image.height


def _is_bounded(image: ImageFile.ImageFile, file: CountedFile) -> bool:
    """Whether the header of an opened image bounds the time and memory of its decoding, also here."""
    if os.fstat(file.fileno()).st_size > _most_bytes(image) + _HEADER_BYTES or "16" in _rawmode(image):
        return False  # 16 bits are decoded twice, and converted in Python
    if image.format in ("JPEG", "MPO"):
        return count_scans(_content(file)) <= MAX_SCANS
    # Others than PNG may have run lengths and texts, which are decoded in Python.
    return image.format == "PNG" or all(tile[0] == "raw" for tile in image.tile)


def _content(file: BinaryIO) -> bytes:
    position = file.tell()
    file.seek(0)
    content = file.read()
    file.seek(position)
    return content


def _rawmode(image: ImageFile.ImageFile) -> str:
    """Pillow's name of how the pixels of an opened image lie in its file, before they are loaded."""
    args = image.tile[0][3] if image.tile else ""
    return str(args if isinstance(args, str) or not args else args[0])


def _in_full_depth(image: Image.Image, file: BinaryIO, rawmode: str, stated: int | None) -> Image.Image:
    """Colour of 16 bits in 8, by the bits that it uses.

    Pillow has read the upper eight bits of each sample. Where less than 16 are used, the lower eight are read as well:
    Pillow takes the bytes of each sample for those of the other order.
    """
    upper = np.asarray(image)
    if upper[..., :3].max() >= _FOURTEEN_BIT_HIGH_BYTE or (stated is not None and stated.bit_length() > 14):
        return image
    file.seek(0)
    lower = Image.open(file, formats=(image.format or "",))
    other = rawmode[:-4] + _SIXTEEN_BITS[rawmode[-4:]]
    lower.tile = [
        tile._replace(args=(other, *tile.args[1:]) if isinstance(tile.args, tuple) else other) for tile in lower.tile
    ]
    lower.load()
    samples = upper.astype(np.uint16)
    samples <<= 8
    samples |= np.asarray(lower)
    return _from_samples(samples, stated, image)


def _decode_unusual_tiff(file: BinaryIO) -> Image.Image:
    """Decode what Pillow cannot, such as colour in floating point, with tifffile, to 8 bits per sample."""
    import tifffile

    file.seek(0)
    with _silent(tifffile.logger()), tifffile.TiffFile(file) as tiff:
        page = tiff.pages.first
        check_size(page.imagewidth, page.imagelength)
        if page.samplesperpixel not in (1, 3, MAX_SAMPLES_PER_PIXEL) or page.imagedepth != 1:
            raise UnreadableImageError(
                f"an image must have 1, 3 or 4 samples per pixel, this TIFF has {page.samplesperpixel} (and depth "
                f"{page.imagedepth}): export it as PNG or 8-bit RGB TIFF."
            )
        if page.dtype is None or page.photometric not in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB):
            raise UnreadableImageError("a TIFF of this kind is not read: export it as PNG or 8-bit RGB TIFF.")
        size = max(page.nbytes, int(np.prod(page.chunks, dtype=object)) * page.dtype.itemsize)
        check_decoded_bytes(size)
        allow(size)
        samples = page.asarray()
        pages = len(tiff.pages)
        tag = page.tags.get(_MAX_SAMPLE_VALUE)
        stated = None if tag is None else _first(tag.value)
    if page.axes.startswith("S"):
        samples = np.moveaxis(samples, 0, -1)
    if samples.ndim not in (2, 3) or (samples.ndim == 3 and samples.shape[-1] not in (3, MAX_SAMPLES_PER_PIXEL)):
        raise UnreadableImageError(
            f"an image must have 1, 3 or 4 samples per pixel, this TIFF is {' x '.join(map(str, samples.shape))}: "
            "export it as PNG or 8-bit RGB TIFF."
        )
    image = _from_samples(samples, stated)
    _remark_on_pages(image, pages, "pages")
    return image


def _from_samples(samples: NDArray[Any], stated: int | None, like: Image.Image | None = None) -> Image.Image:
    pixels, remark = eight_bits(samples, stated)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if like is not None:
        image.info, image.format = like.info, like.format  # EXIF data among it
    if remark:
        image.info.setdefault(REMARKS, []).append(remark)
    return image


def _remark_on_pages(image: Image.Image, count: int, kind: str) -> None:
    if count > 1:
        remark = f"The file has {count} {kind}, and the first was read: save each as a file of its own to have it read."
        image.info.setdefault(REMARKS, []).append(remark)


def _first(values: Any) -> int | None:
    """The largest of a tag's values, which has one for each sample; None where there is none."""
    if values is None:
        return None
    numbers = values if isinstance(values, tuple | list) else (values,)
    return max((int(number) for number in numbers), default=None)


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    """Disable a logger that repeats the text of the error."""
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _slice_image(address: SliceAddress) -> Image.Image:
    """The slice as Pillow would open it: mode L or I;16."""
    try:
        slices, _, _ = volume_shape(address.path)
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
    image = Image.fromarray(pixels)
    image.info[MAX_SAMPLE] = int(np.iinfo(pixels.dtype).max)  # slices keep their brightness among one another
    return image
