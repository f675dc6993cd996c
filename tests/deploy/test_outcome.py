"""Photographs predicted and written one at a time, without the SDK."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from dicom_files import photograph_dataset, retina_dataset, save
from pydicom import dcmread
from pydicom.dataset import FileDataset
from small_bundle import small_bundle

from vmnet_monai import Predictor
from vmnet_monai.deploy.model import model_identity
from vmnet_monai.deploy.outcome import Outcome, place_of, predict_images, write_outcome
from vmnet_monai.reports.dicom.origin import ModelIdentity

MODEL = ModelIdentity("VMNet", "1.2.3", "weights", "thresholds", "torch")

Given = Callable[..., dict[str, Path]]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor(small_bundle(tmp_path_factory.mktemp("bundle")))


@pytest.fixture
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    """Save objects where the output is not; SOP Instance UID -> file."""

    def write(*sources: FileDataset) -> dict[str, Path]:
        folder = tmp_path_factory.mktemp("input")
        return {str(source.SOPInstanceUID): save(source, folder / str(source.SOPInstanceUID)) for source in sources}

    return write


def test_every_frame_is_predicted_when_it_is_asked_for(predictor: Predictor, given: Given) -> None:
    pixels = retina_dataset(300).pixel_array
    both = photograph_dataset(np.stack([pixels, pixels[:, ::-1]]))
    outcomes = predict_images(given(both), predictor)
    first, second = next(outcomes), next(outcomes)
    assert [first.frame, second.frame] == [0, 1]
    assert [first.name, second.name] == [f"{both.SOPInstanceUID}-frame-1", f"{both.SOPInstanceUID}-frame-2"]
    for outcome, photograph in ((first, pixels), (second, pixels[:, ::-1])):
        assert outcome.prediction is not None
        np.testing.assert_array_equal(
            outcome.prediction.vessel_probability, predictor(np.ascontiguousarray(photograph)).vessel_probability
        )
    assert next(outcomes, None) is None


def test_a_record_holds_the_prediction_and_nothing_of_the_patient(
    predictor: Predictor, given: Given, tmp_path: Path
) -> None:
    source = retina_dataset(300)
    (outcome,) = predict_images(given(source), predictor)
    row = write_outcome(outcome, tmp_path, MODEL)
    assert row["status"] == "ok"
    assert sorted(row["files"]) == sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    text = (tmp_path / f"records/{source.SOPInstanceUID}.json").read_text()
    record = json.loads(text)
    assert outcome.prediction is not None
    assert record["findings"] == [json.loads(finding.model_dump_json()) for finding in outcome.prediction.findings]
    assert record["measures"] == outcome.prediction.measures
    assert (record["width_px"], record["height_px"]) == (300, 300)
    assert record["model"]["model_version"] == "weights"
    for secret in ("Doe", "Jane", "MRN-4711", "19500102", source.StudyInstanceUID, source.AccessionNumber):
        assert secret not in text


def test_without_pixel_spacing_all_is_written(predictor: Predictor, given: Given, tmp_path: Path) -> None:
    (outcome,) = predict_images(given(retina_dataset(300, pixel_spacing=None)), predictor)
    row = write_outcome(outcome, tmp_path, MODEL)
    assert row["status"] == "ok"
    assert row["reason"] == ""
    modalities = {dcmread(path).Modality for path in tmp_path.rglob("*.dcm")}
    assert {"SR", "SEG"} <= modalities


@pytest.mark.parametrize(
    ("spacing", "microns", "is_remarked"),
    [((0.006, 0.006), 6.0, False), (None, None, False), ((0.006, 0.009), None, True)],
)
def test_measures_know_the_eye_and_the_scale_of_the_object(
    spacing: tuple[float, float] | None, microns: float | None, is_remarked: bool, predictor: Predictor, given: Given
) -> None:
    asked = []

    def asking(item: Any) -> Any:
        asked.append(item)
        return predictor(item)

    source = retina_dataset(300, laterality="L", pixel_spacing=spacing)
    (outcome,) = predict_images(given(source), cast(Predictor, asking))
    (item,) = asked
    assert item["eye"] == "left"
    assert item["microns_per_px"] == pytest.approx(np.nan if microns is None else microns, nan_ok=True)
    assert outcome.prediction is not None
    assert any("pixels must be square" in remark for remark in outcome.prediction.warnings) == is_remarked


def test_a_dark_photograph_is_refused_and_the_next_one_goes_on(
    predictor: Predictor, given: Given, tmp_path: Path
) -> None:
    dark = photograph_dataset(np.zeros((300, 300, 3), np.uint8))
    refused, done = (
        write_outcome(outcome, tmp_path, MODEL)
        for outcome in predict_images(given(dark, retina_dataset(300)), predictor)
    )
    assert [refused["status"], done["status"]] == ["refused", "ok"]
    assert "dark" in refused["reason"]
    assert refused["files"] == []


def test_results_of_an_earlier_run_do_not_outlive_a_refusal(predictor: Predictor, given: Given, tmp_path: Path) -> None:
    source = retina_dataset(300)
    (outcome,) = predict_images(given(source), predictor)
    write_outcome(outcome, tmp_path, MODEL)
    assert any(path.is_file() for path in tmp_path.rglob("*"))
    write_outcome(Outcome(str(source.SOPInstanceUID), source, refusal="no fundus photograph"), tmp_path, MODEL)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_an_unexpected_error_fails_one_photograph_and_its_text_is_kept_back(
    predictor: Predictor, given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        (tmp_path / "dicom" / str(source.SOPInstanceUID)).mkdir(parents=True)
        raise KeyError("Doe^Jane")

    source = retina_dataset(300)
    (outcome,) = predict_images(given(source), predictor)
    monkeypatch.setattr("vmnet_monai.deploy.outcome.write_dicom_results", fail)
    row = write_outcome(outcome, tmp_path, MODEL)
    assert row["status"] == "failed"
    assert row["reason"].startswith("KeyError in outcome.py, line ")
    assert "Doe" not in row["reason"]
    assert not any((tmp_path / "dicom").iterdir())


def test_a_file_is_read_when_it_is_asked_for_and_one_that_cannot_be_is_refused(
    predictor: Predictor, given: Given, tmp_path: Path
) -> None:
    sources = [retina_dataset(300) for _ in range(3)]
    photographs = given(*sources)
    outcomes = predict_images(photographs, predictor)
    assert next(outcomes).prediction is not None
    photographs[str(sources[1].SOPInstanceUID)].unlink()
    gone = write_outcome(next(outcomes), tmp_path, MODEL)
    assert (gone["sop_instance_uid"], gone["status"]) == (sources[1].SOPInstanceUID, "refused")
    assert "damaged or incomplete (FileNotFoundError)" in gone["reason"]
    assert next(outcomes).prediction is not None


def test_damage_behind_the_header_refuses_one_photograph(predictor: Predictor, given: Given) -> None:
    source = retina_dataset(300)
    photographs = given(source)
    (path,) = photographs.values()
    path.write_bytes(path.read_bytes()[:-1000])
    (outcome,) = predict_images(photographs, predictor)
    assert outcome.prediction is None
    assert "damaged or incomplete" in outcome.refusal


def test_a_folder_that_cannot_be_written_to_fails_the_photograph(
    predictor: Predictor, given: Given, tmp_path: Path
) -> None:
    """The SDK would print the text of any error that leaves an operator."""
    (tmp_path / "records").write_text("a file, where the folder should be")
    (outcome,) = predict_images(given(retina_dataset(300)), predictor)
    row = write_outcome(outcome, tmp_path, MODEL)
    assert row["status"] == "failed"
    assert row["reason"].startswith("NotADirectoryError in outcome.py, line ")


def test_place_of_an_error_is_the_innermost_line_of_this_package(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        model_identity(tmp_path)
    assert place_of(caught.value).startswith("FileNotFoundError in bundle.py, line ")


def test_an_error_from_elsewhere_has_no_place_in_this_package_and_no_text() -> None:
    assert place_of(ValueError("Doe^Jane")) == "ValueError: please report it."
