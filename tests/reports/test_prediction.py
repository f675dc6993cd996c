"""The prediction of one image as its reader asks for it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vmnet_monai.reports.prediction import Prediction
from vmnet_monai.reports.record import DiseaseFinding


def prediction(structure: str = "vessel") -> Prediction:
    probability = np.array([[0.9, 0.2, 0.0]], dtype=np.float32)
    return Prediction(
        id="eye",
        structure_probabilities={structure: probability},
        structure_masks={structure: probability > 0.5},
        findings=[
            DiseaseFinding(disease="glaucoma", probability=0.75, threshold=0.5, decision=1),
            DiseaseFinding(disease="amd", probability=None, threshold=0.5, decision=None),
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


def test_a_disease_without_probability_is_nan_and_undecided() -> None:
    probabilities = prediction().probabilities
    assert probabilities["glaucoma"] == 0.75
    assert math.isnan(probabilities["amd"])
    assert prediction().decisions == {"glaucoma": True, "amd": None}


def test_description_says_size_and_what_was_found() -> None:
    described = prediction("lesion").description()
    assert (described.width_px, described.height_px) == (3, 1)
    assert (described.structures, described.heat_maps) == (["lesion"], ["glaucoma"])
    assert described.measures == {"branch_points_count": 3.0}
    assert described.warnings == ["Blurred."]
