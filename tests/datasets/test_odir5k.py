"""ODIR-5K: labels by eye, both kinds of table, all photograph folders."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from layouts import write_odir5k

from vmnet_monai.datasets import DatasetError, DatasetWarning, Item
from vmnet_monai.datasets.odir5k import eye_letters, read
from vmnet_monai.diseases import ODIR_LETTERS

EIGHT = list(ODIR_LETTERS.values())
SHARED = Path(__file__).parents[2] / "../shared/data"


def left_and_right(root: Path, diseases: list[str]) -> list[Item]:
    return sorted(read(root, diseases), key=lambda item: item["eye"])


@pytest.mark.parametrize(
    ("keywords", "letters"),
    [
        ("normal fundus", "N"),
        ("moderate non proliferative retinopathy", "D"),
        ("mild nonproliferative retinopathy", "D"),
        ("suspicious diabetic retinopathy", "D"),
        ("suspected glaucoma", "G"),
        ("cataract", "C"),
        ("wet age-related macular degeneration", "A"),
        ("hypertensive retinopathy", "H"),
        ("myopic maculopathy", "M"),
        ("myopia retinopathy", "M"),
        ("maculopathy", "O"),
        ("drusen", "O"),
        ("lens dust", ""),
        ("image offset", ""),
    ],
)
def test_each_keyword_means_one_letter(keywords: str, letters: str) -> None:
    assert eye_letters({keywords}) == set(letters)


def test_each_eye_has_its_own_labels(tmp_path: Path) -> None:
    write_odir5k(tmp_path, {7: ("cataract", "normal fundus")})
    left, right = left_and_right(tmp_path, ["normal", "cataract"])
    assert (left["id"], left["eye"], left["disease"]) == ("odir5k_7_left", "left", [0.0, 1.0])
    assert (right["id"], right["eye"], right["disease"]) == ("odir5k_7_right", "right", [1.0, 0.0])
    assert left["patient"] == right["patient"] == "odir5k_7"
    assert "split" not in left


def test_sex_and_age_are_those_of_the_table_where_it_has_them(tmp_path: Path) -> None:
    root = write_odir5k(tmp_path, {7: ("cataract", "normal fundus"), 8: ("cataract", "cataract")})
    (item, *_) = read(root, [])
    assert item["sex"] == "" and math.isnan(item["age"])
    rows = pd.read_csv(root / "full_df.csv")
    rows.assign(**{"Patient Sex": ["Female"] * 2 + ["?"] * 2, "Patient Age": [61, 61, "", ""]}).to_csv(
        root / "full_df.csv", index=False
    )
    people = {(item["patient"], item["sex"], str(item["age"])) for item in read(root, [])}
    assert people == {("odir5k_7", "female", "61.0"), ("odir5k_8", "", "nan")}


def test_decisive_keywords_say_all_eight_letters(tmp_path: Path) -> None:
    write_odir5k(tmp_path, {7: ("mild nonproliferative retinopathy\uff0cdrusen", "normal fundus\uff0clens dust")})
    left, right = left_and_right(tmp_path, EIGHT)
    assert left["disease"] == [0, 1, 0, 0, 0, 0, 0, 1]
    assert right["disease"] == [1, 0, 0, 0, 0, 0, 0, 0]


def test_keywords_about_the_photograph_alone_say_nothing(tmp_path: Path) -> None:
    write_odir5k(tmp_path, {7: ("lens dust\uff0clow image quality", "cataract")})
    assert all(math.isnan(value) for value in left_and_right(tmp_path, EIGHT)[0]["disease"])


def test_pictures_without_fundus_and_contradictions_are_left_out_and_counted(tmp_path: Path) -> None:
    write_odir5k(
        tmp_path, {7: ("anterior segment image", "cataract"), 8: ("normal fundus\uff0cdrusen", "no fundus image")}
    )
    with pytest.warns(DatasetWarning) as caught:
        assert [item["id"] for item in read(tmp_path, EIGHT)] == ["odir5k_7_right"]
    messages = [str(entry.message) for entry in caught]
    assert messages[0] == "2 ODIR-5K images that show no fundus left out: 7_left.jpg, 8_right.jpg."
    assert messages[1].startswith("1 ODIR-5K eyes both normal and diseased left out: 8_left.jpg")


@pytest.mark.parametrize("folder", ["preprocessed_images", "Training Images", "ODIR-5K_Training_Dataset"])
@pytest.mark.parametrize("table", ["full_df.csv", "data.xlsx", "ODIR-5K_Training_Annotations(Updated)_V2.xlsx"])
def test_every_table_and_folder_of_the_downloads_is_read_alike(tmp_path: Path, table: str, folder: str) -> None:
    write_odir5k(tmp_path, {7: ("cataract", "normal fundus"), 8: ("glaucoma", "glaucoma")}, table, folder)
    items = read(tmp_path, ["cataract"])
    assert {item["id"]: item["disease"] for item in items} == {
        "odir5k_7_left": [1.0],
        "odir5k_7_right": [0.0],
        "odir5k_8_left": [0.0],
        "odir5k_8_right": [0.0],
    }
    assert all(Path(item["image"]).parent == tmp_path / folder for item in items)


def test_rows_without_photograph_are_counted(tmp_path: Path) -> None:
    write_odir5k(tmp_path, {7: ("cataract", "cataract")})
    (tmp_path / "preprocessed_images/7_left.jpg").unlink()
    with pytest.warns(DatasetWarning, match=r"^1 .*7_left\.jpg"):
        assert len(read(tmp_path, [])) == 1
    (tmp_path / "preprocessed_images/7_right.jpg").unlink()
    with pytest.raises(DatasetError, match="none of .*photographs"):
        read(tmp_path, [])


def test_missing_table_and_strange_filename_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no ODIR-5K table"):
        read(tmp_path, [])
    table = write_odir5k(tmp_path, {7: ("cataract", "cataract")}) / "full_df.csv"
    table.write_text(table.read_text().replace(",7_left.jpg\n", ",9_left.jpg\n"))
    with pytest.raises(DatasetError, match=r"9_left\.jpg.*Left-Fundus.*Right-Fundus"):
        read(tmp_path, [])


@pytest.mark.skipif(not (SHARED / "ODIR-5K-400").is_dir(), reason="the real ODIR-5K is not beside the repository")
def test_real_eye_labels() -> None:
    items = read(SHARED / "ODIR-5K-400", EIGHT)
    assert (len(items), len({item["patient"] for item in items})) == (1252, 753)
    # The published table gives an eye one letter (G 203, C 216); the keywords give all that the eye has.
    present = {letter: sum(item["disease"][k] == 1.0 for item in items) for k, letter in enumerate(ODIR_LETTERS)}
    assert (present["N"], present["G"], present["C"]) == (805, 224, 223)
