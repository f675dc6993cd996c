"""What is said about diseases, with a calibration of one's own and without."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from feeding import operating_point

from vmnet_monai.calibration import fit_own_calibration, weights_version
from vmnet_monai.inference.findings import FindingMaker

POINT = dataclasses.replace(
    operating_point(0.6, 0.3),
    disease_sources=(("odir5k",), ("odir5k", "hrf")),
    disease_reference=(tuple(np.linspace(0, 1, 101).round(6).tolist()), ()),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.pt").write_bytes(b"weights")
    POINT.save(tmp_path)
    return tmp_path


@pytest.fixture
def calibration(folder: Path) -> Path:
    """Of glaucoma alone: photographs with it have scores of 0.1 and more, others less."""
    scores = np.linspace(0.001, 0.2, 80)
    own = fit_own_calibration(
        name="Clinic A",
        diseases=POINT.diseases,
        scores=np.column_stack([scores, scores]),
        labels=np.column_stack([np.full(80, np.nan), (scores >= 0.1).astype(float)]),
        patients=list(map(str, range(80))),
        model_version=weights_version(folder),
        scores_version=POINT.scores_version,
        score_settings={"flips": False},
        samples=10,
    )
    own.save(folder / "calibration.json")
    return folder / "calibration.json"


def test_scores_have_a_rank_and_sources_and_no_decision() -> None:
    (normal, glaucoma), reached = FindingMaker(POINT)(torch.tensor([0.75, 0.5]))
    assert (normal.score, normal.percentile) == (0.75, pytest.approx(75))
    assert (glaucoma.score, glaucoma.percentile, glaucoma.sources) == (0.5, None, ["odir5k", "hrf"])
    assert {value for one in (normal, glaucoma) for value in (one.probability, one.threshold, one.decision)} == {None}
    assert reached == ["normal", "glaucoma"], "which heat maps are made is no decision"


def test_a_decision_that_is_asked_for_is_that_at_the_threshold() -> None:
    findings, reached = FindingMaker(POINT, decide=True)(torch.tensor([0.59, 0.3]))
    assert [one.decision for one in findings] == [0, 1]
    assert [one.threshold for one in findings] == [0.6, 0.3]
    assert reached == ["glaucoma"]


def test_a_calibration_of_ones_own_gives_probability_and_decision_of_its_diseases(
    folder: Path, calibration: Path
) -> None:
    maker = FindingMaker(POINT, calibration, score_settings={"flips": False}, model_dir=folder)
    (normal, glaucoma), reached = maker(torch.tensor([0.9, 0.15]))
    assert (normal.probability, normal.decision, normal.calibration) == (None, None, "")
    assert glaucoma.score == pytest.approx(0.15)
    assert glaucoma.probability is not None and glaucoma.probability > 0.5
    assert (glaucoma.decision, glaucoma.calibration) == (1, "Clinic A")
    assert reached == ["normal", "glaucoma"]
    (_, below), _ = maker(torch.tensor([0.9, 0.05]))
    assert below.decision == 0
    assert maker.thresholds_version != POINT.thresholds_version


def test_an_explicit_threshold_decides_in_place_of_the_calibrations(folder: Path, calibration: Path) -> None:
    maker = FindingMaker(
        POINT, calibration, score_settings={"flips": False}, model_dir=folder, thresholds={"glaucoma": 1.0}
    )
    (_, glaucoma), _ = maker(torch.tensor([0.9, 0.19]))
    assert (glaucoma.threshold, glaucoma.decision) == (1.0, 0)


def test_what_the_network_does_not_answer_has_no_number() -> None:
    (normal, glaucoma), reached = FindingMaker(POINT, decide=True)(torch.tensor([float("nan"), 0.5]))
    assert (normal.score, normal.percentile, normal.decision, normal.threshold) == (None,) * 4
    assert (glaucoma.decision, reached) == (1, ["glaucoma"])


def test_operating_points_that_say_nothing_of_sources_give_scores_all_the_same() -> None:
    bare = dataclasses.replace(POINT, disease_sources=(), disease_reference=())
    findings, _ = FindingMaker(bare)(torch.tensor([0.9, 0.1]))
    assert [(one.percentile, one.sources) for one in findings] == [(None, []), (None, [])]
