"""Gathers, over one evaluation and all processes, what scores and thresholds are computed from."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from ignite.engine import Engine, Events

from vmnet_monai.engines.forward import photographs
from vmnet_monai.metrics import PROBABILITY_LEVELS, probability_histogram, vessel_scores

__all__ = ["PhotographRecord", "PredictionCollector"]


@dataclasses.dataclass(frozen=True)
class PhotographRecord:
    """What one photograph contributes to the scores."""

    id: str
    dataset: str
    patient: str
    probabilities: tuple[float, ...]
    """Probability per disease."""
    labels: tuple[float, ...]
    """1 present, 0 absent, NaN unknown, per disease."""
    vessel: dict[str, dict[str, float]]
    """Vessel scores by region, "inside_fov" and "whole_image"; empty without vessel mask or threshold."""


class PredictionCollector:
    """Collects the records of an evaluation and the pooled histograms of its vessel probabilities.

    Attach it before the handlers that use it. It expects the engine's decollated output to hold ``pred_vessel`` (1, H,
    W) and ``pred_disease`` (K,), probabilities, ``label_disease`` (K,), ``vessel_truth`` and ``fov_truth`` (1, H, W),
    and the batch to hold ``id``, ``dataset``, ``patient`` and ``has_vessel``. A network of a single task leaves its
    other key out.

    Args:
        vessel_threshold: threshold of the vessel mask for scores per photograph, which are costly; None leaves them
            out and collects histograms of the field of view only.

    Attributes:
        records: one per photograph, of all processes, sorted by id, after the epoch.
        histograms: region -> dataset -> (2, 65536) counts, of all processes, after the epoch.
    """

    def __init__(self, vessel_threshold: float | None = None) -> None:
        self.vessel_threshold = vessel_threshold
        self.records: list[PhotographRecord] = []
        self.histograms: dict[str, dict[str, np.ndarray]] = {}

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator, once: metrics that read the records attach the collector before themselves."""
        if engine.has_event_handler(self.gather, Events.EPOCH_COMPLETED):
            return
        engine.add_event_handler(Events.EPOCH_STARTED, self.reset)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.update)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.gather)

    def reset(self) -> None:
        """Forget the last evaluation."""
        self.records = []
        self.histograms = defaultdict(lambda: defaultdict(lambda: np.zeros((2, PROBABILITY_LEVELS), dtype=np.int64)))

    def update(self, engine: Engine) -> None:
        """Add the photographs of one iteration."""
        for batch, output in photographs(engine):
            labels = _floats(output["label_disease"])
            unknown = (np.nan,) * len(labels)
            self.records.append(
                PhotographRecord(
                    id=batch["id"],
                    dataset=batch["dataset"],
                    patient=batch["patient"],
                    probabilities=_floats(output["pred_disease"]) if "pred_disease" in output else unknown,
                    labels=labels,
                    vessel=self._vessel(batch["dataset"], output) if bool(batch["has_vessel"]) else {},
                )
            )

    def _vessel(self, dataset: str, output: dict[str, Any]) -> dict[str, dict[str, float]]:
        if "pred_vessel" not in output:
            return {}
        probability = output["pred_vessel"][0].float().cpu().numpy()
        truth = output["vessel_truth"][0].cpu().numpy() > 0
        regions: dict[str, np.ndarray | None] = {"inside_fov": output["fov_truth"][0].cpu().numpy() > 0}
        if self.vessel_threshold is not None:
            regions["whole_image"] = None
        scores = {}
        for name, region in regions.items():
            self.histograms[name][dataset] += probability_histogram(probability, truth, region)
            if self.vessel_threshold is not None:
                scores[name] = vessel_scores(probability, truth, self.vessel_threshold, region)
        return scores

    def gather(self) -> None:
        """Bring the records and histograms of all processes together, in every process."""
        own = (self.records, {region: dict(by_dataset) for region, by_dataset in self.histograms.items()})
        parts: list[Any] = [own]
        if dist.is_available() and dist.is_initialized():
            parts = [None] * dist.get_world_size()
            dist.all_gather_object(parts, own)
        self.reset()
        for records, histograms in parts:
            self.records.extend(records)
            for region, by_dataset in histograms.items():
                for dataset, histogram in by_dataset.items():
                    self.histograms[region][dataset] += histogram
        self.records.sort(key=lambda record: record.id)

    def pooled_histogram(self, region: str = "inside_fov") -> np.ndarray:
        """Return the (2, 65536) counts over all datasets; all zero where no photograph has a vessel mask."""
        return sum(self.histograms[region].values(), np.zeros((2, PROBABILITY_LEVELS), dtype=np.int64))

    def datasets(self) -> list[str]:
        """Return the dataset of each of the N records, in the order of :meth:`disease_table`."""
        return [record.dataset for record in self.records]

    def disease_table(self) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities and labels as two (N, K) arrays."""
        return (
            np.array([record.probabilities for record in self.records], dtype=np.float64),
            np.array([record.labels for record in self.records], dtype=np.float64),
        )


def _floats(vector: torch.Tensor) -> tuple[float, ...]:
    return tuple(vector.double().cpu().tolist())
