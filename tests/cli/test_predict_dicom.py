"""A hospital's study through the command: what is read, what is written, and that the patient stays out of it."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from dicom_files import photograph_dataset, retina_dataset, save
from PIL import Image
from pydicom.uid import ComprehensiveSRStorage, CTImageStorage, SecondaryCaptureImageStorage, SegmentationStorage
from small_bundle import small_bundle

from vmnet_monai import cli
from vmnet_monai.inference.deidentification import private_folder

NAME, NUMBER = "Doe^Jane", "MRN-4711"
SIDE_PX = 353


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A right eye without suffix, a left one without pixel spacing, both in two frames, a CT and a PNG."""
    folder = tmp_path_factory.mktemp("study")
    right = retina_dataset(SIDE_PX, patient_name=NAME, patient_id=NUMBER, laterality="R")
    pixels = right.pixel_array
    save(right, folder / "IM0001")
    bare = photograph_dataset(pixels[:, ::-1], patient_name=NAME, patient_id=NUMBER, laterality="L", pixel_spacing=None)
    save(bare, folder / "1.2.840.7")
    save(
        photograph_dataset(np.stack([pixels, pixels[:, ::-1]]), patient_name=NAME, patient_id=NUMBER),
        folder / "two_frames.dcm",
    )
    scan = photograph_dataset(
        np.zeros((64, 64), np.uint16),
        kind="op16",
        SOPClassUID=CTImageStorage,
        Modality="CT",
        patient_name=NAME,
        patient_id=NUMBER,
    )
    save(scan, folder / "scan.dcm")
    Image.fromarray(pixels).save(folder / "plain.png")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def predict(bundle: Path, *arguments: str | Path) -> tuple[int, str]:
    """The exit code of the command and what it said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = cli.main(["predict", *map(str, arguments), "--bundle", str(bundle), "--explain", "all"])
    return code, said.getvalue()


@pytest.fixture(scope="module")
def predicted(bundle: Path, study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("predicted") / "out"
    code, said = predict(bundle, study, "--output", out, "--dicom")
    assert code == cli.SOME_BAD
    (out.parent / "said.txt").write_text(said)
    return out


@pytest.fixture(scope="module")
def deidentified(bundle: Path, study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("deidentified") / "out"
    code, said = predict(bundle, study, study / "missing.png", "--output", out, "--deidentify", "--pdf")
    assert code == cli.SOME_BAD
    (out.parent / "said.txt").write_text(said)
    return out


def test_photographs_of_a_study_are_predicted_and_the_rest_is_refused_with_the_reason(predicted: Path) -> None:
    manifest = pd.read_csv(predicted / "manifest.csv", keep_default_na=False).set_index("id")
    assert manifest["status"].to_dict() == {
        "1.2.840.7": "ok",
        "IM0001": "ok",
        "two_frames-frame-1": "ok",
        "two_frames-frame-2": "ok",
        "plain": "ok",
        "scan": "refused",
    }
    assert "CT Image Storage" in manifest["reason"]["scan"]
    assert "no DICOM file" in manifest["reason"]["plain"]
    assert manifest["reason"]["1.2.840.7"] == manifest["reason"]["IM0001"] == ""


def test_a_frame_is_predicted_as_the_same_photograph_in_a_file_of_its_own(predicted: Path) -> None:
    table = pd.read_csv(predicted / "predictions.csv").set_index("id").drop(columns=["image", "warnings"])
    for frame, alone in (("two_frames-frame-1", "IM0001"), ("two_frames-frame-2", "1.2.840.7"), ("plain", "IM0001")):
        pd.testing.assert_series_equal(table.loc[frame], table.loc[alone], check_names=False)


def test_objects_belong_to_the_study_and_refer_to_the_photograph(predicted: Path, study: Path) -> None:
    photograph = pydicom.dcmread(study / "IM0001")
    objects = [pydicom.dcmread(path) for path in sorted((predicted / "dicom/IM0001").glob("*.dcm"))]
    classes = [one.SOPClassUID for one in objects]
    assert classes.count(ComprehensiveSRStorage) == 1
    assert classes.count(SegmentationStorage) == 2, "mask and probability"
    assert classes.count(SecondaryCaptureImageStorage) == 3, "overlay and two heat maps"
    for one in objects:
        assert (one.StudyInstanceUID, one.PatientName, one.PatientID) == (photograph.StudyInstanceUID, NAME, NUMBER)
        assert photograph.SOPInstanceUID in str(one)


def test_without_spacing_there_is_all_that_there_is_with_it(predicted: Path) -> None:
    objects = [pydicom.dcmread(path) for path in (predicted / "dicom/1.2.840.7").glob("*.dcm")]
    classes = [one.SOPClassUID for one in objects]
    assert classes.count(SegmentationStorage) == 2
    assert (classes.count(ComprehensiveSRStorage), classes.count(SecondaryCaptureImageStorage)) == (1, 3)


def test_results_of_the_program_are_not_taken_for_photographs(bundle: Path, predicted: Path, tmp_path: Path) -> None:
    assert predict(bundle, predicted / "dicom", "--output", tmp_path / "out")[0] == cli.SOME_BAD
    manifest = pd.read_csv(tmp_path / "out/manifest.csv")
    assert set(manifest["status"]) == {"refused"}


def test_the_same_command_again_keeps_every_object(bundle: Path, predicted: Path, study: Path) -> None:
    before = contents(predicted / "dicom")
    predict(bundle, study, "--output", predicted, "--dicom")
    assert contents(predicted / "dicom") == before


@pytest.mark.parametrize("run", ["predicted", "deidentified"])
def test_the_patient_is_in_nothing_but_dicom_objects(run: str, request: pytest.FixtureRequest) -> None:
    for name, content in contents(request.getfixturevalue(run).parent).items():
        for private in ("Doe", "Jane", NUMBER):
            assert name.startswith("out/dicom/") or private.encode() not in content, f"{private} in {name}"


def test_deidentified_results_name_no_file(deidentified: Path, study: Path) -> None:
    everything = {**contents(deidentified), "terminal": (deidentified.parent / "said.txt").read_bytes()}
    for name, content in everything.items():
        for private in ("IM0001", "1.2.840.7", "two_frames", "plain.png", "missing.png", study.name):
            assert private not in name, f"{private} in the name {name}"
            assert private.encode() not in content, f"{private} in {name}"


def test_the_private_table_leads_from_hashed_ids_to_files(deidentified: Path, study: Path) -> None:
    links = pd.read_csv(private_folder(deidentified) / "links.csv").set_index("image")["id"]
    manifest = pd.read_csv(deidentified / "manifest.csv")
    assert set(manifest["id"]) == set(links)
    assert (deidentified / f"vessel/{links[str(study / 'IM0001')]}.png").exists()
    assert manifest["image"].tolist() == manifest["id"].tolist()


def test_dicom_objects_cannot_be_deidentified(bundle: Path, study: Path, tmp_path: Path) -> None:
    code, said = predict(bundle, study, "--output", tmp_path / "out", "--dicom", "--deidentify")
    assert code == cli.CANNOT_RUN
    assert "leave out --dicom or --deidentify" in said
    assert not list((tmp_path / "out").rglob("*.dcm"))
