"""Writes the scores of an evaluation to metrics.json and metrics.csv."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import pandas as pd
from ignite.engine import Engine, Events

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.handlers.collector import PredictionCollector
from vmnet_monai.io.files import whole_file
from vmnet_monai.metrics import disease_report, segmentation_report

__all__ = ["ScoreWriter"]

logger = logging.getLogger(__name__)


class ScoreWriter:
    """Writes ``metrics.json``, the summary, and ``metrics.csv``, one row per photograph, after an evaluation.

    The columns of the CSV are ``id``, ``dataset``, ``patient``; per structure, region and score
    ``vessel_inside_fov_dice`` and so on; per disease ``probability_<disease>``, calibrated, ``label_<disease>`` and
    ``decision_<disease>``. The summary has the calibration error and the Brier score before calibration as well. What
    is undefined or unknown is empty in the CSV and null in the JSON.

    Args:
        output_dir: where the two files go.
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
        """Write both files."""
        with whole_file(self.output_dir / "metrics.csv") as path:
            self._table().to_csv(path, index=False)
        with whole_file(self.output_dir / "metrics.json") as path:
            path.write_text(json.dumps(_nan_to_null(self._summary()), indent=2) + "\n", encoding="utf-8")
        logger.info(f"Scores of {len(self.collector.records)} photographs: {self.output_dir / 'metrics.json'}")

    def _summary(self) -> dict[str, Any]:
        records, point = self.collector.records, self.operating_point
        structures: dict[str, dict[str, Any]] = {structure: {} for structure in self.thresholds}
        for structure, by_region in self.collector.histograms.items():
            scored = [record for record in records if structure in record.structures]
            for region, histograms in by_region.items():
                rows = [{"dataset": record.dataset, **record.structures[structure][region]} for record in scored]
                structures[structure][region] = segmentation_report(
                    pd.DataFrame(rows), histograms, self.thresholds[structure]
                )
        uncalibrated, labels = self.collector.disease_table()
        return {
            "split": self.split,
            "photographs": len(records),
            "thresholds": {
                **self.thresholds,
                **dict(zip(point.diseases, point.disease_thresholds, strict=True)),
            },
            **structures,
            "disease": disease_report(
                self.collector.datasets(),
                point.calibrate(uncalibrated),
                uncalibrated,
                labels,
                point.disease_thresholds,
                point.diseases,
                [record.patient for record in records],
                self.seed,
            ),
        }

    def _table(self) -> pd.DataFrame:
        rows = []
        for record in self.collector.records:
            row: dict[str, Any] = {"id": record.id, "dataset": record.dataset, "patient": record.patient}
            for structure, by_region in record.structures.items():
                for region, scores in by_region.items():
                    row |= {f"{structure}_{region}_{name}": value for name, value in scores.items()}
            probabilities = self.operating_point.calibrate(record.probabilities).tolist()
            decisions = self.operating_point.decide(probabilities)
            for disease, probability, label, decision in zip(
                self.operating_point.diseases, probabilities, record.labels, decisions, strict=True
            ):
                row |= {
                    f"probability_{disease}": probability,
                    f"label_{disease}": label,
                    f"decision_{disease}": decision,
                }
            rows.append(row)
        return pd.DataFrame(rows)


def _nan_to_null(value: Any) -> Any:
    """Replace NaN, which JSON does not know, by None, however deep."""
    if isinstance(value, dict):
        return {key: _nan_to_null(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_nan_to_null(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
