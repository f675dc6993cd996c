"""Writes the scores of an evaluation to metrics.json, metrics.csv and subgroups.csv."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.handlers.collector import PredictionCollector
from vmnet_monai.io.files import whole_file
from vmnet_monai.io.tables import write_table
from vmnet_monai.metrics import evaluation_summary, evaluation_table, subgroup_scores

__all__ = ["ScoreWriter"]

logger = logging.getLogger(__name__)


class ScoreWriter:
    """Writes ``metrics.json``, the summary, and ``metrics.csv``, one row per photograph, after an evaluation.

    Where sex or age of patients is known, ``subgroups.csv`` beside them has the scores of these groups
    (:func:`~vmnet_monai.metrics.subgroup_scores`). Where a disease has several sources, the log names the one with the
    lowest AUC first.

    They hold :func:`~vmnet_monai.metrics.evaluation_summary` and :func:`~vmnet_monai.metrics.evaluation_table`; what is
    undefined or unknown is empty in the CSV and null in the JSON.

    Args:
        output_dir: where the files go.
        collector: attached to the same evaluator before this handler; its thresholds are those that are scored.
        operating_point: names, calibration and thresholds of the diseases.
        split: name of the part that is evaluated, written into the summary.
        seed: seed of the bootstrap intervals.

    Raises:
        ValueError: if the collector has no thresholds.
    """

    def __init__(
        self,
        output_dir: str,
        collector: PredictionCollector,
        operating_point: OperatingPoint,
        split: str,
        seed: int = 0,
    ) -> None:
        if collector.thresholds is None:
            raise ValueError("the collector has no thresholds: set them, or no segmentation is scored.")
        self.output_dir = Path(output_dir)
        self.thresholds = collector.thresholds
        self.collector = collector
        self.operating_point = operating_point
        self.split = split
        self.seed = seed

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write the files."""
        images, point = self.collector.records, self.operating_point
        probabilities = point.calibrate(self.collector.disease_table()[0])
        decisions = [point.decide(row) for row in probabilities.tolist()]
        table = evaluation_table(images, point.diseases, probabilities, decisions)
        summary = evaluation_summary(
            images,
            self.collector.histograms,
            probabilities,
            self.thresholds,
            dict(zip(point.diseases, point.disease_thresholds, strict=True)),
            self.split,
            self.seed,
        )
        write_table(self.output_dir / "metrics.csv", table)
        with whole_file(self.output_dir / "metrics.json") as path:
            path.write_text(json.dumps(_nan_to_null(summary), indent=2) + "\n", encoding="utf-8")
        subgroups = subgroup_scores(table, seed=self.seed)
        if not subgroups.empty:
            write_table(self.output_dir / "subgroups.csv", subgroups)
        for disease, sources in summary["sources_by_auc"].items():
            if len(sources) > 1:
                told = ", ".join(
                    "{dataset} {auc:.3f} [{0:.3f}, {1:.3f}]".format(*one["auc_interval"], **one) for one in sources
                )
                logger.info(f"AUC of {disease}, the lowest first: {told}")
        logger.info(f"Scores of {len(images)} photographs: {self.output_dir / 'metrics.json'}")


def _nan_to_null(value: Any) -> Any:
    """Replace NaN, which JSON does not know, by None, however deep."""
    if isinstance(value, dict):
        return {key: _nan_to_null(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_nan_to_null(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
