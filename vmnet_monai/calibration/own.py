"""A calibration of one's own: what turns scores into probabilities and decisions for one's own camera and patients."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.calibration.platt import platt_scaled, platt_scaling
from vmnet_monai.calibration.thresholds import best_threshold
from vmnet_monai.io.files import whole_file
from vmnet_monai.metrics.bootstrap import patient_bootstrap_interval
from vmnet_monai.metrics.disease import auc_of_rows

__all__ = [
    "MIN_EACH",
    "STATED_SENSITIVITY",
    "Cut",
    "DiseaseCalibration",
    "Estimate",
    "OwnCalibration",
    "fit_own_calibration",
    "threshold_at_sensitivity",
]

MIN_EACH = 20
"""Least number of photographs with a disease, and without it, from which it is calibrated: the 95 % interval of a
sensitivity of 0.9 is then already 0.26 wide."""

STATED_SENSITIVITY = 0.90
"""Sensitivity of the second threshold that is stated."""

CHANCE = 0.5
"""AUC of scores that tell nothing."""

BOOTSTRAP_SAMPLES = 1000

Fraction = Annotated[float, Field(ge=0, le=1)]

ScoreSettings = Mapping[str, bool | int | str | None]
"""Name -> value of each setting that changes the scores of the same weights, such as ``grid_size`` and ``flips``."""


class _Checked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Estimate(_Checked):
    """A value with its 95 % interval."""

    value: Fraction
    low: Fraction | None
    """None where the interval is undefined, as with a single patient."""
    high: Fraction | None


class Cut(_Checked):
    """A threshold on the calibrated probability, and what it does on the photographs of the calibration."""

    threshold: Fraction
    sensitivity: Estimate
    specificity: Estimate


class DiseaseCalibration(_Checked):
    """The calibration of one disease: its probability is ``sigmoid(scale * logit(score) + shift)``."""

    positives: int
    """Photographs with the disease."""
    negatives: int
    """Photographs without it."""
    patients: int
    scale: Annotated[float, Field(gt=0)]
    shift: float
    auc: Estimate
    youden: Cut
    """The threshold that decides: the highest sensitivity + specificity - 1."""
    at_stated_sensitivity: Cut
    """The highest threshold with a sensitivity of at least :data:`STATED_SENSITIVITY`."""


class OwnCalibration(_Checked):
    """What ``vmnet calibrate`` writes and ``vmnet predict --calibration`` reads."""

    name: Annotated[str, Field(min_length=1)]
    """For what it holds, such as a camera and a clinic; stands beside every probability."""
    made: str
    """ISO date."""
    model_version: str
    """See :func:`~vmnet_monai.calibration.weights_version`: it holds for no other weights."""
    scores_version: str
    """See :attr:`OperatingPoint.scores_version`: it holds for no other scores of theirs."""
    score_settings: dict[str, bool | int | str | None]
    """The settings with which the scores were made: it holds for no others."""
    diseases: dict[str, DiseaseCalibration]
    uncalibrated: dict[str, str]
    """Disease that could not be calibrated -> why."""

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that change with anything in it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    def probability(self, disease: str, score: float) -> float:
        """The calibrated probability of one of the calibrated diseases.

        Args:
            disease: its key.
            score: from :meth:`OperatingPoint.calibrate`.
        """
        fitted = self.diseases[disease]
        return float(platt_scaled([score], [(fitted.scale, fitted.shift)])[0])

    def with_thresholds(self, thresholds: Mapping[str, float]) -> OwnCalibration:
        """Let other thresholds decide; the stated sensitivities and specificities stay those of the file's.

        Args:
            thresholds: disease -> value in [0, 1]; names of what is not calibrated here are left out.
        """
        diseases = dict(self.diseases)
        for name, value in thresholds.items():
            if name in diseases:
                cut = diseases[name].youden.model_copy(update={"threshold": float(value)})
                diseases[name] = diseases[name].model_copy(update={"youden": cut})
        return self.model_copy(update={"diseases": diseases})

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all."""
        with whole_file(Path(path)) as temporary:
            temporary.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(
        cls, path: str | Path, operating_point: OperatingPoint, model_version: str, score_settings: ScoreSettings
    ) -> OwnCalibration:
        """Read the file, and check that it was made with these weights and settings.

        Args:
            path: the file.
            operating_point: that of the weights.
            model_version: their version.
            score_settings: what else changes the scores.

        Raises:
            OSError: if it cannot be read.
            ValueError: if it is no calibration, or one of other weights or settings.
        """
        try:
            own = cls.model_validate_json(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FileNotFoundError(f"the calibration {path} is missing: make it with `vmnet calibrate`.") from None
        except OSError as error:
            kind = "is a folder" if Path(path).is_dir() else f"cannot be read ({error.strerror})"
            raise type(error)(
                f"the calibration must be a file of `vmnet calibrate`, and {path} {kind}: give its calibration.json."
            ) from None
        except (ValidationError, UnicodeDecodeError) as error:
            first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "it is no text"
            raise ValueError(
                f"the calibration must be a file of `vmnet calibrate`, and {path} is none ({first}): make it anew."
            ) from None
        if (own.model_version, own.scores_version) != (model_version, operating_point.scores_version):
            raise ValueError(
                f"a calibration holds for the weights with which it was made, and {path} was made with "
                f"{own.model_version} (scores {own.scores_version}), not with {model_version} (scores "
                f"{operating_point.scores_version}): make it anew with `vmnet calibrate`."
            )
        differing = [
            name
            for name in {**own.score_settings, **score_settings}
            if own.score_settings.get(name, "unknown") != score_settings.get(name, "unknown")
        ]
        if differing:
            made, used = (
                ", ".join(f"{name} = {settings.get(name, 'unknown')}" for name in differing)
                for settings in (own.score_settings, score_settings)
            )
            raise ValueError(
                f"a calibration holds for the settings with which it was made, and {path} was made with {made}, not "
                f"with {used}: predict with the same, or make it anew by `vmnet calibrate` with those of the "
                "prediction."
            )
        unknown = sorted({*own.diseases, *own.uncalibrated} - {*operating_point.diseases})
        if unknown:
            raise ValueError(
                f"a calibration must be of {', '.join(operating_point.diseases)}, and {path} is of "
                f"{', '.join(unknown)}: make it anew with `vmnet calibrate`."
            )
        return own


def fit_own_calibration(
    *,
    name: str,
    diseases: Sequence[str],
    scores: NDArray[np.float64],
    labels: NDArray[np.float64],
    patients: Sequence[str],
    model_version: str,
    scores_version: str,
    score_settings: ScoreSettings,
    seed: int = 0,
    samples: int = BOOTSTRAP_SAMPLES,
) -> OwnCalibration:
    """Calibrate each disease on labelled photographs, by Platt scaling of its scores.

    A disease stays uncalibrated with fewer than :data:`MIN_EACH` photographs with it or without, and where the 95 %
    interval of its AUC does not lie above 0.5: a probability and a decision would say what its scores cannot tell.

    Intervals are those of :func:`~vmnet_monai.metrics.bootstrap.patient_bootstrap_interval` at the chosen thresholds.
    Thresholds are chosen on the same photographs, so that sensitivity and specificity elsewhere are rather lower.

    Args:
        name: for what the calibration holds.
        diseases: keys of the K diseases.
        scores: (N, K), 0 to 1, or NaN.
        labels: (N, K), 1 present, 0 absent, NaN unknown.
        patients: N identifiers.
        model_version: that of the weights.
        scores_version: see :attr:`OperatingPoint.scores_version`.
        score_settings: what else changes the scores.
        seed: of the resamples.
        samples: number of resamples of each interval.
    """
    fitted, left_out = {}, {}
    who = np.asarray(patients, dtype=str)
    for disease, score, label in zip(diseases, scores.T, labels.T, strict=True):
        known = ~np.isnan(label) & ~np.isnan(score)
        positives, negatives = int((label[known] == 1).sum()), int((label[known] == 0).sum())
        if min(positives, negatives) < MIN_EACH:
            left_out[disease] = (
                f"{positives} with it and {negatives} without were given, at least {MIN_EACH} photographs of each are "
                "needed"
            )
            continue
        data = _Labelled(score[known], label[known] == 1, who[known], seed, samples)
        auc = data.estimate(auc_of_rows(data.scores, data.present.astype(np.float64)))
        if auc.low is None or auc.low <= CHANCE:
            left_out[disease] = (
                f"the 95 % interval of its AUC must lie above {CHANCE}, that of chance, for its scores to tell these "
                f"photographs apart, and it is {_interval(auc)}"
            )
        else:
            fitted[disease] = _fit(data, auc)
    return OwnCalibration(
        name=name,
        made=date.today().isoformat(),
        model_version=model_version,
        scores_version=scores_version,
        score_settings=dict(score_settings),
        diseases=fitted,
        uncalibrated=left_out,
    )


def threshold_at_sensitivity(
    probabilities: NDArray[np.float64], present: NDArray[np.bool_], sensitivity: float
) -> float:
    """Find the highest threshold that at least a given fraction of the photographs with a disease reach.

    It lies midway between the lowest probability that must reach it and the next lower one.

    Args:
        probabilities: (N,), 0 to 1.
        present: (N,), at least one true.
        sensitivity: above 0, up to 1.

    Example:
        >>> threshold_at_sensitivity(np.array([0.2, 0.4, 0.6, 0.8]), np.array([False, True, False, True]), 0.9)
        0.30000000000000004
    """
    with_disease = np.sort(probabilities[present])[::-1]
    lowest = with_disease[math.ceil(sensitivity * with_disease.size) - 1]
    below = probabilities[probabilities < lowest]
    return float((lowest + (below.max() if below.size else 0.0)) / 2)


class _Labelled(NamedTuple):
    """The photographs of one disease, and how intervals over their patients are estimated."""

    scores: NDArray[np.float64]
    present: NDArray[np.bool_]
    patients: NDArray[np.str_]
    seed: int
    samples: int

    def estimate(self, statistic: Callable[[NDArray[np.intp]], float]) -> Estimate:
        low, high = patient_bootstrap_interval(statistic, self.patients.tolist(), self.samples, self.seed)
        value = statistic(np.arange(self.present.size))
        defined = not math.isnan(low)
        return Estimate(value=value, low=low if defined else None, high=high if defined else None)


def _interval(auc: Estimate) -> str:
    if auc.low is None or auc.high is None:
        return "undefined, as with a single patient"
    return f"{auc.low:.2f} to {auc.high:.2f} ({auc.value:.2f})"


def _fit(data: _Labelled, auc: Estimate) -> DiseaseCalibration:
    present, truth = data.present, data.present.astype(np.float64)
    scale, shift = platt_scaling(data.scores, truth)
    probabilities = platt_scaled(data.scores[:, np.newaxis], [(scale, shift)])[:, 0]

    def cut(threshold: float) -> Cut:
        reached = probabilities >= threshold

        def fraction(of: NDArray[np.bool_], right: NDArray[np.bool_]) -> Estimate:
            def among(rows: NDArray[np.intp]) -> float:
                return float(right[rows][of[rows]].mean()) if of[rows].any() else math.nan

            return data.estimate(among)

        return Cut(
            threshold=threshold, sensitivity=fraction(present, reached), specificity=fraction(~present, ~reached)
        )

    return DiseaseCalibration(
        positives=int(present.sum()),
        negatives=int((~present).sum()),
        patients=len(np.unique(data.patients)),
        scale=scale,
        shift=shift,
        auc=auc,
        youden=cut(best_threshold(probabilities, truth)),
        at_stated_sensitivity=cut(threshold_at_sensitivity(probabilities, present, STATED_SENSITIVITY)),
    )
