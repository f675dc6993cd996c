"""ISIC 2017 in its official layout."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
from layouts import write_image, write_isic2017

from vmnet_monai.datasets import DatasetError, DatasetWarning, load_datalists
from vmnet_monai.datasets.isic2017 import read

TRAINING_TABLE = "ISIC-2017_Training_Part3_GroundTruth.csv"


@pytest.mark.parametrize("doubled", [False, True])
def test_items_have_the_lesion_and_the_official_split(tmp_path: Path, doubled: bool) -> None:
    items = read(write_isic2017(tmp_path, doubled), [])
    assert [(item["id"], item["split"]) for item in items] == [
        (f"isic2017_ISIC_00000{tens}{digit}", split)
        for tens, split in enumerate(("train", "val", "test"))
        for digit in range(3)
    ]
    last = items[-1]
    assert Path(last["image"]).relative_to(tmp_path).parts[0] == "ISIC-2017_Test_v2_Data"
    assert Path(last["lesion"]).name == "ISIC_0000022_segmentation.png"
    assert Path(last["lesion"]).is_file()
    assert last["patient"] == last["id"]
    assert {"vessel", "fov"}.isdisjoint(last)


def test_lesion_that_is_neither_is_a_nevus(tmp_path: Path) -> None:
    items = read(write_isic2017(tmp_path), ["melanoma", "seborrheic_keratosis", "nevus"])
    assert [item["disease"] for item in items[:3]] == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


def test_diagnosis_says_nothing_about_the_eye(tmp_path: Path) -> None:
    assert math.isnan(read(write_isic2017(tmp_path), ["glaucoma"])[0]["disease"][0])


def test_official_parts_are_trained_validated_and_tested_on(tmp_path: Path) -> None:
    datalists = load_datalists("isic2017", write_isic2017(tmp_path), ["melanoma"])
    assert {part: [item["id"][-2:] for item in own] for part, own in datalists.items()} == {
        "train": ["00", "01", "02"],
        "val": ["10", "11", "12"],
        "test": ["20", "21", "22"],
    }


def test_rows_without_photograph_and_photographs_without_row_are_counted(tmp_path: Path) -> None:
    data = write_isic2017(tmp_path) / "ISIC-2017_Test_v2_Data"
    (data / "ISIC_0000021.jpg").rename(data / "ISIC_0000099.jpg")
    with pytest.warns(DatasetWarning) as caught:
        assert len(read(tmp_path, [])) == 8
    messages = [str(entry.message) for entry in caught]
    assert messages[0].startswith("1 ISIC 2017 rows without photograph left out: ISIC_0000021 in ISIC-2017_Test_v2")
    assert messages[1].startswith("1 ISIC 2017 photographs without row left out")
    assert messages[1].endswith("ISIC_0000099.jpg.")


def test_part_without_table_is_left_out_with_a_warning(tmp_path: Path) -> None:
    (write_isic2017(tmp_path) / "ISIC-2017_Test_v2_Part3_GroundTruth.csv").unlink()
    with pytest.warns(DatasetWarning, match="^1 .*table.*test"):
        assert {item["split"] for item in read(tmp_path, [])} == {"train", "val"}


def test_photographs_without_any_table_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "ISIC-2017_Training_Data/ISIC_0000000.jpg")
    with pytest.raises(DatasetError, match="ISIC-2017_Training_Part3"):
        read(tmp_path, [])


def test_tables_without_any_photograph_are_refused(tmp_path: Path) -> None:
    for image in write_isic2017(tmp_path).rglob("*.jpg"):
        image.unlink()
    with pytest.raises(DatasetError, match="ISIC-2017_Training_Data"):
        read(tmp_path, [])


def test_missing_outline_and_missing_folder_are_refused(tmp_path: Path) -> None:
    outlines = write_isic2017(tmp_path) / "ISIC-2017_Validation_Part1_GroundTruth"
    (outlines / "ISIC_0000010_segmentation.png").unlink()
    with pytest.raises(DatasetError, match=r"ISIC_0000010\.jpg.*ISIC_0000010_segmentation"):
        read(tmp_path, [])
    shutil.rmtree(outlines)
    with pytest.raises(DatasetError, match="ISIC-2017_Validation_Part1_GroundTruth is missing"):
        read(tmp_path, [])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1.0,0.0", "2.0,0.0", "ISIC_0000001, column melanoma.*'2.0'"),
        ("1.0,0.0", "1.0,1.0", "ISIC_0000001.*melanoma and seborrheic_keratosis"),
        ("ISIC_0000001", "ISIC_0000000", "image_id.*ISIC_0000000"),
        ("seborrheic", "seborrhoeic", "must include seborrheic_keratosis"),
    ],
)
def test_damaged_table_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    table = write_isic2017(tmp_path) / TRAINING_TABLE
    table.write_text(table.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DatasetError, match=rf"{TRAINING_TABLE}.*{message}"):
        read(tmp_path, [])
