"""A prediction whose every number is known, for what is made from predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from vmnet_monai.reports.dicom.origin import ModelIdentity
from vmnet_monai.reports.prediction import Prediction
from vmnet_monai.reports.record import DiseaseFinding

MODEL = ModelIdentity("V-MNet", "0.4.0", "abc123", "def456", "torch")

FINDINGS = [
    DiseaseFinding(disease="normal", score=0.125, percentile=37.5, threshold=0.5, decision=0, sources=["odir5k"]),
    DiseaseFinding(
        disease="glaucoma",
        score=0.25,
        percentile=90.0,
        probability=0.1 + 0.2,
        threshold=0.3,
        decision=1,
        sources=["odir5k"],
        calibration="Clinic A",
    ),
    DiseaseFinding(disease="cataract", score=0.75, percentile=99.0, sources=["odir5k"]),
    DiseaseFinding(disease="amd", score=None),
]

MEASURES = {
    "vessel_density_fov_share": 1 / 7,
    "skeleton_length_px": 12345.678901234567,
    "vessel_width_mean_px": None,
    "branch_points_count": 127 / 3,
}


def hand_made_prediction(height: int = 24, width: int = 40, **changes: Any) -> Prediction:
    """Vessels whose probability rises from left to right, from 0 to 1, and are found from one half on."""
    probability = np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1))
    parts: dict[str, Any] = {
        "id": "retina",
        "structure_probabilities": {"vessel": probability},
        "structure_masks": {"vessel": probability >= 0.5},
        "findings": FINDINGS,
        "heat_maps": {"glaucoma": probability},
        "field_of_view": np.ones((height, width), dtype=bool),
        "measures": MEASURES,
        "heat_map_method": "gradcam",
        "warnings": ["The photograph is blurred \N{EN DASH} retake it."],
    }
    return Prediction(**parts | changes)
