"""What the readers share."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from layouts import write_image

from vmnet_monai.datasets.item import (
    DatasetError,
    DatasetWarning,
    existing_dir,
    image_files,
    make_item,
    mask_keys,
    read_rows,
    warn_counted,
)


def test_item_has_no_key_for_what_is_absent() -> None:
    item = make_item(reader="x", name="1", image=Path("1.png"), labels={"amd": True}, diseases=["amd"])
    assert item == {
        **{"image": "1.png", "disease": [1.0], "dataset": "x", "patient": "x_1", "id": "x_1"},
        **{"eye": "", "sex": "", "age": pytest.approx(math.nan, nan_ok=True)},
    }


def test_item_has_a_key_for_every_mask_that_is_there() -> None:
    item = make_item(
        reader="x", name="1", image="v.mhd?slice=0", labels={}, diseases=[], irf="m.mhd", srf=None, fov=Path("f.png")
    )
    assert (item["image"], item["irf"], item["fov"]) == ("v.mhd?slice=0", "m.mhd", "f.png")
    assert mask_keys(item) == ["irf", "fov"]


def test_contradicting_labels_name_the_photograph() -> None:
    with pytest.raises(DatasetError, match=r"1\.png: .*normal and amd"):
        make_item(reader="x", name="1", image=Path("1.png"), labels={"amd": 1, "normal": 1}, diseases=[])


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere.*dataset_dir"):
        existing_dir(tmp_path / "nowhere")


def test_pictures_are_sorted_and_found_whatever_the_suffix_case(tmp_path: Path) -> None:
    write_image(tmp_path / "b.JPG")
    write_image(tmp_path / "a.png")
    (tmp_path / "notes.txt").touch()
    assert list(image_files(tmp_path)) == ["a", "b"]


def test_two_files_for_one_picture_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    write_image(tmp_path / "a.tif")
    with pytest.raises(DatasetError, match="two files"):
        image_files(tmp_path)


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no"):
        image_files(tmp_path)


def test_table_is_read_as_stripped_strings_without_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\ufeffID, name\n001, NA \n", encoding="utf-8")
    assert read_rows(path, ["ID"]).to_dict("records") == [{"ID": "001", "name": "NA"}]


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00broken", b"PK\x03\x04broken", None])
def test_unreadable_table_is_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=rf"{name} cannot be read"):
        read_rows(tmp_path / name, [])


def test_missing_column_and_empty_table_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("ID\n")
    with pytest.raises(DatasetError, match="column.* name.* ID"):
        read_rows(path, ["name"])
    with pytest.raises(DatasetError, match="no rows"):
        read_rows(path, ["ID"])


def test_remarks_of_a_table_are_warnings(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("ID;x\n1;0,5\n;\n")
    with pytest.warns(DatasetWarning, match=r"t\.csv: blank rows were skipped \(1\): 3\.$"):
        rows = read_rows(path, ["ID"], numbers=["x"])
    assert rows.to_dict("index") == {2: {"ID": "1", "x": "0.5"}}


def test_counted_warning_names_the_first_three() -> None:
    with pytest.warns(DatasetWarning, match=r"^5 rows left out: a, b, c, and 2 more\.$"):
        warn_counted(list("abcde"), "rows left out")
    warn_counted([], "rows left out")
