"""Addresses of slices, and volumes in the order of their axes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import itk
import numpy as np
import pytest
from numpy.typing import NDArray

from vmnet_monai.io.slices import SliceAddress, parse_slice_address, read_volume, slice_address, volume_shape

VOXELS = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def write(path: Path, voxels: NDArray[np.generic] = VOXELS) -> Path:
    itk.imwrite(itk.image_from_array(voxels), str(path))
    return path


@pytest.mark.parametrize("label", [None, 0, 3])
@pytest.mark.parametrize("path", ["oct.mhd", "a b/what?slice=1/oct.mhd"])
def test_address_is_read_back(path: str, label: int | None) -> None:
    assert parse_slice_address(slice_address(path, 17, label)) == SliceAddress(path, 17, label)


@pytest.mark.parametrize("path", ["1.png", "oct.mhd", "who?.png", Path("a/b.jpg")])
def test_path_is_no_address(path: str | Path) -> None:
    assert parse_slice_address(path) is None


@pytest.mark.parametrize(
    "end", ["?slice=", "?slice=-1", "?slice=one", "?slice=1&label=", "?slice=1&label=-1", "?slice=1.png"]
)
def test_wrong_address_is_refused(end: str) -> None:
    with pytest.raises(ValueError, match=r"\?slice=INDEX.*'oct"):
        parse_slice_address(f"oct.mhd{end}")


def test_metaimage_runs_over_columns_then_rows_then_slices(tmp_path: Path) -> None:
    """Written by hand: RETOUCH's index runs first over x, then y, then z, and its slices go over z."""
    (tmp_path / "oct.raw").write_bytes(bytes(range(12)))
    (tmp_path / "oct.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
        "ElementSpacing = 0.0117 0.002 0.047\nDimSize = 3 2 2\nElementType = MET_UCHAR\nElementDataFile = oct.raw\n"
    )
    assert read_volume(tmp_path / "oct.mhd").tolist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]
    assert volume_shape(tmp_path / "oct.mhd") == (2, 2, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_volume_keeps_its_dtype(dtype: type, tmp_path: Path) -> None:
    volume = read_volume(write(tmp_path / "v.mhd", VOXELS.astype(dtype)))
    assert volume.dtype == dtype
    assert np.array_equal(volume, VOXELS)


def test_shape_needs_no_voxels(tmp_path: Path) -> None:
    path = write(tmp_path / "v.mhd")
    (tmp_path / "v.raw").unlink()
    assert volume_shape(str(path)) == (2, 3, 4)


def test_volume_in_memory_cannot_be_changed_and_is_read_again_when_the_file_is_newer(tmp_path: Path) -> None:
    path = write(tmp_path / "v.mhd")
    volume = read_volume(path)
    assert read_volume(path) is volume
    with pytest.raises(ValueError, match="read-only"):
        volume[:] = 0
    write(path, VOXELS[:1] + 100)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))
    assert np.array_equal(read_volume(path), VOXELS[:1] + 100)
    assert volume_shape(path) == (1, 3, 4)


@pytest.mark.parametrize("read", [read_volume, volume_shape])
def test_missing_volume_is_named(read: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"v\.mhd.*download"):
        read(tmp_path / "v.mhd")


@pytest.mark.parametrize("kept_bytes", [None, 5])
def test_missing_or_incomplete_data_file_is_named(kept_bytes: int | None, tmp_path: Path) -> None:
    path = write(tmp_path / "v.mhd")
    raw = tmp_path / "v.raw"
    raw.unlink() if kept_bytes is None else raw.write_bytes(raw.read_bytes()[:kept_bytes])
    with pytest.raises(ValueError, match=r"voxels.*v\.mhd.*download"):
        read_volume(path)


@pytest.mark.parametrize("text", ["", "no header\n", "ObjectType = Image\nNDims = 3\n"])
def test_damaged_header_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "v.mhd"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"v\.mhd.*download"):
        volume_shape(path)


def test_flat_picture_is_no_volume(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=" 3 .* 2 "):
        read_volume(write(tmp_path / "v.mhd", VOXELS[0]))
