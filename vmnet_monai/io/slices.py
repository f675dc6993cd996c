"""Addresses of slices of volumes, which can be given wherever a path is expected, and the volumes themselves."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["SliceAddress", "parse_slice_address", "read_volume", "slice_address", "volume_shape"]

_MARK = "?slice="
_ADDRESS = re.compile(r"(.+)\?slice=(\d+)(?:&label=(\d+))?", re.DOTALL)

_VOLUMES_KEPT = 2
"""An item reads slices of one volume and of its labels in turn; more would only take memory (tens of MB each)."""

_SHAPES_KEPT = 512


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


def read_volume(path: str | Path) -> NDArray[np.generic]:
    """Read a volume with MONAI's ITKReader; the last two that were read are kept in memory.

    Args:
        path: a volume of one number per voxel in a format that ITK reads, such as MetaImage (.mhd beside .raw).

    Returns:
        (slices, rows, columns) in the file's own dtype, read-only: a MetaImage's DimSize in reverse.

    Raises:
        FileNotFoundError: when the file is missing.
        ValueError: when the file or the data file that it names is damaged or missing, or is no such volume.
    """
    return _read_volume(str(path), _modified_ns(path))


def volume_shape(path: str | Path) -> tuple[int, int, int]:
    """Return the (slices, rows, columns) of a volume from its header alone; no voxel is read.

    Raises:
        FileNotFoundError: when the file is missing.
        ValueError: when the header is unreadable or describes no volume of one number per voxel.
    """
    return _read_shape(str(path), _modified_ns(path))


def _modified_ns(path: str | Path) -> int:
    """When the file was last written, which distinguishes a newer file of the same name from the one in memory."""
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError as error:
        raise FileNotFoundError(f"the volume {path} is missing: complete the download or correct the path.") from error


@lru_cache(maxsize=_VOLUMES_KEPT)
def _read_volume(path: str, modified_ns: int) -> NDArray[np.generic]:
    # Here, because this import takes seconds that those who read no volume need not wait.
    from monai.data import ITKReader

    _read_shape(path, modified_ns)
    reader = ITKReader(reverse_indexing=True)
    try:
        voxels, _ = reader.get_data(reader.read(path))
    except RuntimeError as error:
        raise ValueError(
            f"the voxels of {path} cannot be read: the data file that this header names (ElementDataFile) must lie "
            "beside it and be whole; complete the download."
        ) from error
    volume = np.array(voxels)
    volume.setflags(write=False)
    return volume


@lru_cache(maxsize=_SHAPES_KEPT)
def _read_shape(path: str, modified_ns: int) -> tuple[int, int, int]:
    import itk

    header = itk.ImageIOFactory.CreateImageIO(path, itk.CommonEnums.IOFileMode_ReadMode)
    if header is None:
        raise ValueError(f"{path} is no volume that ITK reads: download or export it again.")
    header.SetFileName(path)
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
    return slices, rows, columns
