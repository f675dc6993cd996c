"""From labelled photographs to a calibration, and back into predictions."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skimage.data
from PIL import Image
from small_bundle import small_bundle

from vmnet_monai import Predictor, cli
from vmnet_monai.calibration import own
from vmnet_monai.calibration.own import OwnCalibration
from vmnet_monai.inference import own_calibration
from vmnet_monai.inference.own_calibration import calibrate_on_own

RETINA = np.ascontiguousarray(skimage.data.retina()[::6, ::6])
COUNT = 8
"""Photographs, half of them with glaucoma."""

ENOUGH = 3
"""Least number of photographs with a disease, and without: fewer than in life, to be quick."""


@pytest.fixture(scope="module", autouse=True)
def few_are_enough() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own, "MIN_EACH", ENOUGH)
        patch.setattr(own_calibration, "MIN_EACH", ENOUGH)
        yield


@pytest.fixture(scope="module")
def clinic(once: Callable[..., Path]) -> Path:
    """A bundle, and a table of labelled photographs of which those without glaucoma are darker, and one is no retina.

    The bundle's weights are random, and give brighter photographs higher scores.
    """

    def make(folder: Path) -> None:
        small_bundle(folder / "bundle")
        rows = []
        for number in range(COUNT):
            with_it = number % 2
            pixels = (RETINA * (1.0 - 0.004 * number - 0.2 * (1 - with_it))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"eye {number}.png")
            rows.append([f"eye {number}.png", f"p{number // 2}", with_it, "" if number else 1])
        Image.new("RGB", (300, 300), (10, 200, 10)).save(folder / "cat.png")
        rows.append(["cat.png", "p99", 1, ""])
        with (folder / "labels.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["image", "patient", "glaucoma", "normal"], *rows])

    return once("clinic", make)


@pytest.fixture(scope="module")
def calibrated(clinic: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The output folder of the command, and its exit code."""
    output = tmp_path_factory.mktemp("calibrated")
    words = ["calibrate", clinic / "labels.csv", "--output", output, "--bundle", clinic / "bundle", "--device", "cpu"]
    return output, cli.main([*map(str, words), "--name", "Clinic A"])


def test_what_was_refused_and_what_was_left_out_is_told(
    calibrated: tuple[Path, int], clinic: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output, code = calibrated
    assert code == cli.SOME_BAD
    manifest = pd.read_csv(output / "predictions/manifest.csv")
    assert manifest["status"].value_counts().to_dict() == {"ok": COUNT, "refused": 1}
    words = ["calibrate", clinic / "labels.csv", "--output", output, "--bundle", clinic / "bundle", "--device", "cpu"]
    assert cli.main(list(map(str, words))) == cli.SOME_BAD
    printed = capfd.readouterr().out
    assert "Not calibrated: normal: 1 with it and 4 without were given, at least 3 photographs" in printed
    assert "vmnet predict --calibration" in printed
    assert f"{COUNT} of them by an earlier run" in printed, "a second run predicts nothing anew"


def test_file_is_for_these_weights_and_its_diseases(calibrated: tuple[Path, int], clinic: Path) -> None:
    output, _ = calibrated
    predictor = Predictor(clinic / "bundle", calibration=str(output / "calibration.json"), explain=[])
    prediction = predictor(clinic / "eye 3.png")
    assert list(prediction.probabilities) == ["glaucoma"]
    assert prediction.decisions["normal"] is None
    assert prediction.decisions["glaucoma"] in (True, False)


def test_predict_takes_the_file(
    calibrated: tuple[Path, int], clinic: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output, _ = calibrated
    command = ["predict", clinic / "eye 3.png", "--output", tmp_path, "--bundle", clinic / "bundle", "--device", "cpu"]
    words = [*map(str, command), "--explain", "none"]
    assert cli.main([*words, "--calibration", str(output / "calibration.json")]) == cli.OK
    row = pd.read_csv(tmp_path / "predictions.csv").iloc[0]
    assert 0 <= row["probability_glaucoma"] <= 1
    assert row["decision_glaucoma"] in (0, 1)
    assert pd.isna(row["decision_normal"]) and pd.isna(row["probability_normal"])
    page = next((tmp_path / "report").glob("*.html")).read_text()
    assert "calibrated for " in page
    assert cli.main(words) == cli.OK, "without the file all is made anew"
    assert "decision_glaucoma" not in pd.read_csv(tmp_path / "predictions.csv")


def test_where_no_scores_tell_the_photographs_apart_nothing_is_written(
    calibrated: tuple[Path, int], clinic: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output, _ = calibrated
    before = (output / "calibration.json").read_bytes()
    rows = "".join(f"eye {number}.png,p{number // 2},{1 - number % 2}\n" for number in range(COUNT))
    (clinic / "inverted.csv").write_text(f"image,patient,glaucoma\n{rows}")
    words = ["calibrate", clinic / "inverted.csv", "--output", output, "--bundle", clinic / "bundle", "--device", "cpu"]
    assert cli.main(list(map(str, words))) == cli.CANNOT_RUN
    last = capfd.readouterr().err.splitlines()[-1]
    assert "glaucoma: the 95 % interval of its AUC must lie above 0.5" in last and "label more photographs" in last
    assert (output / "calibration.json").read_bytes() == before


@pytest.mark.parametrize(
    ("setting", "difference"),
    [
        ({"flips": True}, "made with flips = False, not with flips = True"),
        ({"grid_size": 128}, "made with grid_size = 256, not with grid_size = 128"),
        ({"contrast": "clahe"}, "made with contrast = none, not with contrast = clahe"),
    ],
)
def test_a_prediction_with_other_settings_does_not_take_the_file(
    calibrated: tuple[Path, int], clinic: Path, setting: dict[str, Any], difference: str
) -> None:
    output, _ = calibrated
    with pytest.raises(ValueError, match=f"{difference}: predict with the same, or make it anew"):
        Predictor(clinic / "bundle", calibration=str(output / "calibration.json"), **setting)


def test_a_calibration_for_flips_is_made_with_flips(clinic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def calibrate(*_: Any, **overrides: Any) -> None:
        given.update(overrides)
        raise ValueError

    monkeypatch.setattr(own_calibration, "calibrate_on_own", calibrate)
    words = ["calibrate", clinic / "labels.csv", "--output", clinic / "out", "--bundle", clinic / "bundle", "--flips"]
    assert cli.main(list(map(str, words))) == cli.CANNOT_RUN
    assert given["flips"] is True


def test_too_few_labels_are_refused_before_anything_is_predicted(
    clinic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predicted(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(own_calibration, "predict_folder", predicted)
    few = clinic / "few.csv"
    few.write_text("image,glaucoma\neye 0.png,0\neye 1.png,1\n")
    with pytest.raises(ValueError, match="at least 3 photographs.*normal 0 and 1, glaucoma 1 and 1.*label more"):
        calibrate_on_own(few, tmp_path / "out", bundle=clinic / "bundle", device="cpu")
    assert not (tmp_path / "out").exists()


def test_calibration_without_name_bears_that_of_the_table(calibrated: tuple[Path, int]) -> None:
    """The second run of the first test gave none."""
    output, _ = calibrated
    made = OwnCalibration.model_validate_json((output / "calibration.json").read_text())
    assert made.name in ("Clinic A", "labels")
