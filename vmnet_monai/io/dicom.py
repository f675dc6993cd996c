"""Recognises DICOM photographs, checks their header, and decodes them.

No message shows a text of the file unless the standard lists it as a possible value, nor a message of pydicom, which
may repeat one: a damaged header may hold the patient's name anywhere.
"""

from __future__ import annotations

import copy
import logging
import math
import os
import stat
import struct
import time
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from pydicom import Dataset, FileDataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_file_meta_info
from pydicom.pixels import get_decoder
from pydicom.pixels.common import PhotometricInterpretation
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    OphthalmicPhotography8BitImageStorage,
    OphthalmicPhotography16BitImageStorage,
    SecondaryCaptureImageStorage,
    UID_dictionary,
    VLPhotographicImageStorage,
)

from vmnet_monai.errors import UnreadableImageError, check_size
from vmnet_monai.io.budget import MAX_FILE_BYTES, check_decoded_bytes
from vmnet_monai.io.counting import CountedFile
from vmnet_monai.io.dicom_pixels import PHOTOMETRIC_INTERPRETATIONS, frame_image
from vmnet_monai.io.slices import SliceAddress

__all__ = [
    "DICOM_INDEX",
    "HEADER_TAGS",
    "IMAGE_CLASSES",
    "MAX_FRAMES",
    "OWN_MODEL_NAME",
    "check_image_object",
    "decode_frame",
    "decoded_bytes",
    "eye",
    "frame_count",
    "frame_number",
    "instance_uid",
    "is_bounded",
    "is_dicom",
    "pixel_spacing",
    "read_dataset",
    "read_header",
]

IMAGE_CLASSES = frozenset(
    {
        OphthalmicPhotography8BitImageStorage,
        OphthalmicPhotography16BitImageStorage,
        VLPhotographicImageStorage,
        SecondaryCaptureImageStorage,
        MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        MultiFrameTrueColorSecondaryCaptureImageStorage,
    }
)
"""SOP classes that are read: what fundus cameras and their exports write (PS3.4 B.5)."""

IMAGE_MODALITIES = ("OP", "XC", "OT", "")
"""Modalities of photographs: ophthalmic photography, external camera, other, and blank. A Secondary Capture of
another machine, such as CT, is no photograph."""

OWN_MODEL_NAME = "vmnet_monai"
"""ManufacturerModelName of the objects that this package writes, which are results and no photographs."""

DICOM_INDEX = "DICOMDIR"
"""Name of the file of a medium that lists its other files (PS3.10 8.6)."""

MAX_FRAMES = 1000
"""Most frames of a file; angiography series have tens. A damaged header may claim millions."""

MAX_HEADER_READS = 200_000
"""Most reads of a file, one to three for each element: 1000 frames with 60 elements each."""

MAX_DEFLATED_HEADER_BYTES = 8_000_000
"""Most bytes of a deflated file, once they are inflated, before its pixels; and as many behind them."""

HEADER_TAGS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "ManufacturerModelName",
    "Laterality",
    "ImageLaterality",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
"""The elements that :func:`check_image_object`, :func:`frame_count`, :func:`eye` and :func:`instance_uid` use; of the
files of a folder no others are read."""

_PREAMBLE_BYTES = 128
_PREFIX = b"DICM"
_AFTER_META_LENGTH = 144
"""Where the first element, the length of the rest of the file meta information, ends (PS3.10 7.1)."""

_META_GROUP = b"\2\0"
"""How an element of the file meta information begins."""

_PIXEL_DATA = b"\xe0\x7f\x10\0"
"""How the pixels begin, in little endian."""

_EXPLICIT = (
    bytes(_PREAMBLE_BYTES)
    + _PREFIX
    + _META_GROUP
    + struct.pack("<H2sH", 0x10, b"UI", len(ExplicitVRLittleEndian) + 1)
    + ExplicitVRLittleEndian.encode()
    + b"\0"
)
"""The beginning of a file whose elements are what a deflated one's are when they are inflated (PS3.5 A.5)."""

_CLOCK_STEP_NS = 2_000_000_000
"""Longest step of a file system's clock (FAT's): a file that was written since may be written again unnoticed."""

_kept: dict[tuple[str, int, int], FileDataset] = {}
"""The file that was read last, by its path, size and time of writing: frames are read one by one, each several times.
At most :data:`~vmnet_monai.io.budget.MAX_FILE_BYTES`."""

_EYES = {"R": "right", "L": "left"}


def is_dicom(path: str | Path) -> bool:
    """Tell whether a file is DICOM by its content, the letters DICM after 128 bytes, whatever its name.

    Only regular files are opened; a file that is missing or may not be read is no DICOM file.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            return file.read(_PREAMBLE_BYTES + len(_PREFIX))[_PREAMBLE_BYTES:] == _PREFIX
    except (OSError, ValueError):
        return False


def read_header(path: str | Path, tags: tuple[str, ...] | None = None) -> Dataset:
    """Read a DICOM file without its pixels.

    Args:
        path: the file.
        tags: keywords of the elements that are read, such as :data:`HEADER_TAGS`; None reads all.

    Raises:
        UnreadableImageError: as :func:`read_dataset`.
    """
    with _plain_errors():
        return _read(path, stop_before_pixels=True, specific_tags=None if tags is None else list(tags))


def read_dataset(path: str | Path) -> Dataset:
    """Read a DICOM file with its pixels, as they are stored.

    The file that was read last is kept in memory. Each call returns a new dataset.

    Raises:
        UnreadableImageError: if the file is damaged, or larger than :data:`~vmnet_monai.io.budget.MAX_FILE_BYTES`, or
            inflates to more than its header accounts for; the message does not name the file.
    """
    with _plain_errors():
        status = os.stat(path)
        version = (os.path.abspath(path), status.st_size, status.st_mtime_ns)
        dataset = _kept.get(version)
        if dataset is None:
            _kept.clear()  # first, as both together may be too large
            dataset = _read(path)
            if time.time_ns() - status.st_mtime_ns > _CLOCK_STEP_NS:
                _kept[version] = dataset
        return copy.deepcopy(dataset)


def check_image_object(header: Dataset, frame: int = 0) -> None:
    """Refuse a DICOM object that is no photograph, or of a kind that is not read, before its pixels are decoded.

    Args:
        header: of :func:`read_header` or :func:`read_dataset`.
        frame: number of a frame that must exist, from 0.

    Raises:
        UnreadableImageError: with the rule, the value and the remedy; the message does not name the file.
    """
    with _plain_errors():
        _check_object(header)
        _check_frames(header, frame)
        _check_pixels(header)
        _check_decoder(header)


def is_bounded(header: Dataset) -> bool:
    """Tell whether a header bounds the time and memory in which a frame is decoded.

    It does for uncompressed pixels. It does not for compressed ones, whose fragments are counted one by one, for a
    deflated file, and for a palette, which may be given by segments that repeat one another.

    Args:
        header: that was checked (:func:`check_image_object`).
    """
    syntax = _transfer_syntax(header)
    is_plain = not syntax.is_encapsulated and syntax != DeflatedExplicitVRLittleEndian
    return is_plain and header.PhotometricInterpretation != "PALETTE COLOR"


def decoded_bytes(header: Dataset) -> int:
    """Return the bytes of a decoded frame.

    Args:
        header: with rows, columns, samples per pixel and bits allocated.

    Raises:
        UnreadableImageError: if the header is damaged.
    """
    with _plain_errors():
        pixels = int(header.Rows) * int(header.Columns)
        return pixels * int(header.SamplesPerPixel) * int(header.BitsAllocated) // 8


def frame_count(header: Dataset) -> int:
    """Return the number of frames, NumberOfFrames, or 1 where it is missing.

    Raises:
        UnreadableImageError: if the header is damaged.
    """
    with _plain_errors():
        count = header.get("NumberOfFrames")
        return 1 if count is None else int(count)


def frame_number(address: SliceAddress | None) -> int:
    """Return the number of the frame that an address names, from 0; 0 without an address.

    Raises:
        UnreadableImageError: if it asks for a label, which only volumes have.
    """
    if address is not None and address.label is not None:
        raise UnreadableImageError("a frame of a DICOM file has no labels: leave &label= out of its address.")
    return 0 if address is None else address.index


def instance_uid(header: Dataset) -> str:
    """Return the SOPInstanceUID, which is unique to an object; "" where it is missing or no valid UID.

    Raises:
        UnreadableImageError: if the header is damaged.
    """
    with _plain_errors():
        uid = UID(str(header.get("SOPInstanceUID") or ""))
        return str(uid) if uid.is_valid else ""


def eye(header: Dataset, frame: int = 0) -> str:
    """Return the eye of a photograph: "left", "right", or "" where unknown or both.

    From ImageLaterality, else FrameLaterality of the functional groups, else Laterality.

    Args:
        header: of the file.
        frame: number of the frame, from 0.

    Raises:
        UnreadableImageError: if the header is damaged.
    """
    with _plain_errors():
        shared = header.get("SharedFunctionalGroupsSequence") or []
        own = (header.get("PerFrameFunctionalGroupsSequence") or [])[frame : frame + 1]
        anatomies = [anatomy for group in (*shared, *own) for anatomy in group.get("FrameAnatomySequence") or []]
        said = [
            header.get("ImageLaterality"),
            *(anatomy.get("FrameLaterality") for anatomy in anatomies),
            header.get("Laterality"),
        ]
        return _EYES.get(next((one for one in said if one), ""), "")


def pixel_spacing(source: Dataset) -> tuple[float, float] | None:
    """Distances of rows and of columns in mm; None where the photograph has none that is usable.

    Args:
        source: the photograph.
    """
    try:
        rows, columns = (float(value) for value in source.PixelSpacing)
    except (AttributeError, TypeError, ValueError):
        return None
    return (rows, columns) if all(math.isfinite(value) and value > 0 for value in (rows, columns)) else None


def decode_frame(dataset: Dataset, index: int = 0) -> Image.Image:
    """Decode a frame to 8 bits, see :func:`vmnet_monai.io.dicom_pixels.frame_image` for depth and windows.

    Args:
        dataset: a photograph, of :func:`read_dataset`.
        index: number of the frame, from 0.

    Returns:
        An image of mode RGB or L.

    Raises:
        UnreadableImageError: as :func:`check_image_object`, or if there is no such frame, or its pixels are missing or
            damaged; the message does not name the file.
    """
    check_image_object(dataset, index)
    with _plain_errors(_decoding_remedy(dataset)):
        if not dataset.get("PixelData"):
            raise UnreadableImageError("the DICOM file has no pixel data: export it with its pixels.")
        return frame_image(dataset, index, frame_count(dataset))


def _read(path: str | Path, **options: Any) -> FileDataset:
    """Read a file as pydicom's ``dcmread`` does, unless it would fill the memory, also once it is inflated."""
    _check_bytes(os.path.getsize(path))
    meta = read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        with CountedFile(path) as file:
            file.allow(MAX_HEADER_READS)
            return dcmread(file, **options)
    return _read_deflated(path, meta, **options)


def _read_deflated(path: str | Path, meta: FileMetaDataset, **options: Any) -> FileDataset:
    """Read a deflated file, which pydicom would inflate without a limit: its header, then what this accounts for."""
    inflation = zlib.decompressobj(-zlib.MAX_WBITS)
    with open(path, "rb") as file:
        file.seek(_AFTER_META_LENGTH + meta.FileMetaInformationGroupLength)
        inflated = inflation.decompress(file.read(), MAX_DEFLATED_HEADER_BYTES)
    # dcmread would follow further meta information, which might ask for another inflation.
    if inflated.startswith(_META_GROUP):
        raise ValueError("the deflated elements begin with file meta information")
    is_whole = inflation.eof
    if not is_whole and len(inflated) < MAX_DEFLATED_HEADER_BYTES:
        raise ValueError("the deflated elements are incomplete")
    if not is_whole:
        start = BytesIO(_EXPLICIT + inflated)
        header = dcmread(start, stop_before_pixels=True)
        if start.read(len(_PIXEL_DATA)) != _PIXEL_DATA:
            raise UnreadableImageError(
                f"a deflated DICOM file must have its pixels within its first {MAX_DEFLATED_HEADER_BYTES:,} bytes once "
                "it is inflated: export it as Explicit VR Little Endian."
            )
    if not is_whole and not options.get("stop_before_pixels"):
        expected = decoded_bytes(header) * frame_count(header)
        check_decoded_bytes(expected)
        inflated += inflation.decompress(inflation.unconsumed_tail, expected + MAX_DEFLATED_HEADER_BYTES)
        if not inflation.eof:
            raise UnreadableImageError(
                f"the header describes {expected:,} bytes of pixels, and the deflated file has more or is incomplete: "
                "export it as Explicit VR Little Endian."
            )
    dataset = dcmread(BytesIO(_EXPLICIT + inflated), **options)
    dataset.file_meta, dataset.buffer = meta, None
    return dataset


def _check_bytes(size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise UnreadableImageError(
            f"the file has more than {MAX_FILE_BYTES:,} bytes, the most that is read: export its frames as several."
        )


def _modalities() -> frozenset[str]:
    """DICOM's acquisition modalities, which a message may name."""
    from pydicom.sr.codedict import codes  # takes a tenth of a second, for this message alone

    return frozenset(code.value for code in codes.CID29.concepts.values())


def _check_object(header: Dataset) -> None:
    if header.get("ManufacturerModelName") == OWN_MODEL_NAME:
        raise UnreadableImageError(
            f"this DICOM object was written by {OWN_MODEL_NAME}, it is a result and no photograph: name the photograph."
        )
    sop_class = _sop_class(header)
    if sop_class not in IMAGE_CLASSES:
        kind = f"of the class {sop_class.name}" if sop_class in UID_dictionary else "of no class that DICOM defines"
        raise UnreadableImageError(
            "a DICOM photograph must be Ophthalmic Photography (8 or 16 bit), VL Photographic or Secondary Capture, "
            f"this object is {kind}: export the photograph as one of these."
        )
    modality = header.get("Modality") or ""
    if modality not in IMAGE_MODALITIES:
        shown = modality if modality in _modalities() else "another one"
        raise UnreadableImageError(
            f"the modality of a photograph must be OP, XC, OT or blank, it is {shown}: name photographs of the retina."
        )


def _check_frames(header: Dataset, frame: int) -> None:
    count = frame_count(header)
    if not 1 <= count <= MAX_FRAMES:
        raise UnreadableImageError(
            f"a DICOM photograph must have 1 to {MAX_FRAMES:,} frames, NumberOfFrames is {count}: export it again."
        )
    if not 0 <= frame < count:
        raise UnreadableImageError(
            f"the DICOM file has the frames 0 to {count - 1}, got {frame}: address one of these."
        )


def _check_pixels(header: Dataset) -> None:
    described = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored")
    if any(header.get(keyword) is None for keyword in described):
        raise UnreadableImageError("the DICOM file describes no pixel data: export it with its pixels.")
    check_size(int(header.Columns), int(header.Rows))
    photometric, samples = header.PhotometricInterpretation, int(header.SamplesPerPixel)
    if PHOTOMETRIC_INTERPRETATIONS.get(photometric) != samples:
        shown = photometric if photometric in list(PhotometricInterpretation) else "unknown"
        raise UnreadableImageError(
            f"PhotometricInterpretation must be one of {', '.join(PHOTOMETRIC_INTERPRETATIONS)}, with 1 sample per "
            f"pixel for the first three and 3 for the others, it is {shown} with {samples}: export it as RGB."
        )
    allocated, stored = int(header.BitsAllocated), int(header.BitsStored)
    highest = int(header.get("HighBit", stored - 1))
    if allocated not in (8, 16) or not 1 <= stored <= allocated or highest != stored - 1:
        raise UnreadableImageError(
            "a sample must have 8 or 16 bits allocated, as many or fewer stored, and these must be the lowest, got "
            f"{allocated} allocated and {stored} stored up to bit {highest}: export the photograph with 8 bits."
        )


def _check_decoder(header: Dataset) -> None:
    syntax = _transfer_syntax(header)
    if syntax not in UID_dictionary:
        raise UnreadableImageError(
            "the DICOM file has no transfer syntax that DICOM defines: export it as Explicit VR Little Endian."
        )
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise UnreadableImageError(
            f"pixels in the transfer syntax {syntax.name} are not read: export as Explicit VR Little Endian."
        ) from None
    if not decoder.is_available:
        raise UnreadableImageError(
            f"no decoder for the transfer syntax {syntax.name} is installed: " + _INSTALL_DECODERS
        )


_INSTALL_DECODERS = 'run `pip install "vmnet_monai[dicom]"`.'


def _decoding_remedy(header: Dataset) -> str:
    """The remedy where a decoder failed: another decoder may work where some are not installed."""
    syntax = _transfer_syntax(header)
    lacks = any("pylibjpeg" in missing for missing in get_decoder(syntax).missing_dependencies)
    install = f" If it is whole, its transfer syntax {syntax.name} may need another decoder: {_INSTALL_DECODERS}"
    return "copy or export it again." + (install if lacks else "")


def _sop_class(header: Dataset) -> UID:
    return UID(header.get("SOPClassUID") or _file_meta(header).get("MediaStorageSOPClassUID") or "")


def _transfer_syntax(header: Dataset) -> UID:
    return UID(_file_meta(header).get("TransferSyntaxUID") or "")


def _file_meta(header: Dataset) -> Dataset:
    return getattr(header, "file_meta", None) or Dataset()


_is_quiet: ContextVar[bool] = ContextVar("vmnet_monai_dicom_is_quiet", default=False)


class _Quiet(logging.Filter):
    """Drops what pydicom logs while this module reads: it repeats elements' values."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _is_quiet.get()


for _name in ("pydicom", "pydicom.pixels.decoders.base", "pydicom.pixels.utils"):
    logging.getLogger(_name).addFilter(_Quiet())


@contextmanager
def _plain_errors(remedy: str = "copy or export it again.") -> Iterator[None]:
    """Raise errors of pydicom and of decoders as UnreadableImageError, without their texts, and drop their warnings."""
    token = _is_quiet.set(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnreadableImageError:
        raise
    except Exception as error:
        raise UnreadableImageError(
            f"the DICOM file is damaged or incomplete ({type(error).__name__}): {remedy}"
        ) from None
    finally:
        _is_quiet.reset(token)
