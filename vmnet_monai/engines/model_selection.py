"""Which weights are best, and the operating point that is kept with them."""

from __future__ import annotations

import logging
import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from ignite.metrics import Metric
from numpy.typing import NDArray

from vmnet_monai.datasets import forget_confounded_labels
from vmnet_monai.engines.collector import PredictionCollector
from vmnet_monai.files import whole_file
from vmnet_monai.metrics import best_dice_threshold, best_thresholds, platt_scaled, platt_scaling, within_source_auc
from vmnet_monai.operating_point import WEIGHTS_NAME, OperatingPoint, network_settings

__all__ = ["BestModelSaver", "MeanScore", "WithinSourceAUC", "latest_checkpoint"]

logger = logging.getLogger(__name__)

DEFAULT_THRESHOLD = 0.5
"""Threshold of a structure where no validation photograph has a mask to choose it on."""


class MeanScore:
    """The mean of several metrics, as the key metric of an evaluator; what is undefined (NaN) is left out.

    A validation part without vessel masks is judged by its diseases alone, and the other way round.

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
        defined = [value for value in values if not math.isnan(value)]
        engine.state.metrics[name] = sum(defined) / len(defined) if defined else math.nan


class WithinSourceAUC:
    """The mean disease AUC within each dataset, as a metric of an evaluator.

    Between datasets the look of a dataset gives its diseases away; see
    :func:`~vmnet_monai.metrics.within_source_auc`.

    Args:
        collector: gathers the predictions; attached here if it is not yet.
        min_count: photographs of either class that a disease needs in a dataset to count.
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


class BestModelSaver:
    """Keeps the weights of the best validation together with the operating point chosen on it.

    Both belong together, so both are written here, each whole or not at all: ``model.pt``, a plain state dict, and
    ``operating_point.json``. The threshold of each structure maximises the Dice over all pixels inside the fields of
    view. Each disease is calibrated by Platt scaling over the photographs where it is known and not given away by the
    dataset, and its threshold maximises Youden's J of the calibrated probabilities. Where the validation photographs
    give no choice, probabilities stay as they are and thresholds are 0.5.

    Args:
        model_dir: the folder of the weights.
        network: the network, wrapped for distributed training or not.
        collector: attached to the same evaluator before this handler; it names the structures.
        diseases: keys of the diseases.
        grid_size: side of the grid in pixels.
        disease_size: width in pixels to which the disease head averages the grid down.
        contrast: contrast method of the preprocessing.
        field_of_view: where the preprocessing finds the field of view.
    """

    def __init__(
        self,
        model_dir: str,
        network: torch.nn.Module,
        collector: PredictionCollector,
        diseases: Sequence[str],
        grid_size: int,
        disease_size: int,
        contrast: str,
        field_of_view: str = "estimate",
    ) -> None:
        self.model_dir = Path(model_dir)
        self.network = network
        self.collector = collector
        self.diseases = tuple(diseases)
        self.grid_size = grid_size
        self.disease_size = disease_size
        self.contrast = contrast
        self.field_of_view = field_of_view

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Save when this validation is the best so far."""
        state: Any = engine.state
        if state.best_metric_epoch != state.epoch:
            return
        structures = self.collector.structures
        histograms = [self.collector.pooled_histogram(structure) for structure in structures]
        probabilities, labels = self.collector.disease_table()
        # A network without disease head answers NaN.
        answered = ~np.isnan(probabilities).any(axis=1)
        probabilities = probabilities[answered]
        labels = _not_given_away(labels, self.collector.datasets())[answered]
        calibration = tuple(platt_scaling(p, y) for p, y in zip(probabilities.T, labels.T, strict=True))
        point = OperatingPoint(
            diseases=self.diseases,
            grid_size=self.grid_size,
            disease_size=self.disease_size,
            contrast=self.contrast,
            field_of_view=self.field_of_view,
            network=network_settings(self.network),
            structures=structures,
            # Without a mask in the validation part, no threshold has a Dice.
            structure_thresholds=tuple(
                best_dice_threshold(histogram) if histogram[1].any() else DEFAULT_THRESHOLD for histogram in histograms
            ),
            disease_calibration=calibration,
            disease_thresholds=tuple(best_thresholds(platt_scaled(probabilities, calibration), labels)),
        )
        network = getattr(self.network, "module", self.network)
        with whole_file(self.model_dir / WEIGHTS_NAME) as path:
            torch.save({key: value.cpu() for key, value in network.state_dict().items()}, path)
        point.save(self.model_dir)
        logger.info(f"Best validation so far, at epoch {state.epoch}: saved {self.model_dir / WEIGHTS_NAME}")


def _not_given_away(labels: NDArray[np.float64], datasets: Sequence[str]) -> NDArray[np.float64]:
    """Forget (N, K) labels that nearly a whole dataset shares, of diseases that another dataset shows both ways.

    A dataset without a healthy eye would pull the probability of health down for every dataset.
    """
    items: list[Any] = [{"dataset": name, "disease": row} for name, row in zip(datasets, labels.tolist(), strict=True)]
    kept = np.array([item["disease"] for item in forget_confounded_labels(items, keep_share=0.0)]).reshape(labels.shape)
    both_ways = (kept == 0).any(axis=0) & (kept == 1).any(axis=0)
    return np.where(both_ways, kept, labels)


def latest_checkpoint(folder: str) -> str:
    """Return the newest whole checkpoint that a training left in a folder.

    Args:
        folder: where ``CheckpointSaver`` wrote ``checkpoint_epoch=*.pt``.

    Raises:
        FileNotFoundError: if there is none.
    """
    found = sorted(Path(folder).glob("checkpoint_epoch=*.pt"), key=lambda path: int(path.stem.rpartition("=")[2]))
    whole = [path for path in found if zipfile.is_zipfile(path)]
    if not whole:
        raise FileNotFoundError(
            f"{folder} holds no checkpoint to resume from: give the `--output_dir` of the interrupted training, or "
            "leave out `--resume`."
        )
    return str(whole[-1])
