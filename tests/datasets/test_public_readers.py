"""DRIVE, STARE, CHASE_DB1, HRF, FIVES and EyePACS-light from their official layouts."""

from __future__ import annotations

import gzip
import math
from collections import Counter
from pathlib import Path

import pytest
from layouts import (
    write_chasedb1,
    write_drive,
    write_eyepacs_light,
    write_fives,
    write_hrf,
    write_image,
    write_stare,
)

from vmnet_monai.datasets import DatasetError, DatasetWarning, Item, chasedb1, drive, eyepacs_light, fives, hrf, stare
from vmnet_monai.diseases import DEFAULT_DISEASES

NAN = math.nan
SHARED = Path(__file__).parents[2] / "../shared/data"


def by_id(items: list[Item]) -> dict[str, Item]:
    return {item["id"]: item for item in items}


def test_drive_items_have_vessels_field_of_view_and_official_split(tmp_path: Path) -> None:
    items = by_id(drive.read(write_drive(tmp_path), ["amd"]))
    assert {key: item["split"] for key, item in items.items()} == {
        "drive_21": "train",
        "drive_22": "train",
        "drive_01": "test",
        "drive_02": "test",
    }
    assert Path(items["drive_01"]["vessel"]) == tmp_path / "test/1st_manual/01_manual1.gif"
    assert Path(items["drive_01"]["fov"]) == tmp_path / "test/mask/01_test_mask.gif"
    assert math.isnan(items["drive_01"]["disease"][0])


def test_drive_without_test_manuals_warns_and_keeps_the_photographs(tmp_path: Path) -> None:
    with pytest.warns(DatasetWarning, match=r"^2 .*01_test\.tif"):
        items = drive.read(write_drive(tmp_path, test_manuals=False), [])
    assert [("vessel" in item, item["split"]) for item in items] == [(True, "train")] * 2 + [(False, "test")] * 2


def test_drive_training_photograph_without_manual_is_refused(tmp_path: Path) -> None:
    write_drive(tmp_path)
    (tmp_path / "training/1st_manual/22_manual1.gif").unlink()
    with pytest.raises(DatasetError, match=r"22_training\.tif.*22_manual1"):
        drive.read(tmp_path, [])


def test_drive_without_a_folder_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "training/images/21_training.tif")
    with pytest.raises(DatasetError, match="training/mask"):
        drive.read(tmp_path, [])


def test_stare_takes_the_first_observer_and_has_no_split(tmp_path: Path) -> None:
    items = stare.read(write_stare(tmp_path), ["amd"])
    assert len(items) == 20
    assert Path(items[0]["vessel"]) == tmp_path / "labels-ah/im0001.ah.ppm"
    assert {"split", "fov"}.isdisjoint(items[0])


def test_compressed_stare_asks_for_gunzip(tmp_path: Path) -> None:
    plain = write_stare(tmp_path, count=1) / "stare-images/im0001.ppm"
    zipped = plain.with_name("im0001.ppm.gz")
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert len(stare.read(tmp_path, [])) == 1
    plain.unlink()
    with pytest.raises(DatasetError, match=r"im0001\.ppm\.gz.*`gunzip .*stare-images/\*\.gz`"):
        stare.read(tmp_path, [])


def test_chasedb1_first_eight_photographs_train(tmp_path: Path) -> None:
    items = chasedb1.read(write_chasedb1(tmp_path), [])
    train = [Path(item["image"]).stem for item in items if item["split"] == "train"]
    assert train == [f"Image_0{n}{eye}" for n in (1, 2, 3, 4) for eye in "LR"]
    assert len(items) == 28


def test_chasedb1_eyes_share_a_patient(tmp_path: Path) -> None:
    items = by_id(chasedb1.read(write_chasedb1(tmp_path), []))
    left, right = items["chasedb1_05L"], items["chasedb1_05R"]
    assert (left["eye"], right["eye"]) == ("left", "right")
    assert left["patient"] == right["patient"] == "chasedb1_05"
    assert left["vessel"].endswith("Image_05L_1stHO.png")


def test_chasedb1_photograph_without_truth_is_refused_and_truth_without_photograph_counted(tmp_path: Path) -> None:
    write_chasedb1(tmp_path)
    (tmp_path / "Image_03L.jpg").unlink()
    with pytest.warns(DatasetWarning, match="^1 .*Image_03L"):
        assert len(chasedb1.read(tmp_path, [])) == 27
    (tmp_path / "Image_04L_1stHO.png").unlink()
    with pytest.raises(DatasetError, match=r"Image_04L\.jpg.* mask"), pytest.warns(DatasetWarning):
        chasedb1.read(tmp_path, [])


def test_chasedb1_elsewhere_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "holiday.jpg")
    with pytest.raises(DatasetError, match="Image_01L"):
        chasedb1.read(tmp_path, [])


def test_hrf_first_five_of_each_group_train(tmp_path: Path) -> None:
    items = hrf.read(write_hrf(tmp_path), DEFAULT_DISEASES)
    train = [item["id"] for item in items if item["split"] == "train"]
    assert sorted(train) == sorted(f"hrf_0{n}_{group}" for n in range(1, 6) for group in ("h", "dr", "g"))
    assert len(items) == 45


def test_hrf_group_is_the_diagnosis(tmp_path: Path) -> None:
    items = by_id(hrf.read(write_hrf(tmp_path), DEFAULT_DISEASES))
    assert items["hrf_07_h"]["disease"] == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert items["hrf_07_g"]["disease"] == pytest.approx([0.0, 0.0, 1.0, NAN, NAN], nan_ok=True)
    assert items["hrf_07_dr"]["patient"] == "hrf_07_dr"
    assert items["hrf_07_dr"]["fov"].endswith("07_dr_mask.tif")


def test_hrf_label_picture_gives_arteries_and_veins_where_it_lies(tmp_path: Path) -> None:
    items = by_id(hrf.read(write_hrf(tmp_path, artery_vein=["07_dr"]), []))
    assert items["hrf_07_dr"]["artery"] == f"{tmp_path / 'av/07_dr.png'}?colours=red,green"
    assert items["hrf_07_dr"]["vein"] == f"{tmp_path / 'av/07_dr.png'}?colours=blue,green"
    assert [key for key, item in items.items() if {"artery", "vein"} & item.keys()] == ["hrf_07_dr"]


def test_hrf_unknown_suffix_and_missing_mask_are_refused(tmp_path: Path) -> None:
    write_hrf(tmp_path)
    stray = write_image(tmp_path / "images/01_amd.jpg")
    with pytest.raises(DatasetError, match=r"01_amd\.jpg.*group"):
        hrf.read(tmp_path, [])
    stray.unlink()
    (tmp_path / "mask/02_g_mask.tif").unlink()
    with pytest.raises(DatasetError, match=r"02_g\.jpg.* mask"):
        hrf.read(tmp_path, [])


def test_fives_numbers_restart_but_ids_do_not_collide(tmp_path: Path) -> None:
    items = by_id(fives.read(write_fives(tmp_path), DEFAULT_DISEASES))
    assert len(items) == 8
    assert items["fives_train_1_A"]["disease"] == pytest.approx([0.0, 0.0, 0.0, NAN, 1.0], nan_ok=True)
    assert items["fives_test_4_N"]["disease"] == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert items["fives_test_4_N"]["split"] == "test"
    assert Path(items["fives_test_4_N"]["vessel"]) == tmp_path / "test/Ground truth/4_N.png"


def test_fives_unknown_letter_is_refused(tmp_path: Path) -> None:
    write_image(write_fives(tmp_path) / "train/Original/5_X.png")
    with pytest.raises(DatasetError, match=r"5_X\.png.*letter"):
        fives.read(tmp_path, [])


@pytest.mark.parametrize("wrapper", ["", "eyepac-light-v2-512-jpg"])
def test_eyepacs_light_grades_glaucoma_only(tmp_path: Path, wrapper: str) -> None:
    write_eyepacs_light(tmp_path / wrapper)
    items = by_id(eyepacs_light.read(tmp_path, ["normal", "glaucoma", "amd"]))
    assert Counter(item["split"] for item in items.values()) == {"train": 2, "val": 2, "test": 2}
    referable = items["eyepacs_light_val_RG_EyePACS-validation-RG-1"]["disease"]
    other = items["eyepacs_light_val_NRG_EyePACS-validation-NRG-1"]["disease"]
    assert referable == pytest.approx([0.0, 1.0, NAN], nan_ok=True)
    assert other == pytest.approx([NAN, 0.0, NAN], nan_ok=True)


def test_eyepacs_light_unknown_folder_is_refused(tmp_path: Path) -> None:
    write_image(write_eyepacs_light(tmp_path) / "test/RGB/1.jpg")
    with pytest.raises(DatasetError, match="RG and NRG.*NRG, RG, RGB"):
        eyepacs_light.read(tmp_path, [])


@pytest.mark.skipif(not (SHARED / "HRF").is_dir(), reason="the real HRF is not beside the repository")
def test_real_hrf_is_complete() -> None:
    items = hrf.read(SHARED / "HRF", DEFAULT_DISEASES)
    assert Counter(item["split"] for item in items) == {"train": 15, "test": 30}
    assert all({"artery", "vein"} <= item.keys() for item in items)


@pytest.mark.skipif(not (SHARED / "CHASEDB1").is_dir(), reason="the real CHASE_DB1 is not beside the repository")
def test_real_chasedb1_is_complete() -> None:
    items = chasedb1.read(SHARED / "CHASEDB1", [])
    assert Counter(item["split"] for item in items) == {"train": 8, "test": 20}
