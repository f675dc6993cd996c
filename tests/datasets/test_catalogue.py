"""Datasets by name, alone and together."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest
from layouts import write_chasedb1, write_drive, write_hrf, write_image, write_odir5k, write_table

from vmnet_monai.datasets import READERS, DatasetError, DatasetWarning, check_disjoint, load_datalists, read_datasets
from vmnet_monai.datasets.phantom import write_phantoms

SHARED = Path(__file__).parents[2] / "../shared/data"


def test_one_dataset_may_be_given_without_lists(tmp_path: Path) -> None:
    items = read_datasets("hrf", write_hrf(tmp_path), ["glaucoma"])
    assert len(items) == 45
    assert {item["dataset"] for item in items} == {"hrf"}


def test_datasets_are_read_together_in_the_order_given(tmp_path: Path) -> None:
    write_hrf(tmp_path / "h")
    write_chasedb1(tmp_path / "c")
    items = read_datasets(["chasedb1", "hrf"], [tmp_path / "c", str(tmp_path / "h")], ["glaucoma"])
    assert [item["dataset"] for item in items] == ["chasedb1"] * 28 + ["hrf"] * 45


def test_same_reader_twice_is_told_apart_by_folder_while_the_patient_stays_one(tmp_path: Path) -> None:
    for name in ("ODIR-5K-400", "ODIR 5K/256"):
        write_odir5k(tmp_path / name, {7: ("cataract", "normal fundus")})
    items = read_datasets(["odir5k"] * 2, [tmp_path / "ODIR-5K-400", tmp_path / "ODIR 5K/256"], ["cataract"])
    assert {item["id"]: item["dataset"] for item in items} == {
        "odir-5k-400_7_left": "odir-5k-400",
        "odir-5k-400_7_right": "odir-5k-400",
        "256_7_left": "256",
        "256_7_right": "256",
    }
    assert {item["patient"] for item in items} == {"odir5k_7"}


def test_folders_of_the_same_name_are_told_apart_by_their_parents(tmp_path: Path) -> None:
    dirs = [tmp_path / "a/eyes", tmp_path / "b/eyes"]
    for directory in dirs:
        write_image(directory / "1.png")
    items = read_datasets(["folder", "folder"], dirs, [])
    assert [item["id"] for item in items] == ["a-eyes_1", "b-eyes_1"]
    # Photographs of the same name in two folders are not the same patient.
    assert [item["patient"] for item in items] == ["folder_a-eyes_1", "folder_b-eyes_1"]


def test_folder_given_twice_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "1.png")
    with pytest.raises(DatasetError, match="is given twice"):
        read_datasets(["folder", "folder"], [tmp_path, tmp_path], [])


def test_tables_own_dataset_names_survive_a_second_table(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_table(tmp_path / name, ["image,id,dataset", f"a.png,x,{name if name == 'one' else ''}"], images=["a.png"])
    items = read_datasets(["table", "table"], [tmp_path / "one", tmp_path / "two"], [])
    assert [(item["id"], item["dataset"]) for item in items] == [("one_x", "one"), ("two_x", "two")]


@pytest.mark.parametrize(
    ("names", "count", "message"),
    [
        (["hrf", "drive"], 1, r" 1 for 2 \(hrf, drive\)"),
        ([], 0, " 0 for 0 "),
        (["odir-5k"], 1, "'odir-5k'.*'odir5k'"),
        (["imagenet"], 1, "'imagenet'.*chasedb1, drive"),
    ],
)
def test_wrong_names_are_refused(tmp_path: Path, names: list[str], count: int, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_datasets(names, [tmp_path] * count, [])


def test_unknown_disease_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="glaucoma"):
        read_datasets("hrf", tmp_path / "nowhere", ["glaucom"])
    with pytest.raises(ValueError, match="amd twice"):
        load_datalists("hrf", tmp_path / "nowhere", ["amd", "amd"])


def test_label_column_of_a_table_is_a_disease(tmp_path: Path) -> None:
    path = write_table(tmp_path, ["image,papilloedema", "a.png,1"], images=["a.png"])
    assert read_datasets("table", path, ["papilloedema"])[0]["disease"] == [1.0]
    with pytest.raises(ValueError, match="papilledema"):
        read_datasets("table", path, ["papilledema"])


def test_disease_on_which_nothing_is_said_is_warned_about_once(tmp_path: Path) -> None:
    write_drive(tmp_path)
    with pytest.warns(DatasetWarning, match="amd, cataract") as caught:
        load_datalists("drive", tmp_path, ["amd", "cataract"])
    assert len(caught) == 1


def test_same_id_twice_is_refused(tmp_path: Path) -> None:
    path = write_table(tmp_path, ["image,id", "a.png,x", "b.png,X"], images=["a.png", "b.png"])
    with pytest.raises(DatasetError, match=r"a\.png.*b\.png.*'X'"):
        read_datasets("table", path, [])


def test_requested_diseases_do_not_decide_who_is_tested(tmp_path: Path) -> None:
    keywords = ("normal fundus", "cataract", "glaucoma", "drusen")
    write_odir5k(tmp_path, {n: (keywords[n % 4], keywords[n % 3]) for n in range(40)})
    one = load_datalists("odir5k", tmp_path, ["glaucoma"])
    three = load_datalists("odir5k", tmp_path, ["cataract", "glaucoma", "normal"])
    for part in ("train", "val", "test"):
        assert [item["id"] for item in one[part]] == [item["id"] for item in three[part]]
        assert [item["disease"][0] for item in one[part]] == [item["disease"][1] for item in three[part]]


def test_phantoms_keep_their_split_and_two_folders_their_patients(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "one", count=5, size_px=64, seed=0)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    datalists = load_datalists(["phantom"] * 2, [tmp_path / "one", tmp_path / "two"], ["normal"])
    assert sum(len(own) for own in datalists.values()) == 10
    assert len({item["patient"] for own in datalists.values() for item in own}) == 10


def test_every_reader_refuses_a_missing_folder(tmp_path: Path) -> None:
    for name in sorted(READERS.keys() - {"phantom"}):
        with pytest.raises(DatasetError, match="nowhere"):
            read_datasets(name, tmp_path / "nowhere", [])


@pytest.mark.skipif(not (SHARED / "ODIR-5K-400").is_dir(), reason="the real ODIR-5K is not beside the repository")
def test_real_odir_folders_are_split_jointly() -> None:
    dirs = [SHARED / "ODIR-5K-400", SHARED / "ODIR-5K-256"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        datalists = load_datalists(["odir5k", "odir5k"], dirs, ["normal", "cataract"])
    check_disjoint(datalists)
    items = [item for own in datalists.values() for item in own]
    assert len(items) == 1252 + 1034
    patients = [{i["patient"] for i in items if i["dataset"] == name} for name in ("odir-5k-400", "odir-5k-256")]
    on_disk = [{f"odir5k_{path.stem.split('_')[0]}" for path in d.glob("preprocessed_images/*.jpg")} for d in dirs]
    assert patients == on_disk
    assert patients[0] & patients[1]


def test_structure_without_any_mask_is_warned_about(tmp_path: Path) -> None:
    with pytest.warns(DatasetWarning, match="lesion"):
        load_datalists("hrf", write_hrf(tmp_path), [], structures=["vessel", "lesion"])


def test_photographs_to_predict_need_no_masks(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_datasets("folder", tmp_path, [], ["vessel"])) == 1


def test_items_keep_the_masks_of_the_structures_that_are_asked_for(tmp_path: Path) -> None:
    """Batches are collated by key, so a mask that only some items have must not stay."""
    for name in ("a.png", "b.png", "m.png"):
        write_image(tmp_path / name)
    lines = ["image,vessel,mask_disc,fov", "a.png,m.png,m.png,m.png", "b.png,,,"]
    table = write_table(tmp_path, lines)
    kept = {"image", "disease", "dataset", "patient", "eye", "sex", "age", "id"}
    items = read_datasets("table", table, [], ["disc"])
    assert [set(item) - kept for item in items] == [{"disc", "fov"}, set()]
    assert [set(item) - kept for item in read_datasets("table", table, [])] == [{"vessel", "disc", "fov"}, set()]
    assert all(
        "disc" not in item
        for part in load_datalists("table", table, [], structures=["vessel"]).values()
        for item in part
    )
