"""Files, folders and lists, in any mixture, and nothing that is named gets lost."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest
from dicom_files import photograph_dataset, save
from fsspec.implementations.memory import MemoryFileSystem
from layouts import write_table
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged
from pydicom.uid import UID

from vmnet_monai.datasets.image_files import find_images
from vmnet_monai.datasets.item import DatasetWarning, Item
from vmnet_monai.datasets.names import MAX_NAME_BYTES, is_safe_id
from vmnet_monai.datasets.table import read
from vmnet_monai.io.images import FundusImageReader, to_rgb
from vmnet_monai.io.tables import write_table as write_results


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def listed(folder: Path, text: str, name: str = "list.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def ids(items: list[Item]) -> list[str]:
    return [item["id"] for item in items]


def reason(items: list[Item]) -> str:
    """The reason of the only item."""
    (item,) = items
    assert isinstance(item["refused"], str)
    return item["refused"]


def test_file_becomes_an_item_whatever_its_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "eye.dat")
    (item,) = find_images(tmp_path / "eye.dat", diseases=["amd"])
    assert math.isnan(item.pop("disease")[0])
    assert math.isnan(item.pop("microns_per_px")) and math.isnan(item.pop("field_angle_deg"))
    assert math.isnan(item.pop("age"))
    assert item == {
        "named_patient": "",
        "image": str(tmp_path / "eye.dat"),
        "dataset": "photographs",
        "patient": "photographs_eye",
        "eye": "",
        "sex": "",
        "id": "eye",
    }


def test_folder_gives_its_pictures_and_those_of_subfolders_sorted_by_path(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPG", "a/2.png", "a/1.webp", "a-b/1.tif", "notes.txt", ".hidden.png", ".hidden/1.png")
    items = find_images(str(tmp_path))
    assert [Path(item["image"]).relative_to(tmp_path).as_posix() for item in items] == [
        "a/1.webp",
        "a/2.png",
        "a-b/1.tif",
        "b.JPG",
    ]
    assert ids(items) == ["a-1", "a-2", "a-b-1", "b"]


def test_hidden_folder_and_file_are_taken_where_they_are_named(tmp_path: Path) -> None:
    touch(tmp_path, ".hidden/1.png", ".2.png")
    assert ids(find_images([tmp_path / ".hidden", tmp_path / ".2.png"])) == ["1", "2"]


def test_output_folder_inside_an_input_is_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "1.png", "output/vessel/1.png", "output-2/3.png")
    (tmp_path / "link").symlink_to(tmp_path / "output")
    assert ids(find_images(tmp_path, exclude=tmp_path / "link")) == ["1", "output-2-3"]
    assert ids(find_images(tmp_path / "output/vessel/1.png", exclude=tmp_path / "output")) == ["1"]
    assert "output folder" in reason(find_images(tmp_path / "output/vessel", exclude=tmp_path / "output"))


@pytest.mark.parametrize("name", ["list.csv", "list.TSV"])
def test_list_gives_what_its_columns_say(name: str, tmp_path: Path) -> None:
    rows = [
        "image,id,fov,eye,patient,remark,microns_per_px,field_angle_deg",
        "a/1.png,case-1,m/1.png,Left,p1,x,6.5,45",
        f"{tmp_path}/b/2.png,,,OD,,,-1,",
    ]
    text = "\ufeff" + "\n\n".join(rows) + "\n\n"
    table = listed(tmp_path, text if name == "list.csv" else text.replace(",", "\t"), name)
    with pytest.warns(DatasetWarning) as caught:
        first, second = find_images(table)
    assert [str(one.message) for one in caught] == [
        f"1 column of {table} ignored: 'remark'.",
        f"1 eyes of {table} ignored, which must be left, right or blank: 'OD' (row 5).",
        f"1 microns_per_px of {table} ignored, which must be numbers above 0 or blank: '-1' (row 5).",
    ]
    assert math.isnan(second["microns_per_px"]) and math.isnan(second["field_angle_deg"])
    assert math.isnan(first.pop("age"))
    assert first == {
        "named_patient": "p1",
        "microns_per_px": 6.5,
        "field_angle_deg": 45.0,
        "image": str(tmp_path / "a/1.png"),
        "fov": str(tmp_path / "m/1.png"),
        "disease": [],
        "dataset": "photographs",
        "patient": "photographs_p1",
        "eye": "left",
        "sex": "",
        "id": "case-1",
    }
    assert (second["image"], second["id"], second["eye"]) == (str(tmp_path / "b/2.png"), "2", "")
    assert "fov" not in second


@pytest.mark.parametrize("name", ["list.txt", "list.csv", "list.xlsx"])
def test_list_may_be_what_a_spreadsheet_saves(name: str, tmp_path: Path) -> None:
    if name.endswith("xlsx"):
        pd.DataFrame({"image": ["甲.png"], "id": ["患者甲"]}).to_excel(tmp_path / name, index=False)
    else:
        (tmp_path / name).write_bytes("image\tid\r\n甲.png\t患者甲\r\n".encode("utf-16"))
    (item,) = find_images(tmp_path / name)
    assert (item["image"], item["id"]) == (str(tmp_path / "甲.png"), "患者甲")


def test_tables_of_results_may_be_lists(tmp_path: Path) -> None:
    """Also where a name looked like a formula."""
    write_results(tmp_path / "out.csv", pd.DataFrame({"id": ["x"], "image": ["=1+1.png"], "score": [-0.5]}))
    with pytest.warns(DatasetWarning, match="'score'"):
        (item,) = find_images(tmp_path / "out.csv")
    assert item["image"] == str(tmp_path / "=1+1.png")


def test_bad_row_of_a_list_does_not_hinder_the_others(tmp_path: Path) -> None:
    items = find_images(listed(tmp_path, "image,id\nmissing.png,\n,x\nb.png,b\n"))
    assert [(item["id"], "refused" in item) for item in items] == [
        ("missing", False),
        ("list.csv-row-3", True),
        ("b", False),
    ]
    assert "list.csv, row 3: image is blank; fill it in" in items[1]["refused"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "cannot be read"),
        ("photo\na.png\n", "must include image, and are photo"),
        ("image\n", "has no rows"),
        ("image, image\na.png,b.png\n", "has the column 'image' twice"),
    ],
)
def test_list_that_cannot_be_used_is_refused(text: str, expected: str, tmp_path: Path) -> None:
    assert expected in reason(find_images(listed(tmp_path, text)))


def put(address: str, content: bytes = b"") -> str:
    fsspec.filesystem("memory").pipe_file(address, content)
    return address


@pytest.fixture
def bucket() -> Iterator[str]:
    """The address of a bucket with photographs, and what is none."""
    for name in ("b/2.jpg", "b/1 left.PNG", "a.dcm", "b/.hidden/3.jpg", "notes.txt", "list.csv"):
        put(f"memory://found/{name}", name.encode())
    yield "memory://found"
    fsspec.filesystem("memory").store.clear()


def test_folder_in_a_bucket_is_searched_as_one_on_disk(bucket: str) -> None:
    items = find_images([f"{bucket}/", f"{bucket}/a.dcm", f"{bucket}/c"])
    assert [item["id"] for item in items] == ["a", "b-1-left", "b-2", "c"]
    assert [item["image"] for item in items] == [
        f"{bucket}/{name}" for name in ("a.dcm", "b/1 left.PNG", "b/2.jpg", "c")
    ]
    assert [item["states"]["image"][:2] for item in items[2:]] == [[f"{bucket}/b/2.jpg", 7], [f"{bucket}/c"]]
    assert ids(find_images(f"{bucket}/b/.hidden")) == ["3"]
    put(f"{bucket}/texts/notes.txt")
    assert "there is no image (.bmp, .dcm" in reason(find_images(f"{bucket}/texts"))


def test_lists_name_photographs_in_a_bucket_and_lie_there(bucket: str, tmp_path: Path) -> None:
    put(f"{bucket}/fov/2.png", b"fov")
    put(f"{bucket}/b/list.csv", b"image,fov\n2.jpg,../fov/2.png\n")
    beside = listed(tmp_path, f"image,id,fov\n{bucket}/b/2.jpg,x,\n{bucket}/b/2.jpg,y,\nhere.png,,\n")
    first, here, *others = find_images([f"{bucket}/b/list.csv", beside])
    assert not others  # the same photograph counts once
    assert (first["id"], first["image"], first["fov"]) == ("2", f"{bucket}/b/2.jpg", f"{bucket}/fov/2.png")
    assert [first["states"][key][1] for key in ("image", "fov")] == [7, 3]
    assert here["image"] == str(tmp_path / "here.png")
    assert "states" not in here
    assert [item["id"] for item in find_images(beside)] == ["x", "here"]


def test_a_bucket_that_cannot_be_reached_is_refused_with_the_reason(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise RuntimeError("Access Denied")

    monkeypatch.setattr(MemoryFileSystem, "find", denied)
    assert "found cannot be reached (Access Denied): check" in reason(find_images(bucket))


def test_parquet_may_list_photographs(tmp_path: Path) -> None:
    pd.DataFrame({"image": ["a.png"], "id": ["x"]}).to_parquet(tmp_path / "list.parquet")
    (item,) = find_images(tmp_path / "list.parquet")
    assert (item["id"], item["image"]) == ("x", str(tmp_path / "a.png"))


def test_what_does_not_exist_is_left_to_the_reader(tmp_path: Path) -> None:
    (item,) = find_images(tmp_path / "nowhere.png")
    assert (item["image"], item["id"], "refused" in item) == (str(tmp_path / "nowhere.png"), "nowhere", False)
    assert "cannot be read" in reason(find_images(tmp_path / "nowhere.csv"))


@pytest.mark.parametrize(("inputs", "expected"), [([], "no photograph is named"), ("", "blank"), ([" "], "blank")])
def test_nothing_is_refused(inputs: str | list[str], expected: str) -> None:
    assert expected in reason(find_images(inputs))


def test_folder_without_picture_is_refused_beside_others(tmp_path: Path) -> None:
    touch(tmp_path, "empty/readme.txt", "1.png")
    refused, good = find_images([tmp_path / "empty", tmp_path / "1.png"])
    assert "the folder holds no image (.bmp, .gif" in refused["refused"]
    assert (refused["image"], refused["id"], good["id"]) == (str(tmp_path / "empty"), "empty", "1")


def test_folder_that_cannot_be_opened_is_refused_beside_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser may open all, so the system's answer is made up."""
    touch(tmp_path, "a/1.png", "b/2.png")
    scan: Callable[..., object] = os.scandir

    def forbid(path: str) -> object:
        if path.endswith("a"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", forbid)
    good, refused = find_images(tmp_path)
    assert good["id"] == "b-2"
    assert refused["refused"] == f"the folder {tmp_path}/a cannot be opened (Permission denied): allow it."


def test_photograph_that_is_named_twice_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/1.png")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "a/same.png").symlink_to(tmp_path / "a/1.png")
    monkeypatch.chdir(tmp_path)
    table = listed(tmp_path, "image,id\na/1.png,x\n")
    assert ids(find_images(["a/1.png", tmp_path / "a", "a/../link", "./a/1.png", table])) == ["1"]
    assert ids(find_images([table, "a"])) == ["x"]


def test_links_in_a_circle_and_to_nothing_end(tmp_path: Path) -> None:
    touch(tmp_path, "1.png")
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "nothing.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "itself.png").symlink_to(tmp_path / "itself.png")
    assert ids(find_images([tmp_path, tmp_path / "itself.png"])) == ["1", "itself", "nothing"]


def test_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "list.csv")
    os.mkfifo(tmp_path / "pipe.png")
    assert "a pipe" in reason(find_images(tmp_path / "list.csv"))
    assert ids(find_images(tmp_path)) == ["pipe"]


def test_same_name_in_two_folders_gives_two_ids_whatever_the_order(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/1.png", "b/1.JPG")
    inputs = [tmp_path / "a", tmp_path / "b"]
    forth, back = ({item["image"]: item["id"] for item in find_images(order)} for order in (inputs, inputs[::-1]))
    assert forth == back
    assert len({name.casefold() for name in forth.values()}) == 3
    assert all(name.startswith("1-") for name in forth.values())


def test_ids_depend_on_no_order_and_not_on_where_the_folder_lies(tmp_path: Path) -> None:
    names = ["a.b.jpg", "a.b.png", "x/a.JPG", "x-a.jpg"]
    one, other = (find_images(touch(tmp_path / folder, *names)) for folder in ("one", "other"))
    assert ids(one) == ids(other)
    assert len({name.casefold() for name in ids(one)}) == 4
    touch(tmp_path / "one", "a.b.tif", "new.png")
    assert set(ids(one)) < set(ids(find_images(tmp_path / "one")))


def test_composed_and_decomposed_names_differ(tmp_path: Path) -> None:
    names = {os.fsencode(name) for name in os.listdir(touch(tmp_path, "\u00e9.png", "e\u0301.png"))}
    if len(names) < 2:
        pytest.skip("the file system takes the two for one")
    first, second = ids(find_images(tmp_path))
    assert first.startswith("\u00e9-")
    assert second.startswith("\u00e9-")
    assert first != second


def test_ids_differ_even_where_a_file_is_called_like_the_digits_of_another(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/1.png")
    taken = find_images([tmp_path / "a", tmp_path / "b"])[0]["id"]
    touch(tmp_path, f"c/{taken.upper()}.png")
    found = ids(find_images([tmp_path / "a", tmp_path / "b", tmp_path / "c"]))
    assert len({name.casefold() for name in found}) == 3


@pytest.mark.parametrize(
    "name", ["眼底 1 (left).png", "眼.png", "<script>.png", "a\nb.png", "é" * 100 + ".png", "con?.png"]
)
def test_id_is_a_file_name_on_every_system(name: str, tmp_path: Path) -> None:
    touch(tmp_path, name)
    (item,) = find_images(tmp_path)
    assert item["image"] == str(tmp_path / name)
    assert is_safe_id(item["id"])


def test_long_names_are_cut_and_stay_different(tmp_path: Path) -> None:
    touch(tmp_path, "x" * 240 + "1.png", "x" * 240 + "2.png", "y" * MAX_NAME_BYTES + ".png")
    first, second, third = ids(find_images(tmp_path))
    assert len(first) == len(second) == len(third) == MAX_NAME_BYTES
    assert first != second
    assert third == "y" * MAX_NAME_BYTES


def test_ids_of_a_list_are_made_safe_and_different(tmp_path: Path) -> None:
    safe, first, second = ids(find_images(listed(tmp_path, "image,id\na.png,p 1/left\nb.png,x\nc.png,X\n")))
    assert safe == "p-1-left"
    assert first.startswith("x-")
    assert second.startswith("X-")


def test_name_that_no_table_can_hold_is_refused(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/eye\xff.png")
    try:
        Path(path).touch()
    except OSError:
        pytest.skip("the file system wants Unicode names")
    (item,) = find_images(tmp_path)
    assert item["refused"] == "the name is no valid Unicode text: rename the file."
    assert item["image"].encode("utf-8")
    assert item["id"].startswith("eye")


def test_tilde_is_the_home_only_in_front_of_what_the_user_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "~nobody.png", "1.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert find_images("~/1.png")[0]["image"] == str(tmp_path / "1.png")
    assert [item["image"] for item in find_images(".")] == ["1.png", str(tmp_path / "~nobody.png")]


def test_slice_of_a_volume_may_be_listed(tmp_path: Path) -> None:
    first, second = find_images(listed(tmp_path, "image\noct.mhd?slice=1\noct.mhd?slice=2\n"))
    assert (first["image"], second["image"]) == (f"{tmp_path}/oct.mhd?slice=1", f"{tmp_path}/oct.mhd?slice=2")


FRAME = np.full((4, 6, 3), 70, dtype=np.uint8)
"""A picture, as every frame of the DICOM files here."""


def write_dicom(path: Path, frames: int = 1, **attributes: object) -> Path:
    return save(photograph_dataset(np.stack([FRAME] * frames), **attributes), path)


def test_folder_gives_dicom_files_whatever_their_names(tmp_path: Path) -> None:
    for name in ("b/1.2.840.113", "b/IM0001", "c.dcm", "d.jpg", "DICOMDIR", "e.csv"):
        write_dicom(tmp_path / name)
    touch(tmp_path, "b/other", "a.png", "notes.txt")
    items = find_images(tmp_path)
    assert ids(items) == ["a", "b-1.2.840.113", "b-IM0001", "c", "d"]
    assert [Path(item["image"]).relative_to(tmp_path).as_posix() for item in items][1:3] == [
        "b/1.2.840.113",
        "b/IM0001",
    ]
    assert not any("refused" in item for item in items)


def test_every_frame_of_a_dicom_file_becomes_an_item(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a/series.dcm", frames=3, laterality="L")
    items = find_images(tmp_path)
    assert ids(items) == ["a-series-frame-1", "a-series-frame-2", "a-series-frame-3"]
    assert [item["image"] for item in items] == [f"{path}?slice={index}" for index in range(3)]
    assert {item["eye"] for item in items} == {"left"}


def test_frame_may_be_named_and_counts_once(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "1.2.3", frames=2)
    assert ids(find_images([f"{path}?slice=1", path])) == ["1.2.3-frame-2", "1.2.3-frame-1"]
    (tmp_path / "link").symlink_to(tmp_path)
    assert len(find_images([tmp_path, f"{tmp_path}/link/1.2.3?slice=0"])) == 2
    one = write_dicom(tmp_path / "one.dcm")
    assert [item["image"] for item in find_images([f"{one}?slice=0", one])] == [str(one)]


def test_frame_that_is_not_there_is_left_to_the_reader(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm")
    (item,) = find_images(f"{path}?slice=9")
    assert (item["image"], item["id"]) == (f"{path}?slice=9", "a-frame-10")


def test_list_may_name_dicom_files_and_knows_better_than_their_headers(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", frames=2, laterality="R")
    write_dicom(tmp_path / "b.dcm", laterality="R")
    items = find_images(listed(tmp_path, "image,id,eye,patient\na.dcm,x,,p\nb.dcm,,left,\na.dcm?slice=1,y,,\n"))
    assert [(item["id"], item["eye"]) for item in items] == [
        ("x-frame-1", "right"),
        ("x-frame-2", "right"),
        ("b", "left"),
    ]
    assert [item["patient"] for item in items[:2]] == ["photographs_p"] * 2


def test_dicom_object_that_is_no_photograph_is_refused_with_the_reason(tmp_path: Path) -> None:
    write_dicom(tmp_path / "ct", SOPClassUID=UID("1.2.840.10008.5.1.4.1.1.2"))
    write_dicom(tmp_path / "own", ManufacturerModelName="vmnet_monai")
    content = write_dicom(tmp_path / "short").read_bytes()
    (tmp_path / "short").write_bytes(content[:300])
    reasons = {item["id"]: item["refused"] for item in find_images(tmp_path)}
    assert "CT Image Storage" in reasons["ct"]
    assert "a result and no photograph" in reasons["own"]
    assert set(reasons) == {"ct", "own", "short"}


def test_dicom_photograph_in_two_files_is_refused_the_second_time(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", frames=2, SOPInstanceUID="1.2.840.7")
    (tmp_path / "copy.dcm").write_bytes(path.read_bytes())
    write_dicom(tmp_path / "encoded anew.dcm", frames=2, SOPInstanceUID="1.2.840.7", InstanceNumber=9)
    write_dicom(tmp_path / "other.dcm", SOPInstanceUID="1.2.840.8")
    reasons = {item["id"]: item.get("refused") for item in find_images(tmp_path)}
    first, second = (
        f"the same photograph (SOP Instance UID) was named before as {path}?slice={frame}: leave one of the two out."
        for frame in (0, 1)
    )
    assert reasons == {
        "a-frame-1": None,
        "a-frame-2": None,
        "copy-frame-1": first,
        "copy-frame-2": second,
        "encoded-anew-frame-1": first,
        "encoded-anew-frame-2": second,
        "other": None,
    }


def test_first_file_that_is_named_wins_and_the_same_file_counts_once(tmp_path: Path) -> None:
    a, b = (write_dicom(tmp_path / name, SOPInstanceUID="1.2.840.7") for name in ("a.dcm", "b.dcm"))
    items = find_images([b, a, b, a])
    assert [(item["id"], "refused" in item) for item in items] == [("b", False), ("a", True)]


def test_object_that_is_refused_does_not_stand_in_for_its_copy(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", SOPInstanceUID="1.2.840.7", Modality="CT")
    write_dicom(tmp_path / "b.dcm", SOPInstanceUID="1.2.840.7")
    assert [(item["id"], "refused" in item) for item in find_images(tmp_path)] == [("a", True), ("b", False)]


@pytest.mark.parametrize("names", ["abc", "cab", "bca"])
def test_file_that_cannot_be_decoded_does_not_stand_in_for_its_copy(names: str, tmp_path: Path) -> None:
    """Two are broken behind their header; of the two whole ones the first in the order stays, the other is a copy."""
    whole = write_dicom(tmp_path / "c.dcm", SOPInstanceUID="1.2.840.7").read_bytes()
    (tmp_path / "d.dcm").write_bytes(whole)
    write_dicom(tmp_path / "a.dcm", SOPInstanceUID="1.2.840.7", PixelData=None)
    (tmp_path / "b.dcm").write_bytes(whole[:-50])
    items = find_images([tmp_path / f"{name}.dcm" for name in names + "d"])
    is_refused = {item["id"]: "refused" in item for item in items}
    assert (is_refused["c"], is_refused["d"]) == (False, True)
    assert str(tmp_path / "c.dcm") in next(item["refused"] for item in items if item["id"] == "d")


def test_photographs_without_a_valid_uid_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    content = write_dicom(tmp_path / "a.dcm", SOPInstanceUID="1.2.840.7").read_bytes()
    (tmp_path / "a.dcm").write_bytes(content.replace(b"1.2.840.7", b"ANONYMOUS"))
    (tmp_path / "b.dcm").write_bytes(content.replace(b"1.2.840.7", b"ANONYMOUS"))
    assert not any("refused" in item for item in find_images(tmp_path))


def test_table_of_dicom_photographs_is_loaded_for_training(tmp_path: Path) -> None:
    write_dicom(tmp_path / "1.2.840.1")
    write_dicom(tmp_path / "1.2.840.2", frames=2)
    table = write_table(tmp_path, ["image,glaucoma", "1.2.840.1,1", "1.2.840.2?slice=1,0"])
    items = read(table, diseases=["glaucoma"])
    load = Compose(
        [
            LoadImaged("image", reader=FundusImageReader(to_rgb), image_only=True),
            EnsureChannelFirstd("image", channel_dim=-1),
        ]
    )
    assert [(item["id"], np.asarray(load(item)["image"]).tolist()) for item in items] == [
        (name, np.moveaxis(FRAME, -1, 0).tolist()) for name in ("table_1.2.840.1", "table_1.2.840.2")
    ]
