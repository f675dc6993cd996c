"""The application, run as its container runs it; the SDK comes with the extra `deploy`."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import photograph_dataset, retina_dataset, save
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset
from pydicom.tag import Tag
from pydicom.uid import generate_uid
from small_bundle import small_bundle

from vmnet_monai import Predictor

SIDE_PX = 512
SDK = importlib.util.find_spec("holoscan") is not None
needs_sdk = pytest.mark.skipif(not SDK, reason='the MONAI Deploy App SDK is not installed: pip install ".[deploy]"')


def run_application(
    *arguments: str | Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    own = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **(environment or {})}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HOLOSCAN")}
    command = [sys.executable, "-m", "vmnet_monai.deploy", *map(str, arguments)]
    return subprocess.run(command, env={**inherited, **own}, capture_output=True, text=True, check=False)


@dataclass
class Study:
    """What one run was given, and what it gave."""

    right: FileDataset
    left: FileDataset
    without_spacing: FileDataset
    tomogram: FileDataset
    blank_modality: FileDataset
    damaged_number: FileDataset
    frames: FileDataset
    bundle: Path
    output: Path
    log: str
    exit_code: int
    manifest: dict[str, Any]

    def rows(self, uid: str) -> list[dict[str, Any]]:
        return [row for row in self.manifest["objects"] if row["sop_instance_uid"] == uid]

    def results(self, uid: str) -> dict[str, FileDataset]:
        (row,) = self.rows(uid)
        return {Path(file).stem: dcmread(self.output / file) for file in row["files"] if file.endswith(".dcm")}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study with both eyes at one place of one series, and all else that may lie in a folder."""
    folder = tmp_path_factory.mktemp("deploy")
    names: dict[str, Any] = {"study_uid": generate_uid()}
    series = {"SeriesInstanceUID": generate_uid(), "ImagePositionPatient": [0, 0, 0]}
    right = retina_dataset(SIDE_PX, laterality="R", **series, **names)
    left = retina_dataset(SIDE_PX, laterality="L", **series, **names)
    left.SeriesDescription = "Doe Jane, left"
    without_spacing = retina_dataset(SIDE_PX, pixel_spacing=None, **names)
    tomogram = retina_dataset(SIDE_PX, kind="sc", Modality="CT", **names)
    blank_modality = retina_dataset(SIDE_PX, kind="sc", Modality="", **names)
    damaged_number = retina_dataset(SIDE_PX, **names)
    damaged_number[0x00200011] = RawDataElement(Tag(0x00200011), "IS", 4, b"A-1 ", 0, False, True)  # SeriesNumber
    pixels = right.pixel_array
    frames = photograph_dataset(np.stack([pixels, np.zeros_like(pixels)]))
    sources = [right, left, without_spacing, tomogram, blank_modality, damaged_number, frames]
    for number, source in enumerate(sources):
        save(source, folder / "input" / str(number) / "Doe_Jane.dcm")
    (folder / "input/Doe_Jane_MRN-4711.txt").write_text("Doe^Jane")
    bundle, output = small_bundle(folder / "models/vmnet"), folder / "output"
    # At the lowest level, because nothing of the patient may show at any.
    done = run_application("-i", folder / "input", "-o", output, "-m", bundle, "-l", "DEBUG")
    assert (output / "manifest.json").is_file(), done.stderr[-3000:]
    manifest = json.loads((output / "manifest.json").read_text())
    return Study(*sources, bundle, output, done.stdout + done.stderr, done.returncode, manifest)


@needs_sdk
def test_each_photograph_is_predicted_and_each_other_object_refused(study: Study) -> None:
    assert study.exit_code == 0
    for source in (study.right, study.left, study.without_spacing, study.blank_modality, study.damaged_number):
        assert [row["status"] for row in study.rows(source.SOPInstanceUID)] == ["ok"]
    frames = study.rows(study.frames.SOPInstanceUID)
    assert [(row["frame"], row["status"]) for row in frames] == [(1, "ok"), (2, "refused")]
    (tomogram,) = study.rows(study.tomogram.SOPInstanceUID)
    assert tomogram["status"] == "refused"
    assert "CT" in tomogram["reason"]
    (text,) = study.rows("")
    assert "no DICOM file" in text["reason"]
    assert len(study.manifest["objects"]) == 9


@needs_sdk
def test_results_are_those_of_the_predictor(study: Study) -> None:
    expected = Predictor(study.bundle)(study.right.pixel_array)
    (row,) = study.rows(study.right.SOPInstanceUID)
    record = json.loads((study.output / f"records/{study.right.SOPInstanceUID}.json").read_text())
    assert f"records/{study.right.SOPInstanceUID}.json" in row["files"]
    for found, wanted in zip(record["findings"], expected.findings, strict=True):
        assert found["disease"] == wanted.disease
        assert found["score"] == pytest.approx(wanted.score, abs=1e-6)
    mask = study.results(study.right.SOPInstanceUID)["mask"]
    np.testing.assert_array_equal(mask.pixel_array.squeeze() > 0, expected.vessel_mask)


@needs_sdk
def test_results_belong_to_the_study_and_keep_the_eye(study: Study) -> None:
    for source in (study.right, study.left):
        results = study.results(source.SOPInstanceUID)
        assert {result.Modality for result in results.values()} >= {"SEG", "SR"}
        for result in results.values():
            assert result.StudyInstanceUID == source.StudyInstanceUID
            assert result.PatientID == source.PatientID
        assert results["overlay"].get("ImageLaterality", results["overlay"].get("Laterality")) == source.ImageLaterality


@needs_sdk
def test_without_pixel_spacing_there_is_all_that_there_is_with_it(study: Study) -> None:
    results = study.results(study.without_spacing.SOPInstanceUID)
    assert results.keys() == study.results(study.right.SOPInstanceUID).keys()
    assert "PixelMeasuresSequence" not in results["mask"].SharedFunctionalGroupsSequence[0]
    assert study.rows(study.without_spacing.SOPInstanceUID)[0]["reason"] == ""


@needs_sdk
def test_nothing_of_the_patient_is_in_logs_or_json(study: Study) -> None:
    texts = {"the log": study.log}
    texts |= {path.name: path.read_text() for path in study.output.rglob("*.json")}
    assert len(texts) == 8  # log, manifest, and a record of each of the 6 that were predicted
    for name, text in texts.items():
        for secret in ("Doe", "Jane", "MRN-4711", "19500102", "A-0815"):
            assert secret not in text, name


@needs_sdk
def test_a_folder_without_photographs_fails_and_the_model_is_found_below_its_folder(
    study: Study, tmp_path: Path
) -> None:
    save(study.tomogram, tmp_path / "input/ct.dcm")
    environment = {
        "HOLOSCAN_INPUT_PATH": str(tmp_path / "input"),
        "HOLOSCAN_OUTPUT_PATH": str(tmp_path / "output"),
        "HOLOSCAN_MODEL_PATH": str(study.bundle.parent),
    }
    done = run_application(environment=environment)
    assert done.returncode == 1
    assert "0 predicted, 1 refused, 0 failed" in done.stderr
    (row,) = json.loads((tmp_path / "output/manifest.json").read_text())["objects"]
    assert "CT" in row["reason"]


@pytest.mark.skipif(SDK, reason="the MONAI Deploy App SDK is installed")
def test_without_the_sdk_the_extra_is_named() -> None:
    done = run_application("--help")
    assert done.returncode == 2
    assert 'pip install "vmnet_monai[deploy,dicom]"' in done.stderr
