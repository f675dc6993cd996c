"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vmnet_monai.io.files import whole_file, write_png


def test_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    final = tmp_path / "new" / "folder" / "a.txt"
    with whole_file(final) as temporary:
        temporary.write_text("half")
        assert not final.exists()
        temporary.write_text("whole")
    assert final.read_text() == "whole"
    assert list(final.parent.iterdir()) == [final]


def test_temporary_file_lies_beside_the_final_one_with_its_suffix(tmp_path: Path) -> None:
    with whole_file(str(tmp_path / "mask.png")) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png"
        assert temporary.name.startswith("."), "hidden from listings of results"


def test_earlier_file_is_kept_until_the_new_one_is_whole(tmp_path: Path) -> None:
    final = tmp_path / "a.txt"
    final.write_text("earlier")
    with whole_file(final) as temporary:
        temporary.write_text("new")
        assert final.read_text() == "earlier"
    assert final.read_text() == "new"


def test_error_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    final = tmp_path / "a.txt"
    final.write_text("earlier")
    with pytest.raises(OSError, match="disk full"), whole_file(final) as temporary:
        temporary.write_text("hal")
        raise OSError("disk full")
    assert final.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [final]


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    final = tmp_path / "a.txt"
    final.mkdir()
    with pytest.raises(IsADirectoryError, match=f"{final} must be a file"), whole_file(final):
        pass
    assert list(tmp_path.iterdir()) == [final]
    assert list(final.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named_with_what_is_kept_and_the_way_out(tmp_path: Path) -> None:
    final = tmp_path / "a.txt"
    final.write_text("earlier")
    with pytest.raises(OSError, match="could not be written") as caught, whole_file(final):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(caught.value) == (
        f"{final} could not be written (No space left on device). What was finished before is kept: free space or mend "
        "the folder, and run the same command again."
    )
    assert final.read_text() == "earlier"
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=f"{tmp_path / 'file/a.txt'} could not be written"):
        write_png(tmp_path / "file/a.txt", np.zeros((2, 2), dtype=np.uint8))


def test_what_the_writer_could_not_read_is_told_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, whole_file(tmp_path / "a.txt"):
        (tmp_path / "source.txt").read_text()
    assert caught.value.filename == str(tmp_path / "source.txt")


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_file_has_the_permissions_of_an_ordinary_one(tmp_path: Path) -> None:
    """Temporary files are private; what others should read must not stay so."""
    (tmp_path / "ordinary").touch()
    with whole_file(tmp_path / "a.txt") as temporary:
        temporary.touch()
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == stat.S_IMODE((tmp_path / "ordinary").stat().st_mode)


@pytest.mark.parametrize(
    "pixels",
    [
        np.array([[0, 255, 7]], dtype=np.uint8),
        np.array([[0, 65535, 257]], dtype=np.uint16),
        np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
    ],
    ids=["8 bit", "16 bit", "colour"],
)
def test_png_gives_back_its_pixels(pixels: np.ndarray, tmp_path: Path) -> None:
    write_png(tmp_path / "folder" / "a.png", pixels)
    with Image.open(tmp_path / "folder" / "a.png") as image:
        stored = np.asarray(image)
    assert stored.dtype == pixels.dtype
    assert (stored == pixels).all()
