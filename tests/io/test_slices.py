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


HEADERS = {
    "v.mhd": "ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementType = MET_UCHAR\nElementDataFile = {0}\n",
    "v.nhdr": "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 4 3 2\nencoding: raw\ndata file: {0}\n",
}
"""Header that names a data file -> its text."""


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize(
    "data",
    [
        "{0}/secret",
        "../secret",
        "./secret",
        "sub/secret",
        "sub/../../secret",
        "link",
        "LIST\n{0}/secret",
        "-",
        "~/secret",
    ]
    + ["%03d 1 2 1\n", "secret%s", "..", ".secret", "", "\\secret", "C:secret", "LOCAL {0}/secret"],
)
def test_data_elsewhere_than_beside_the_header_is_not_read(data: str, header: str, tmp_path: Path) -> None:
    folder = tmp_path / "allowed"
    (folder / "sub").mkdir(parents=True)
    for secret in (tmp_path / "secret", folder / "sub/secret"):
        secret.write_bytes(VOXELS.tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / header).write_text(HEADERS[header].format(data.format(tmp_path)))
    for read in (read_volume, volume_shape):
        with pytest.raises(ValueError, match=r"must name one data file that lies beside it") as caught:
            read(folder / header)
        assert "secret" not in str(caught.value), "a name may be one of a file that nobody should know of"


@pytest.mark.parametrize("header", HEADERS)
def test_data_beside_the_header_is_read_also_by_links_within_the_folder(header: str, tmp_path: Path) -> None:
    (tmp_path / "a b.raw").write_bytes(VOXELS.tobytes())
    (tmp_path / "link.raw").symlink_to(tmp_path / "a b.raw")
    for name in ("a b.raw", "link.raw"):
        path = tmp_path / f"{name} {header}"
        path.write_text(HEADERS[header].format(name))
        assert np.array_equal(read_volume(path), VOXELS)


@pytest.mark.parametrize(
    "decoy", ["Comment = ElementDataFile = LOCAL\n", "elementdatafile = LOCAL\n", "ElementDataFile"]
)
def test_no_line_hides_another_one_that_names_a_file(decoy: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(VOXELS.tobytes())
    (tmp_path / "in").mkdir()
    path = tmp_path / "in/v.mhd"
    path.write_text(decoy + " " * 3_000_000 + "\n" + HEADERS["v.mhd"].format("../secret"))
    with pytest.raises(ValueError, match="lies beside it"):
        read_volume(path)


@pytest.mark.parametrize("suffix", ["mha", "nrrd", "nii", "nii.gz", "NRRD"])
def test_volume_in_one_file_is_read(suffix: str, tmp_path: Path) -> None:
    write(tmp_path / f"v.{suffix.lower()}").rename(tmp_path / f"v.{suffix}")
    assert np.array_equal(read_volume(tmp_path / f"v.{suffix}"), VOXELS)


@pytest.mark.parametrize("suffix", ["tif", "vtk", "hdr", "png", "dcm"])
def test_other_formats_are_no_volumes(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"v.{suffix}").write_bytes(b"x" * 1000)
    with pytest.raises(ValueError, match=r"MetaImage, NRRD or NIfTI"):
        volume_shape(tmp_path / f"v.{suffix}")


@pytest.mark.parametrize("text", ["", "no header\n", "ObjectType = Image\nNDims = 3\n"])
def test_damaged_header_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "v.mhd"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"v\.mhd.*download"):
        volume_shape(path)


def test_flat_picture_is_no_volume(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=" 3 .* 2 "):
        read_volume(write(tmp_path / "v.mhd", VOXELS[0]))
