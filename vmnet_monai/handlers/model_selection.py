"""Selects the best weights of a training and saves them with their operating point."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.metrics import Loss, Metric
from ignite.metrics.metric import MetricUsage
from monai.engines import IterationEvents
from monai.handlers import IgniteMetricHandler

from vmnet_monai.calibration import best_dice_threshold, fit_operating_point, network_settings
from vmnet_monai.handlers.collector import PredictionCollector
from vmnet_monai.handlers.multi_task import disease_pairs
from vmnet_monai.io.files import whole_file
from vmnet_monai.io.weights import WEIGHTS_NAME
from vmnet_monai.metrics import DiseaseROCAUC, histogram_scores, mean_defined, within_source_auc

__all__ = [
    "BestDice",
    "BestModelSaver",
    "LowestLoss",
    "MeanScore",
    "WithinSourceAUC",
    "is_better",
    "pooled_auc_metrics",
]

logger = logging.getLogger(__name__)

BEFORE_POSTPROCESSING = MetricUsage(
    started=Events.EPOCH_STARTED,
    iteration_completed=IterationEvents.FORWARD_COMPLETED,
    completed=Events.EPOCH_COMPLETED,
)
"""When a metric reads the network's own output of MONAI's evaluator."""


class MeanScore:
    """The mean of several metrics, as the key metric of an evaluator; what is undefined (NaN) is left out.

    A validation part without masks is scored by its diseases alone, one without labels by its structures alone.

    Args:
        metrics: the metrics by name; each also appears under its name in ``engine.state.metrics``.
    """

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self.metrics = dict(metrics)

    def attach(self, engine: Engine, name: str) -> None:
        """Attach the metrics, then their mean under ``name``."""
        for metric_name, metric in self.metrics.items():
            metric.attach(engine, metric_name)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.completed, name)

    def completed(self, engine: Engine, name: str) -> None:
        """Write the mean; NaN where no metric is defined."""
        values = [engine.state.metrics[metric_name] for metric_name in self.metrics]
        engine.state.metrics[name] = mean_defined(values)


class LowestLoss:
    r"""Selects the weights with the lowest validation loss, as the key metric of an evaluator.

    The loss :math:`L` is computed on the network's own grid, before the postprocessing, and averaged over the images of
    all batches. The score is :math:`e^{-L}`, because MONAI's evaluator keeps the highest value, and none below -1.

    Args:
        loss: the training's loss on the network's logits and the targets.
        metrics: metrics by name that appear in ``engine.state.metrics`` beside it, and select nothing.
    """

    def __init__(self, loss: torch.nn.Module, metrics: Mapping[str, Metric] | None = None) -> None:
        self.loss = Loss(
            loss,
            output_transform=lambda output: (output["pred"], output["label"]),
            batch_size=lambda targets: len(targets["fov"]),
        )
        self.metrics = dict(metrics or {})

    def attach(self, engine: Engine, name: str) -> None:
        """Write the other metrics, the mean loss as ``val_loss``, and the score under ``name``."""
        for metric_name, metric in self.metrics.items():
            metric.attach(engine, metric_name)
        self.loss.attach(engine, "val_loss", BEFORE_POSTPROCESSING)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.completed, name)

    def completed(self, engine: Engine, name: str) -> None:
        """Write the score."""
        engine.state.metrics[name] = math.exp(-engine.state.metrics["val_loss"])


class WithinSourceAUC:
    """The mean disease AUC within each dataset, as a metric of an evaluator.

    Over several datasets together labels are confounded with the source; see
    :func:`~vmnet_monai.metrics.within_source_auc`.

    Args:
        collector: gathers the predictions; attached here if it is not yet.
        min_count: images of either class that a disease needs in a dataset to count.
    """

    def __init__(self, collector: PredictionCollector, min_count: int = 10) -> None:
        self.collector = collector
        self.min_count = min_count

    def attach(self, engine: Engine, name: str) -> None:
        """Write the mean under ``name`` after each evaluation; NaN where no disease counts."""
        self.collector.attach(engine)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.completed, name)

    def completed(self, engine: Engine, name: str) -> None:
        """Compute the mean."""
        probabilities, labels = self.collector.disease_table()
        mean, _ = within_source_auc(probabilities, labels, self.collector.datasets(), self.min_count)
        engine.state.metrics[name] = mean


class BestDice:
    """The mean over the structures of the highest Dice that any threshold gives, as a metric of an evaluator.

    The pixels inside the field of view are pooled over all images, as for the threshold of the operating point
    (:func:`~vmnet_monai.calibration.best_dice_threshold`). At a fixed threshold, a structure whose probabilities are
    low, such as a small one early in training, would not count.

    Args:
        collector: gathers the predictions; attached here if it is not yet.
    """

    def __init__(self, collector: PredictionCollector) -> None:
        self.collector = collector

    def attach(self, engine: Engine, name: str) -> None:
        """Write the mean under ``name``, and each structure's as ``<name>_<structure>``; NaN without any mask."""
        self.collector.attach(engine)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.completed, name)

    def completed(self, engine: Engine, name: str) -> None:
        """Compute the values."""
        scores: dict[str, float] = {}
        for structure in self.collector.structures:
            histogram = self.collector.pooled_histogram(structure)
            if histogram[1].any():
                scores[structure] = histogram_scores(histogram, best_dice_threshold(histogram))["dice"]
                engine.state.metrics[f"{name}_{structure}"] = scores[structure]
        engine.state.metrics[name] = mean_defined(list(scores.values()))


class BestModelSaver:
    """Saves the weights of the best validation together with the operating point chosen on it.

    Where the score is undefined (NaN) in every validation, those of the last one are kept.

    Both files appear whole or not at all: ``model.pt``, a plain state dict, and ``operating_point.json``, see
    :func:`~vmnet_monai.calibration.fit_operating_point`.

    Args:
        model_dir: the folder of the weights.
        network: the network, wrapped for distributed training or not.
        collector: attached to the same evaluator before this handler; it names the structures.
        diseases: keys of the diseases.
        grid_size: side of the grid in pixels.
        disease_size: width in pixels to which the disease head averages the grid down; None where it does not.
        contrast: contrast method of the preprocessing.
        field_of_view: where the preprocessing finds the field of view.
        trained: ISO date of the weights, ``"today"`` for that on which they are saved, None where it is unknown.
        dtype: type in which floating point weights are stored, such as ``torch.float16`` for a file of half the size;
            None stores them as they are. PyTorch converts them back as a network loads them.
        structure_high_thresholds: see :func:`~vmnet_monai.calibration.fit_operating_point`.
    """

    def __init__(
        self,
        model_dir: str,
        network: torch.nn.Module,
        collector: PredictionCollector,
        diseases: Sequence[str],
        grid_size: int,
        disease_size: int | None,
        contrast: str,
        field_of_view: str = "estimate",
        trained: str | None = "today",
        dtype: torch.dtype | None = None,
        structure_high_thresholds: Sequence[float] = (),
    ) -> None:
        self.model_dir = Path(model_dir)
        self.network = network
        self.collector = collector
        self.diseases = tuple(diseases)
        self.grid_size = grid_size
        self.disease_size = disease_size
        self.contrast = contrast
        self.field_of_view = field_of_view
        self.trained = trained
        self.dtype = dtype
        self.structure_high_thresholds = structure_high_thresholds

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Save when this validation is the best so far, or none has a score."""
        state: Any = engine.state
        is_undefined = math.isnan(getattr(state, "best_metric", 0.0))
        if state.best_metric_epoch != state.epoch and not is_undefined:
            return
        probabilities, labels = self.collector.disease_table()
        point = fit_operating_point(
            diseases=self.diseases,
            probabilities=probabilities,
            labels=labels,
            datasets=self.collector.datasets(),
            histograms={name: self.collector.pooled_histogram(name) for name in self.collector.structures},
            grid_size=self.grid_size,
            disease_size=self.disease_size,
            contrast=self.contrast,
            field_of_view=self.field_of_view,
            network=network_settings(self.network),
            structure_parts=self.collector.parts,
            structure_high_thresholds=self.structure_high_thresholds,
            trained=date.today().isoformat() if self.trained == "today" else self.trained,
        )
        network = getattr(self.network, "module", self.network)
        weights = {
            key: value.to("cpu", self.dtype if self.dtype and value.is_floating_point() else value.dtype)
            for key, value in network.state_dict().items()
        }
        with whole_file(self.model_dir / WEIGHTS_NAME) as path:
            torch.save(weights, path)
        point.save(self.model_dir)
        which = "Last validation, without a score" if is_undefined else "Best validation so far"
        logger.info(f"{which}, at epoch {state.epoch}: saved {self.model_dir / WEIGHTS_NAME}")


def is_better(current: float, best: float) -> bool:
    """Tell whether a validation is better than the best so far; any with a score is better than one without (NaN).

    Example:
        >>> nan = float("nan")
        >>> is_better(0.5, nan), is_better(nan, 0.5), is_better(nan, nan)
        (True, False, False)
    """
    return current > best or (math.isnan(best) and not math.isnan(current))


def pooled_auc_metrics(diseases: Sequence[str]) -> dict[str, IgniteMetricHandler]:
    """Make the metrics ``val_pooled_auc_<disease>``: the AUC of each disease over all datasets together.

    Labels are confounded with the source, so that these are usually higher than ``val_auc``, which is taken within each
    dataset (:class:`WithinSourceAUC`).

    Args:
        diseases: keys of the diseases in the order of the logits.
    """
    return {
        f"val_pooled_auc_{disease}": IgniteMetricHandler(
            metric_fn=DiseaseROCAUC(column=column), output_transform=disease_pairs, save_details=False
        )
        for column, disease in enumerate(diseases)
    }
