"""A calibration of one's own, from a table of labelled photographs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vmnet_monai.calibration.operating_point import weights_version
from vmnet_monai.calibration.own import (
    MIN_EACH,
    STATED_SENSITIVITY,
    Cut,
    Estimate,
    OwnCalibration,
    fit_own_calibration,
)
from vmnet_monai.datasets import table
from vmnet_monai.errors import plain_errors
from vmnet_monai.inference.bundle import read_inference_config
from vmnet_monai.inference.findings import FindingMaker
from vmnet_monai.inference.run import predict_folder
from vmnet_monai.reports.record import Record

__all__ = ["CALIBRATION_NAME", "CalibrationRun", "calibrate_on_own", "calibration_table"]

CALIBRATION_NAME = "calibration.json"
"""Name of the calibration in the output folder."""

PREDICTIONS = "predictions"
"""Folder of the predictions in the output folder, so that a stopped run goes on where it stood."""


class CalibrationRun(NamedTuple):
    """What a run made."""

    calibration: OwnCalibration
    path: Path
    unused: int
    """Photographs that were refused or failed."""


def calibrate_on_own(
    labels: str | Path, output_dir: str | Path, name: str = "", bundle: str | Path | None = None, **overrides: Any
) -> CalibrationRun:
    """Predict the labelled photographs, calibrate the diseases on them, and write ``calibration.json``.

    Args:
        labels: table of photographs, see :func:`vmnet_monai.datasets.table.read`; its label columns are the diseases.
        output_dir: takes the file, and the predictions in a folder.
        name: for what the calibration holds; by default the table's name.
        bundle: folder of the bundle, or a ``model.ts``.
        **overrides: further keys of ``inference.json``.

    Raises:
        OSError: if something cannot be read or written.
        ValueError: if the table is wrong, or no disease can be calibrated; the file is then not written.
    """
    config = read_inference_config(bundle, **overrides)
    with plain_errors():
        finding_maker: FindingMaker = config.get_parsed_content("finding_maker")
        model_version = weights_version(config.get_parsed_content("model_dir"))
    point = finding_maker.operating_point
    items = table.read(labels, point.diseases)
    _check_labels(items, point.diseases, labels)
    folder = Path(output_dir)
    settings = {**overrides, "report": False, "explain": []}
    manifest = predict_folder([item["image"] for item in items], folder / PREDICTIONS, bundle, **settings)
    scores_of = {
        os.path.realpath(record.image): {finding.disease: finding.score for finding in record.findings}
        for record in manifest.ordered()
        if isinstance(record, Record)
    }
    used = [item for item in items if os.path.realpath(item["image"]) in scores_of]
    scores = [[scores_of[os.path.realpath(item["image"])].get(disease) for disease in point.diseases] for item in used]
    shape = (len(used), len(point.diseases))
    calibration = fit_own_calibration(
        name=name or Path(labels).stem,
        diseases=point.diseases,
        scores=np.array(scores, dtype=np.float64).reshape(shape),
        labels=np.array([item["disease"] for item in used], dtype=np.float64).reshape(shape),
        patients=[item["patient"] for item in used],
        model_version=model_version,
        scores_version=point.scores_version,
        score_settings=finding_maker.score_settings,
    )
    if not calibration.diseases:
        reasons = "; ".join(f"{disease}: {reason}" for disease, reason in calibration.uncalibrated.items())
        raise ValueError(
            f"no disease could be calibrated ({reasons}): label more photographs, or use weights that tell them apart."
        )
    calibration.save(folder / CALIBRATION_NAME)
    return CalibrationRun(calibration, folder / CALIBRATION_NAME, len(items) - len(used))


def _check_labels(items: Sequence[dict[str, Any]], diseases: Sequence[str], labels: str | Path) -> None:
    """Raise, before anything is predicted, if no disease has enough labels."""
    given = np.array([item["disease"] for item in items], dtype=np.float64).reshape(len(items), len(diseases))
    least = np.minimum((given == 1).sum(axis=0), (given == 0).sum(axis=0))
    if (least < MIN_EACH).all():
        counts = ", ".join(
            f"{disease} {(column == 1).sum()} and {(column == 0).sum()}"
            for disease, column in zip(diseases, given.T, strict=True)
        )
        raise ValueError(
            f"a disease needs at least {MIN_EACH} photographs with it and {MIN_EACH} without, and {labels} has "
            f"{counts}: label more photographs, in columns of these names, 1 present, 0 absent."
        )


def calibration_table(calibration: OwnCalibration) -> pd.DataFrame:
    """What a calibration states, one row per disease, with 95 % intervals as text.

    Args:
        calibration: from :func:`calibrate_on_own`.
    """
    stated = f"sensitivity {STATED_SENSITIVITY:g}"
    return pd.DataFrame(
        [
            {
                "disease": disease,
                "with": fitted.positives,
                "without": fitted.negatives,
                "patients": fitted.patients,
                "AUC": _text(fitted.auc),
                **_columns("", fitted.youden),
                **_columns(f" at {stated}", fitted.at_stated_sensitivity),
            }
            for disease, fitted in calibration.diseases.items()
        ]
    )


def _columns(where: str, cut: Cut) -> dict[str, Any]:
    return {
        f"threshold{where}": f"{cut.threshold:.3f}",
        f"sensitivity{where and ' there'}": _text(cut.sensitivity),
        f"specificity{where and ' there'}": _text(cut.specificity),
    }


def _text(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"
