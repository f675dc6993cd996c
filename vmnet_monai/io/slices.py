"""Addresses of slices of volumes, which can be given wherever a path is expected, and the volumes themselves."""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmnet_monai.io.budget import MAX_DECODED_BYTES, allow

__all__ = [
    "VOLUME_SUFFIXES",
    "SliceAddress",
    "load_library",
    "parse_slice_address",
    "read_volume",
    "slice_address",
    "volume_shape",
]

_MARK = "?slice="
_ADDRESS = re.compile(r"(.+)\?slice=(\d+)(?:&label=(\d+))?", re.DOTALL)

_VOLUMES_KEPT = 2
"""An item reads slices of one volume and of its labels in turn; more would only take memory (tens of MB each)."""

_SHAPES_KEPT = 512

VOLUME_SUFFIXES: Mapping[str, str] = {
    ".mhd": "MetaImageIO",
    ".mha": "MetaImageIO",
    ".nhdr": "NrrdImageIO",
    ".nrrd": "NrrdImageIO",
    ".nii": "NiftiImageIO",
    ".nii.gz": "NiftiImageIO",
}
"""Suffixes of the volumes that are read, in lower case, and the class of ITK that reads them."""

_MOST_COMPRESSED = 1100
"""Most bytes that DEFLATE makes of one: 1032 (zlib's technical details), and a margin."""

# What names a data file, wherever it stands, and its value. NIfTI has no such key.
_DATA_FILES = {
    "MetaImageIO": re.compile(rb"ElementDataFile[ \t]*[:=]*[ \t]*([^\r\n\0]*)", re.IGNORECASE),
    "NrrdImageIO": re.compile(rb"data ?file[ \t]*:[:= \t]*([^\r\n\0]*)", re.IGNORECASE),
}
_IN_THE_HEADER = b"LOCAL"
_PLAIN_NAME = re.compile(r"(?!LIST)\w[\w .+()-]*")  # what begins with LIST names files on the following lines


@dataclass(frozen=True)
class SliceAddress:
    """A slice of a volume, parsed by :func:`parse_slice_address`."""

    path: str
    """The volume's file."""
    index: int
    """Number of the slice, from 0."""
    label: int | None
    """The label whose pixels are meant, of a volume of labels; None for the slice's own grey values."""


def slice_address(path: str | Path, index: int, label: int | None = None) -> str:
    """Return the address of a slice.

    Args:
        path: the volume's file.
        index: number of the slice, from 0.
        label: of a volume of labels, the one whose pixels are meant.

    Example:
        >>> slice_address("TRAIN001/reference.mhd", 17, label=1)
        'TRAIN001/reference.mhd?slice=17&label=1'
    """
    return f"{path}{_MARK}{index}" + ("" if label is None else f"&label={label}")


def parse_slice_address(text: str | Path) -> SliceAddress | None:
    """Parse the address of a slice; None where the text is the path of a file.

    Raises:
        ValueError: when the text holds ``?slice=`` but is no address.
    """
    text = str(text)
    if _MARK not in text:
        return None
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(
            f"the address of a slice must end in ?slice=INDEX or ?slice=INDEX&label=LABEL, whole numbers from 0, "
            f"got {text!r}: correct it."
        )
    return SliceAddress(match[1], int(match[2]), None if match[3] is None else int(match[3]))


def load_library() -> None:
    """Import what reads volumes, PyTorch among it, which takes seconds and memory that count for no file."""
    import itk

    for reader in VOLUME_SUFFIXES.values():  # each module of ITK is loaded with its first use
        getattr(itk, reader).New()
    itk.ImageFileReader  # noqa: B018


def read_volume(path: str | Path) -> NDArray[np.generic]:
    """Read a volume with ITK; the last two that were read are kept in memory.

    Args:
        path: a volume of one number per voxel, with one of :data:`VOLUME_SUFFIXES`. A data file that its header names
            must lie beside it.

    Returns:
        (slices, rows, columns) in the file's own dtype, read-only: a MetaImage's DimSize in reverse.

    Raises:
        FileNotFoundError: when the file is missing.
        ValueError: when the file or the data file that it names is damaged or missing, or is no such volume; when that
            file lies elsewhere; or when the volume takes more than :data:`~vmnet_monai.io.budget.MAX_DECODED_BYTES`.
    """
    return _read_volume(str(path), _modified_ns(path))


def volume_shape(path: str | Path) -> tuple[int, int, int]:
    """Return the (slices, rows, columns) of a volume from its header alone; no voxel is read.

    Raises:
        FileNotFoundError: when the file is missing.
        ValueError: when the header is unreadable, describes no volume of one number per voxel, or claims too much; see
            :func:`read_volume`.
    """
    return _read_shape(str(path), _modified_ns(path))[0]


def _modified_ns(path: str | Path) -> int:
    """When the file was last written, which distinguishes a newer file of the same name from the one in memory."""
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError as error:
        raise FileNotFoundError(f"the volume {path} is missing: complete the download or correct the path.") from error


@lru_cache(maxsize=_VOLUMES_KEPT)
def _read_volume(path: str, modified_ns: int) -> NDArray[np.generic]:
    # Here, because this import takes seconds that those who read no volume need not wait.
    import itk

    allow(_read_shape(path, modified_ns)[1])
    try:
        volume = itk.array_view_from_image(itk.imread(path, imageio=_image_io(path)))
    except RuntimeError as error:
        raise ValueError(
            f"the voxels of {path} cannot be read: the data file that this header names (ElementDataFile) must lie "
            "beside it and be whole; complete the download."
        ) from error
    volume.setflags(write=False)
    return volume


@lru_cache(maxsize=_SHAPES_KEPT)
def _read_shape(path: str, modified_ns: int) -> tuple[tuple[int, int, int], int]:
    """(slices, rows, columns) and bytes of a volume."""
    stored_bytes = sum(os.stat(file).st_size for file in _files(path))
    header = _image_io(path)
    try:
        header.ReadImageInformation()
    except RuntimeError as error:
        raise ValueError(f"the header of {path} cannot be read: download or export it again.") from error
    size = [header.GetDimensions(axis) for axis in range(header.GetNumberOfDimensions())]
    if len(size) != 3 or header.GetNumberOfComponents() != 1:
        raise ValueError(
            f"a volume must have 3 dimensions and one number per voxel, {path} has {len(size)} and "
            f"{header.GetNumberOfComponents()}: address images by their path alone."
        )
    columns, rows, slices = size
    voxel_bytes = slices * rows * columns * header.GetComponentSize()
    if voxel_bytes > MAX_DECODED_BYTES:
        raise ValueError(
            f"a volume may take {MAX_DECODED_BYTES:,} bytes, {path} has {slices} x {rows} x {columns} voxels of "
            f"{header.GetComponentSize()} bytes: crop it."
        )
    if voxel_bytes > _MOST_COMPRESSED * stored_bytes:
        raise ValueError(
            f"the voxels of {path} cannot be read: it claims {voxel_bytes:,} bytes of them, of which {stored_bytes:,} "
            "stored ones hold a part at best; complete the download."
        )
    return (slices, rows, columns), voxel_bytes


def _image_io(path: str) -> Any:
    """ITK's reader by the suffix alone: others would look into the file, and some into the files beside it."""
    import itk

    reader = getattr(itk, _reader_name(path)).New()
    if not reader.CanReadFile(path):
        raise ValueError(f"{path} is no volume of its suffix: download or export it again.")
    reader.SetFileName(path)
    return reader


def _reader_name(path: str) -> str:
    name = os.path.basename(path).lower()
    reader = next((reader for suffix, reader in VOLUME_SUFFIXES.items() if name.endswith(suffix)), None)
    if reader is None:
        raise ValueError(
            f"a volume must be MetaImage, NRRD or NIfTI and have one of the suffixes {', '.join(VOLUME_SUFFIXES)}, got "
            f"{path}: address images by their path alone."
        )
    return reader


def _files(path: str) -> list[str]:
    """The file of a volume, and the data files that its header names.

    Raises:
        ValueError: if one lies elsewhere than beside the header, or a header names several by a pattern or a list. The
            message does not repeat the name, which may be that of any file of the machine.
    """
    files, key = [path], _DATA_FILES.get(_reader_name(path))
    if key is None or os.path.getsize(path) == 0:
        return files
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        # All of them, wherever they stand: what reads the file may take another line for the header's than this.
        names = [match[1].strip() for match in key.finditer(content)]
    folders = {os.path.realpath(os.path.dirname(path) or "."), os.path.dirname(os.path.realpath(path))}
    for name in names:
        if name == _IN_THE_HEADER:
            continue
        text = name.decode("utf-8", "replace")
        beside = os.path.join(os.path.dirname(path), text)
        if not _PLAIN_NAME.fullmatch(text) or os.path.dirname(os.path.realpath(beside)) not in folders:
            raise ValueError(
                f"{path} must name one data file that lies beside it, by its name alone, which begins with a letter or "
                "a digit and has no %, and it names another: move the data there, and correct the header."
            )
        if os.path.isfile(beside):
            files.append(beside)
    return files
