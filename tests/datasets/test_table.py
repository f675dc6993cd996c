"""A user's own table."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from layouts import write_image, write_table, write_volume

from vmnet_monai.datasets import DatasetError, DatasetWarning
from vmnet_monai.datasets.table import find_table, label_columns, read
from vmnet_monai.io.images import FundusImageReader

NAN = math.nan
AB = ("a.png", "b.png")


def test_image_column_is_enough(tmp_path: Path) -> None:
    items = read(write_table(tmp_path, ["image", *AB], images=AB), ["amd"])
    assert [item["id"] for item in items] == ["table_a", "table_b"]
    assert items[0]["image"] == str(tmp_path / "a.png")
    assert math.isnan(items[0]["disease"][0])
    assert {"vessel", "fov", "split"}.isdisjoint(items[0])


def test_masks_of_other_structures_arrive_under_their_names(tmp_path: Path) -> None:
    write_image(tmp_path / "masks/a.png")
    path = write_table(tmp_path, ["image,mask_lesion,mask_amd,amd", "a.png,masks/a.png,,1", "b.png,,,0"], images=AB)
    first, second = read(path, ["amd"])
    assert first["lesion"] == str(tmp_path / "masks/a.png")
    assert "lesion" not in second
    assert [item["disease"] for item in (first, second)] == [[1.0], [0.0]]
    assert label_columns(path) == ["amd"]


def test_slice_of_a_volume_is_a_picture(tmp_path: Path) -> None:
    write_volume(tmp_path / "oct.mhd", np.zeros((3, 4, 5), dtype=np.uint8))
    (item,) = read(write_table(tmp_path, ["image", "oct.mhd?slice=2"]), [])
    assert FundusImageReader().read(item["image"]).size == (5, 4)
    with pytest.raises(DatasetError, match="first no.mhd"):
        read(write_table(tmp_path, ["image", "no.mhd?slice=2"]), [])


def test_mask_may_be_the_colours_of_a_label_picture(tmp_path: Path) -> None:
    lines = ["image,mask_artery,mask_vein", 'a.png,"av.png?colours=red,green","no.png?colours=blue,green"']
    table = write_table(tmp_path, lines, images=["a.png", "av.png"])
    with pytest.raises(DatasetError, match=r"no\.png\?colours=blue,green \(row 2, mask_vein\)"):
        read(table, [])
    write_image(tmp_path / "no.png")
    assert read(table, [])[0]["artery"] == f"{tmp_path / 'av.png'}?colours=red,green"


def test_missing_mask_of_a_structure_is_named(tmp_path: Path) -> None:
    path = write_table(tmp_path, ["image,mask_lesion", "a.png,", "b.png,l.png"], images=AB)
    with pytest.raises(DatasetError, match=r"\(1\), .*l\.png \(row 3, mask_lesion\)"):
        read(path, [])


@pytest.mark.parametrize("column", ["mask_image", "mask_fov", "mask_disease"])
def test_structure_that_is_called_like_another_column_is_refused(column: str, tmp_path: Path) -> None:
    path = write_table(tmp_path, [f"image,{column}", "a.png,", "b.png,"], images=AB)
    with pytest.raises(DatasetError, match=f"{column}.*rename"):
        read(path, [])


def test_every_column_arrives_in_the_item(tmp_path: Path) -> None:
    write_image(tmp_path / "masks/a.png")
    path = write_table(
        tmp_path,
        [
            "image,vessel,fov,patient,eye,sex,age,split,id,dataset,amd",
            "a.png,masks/a.png,masks/a.png,p1,Left,Female,61.5,test,case-1,clinic,1",
            "b.png,,,,,m,,train,,,",
        ],
        images=AB,
    )
    first, second = read(path, ["normal", "amd"])
    assert first == {
        "image": str(tmp_path / "a.png"),
        "vessel": str(tmp_path / "masks/a.png"),
        "fov": str(tmp_path / "masks/a.png"),
        "disease": [0.0, 1.0],
        "dataset": "clinic",
        "patient": "table_p1",
        "eye": "left",
        "sex": "female",
        "age": 61.5,
        "id": "case-1",
        "split": "test",
    }
    assert (second["dataset"], second["patient"], second["eye"]) == ("table", "table_b", "")
    assert second["sex"] == "male" and math.isnan(second["age"])
    assert "vessel" not in second


@pytest.mark.parametrize(
    ("line", "message"),
    [("a.png,w,61", "row 2: sex must be female, male, other or blank, got 'w'"), ("a.png,f,old", "got 'old'")],
)
def test_sex_and_age_that_cannot_be_read_name_the_row(line: str, message: str, tmp_path: Path) -> None:
    path = write_table(tmp_path, ["image,sex,age", line], images=("a.png",))
    with pytest.raises(DatasetError, match=message):
        read(path, [])


def test_labels_are_numbers_words_or_blank(tmp_path: Path) -> None:
    path = write_table(
        tmp_path,
        ["image,amd,glaucoma,papilloedema", "a.png,1,FALSE,", "b.png,0.0,True,0"],
        images=AB,
    )
    first, second = read(path, ["amd", "glaucoma", "papilloedema", "cataract"])
    assert first["disease"] == pytest.approx([1.0, 0.0, NAN, NAN], nan_ok=True)
    assert second["disease"] == pytest.approx([0.0, 1.0, 0.0, NAN], nan_ok=True)
    assert label_columns(path) == ["amd", "glaucoma", "papilloedema"]


def test_label_column_that_is_not_requested_still_makes_normal_absent(tmp_path: Path) -> None:
    path = write_table(tmp_path, ["image,amd", "a.png,1"], images=AB)
    assert read(path, ["normal"])[0]["disease"] == [0.0]


def test_tab_separated_table_is_found_in_its_folder(tmp_path: Path) -> None:
    write_table(tmp_path, ["image\tamd", "a.png\t1"], name="own.tsv", images=AB)
    assert read(tmp_path, ["amd"])[0]["disease"] == [1.0]


def test_table_of_european_excel_is_read(tmp_path: Path) -> None:
    path = write_table(tmp_path, ["image;patient;amd;", "a.png;Müller;1,0;", ";;;", "b.png;Mu\u0308ller;0;"], images=AB)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.warns(DatasetWarning, match="blank rows.*: 3"):
        first, second = read(path, ["amd"])
    assert (first["disease"], second["disease"]) == ([1.0], [0.0])
    assert first["patient"] == second["patient"] == "table_Müller", "one patient, however the letters are composed"


def test_workbook_is_read(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    pd.DataFrame({"image": ["a.png"], "id": ["患者甲"], "amd": [1]}).to_excel(tmp_path / "t.xlsx", index=False)
    (tmp_path / "~$t.xlsx").touch()
    (item,) = read(tmp_path, ["amd"])
    assert (item["id"], item["disease"]) == ("患者甲", [1.0])


def test_rows_are_counted_as_a_spreadsheet_counts_them(tmp_path: Path) -> None:
    path = write_table(tmp_path, ["image,amd", "a.png,1", "", "b.png,yes"], images=AB)
    with pytest.raises(DatasetError, match="row 4: amd"):
        read(path, ["amd"])


def test_folder_with_two_tables_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has none"):
        find_table(tmp_path)
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).touch()
    with pytest.raises(DatasetError, match="one.csv, two.csv.*dataset_dir"):
        find_table(tmp_path)


def test_misspelt_label_column_is_pointed_out(tmp_path: Path) -> None:
    path = write_table(tmp_path, ["image,glaucom,operator", "a.png,1,AB"], images=AB)
    with pytest.warns(DatasetWarning) as caught:
        read(path, [])
    (warning,) = caught
    assert str(warning.message) == (
        f"2 columns of {path} ignored, neither known nor among the requested diseases: 'glaucom' (did you mean "
        "'glaucoma'?), 'operator'."
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["image,amd", "a.png,yes"], "row 2: amd .*'yes'"),
        (["image,eye", "a.png,both"], "row 2: eye .*'both'"),
        (["image,split", "a.png,train", "b.png,"], "row 3: split "),
        (["image,split", "a.png,validation"], "row 2: split .*'validation'"),
        (["image,id", "a.png,1/left"], "row 2: .*id .*'1/left'"),
        (["image,id", "a.png,nul"], "row 2: .*id .*'nul'"),
        (["image,amd", "a.png,1,0"], "row 2: .*more cells"),
        (["image,vessel", "a.png,", "b.png,v.png"], r"\(1\), .*v\.png \(row 3, vessel\)"),
        (["image,amd", ",1"], "row 2: image "),
        (["image,normal,amd", "a.png,1,1"], r"a\.png: .*normal and amd"),
        (["picture", "a.png"], "column.* image"),
        (["image,patient,split", "a.png,p1,train", "b.png,p1,test"], "patient.*'p1'.*test and train"),
    ],
)
def test_wrong_value_is_refused_with_its_row(tmp_path: Path, lines: list[str], message: str) -> None:
    path = write_table(tmp_path, lines, images=AB)
    with pytest.raises(DatasetError, match=message):
        read(path, [])


def test_a_photograph_in_two_rows_is_refused_with_both(tmp_path: Path) -> None:
    table = write_table(tmp_path, ["image,amd", "a.png,1", "b.png,0", "./a.png,0"], images=AB)
    with pytest.raises(DatasetError, match=r"rows 2, 4: each photograph must have one row, got a\.png"):
        read(table, ["amd"])
