"""The prediction of one image as its reader asks for it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from report_examples import calibrated, withheld

from vmnet_monai.reports.prediction import Prediction
from vmnet_monai.reports.record import DiseaseFinding


def prediction(structure: str = "vessel") -> Prediction:
    probability = np.array([[0.9, 0.2, 0.0]], dtype=np.float32)
    return Prediction(
        id="eye",
        structure_probabilities={structure: probability},
        structure_masks={structure: probability > 0.5},
        findings=[
            calibrated("glaucoma", 0.75),
            withheld("cataract", 0.5),
            DiseaseFinding(disease="amd", score=None),
        ],
        heat_maps={"glaucoma": np.zeros((1, 3), dtype=np.float32)},
        field_of_view=np.array([[True, True, False]]),
        measures={"branch_points_count": 3.0},
        warnings=["Blurred."],
    )


def test_vessels_have_names_of_their_own() -> None:
    assert prediction().vessel_probability[0, 1] == pytest.approx(0.2)
    assert prediction().vessel_mask.tolist() == [[True, False, False]]
    with pytest.raises(KeyError, match="vessel"):
        _ = prediction("lesion").vessel_mask


def test_a_disease_without_score_is_nan_and_undecided() -> None:
    scores = prediction().scores
    assert (scores["glaucoma"], scores["cataract"]) == (0.125, 0.5)
    assert math.isnan(scores["amd"])
    assert prediction().percentiles == {"glaucoma": 42.0, "cataract": 95.0, "amd": None}


def test_only_what_is_calibrated_for_ones_own_photographs_is_a_probability() -> None:
    assert prediction().probabilities == {"glaucoma": 0.75}
    assert prediction().decisions == {"glaucoma": True, "cataract": None, "amd": None}


def test_description_says_size_and_what_was_found() -> None:
    described = prediction("lesion").description()
    assert (described.width_px, described.height_px) == (3, 1)
    assert (described.structures, described.heat_maps) == (["lesion"], ["glaucoma"])
    assert described.measures == {"branch_points_count": 3.0}
    assert described.warnings == ["Blurred."]
