"""Photographs predicted and written one at a time, without the SDK."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from dicom_files import photograph_dataset, retina_dataset
from pydicom import dcmread
from small_bundle import small_bundle

from vmnet_monai import Predictor
from vmnet_monai.deploy.outcome import Outcome, place_of, predict_photographs, write_outcome
from vmnet_monai.dicom.results import ModelIdentity

MODEL = ModelIdentity("V-MNet", "1.2.3", "weights", "thresholds", "torch")


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor(small_bundle(tmp_path_factory.mktemp("bundle")))


def test_every_frame_is_predicted_when_it_is_asked_for(predictor: Predictor) -> None:
    pixels = retina_dataset(300).pixel_array
    both = photograph_dataset(np.stack([pixels, pixels[:, ::-1]]))
    outcomes = predict_photographs([both], predictor)
    first, second = next(outcomes), next(outcomes)
    assert [first.frame, second.frame] == [0, 1]
    assert [first.name, second.name] == [f"{both.SOPInstanceUID}-frame-1", f"{both.SOPInstanceUID}-frame-2"]
    for outcome, photograph in ((first, pixels), (second, pixels[:, ::-1])):
        assert outcome.prediction is not None
        np.testing.assert_array_equal(
            outcome.prediction.vessel_probability, predictor(np.ascontiguousarray(photograph)).vessel_probability
        )
    assert next(outcomes, None) is None


def test_a_record_holds_the_prediction_and_nothing_of_the_patient(predictor: Predictor, tmp_path: Path) -> None:
    source = retina_dataset(300)
    (outcome,) = predict_photographs([source], predictor)
    entry = write_outcome(outcome, tmp_path, MODEL)
    assert entry["status"] == "ok"
    assert sorted(entry["files"]) == sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    text = (tmp_path / f"records/{source.SOPInstanceUID}.json").read_text()
    record = json.loads(text)
    assert outcome.prediction is not None
    assert record["findings"] == outcome.prediction.findings
    assert record["measures"] == outcome.prediction.measures
    assert (record["width_px"], record["height_px"]) == (300, 300)
    assert record["model"]["model_version"] == "weights"
    for secret in ("Doe", "Jane", "MRN-4711", "19500102", source.StudyInstanceUID, source.AccessionNumber):
        assert secret not in text


def test_without_pixel_spacing_everything_but_the_segmentation_is_written(predictor: Predictor, tmp_path: Path) -> None:
    (outcome,) = predict_photographs([retina_dataset(300, pixel_spacing=None)], predictor)
    entry = write_outcome(outcome, tmp_path, MODEL)
    assert entry["status"] == "ok"
    assert "PixelSpacing" in entry["reason"]
    modalities = {dcmread(path).Modality for path in tmp_path.rglob("*.dcm")}
    assert "SR" in modalities
    assert "SEG" not in modalities


def test_a_dark_photograph_is_refused_and_the_next_one_goes_on(predictor: Predictor, tmp_path: Path) -> None:
    dark = photograph_dataset(np.zeros((300, 300, 3), np.uint8))
    refused, done = (
        write_outcome(outcome, tmp_path, MODEL)
        for outcome in predict_photographs([dark, retina_dataset(300)], predictor)
    )
    assert [refused["status"], done["status"]] == ["refused", "ok"]
    assert "dark" in refused["reason"]
    assert refused["files"] == []


def test_results_of_an_earlier_run_do_not_outlive_a_refusal(predictor: Predictor, tmp_path: Path) -> None:
    source = retina_dataset(300)
    (outcome,) = predict_photographs([source], predictor)
    write_outcome(outcome, tmp_path, MODEL)
    assert any(path.is_file() for path in tmp_path.rglob("*"))
    write_outcome(Outcome(source, 0, 0.0, refusal="no fundus photograph"), tmp_path, MODEL)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_an_unexpected_error_fails_one_photograph_and_its_text_is_kept_back(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        (tmp_path / "dicom" / str(source.SOPInstanceUID)).mkdir(parents=True)
        raise KeyError("Doe^Jane")

    source = retina_dataset(300)
    (outcome,) = predict_photographs([source], predictor)
    monkeypatch.setattr("vmnet_monai.deploy.outcome.write_results", fail)
    entry = write_outcome(outcome, tmp_path, MODEL)
    assert entry["status"] == "failed"
    assert entry["reason"].startswith("KeyError in outcome.py, line ")
    assert "Doe" not in entry["reason"]
    assert not any((tmp_path / "dicom").iterdir())


def test_place_of_an_error_is_the_innermost_line_of_this_package() -> None:
    try:
        next(predict_photographs([None], None))  # type: ignore[list-item, arg-type]
    except Exception as error:
        assert "photograph.py, line" in place_of(error)
        assert "outcome.py" not in place_of(error)
