"""Masks in files: how they are matched and read, what is refused, and what is written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from dicom_files import photograph_dataset
from dicom_files import save as save_dicom
from PIL import Image

from vmnet_monai.biomarkers import photograph
from vmnet_monai.inference import mask_files
from vmnet_monai.inference.mask_files import MeasuredFile, measure_files

SIZE = 240
ROWS, COLUMNS = np.indices((SIZE, SIZE + 40))
FIELD = np.hypot(COLUMNS - 139.5, ROWS - 119.5) <= 115
EYE = {
    "artery": (np.abs(ROWS - 95) <= 2) & FIELD,
    "vein": (np.abs(ROWS - 140) <= 3) & FIELD,
    "disc": np.hypot(COLUMNS - 190, ROWS - 120) <= 15,
    "fovea": np.hypot(COLUMNS - 115, ROWS - 128) <= 1,
    "fov": FIELD,
}


@pytest.fixture(autouse=True)
def small_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many pixels as the masks of these tests have."""
    monkeypatch.setattr(photograph, "GRID_SIZE", 230)


def save(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)


def write_eye(folder: Path, name: str = "a.png", **changed: np.ndarray | None) -> dict[str, str]:
    masks = {**EYE, **changed}
    for key, mask in masks.items():
        if mask is not None:
            save(folder / key / name, mask)
    return {key: str(folder / key) for key in masks}


def write_landmarks(folder: Path) -> dict[str, str]:
    """An eye without vessels, which costs less to measure."""
    sources = write_eye(folder)
    return {key: sources[key] for key in ("disc", "fovea", "fov")}


def value(one: MeasuredFile, measure: str, unit: str) -> float:
    (found,) = [each for each in one.values if each.measure == measure and each.unit.partition(" (")[0] == unit]
    assert found.value is not None
    return found.value


def test_folders_are_matched_by_name_and_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    sources = write_eye(tmp_path)
    write_eye(tmp_path, "small.png", vein=EYE["vein"][:100])
    write_eye(tmp_path, "alone.png", disc=None)
    write_eye(tmp_path, "broken.png")
    (tmp_path / "vein/broken.png").write_bytes(b"")
    write_eye(tmp_path, "twice.png")
    save(tmp_path / "artery/twice.tif", EYE["artery"])
    save(tmp_path / "disc/other.png", EYE["disc"])
    (tmp_path / "artery/readme.txt").write_text("no mask")
    measured = {one.id: one for one in measure_files(sources, tmp_path / "out")}
    assert {name: one.status for name, one in measured.items()} == {
        **dict.fromkeys(["alone", "broken", "small", "twice"], "refused"),
        "a": "ok",
    }
    assert "alone: every folder must have a file of this name, and" in measured["alone"].reason
    assert "(disc) has none: add it, an empty mask where" in measured["alone"].reason
    assert "broken.png" in measured["broken"].reason
    assert "artery 240 x 280, vein 100 x 280, disc" in measured["small"].reason
    assert "several files of this name: leave one" in measured["twice"].reason
    status = pd.read_csv(tmp_path / "out/measured.csv").set_index("id")
    assert status["status"].to_dict() == {name: one.status for name, one in measured.items()}
    assert status.loc["a", "eye"] == "right"
    assert set(pd.read_csv(tmp_path / "out/measures.csv")["id"]) == {"a"}


def test_measures_are_in_pixels_of_the_photograph_and_a_point_is_a_fovea(tmp_path: Path) -> None:
    (one,) = measure_files(write_landmarks(tmp_path), tmp_path / "out")
    assert value(one, "disc_x", "px") == pytest.approx(190, abs=0.5)
    assert value(one, "fovea_x", "px") == pytest.approx(115, abs=0.5)
    assert value(one, "disc_diameter", "px") == pytest.approx(30, rel=0.03)
    assert value(one, "disc_fovea_distance", "um") == pytest.approx(1800 * np.hypot(75, 8) / 30, rel=0.03)
    assert one.microns_per_px is None


@pytest.mark.parametrize("columns", ["microns_per_px", "field_angle_deg"])
def test_the_table_gives_scale_eye_and_patient(tmp_path: Path, columns: str) -> None:
    sources = write_landmarks(tmp_path)
    write_eye(tmp_path, "b.png", **{key: mask[:, ::-1] for key, mask in EYE.items()})
    table = tmp_path / "eyes.csv"
    table.write_text(f"id;eye;patient;{columns};camera\na;right;p;45,5;x\nb;right;p;45,5;x\n")
    one, other = measure_files(sources, tmp_path / "out", table)
    scale = 45.5 if columns == "microns_per_px" else 45.5 * 289.8 / 230
    assert one.microns_per_px == pytest.approx(scale, rel=0.01)
    assert value(one, "disc_fovea_distance", "um") == pytest.approx(scale * np.hypot(75, 8), rel=0.02)
    assert one.remarks == ""
    assert other.remarks.startswith("This is named a right eye, and disc and fovea lie as in a left one")
    patients = pd.read_csv(tmp_path / "out/measures_per_patient.csv")
    assert set(patients["patient"]) == {"p"}
    assert patients["photographs_right"].max() == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("id,eye\na,OD\n", "row 2: eye must be left, right or blank, got 'OD'"),
        ("id,microns_per_px\na,-5\n", "row 2: microns_per_px must be a number above 0, got '-5'"),
        ("id\na\na\n", "row 3: each id must have one row, got a again"),
        ("name\na\n", "must include id"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, rows: str, message: str) -> None:
    sources = write_landmarks(tmp_path)
    (tmp_path / "eyes.csv").write_text(rows)
    with pytest.raises(ValueError, match=message):
        measure_files(sources, tmp_path / "out", tmp_path / "eyes.csv")
    assert not (tmp_path / "out").exists()


def test_masks_of_annotation_programs_are_read(tmp_path: Path) -> None:
    """Labels as napari saves them, and a label picture of both vessels."""
    sources = write_eye(tmp_path, artery=None, vein=None, disc=None)
    (tmp_path / "disc").mkdir()
    tifffile.imwrite(tmp_path / "disc/a.tif", EYE["disc"].astype(np.int32))
    colours = np.stack([EYE["artery"], np.zeros_like(FIELD), EYE["vein"]], axis=-1)
    save(tmp_path / "av/a.png", colours)
    colour = {"artery": f"{tmp_path}/av?colours=red,green", "vein": f"{tmp_path}/av?colours=blue,green"}
    (one,) = measure_files({**sources, **colour}, tmp_path / "out")
    assert (one.status, one.reason) == ("ok", "")
    (same,) = measure_files(write_eye(tmp_path / "same"), tmp_path / "out")
    assert one.values == same.values


@pytest.mark.slow
def test_a_volume_of_one_slice_as_3d_slicer_saves_it_is_a_mask(tmp_path: Path) -> None:
    import itk

    sources = write_landmarks(tmp_path)
    (tmp_path / "disc/a.png").unlink()
    itk.imwrite(itk.image_from_array(EYE["disc"][None].astype(np.uint8)), f"{tmp_path}/disc/a.nrrd")
    (one,) = measure_files(sources, tmp_path / "out")
    (same,) = measure_files(write_landmarks(tmp_path / "same"), tmp_path / "out")
    assert (one.reason, one.values) == ("", same.values)
    assert one.files["disc"]["file"].endswith("a.nrrd?slice=0") and len(one.files["disc"]["sha256"]) == 64


def test_the_field_of_view_is_found_in_the_photograph_or_is_the_whole_picture(tmp_path: Path) -> None:
    def density(one: MeasuredFile) -> float:
        (found,) = [each.value for each in one.values if each[:3] == ("artery", "field", "area_density") and each.value]
        return found

    sources = write_eye(tmp_path)
    sources, fov = {"artery": sources["artery"]}, sources["fov"]
    (whole,) = measure_files(sources, tmp_path / "out")
    photograph = np.where(FIELD, 120, 3).astype(np.uint8)
    save(tmp_path / "image/a.png", np.zeros((1, 1)))
    Image.fromarray(np.stack([photograph] * 3, axis=-1)).save(tmp_path / "image/a.png")
    (found,) = measure_files({**sources, "image": f"{tmp_path}/image"}, tmp_path / "out")
    (given,) = measure_files({**sources, "fov": fov}, tmp_path / "out")
    assert density(found) == pytest.approx(density(given), rel=0.03)
    assert density(whole) < 0.8 * density(given)
    assert "The whole picture was taken for the field of view" in whole.remarks
    assert found.remarks == given.remarks == ""
    (tmp_path / "eyes.csv").write_text("id,field_angle_deg\na,45\n")
    (refused,) = measure_files(sources, tmp_path / "out", tmp_path / "eyes.csv")
    assert "the field is not known: give masks of it, or the photographs, or microns_per_px" in refused.reason


def test_a_dicom_photograph_tells_scale_and_eye(tmp_path: Path) -> None:
    sources = write_landmarks(tmp_path)
    photograph = np.stack([np.where(FIELD, 120, 3).astype(np.uint8)] * 3, axis=-1)
    (tmp_path / "image").mkdir()
    save_dicom(photograph_dataset(photograph, laterality="L", pixel_spacing=(0.02, 0.02)), tmp_path / "image/a.dcm")
    (one,) = measure_files({**sources, "image": f"{tmp_path}/image"}, tmp_path / "out")
    assert (one.reason, one.eye, one.microns_per_px) == ("", "left", pytest.approx(20))
    assert value(one, "disc_fovea_distance", "um") == pytest.approx(20 * np.hypot(75, 8), rel=0.02)
    assert "named a left eye, and disc and fovea lie as in a right one" in one.remarks


def test_single_files_are_one_photograph(tmp_path: Path) -> None:
    for key in ("disc", "fov"):
        save(tmp_path / f"eye_{key}.png", EYE[key])
    sources = {key: f"{tmp_path}/eye_{key}.png" for key in ("disc", "fov")}
    (one,) = measure_files(sources, tmp_path / "out")
    assert (one.id, one.status, one.eye) == ("eye_disc", "ok", "")
    with pytest.raises(ValueError, match="all masks must be files or all folders, got the file"):
        measure_files({**sources, "vein": str(tmp_path)}, tmp_path / "out")
    with pytest.raises(ValueError, match="one of vessel, artery, .* must be given, got fov"):
        measure_files({"fov": str(tmp_path)}, tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        measure_files({"vein": f"{tmp_path}/none"}, tmp_path / "out")


def test_edited_masks_are_named_as_such_with_the_digests_of_their_files(tmp_path: Path) -> None:
    (one,) = measure_files(write_landmarks(tmp_path), tmp_path / "out", edited=True)
    assert one.id == "a-edited"
    assert pd.read_csv(tmp_path / "out/measured.csv")["masks"].tolist() == ["edited"]
    provenance: dict[str, Any] = json.loads((tmp_path / "out/provenance.json").read_text(encoding="utf-8"))
    photograph = provenance["photographs"]["a-edited"]
    assert photograph["masks"] == "edited"
    disc = tmp_path / "disc/a.png"
    assert photograph["files"]["disc"] == {
        "file": str(disc),
        "sha256": hashlib.sha256(disc.read_bytes()).hexdigest(),
    }
    assert provenance["program"].startswith("vmnet_monai ")


def test_a_later_run_measures_only_what_is_missing_or_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = write_landmarks(tmp_path)
    write_eye(tmp_path, "b.png")
    (tmp_path / "disc/b.png").write_bytes(b"")
    calls: list[int] = []
    measure = mask_files.measure_photograph
    monkeypatch.setattr(mask_files, "measure_photograph", lambda *given: calls.append(1) or measure(*given))
    first = measure_files(sources, tmp_path / "out")
    assert ([one.status for one in first], len(calls)) == (["ok", "refused"], 1)
    tables = {path.name: path.read_text() for path in (tmp_path / "out").glob("*.csv")}
    assert measure_files(sources, tmp_path / "out") == first
    assert len(calls) == 1, "the refused one is tried again, and the other one is kept"
    assert {path.name: path.read_text() for path in (tmp_path / "out").glob("*.csv")} == tables
    (tmp_path / "eyes.csv").write_text("id,patient\na,p\n")
    (one, _) = measure_files(sources, tmp_path / "out", tmp_path / "eyes.csv")
    assert (one.patient, len(calls)) == ("p", 1), "who the patient is changes no measure"
    (tmp_path / "eyes.csv").write_text("id,microns_per_px\na,10\n")
    measure_files(sources, tmp_path / "out", tmp_path / "eyes.csv")
    assert len(calls) == 2, "another scale"
    save(tmp_path / "disc/a.png", np.roll(EYE["disc"], 5, axis=0))
    measure_files(sources, tmp_path / "out", tmp_path / "eyes.csv")
    assert len(calls) == 3, "another mask"
    measure_files(sources, tmp_path / "out", tmp_path / "eyes.csv", resume=False)
    assert len(calls) == 4
    (tmp_path / "out/measured/a.json").write_text('{"made_from": {}')
    measure_files(sources, tmp_path / "out", tmp_path / "eyes.csv")
    assert len(calls) == 5, "what is damaged counts as missing"
