"""Whatever a table holds, photographs are found or refused, and the reader of tables gives items or its own error."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from fuzzing import FUZZ
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vmnet_monai.datasets import DatasetError, DatasetWarning
from vmnet_monai.datasets.image_files import find_images
from vmnet_monai.datasets.names import is_safe_id, same_file_key
from vmnet_monai.datasets.table import read

COLUMNS = [
    "image",
    " image ",
    "Image",
    "id",
    "fov",
    "eye",
    "patient",
    "split",
    "amd",
    "vessel",
    "mask_a",
    "",
    "1",
    "\0",
]

CELLS = [
    "a.png",
    "b.png",
    "oct.mhd?slice=1",
    "oct.mhd?slice=x",
    "",
    " ",
    "x",
    "X",
    "..",
    ".",
    "/",
    "~",
    "~nobody/a.png",
    "a\0.png",
    "x" * 300,
    "x/" * 3000,
    "眼.png",
    '"',
    'a"b',
    "train",
    "left",
    "1",
    "nan",
    "<b>",
    "a\nb",
    "=1+1",
    "NUL",
]


@st.composite
def mangled_table(draw: st.DrawFn) -> bytes:
    """A table of odd cells, of uneven rows, quoted or not, in one of several encodings, with bytes damaged or cut."""
    separator = draw(st.sampled_from([",", ",", ",", "\t", ";"]))
    header = ["image", *draw(st.lists(st.sampled_from(COLUMNS), max_size=5))]
    cell = st.sampled_from(CELLS) | st.text(max_size=8)
    rows = draw(st.lists(st.lists(cell, min_size=len(header) - 1, max_size=len(header) + 1), max_size=5))
    quoted = draw(st.booleans())
    text = draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"])).join(
        separator.join(json.dumps(value, ensure_ascii=False) if quoted else value for value in row)
        for row in (header, *rows)
    )
    content = bytearray(
        text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"])), "replace")
    )
    for _ in range(draw(st.integers(0, 3))):
        where = draw(st.integers(0, len(content) - 1))
        content[where : where + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
        if not content:
            break
    return bytes(content)


def folder_of(path: Path) -> Path:
    """Two photographs beside the table."""
    path.mkdir(exist_ok=True)
    for name in ("a.png", "b.png"):
        (path / name).touch()
    return path


def check_found(table: Path) -> None:
    items = find_images([table, table.parent / "a.png"], diseases=["amd"])
    names = [item["id"] for item in items]
    assert names
    assert len({same_file_key(name) for name in names}) == len(names)
    for item in items:
        assert is_safe_id(item["id"])
        assert item.get("refused") != ""
        json.dumps(item).encode()
        item["image"].encode()
    assert any(item["image"] == os.path.join(table.parent, "a.png") for item in items)


def check_read(table: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DatasetWarning)
        try:
            items = read(table, ["amd"])
        except DatasetError as error:
            assert str(error)
        else:
            assert items


@pytest.mark.parametrize("check", [check_found, check_read])
@settings(FUZZ, max_examples=100)
@given(content=mangled_table())
@example(content=b"image, image\na.png,b.png\n")
@example(content=b"image\n" + b"x" * 300 + b"\n")
@example(content=b"image\n.\n")
@example(content=b'image\n"a.png')
@example(content=b"image\na\0.png\n")
@example(content=b"image,id\na.png\nb.png,1,2,3\n")
def test_mangled_table_gives_items_or_the_error_of_datasets(
    check: Callable[[Path], None], content: bytes, tmp_path: Path
) -> None:
    table = folder_of(tmp_path / "table") / "list.csv"
    table.write_bytes(content)
    check(table)


def test_good_table_is_no_error(tmp_path: Path) -> None:
    table = folder_of(tmp_path / "table") / "list.csv"
    table.write_text("image,id\na.png,x\nb.png,y\n")
    assert [item["id"] for item in find_images(table)] == ["x", "y"]
    assert [item["id"] for item in read(table, [])] == ["x", "y"]
