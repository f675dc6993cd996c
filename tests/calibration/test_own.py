"""A calibration of one's own: fitted, stated, written and read."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feeding import operating_point
from sklearn.metrics import roc_auc_score

from vmnet_monai.calibration.own import MIN_EACH, OwnCalibration, fit_own_calibration, threshold_at_sensitivity

POINT = dataclasses.replace(operating_point(0.5, 0.5), disease_calibration=((1 / 3, -0.2), (2.0, 0.0)))
SETTINGS = {"grid_size": 256, "disease_size": None, "contrast": "none", "flips": False}


def labelled(count: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores of ``count`` photographs, overconfident by far, and labels that follow from half their log odds."""
    generator = np.random.default_rng(seed)
    log_odds = generator.normal(0, 1.5, count)
    labels = (generator.uniform(size=count) < 1 / (1 + np.exp(-log_odds))).astype(float)
    return 1 / (1 + np.exp(-2 * log_odds)), labels


def fitted(scores: np.ndarray | None = None, labels: np.ndarray | None = None, **changes: Any) -> OwnCalibration:
    """Of glaucoma, and of normal with too few photographs."""
    given, known = labelled()
    scores, labels = given if scores is None else scores, known if labels is None else labels
    few = np.full(len(scores), np.nan)
    few[: 2 * MIN_EACH - 1] = np.arange(2 * MIN_EACH - 1) % 2
    parts: dict[str, Any] = {
        "name": "Clinic A",
        "diseases": ["normal", "glaucoma"],
        "scores": np.column_stack([scores, scores]),
        "labels": np.column_stack([few, labels]),
        "patients": [f"p{number // 2}" for number in range(len(scores))],
        "model_version": "0a1b2c",
        "scores_version": POINT.scores_version,
        "score_settings": SETTINGS,
        "samples": 40,
    }
    return fit_own_calibration(**parts | changes)


OWN = fitted()


def test_a_score_becomes_a_probability_that_can_be_taken_at_its_word() -> None:
    """The scores have twice the log odds that they should: sigmoid(2) becomes about sigmoid(1)."""
    scores, labels = labelled(2000)
    own = fitted(scores, labels)
    assert own.probability("glaucoma", 1 / (1 + np.exp(-2))) == pytest.approx(1 / (1 + np.exp(-1)), abs=0.04)


def test_a_disease_with_too_few_photographs_is_left_uncalibrated_and_named() -> None:
    assert set(OWN.diseases) == {"glaucoma"}
    assert set(OWN.uncalibrated) == {"normal"}
    assert f"{MIN_EACH - 1} with it and {MIN_EACH} without" in OWN.uncalibrated["normal"]


def test_just_enough_photographs_are_enough() -> None:
    scores = np.linspace(0.01, 0.99, 2 * MIN_EACH)
    assert "glaucoma" in fitted(scores, (scores > 0.5).astype(float)).diseases


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["chance", "inverted", "equal"])
def test_a_disease_whose_scores_tell_nothing_is_left_uncalibrated_and_named(kind: str, seed: int) -> None:
    scores, labels = labelled(seed=seed)
    told = {
        "chance": np.random.default_rng(seed + 10).permutation(scores),
        "inverted": 1 - scores,
        "equal": np.full_like(scores, 0.5),
    }[kind]
    own = fitted(told, labels, samples=200)
    assert own.diseases == {}
    assert "95 % interval of its AUC must lie above 0.5" in own.uncalibrated["glaucoma"]


def test_scores_that_tell_little_but_surely_are_calibrated() -> None:
    scores, labels = labelled(4000)
    log_odds = np.log(scores / (1 - scores)) + np.random.default_rng(1).normal(0, 12, scores.size)
    found = fitted(1 / (1 + np.exp(-log_odds)), labels).diseases["glaucoma"].auc
    assert found.low is not None and 0.5 < found.low < found.value < 0.6


def test_sensitivity_and_specificity_are_those_at_the_threshold() -> None:
    scores, labels = labelled()
    found = OWN.diseases["glaucoma"]
    probabilities = np.array([OWN.probability("glaucoma", score) for score in scores])
    for cut in (found.youden, found.at_stated_sensitivity):
        reached = probabilities >= cut.threshold
        assert cut.sensitivity.value == pytest.approx(reached[labels == 1].mean())
        assert cut.specificity.value == pytest.approx((~reached)[labels == 0].mean())
        for estimate in (cut.sensitivity, cut.specificity, found.auc):
            assert estimate.low is not None and estimate.high is not None
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert found.at_stated_sensitivity.sensitivity.value >= 0.9
    assert (found.positives, found.negatives) == ((labels == 1).sum(), (labels == 0).sum())
    assert found.patients == 100


def test_auc_is_that_of_scikit_learn() -> None:
    scores, labels = labelled()
    tied = scores.round(1)
    assert fitted(tied, labels).diseases["glaucoma"].auc.value == pytest.approx(roc_auc_score(labels, tied))


def test_intervals_are_those_of_patients_not_of_photographs() -> None:
    """The same photographs, as one patient, say nothing of another one."""
    one = fitted(patients=["p"] * 200)
    assert one.diseases == {} and "undefined, as with a single patient" in one.uncalibrated["glaucoma"]
    wide, narrow = (
        found.diseases["glaucoma"].auc
        for found in (fitted(patients=[f"p{n // 20}" for n in range(200)]), fitted(patients=list(map(str, range(200)))))
    )
    assert wide.value == narrow.value


def test_highest_threshold_with_a_sensitivity_lies_between_two_photographs() -> None:
    """Nine of ten with the disease must reach it: all but the one at 0.1; the next lower one is at 0.15."""
    probabilities = np.array([0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.15, 0.05])
    present = np.array([True] * 10 + [False] * 2)
    assert threshold_at_sensitivity(probabilities, present, 0.9) == pytest.approx(0.225)
    assert threshold_at_sensitivity(probabilities, present, 1.0) == pytest.approx(0.075)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    OWN.save(tmp_path / "calibration.json")
    assert OwnCalibration.load(tmp_path / "calibration.json", POINT, "0a1b2c", SETTINGS) == OWN


def test_a_full_disk_is_told_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str, **_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match=r"calibration\.json could not be written \(No space.*kept: free space"):
        OWN.save(tmp_path / "calibration.json")


def test_a_threshold_of_ones_own_decides_in_place_of_the_files() -> None:
    other = OWN.with_thresholds({"glaucoma": 0.25, "vessel": 0.5})
    assert other.diseases["glaucoma"].youden.threshold == 0.25
    assert other.version != OWN.version


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"name": "x"}', b"\xff\xfe\x00", "[" * 100_000])
def test_what_is_no_calibration_is_refused_with_the_way_out(content: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"`vmnet calibrate`, and .*calibration\.json is none") as caught:
        OwnCalibration.load(path, POINT, "0a1b2c", SETTINGS)
    assert type(caught.value) is ValueError, "and no error of a library"


@pytest.mark.parametrize("change", [{"scale": 0.0}, {"scale": float("nan")}, {"shift": float("inf")}, {"extra": 1}])
def test_a_damaged_value_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    stored = OWN.model_dump()
    stored["diseases"]["glaucoma"] |= change
    (tmp_path / "calibration.json").write_text(json.dumps(stored))
    with pytest.raises(ValueError, match="is none"):
        OwnCalibration.load(tmp_path / "calibration.json", POINT, "0a1b2c", SETTINGS)


def test_it_holds_for_its_weights_and_their_scores_only(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    OWN.save(path)
    with pytest.raises(ValueError, match="0a1b2c.*other.*`vmnet calibrate`"):
        OwnCalibration.load(path, POINT, "other", SETTINGS)
    rescaled = dataclasses.replace(POINT, disease_calibration=((1.0, 0.0), (1.0, 0.0)))
    with pytest.raises(ValueError, match="made with.*`vmnet calibrate`"):
        OwnCalibration.load(path, rescaled, "0a1b2c", SETTINGS)
    with pytest.raises(FileNotFoundError, match=r"missing: make it with `vmnet calibrate`"):
        OwnCalibration.load(tmp_path / "none.json", POINT, "0a1b2c", SETTINGS)


@pytest.mark.parametrize(
    ("used", "message"),
    [
        ({"grid_size": 512}, "made with grid_size = 256, not with grid_size = 512: predict with the same"),
        ({"disease_size": 128}, "disease_size = None, not with disease_size = 128"),
        (
            {"contrast": "clahe", "flips": True},
            "contrast = none, flips = False, not with contrast = clahe, flips = True",
        ),
        ({"another": 1}, "another = unknown, not with another = 1"),
    ],
)
def test_it_holds_for_the_settings_that_change_the_scores_only(
    used: dict[str, Any], message: str, tmp_path: Path
) -> None:
    OWN.save(tmp_path / "calibration.json")
    with pytest.raises(ValueError, match=f"{message}.*`vmnet calibrate`"):
        OwnCalibration.load(tmp_path / "calibration.json", POINT, "0a1b2c", SETTINGS | used)


def test_a_folder_is_no_calibration(tmp_path: Path) -> None:
    with pytest.raises(
        OSError, match=f"must be a file of `vmnet calibrate`, and {tmp_path} is a folder: give"
    ) as caught:
        OwnCalibration.load(tmp_path, POINT, "0a1b2c", SETTINGS)
    assert "Errno" not in str(caught.value)
