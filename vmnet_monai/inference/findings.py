"""What is said about the diseases of an image: scores, and what a calibration of one's own makes of them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path

import torch

from vmnet_monai.calibration.operating_point import OperatingPoint, weights_version
from vmnet_monai.calibration.own import OwnCalibration, ScoreSettings
from vmnet_monai.reports.record import DiseaseFinding

__all__ = ["FindingMaker"]


class FindingMaker:
    """Makes the findings of an image from the network's probabilities.

    The operating point makes a score of each, and ranks it among the reference eyes. A decision is withheld unless
    there is a calibration of one's own for the disease, or ``decide`` asks for it.

    Args:
        operating_point: scores, references and thresholds.
        calibration: file of ``vmnet calibrate``; None for none.
        decide: whether to decide on scores as well, by the thresholds of the operating point.
        model_dir: folder of the weights, which the calibration must be made for.
        thresholds: thresholds by name that replace those of the calibration; the operating point has its own already.
        score_settings: name -> value of what else changes the scores, such as ``flips``; the calibration must be made
            with the same.

    Raises:
        OSError: if the calibration cannot be read.
        ValueError: if it is no calibration, or one of other weights or settings.
    """

    def __init__(
        self,
        operating_point: OperatingPoint,
        calibration: str | Path | None = None,
        decide: bool = False,
        model_dir: str | Path | None = None,
        thresholds: Mapping[str, float] | None = None,
        score_settings: ScoreSettings | None = None,
    ) -> None:
        self.operating_point = operating_point
        self.decide = decide
        self.score_settings = dict(score_settings or {})
        self.calibration: OwnCalibration | None = None
        if calibration is not None:
            if model_dir is None:
                raise ValueError("a calibration needs the folder of the weights that it was made with: give model_dir.")
            own = OwnCalibration.load(calibration, operating_point, weights_version(model_dir), self.score_settings)
            self.calibration = own.with_thresholds(thresholds or {})

    @property
    def thresholds_version(self) -> str:
        """Twelve hexadecimal digits that change with any threshold or calibration, one's own included."""
        version = self.operating_point.thresholds_version
        if self.calibration is None:
            return version
        return hashlib.sha256(f"{version} {self.calibration.version}".encode()).hexdigest()[:12]

    def __call__(self, probabilities: torch.Tensor) -> tuple[list[DiseaseFinding], list[str]]:
        """Make the findings of one image.

        Args:
            probabilities: (K,) of the network, uncalibrated; NaN where it gives none.

        Returns:
            The findings, and the diseases whose threshold is reached, also where no decision is told.
        """
        point = self.operating_point
        scores = point.calibrate(probabilities.cpu()).tolist()
        findings, reached = [], []
        for disease, score, percentile, threshold, sources in zip(
            point.diseases,
            scores,
            point.percentiles(scores),
            point.disease_thresholds,
            point.disease_sources or ((),) * len(scores),
            strict=True,
        ):
            finding = DiseaseFinding(
                disease=disease,
                score=None if math.isnan(score) else score,
                percentile=percentile,
                sources=list(sources),
            )
            if finding.score is not None:
                finding, is_reached = self._decided(finding, score, threshold)
                if is_reached:
                    reached.append(disease)
            findings.append(finding)
        return findings, reached

    def reached(self, probabilities: torch.Tensor) -> list[str]:
        """Name the diseases whose threshold the network's probabilities (K,) of one image reach."""
        return self(probabilities)[1]

    def _decided(self, finding: DiseaseFinding, score: float, threshold: float) -> tuple[DiseaseFinding, bool]:
        """The finding with its probability and decision, as far as they are told, and whether the threshold is met."""
        own, value, told = self.calibration, score, self.decide
        if own is not None and finding.disease in own.diseases:
            value, threshold = own.probability(finding.disease, score), own.diseases[finding.disease].youden.threshold
            finding, told = finding.model_copy(update={"probability": value, "calibration": own.name}), True
        reached = value >= threshold
        if told:
            finding = finding.model_copy(update={"threshold": threshold, "decision": int(reached)})
        return finding, reached
