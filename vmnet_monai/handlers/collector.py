"""Gathers, over one evaluation and all processes, what scores and thresholds are computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from ignite.engine import Engine, Events

from vmnet_monai.biomarkers import centre_scores
from vmnet_monai.handlers.multi_task import decollated
from vmnet_monai.metrics import (
    INSIDE_FOV,
    Histograms,
    ImageScores,
    add_histograms,
    balanced_accuracy_among_parts,
    pooled,
    score_regions,
)
from vmnet_monai.structures import LANDMARKS, check_parts

__all__ = ["PredictionCollector"]


class PredictionCollector:
    """Collects the records of an evaluation and the pooled histograms of its segmentation probabilities.

    Attach it before the handlers that use it. It expects the engine's decollated output to hold ``pred_disease`` (K,),
    probabilities, ``label_disease`` (K,), ``fov_reference`` (1, H, W) and per structure ``pred_<structure>``,
    probabilities, and ``<structure>_reference`` (1, H, W), and the batch to hold ``id``, ``dataset``, ``patient``,
    ``sex``, ``age`` and ``has_<structure>``. A network of a single task leaves its other keys out.

    Args:
        structures: keys of the structures.
        thresholds: threshold of each structure's mask for scores per photograph, which are costly; None leaves them
            out and collects histograms of the field of view only.
        parts: part -> whole, such as ``{"artery": "vessel", "vein": "vessel"}``. Scores of parts tell, inside the field
            of view, how well those of a whole are told apart
            (:func:`~vmnet_monai.metrics.balanced_accuracy_among_parts`); those of landmarks, where their centre is
            found (:func:`~vmnet_monai.biomarkers.centre_scores`).

    Raises:
        ValueError: if there is not one threshold per structure, or :func:`~vmnet_monai.structures.check_parts` refuses
            the parts.

    Attributes:
        records: one per photograph, of all processes, sorted by id, after the epoch.
        histograms: structure -> region -> dataset -> (2, 65536) counts, of all processes, after the epoch.

    Example:
        >>> evaluator = Engine(lambda engine, batch: None)
        >>> PredictionCollector(["vessel"], thresholds=[0.5]).attach(evaluator)
    """

    def __init__(
        self,
        structures: Sequence[str] = ("vessel",),
        thresholds: Sequence[float] | None = None,
        parts: Mapping[str, str] | None = None,
    ) -> None:
        self.structures = tuple(structures)
        self.parts = check_parts(parts, structures)
        if thresholds is not None and (not isinstance(thresholds, Sequence) or len(thresholds) != len(structures)):
            raise ValueError(
                f"structure_thresholds must be a list with one threshold for each of {', '.join(structures)}, "
                f"got {thresholds}."
            )
        self.thresholds = None if thresholds is None else dict(zip(structures, thresholds, strict=True))
        self.records: list[ImageScores] = []
        self.histograms: Histograms = {}

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
        self.histograms = {structure: {} for structure in self.structures}

    def update(self, engine: Engine) -> None:
        """Add the photographs of one iteration."""
        for batch, output in decollated(engine):
            labels = _floats(output["label_disease"])
            unknown = (np.nan,) * len(labels)
            self.records.append(
                ImageScores(
                    id=batch["id"],
                    dataset=batch["dataset"],
                    patient=batch["patient"],
                    probabilities=_floats(output["pred_disease"]) if "pred_disease" in output else unknown,
                    labels=labels,
                    structures=self._score(batch, output),
                    sex=batch["sex"],
                    age=float(batch["age"]),
                )
            )

    def _score(self, batch: Mapping[str, Any], output: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
        known = [name for name in self.structures if bool(batch[f"has_{name}"]) and f"pred_{name}" in output]
        if not known:
            return {}
        maps = {name: output[f"pred_{name}"][0].float().cpu().numpy() for name in known}
        references = {name: output[f"{name}_reference"][0].cpu().numpy() > 0 for name in known}
        fov = output["fov_reference"][0].cpu().numpy() > 0
        scores = {}
        for name in known:
            threshold = None if self.thresholds is None else self.thresholds[name]
            histograms, scores[name] = score_regions(maps[name], references[name], fov, threshold)
            counts = {region: {batch["dataset"]: histogram} for region, histogram in histograms.items()}
            add_histograms(self.histograms, {name: counts})
        if self.thresholds is None:
            return scores
        for name in set(LANDMARKS) & set(known):
            scores[name][INSIDE_FOV] |= centre_scores(np.where(fov, maps[name], 0.0), references[name])
        for whole in set(self.parts.values()):
            siblings = [name for name in known if self.parts.get(name) == whole]
            if len(siblings) > 1:
                told_apart = balanced_accuracy_among_parts({name: maps[name] for name in siblings}, references, fov)
                for name in siblings:
                    scores[name][INSIDE_FOV]["balanced_accuracy_among_parts"] = told_apart
        return scores

    def gather(self) -> None:
        """Bring the records and histograms of all processes together, in every process."""
        own = (self.records, self.histograms)
        parts: list[Any] = [own]
        if dist.is_available() and dist.is_initialized():
            parts = [None] * dist.get_world_size()
            dist.all_gather_object(parts, own)
        self.reset()
        for records, histograms in parts:
            self.records.extend(records)
            add_histograms(self.histograms, histograms)
        self.records.sort(key=lambda record: record.id)

    def pooled_histogram(self, structure: str) -> np.ndarray:
        """Return the (2, 65536) counts inside the field of view over all datasets; all zero without any mask."""
        return pooled(self.histograms[structure].get("inside_fov", {}))

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
