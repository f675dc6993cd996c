"""MLflow tracking of a training."""

from __future__ import annotations

import logging
import math
import os
import shlex
import sys
import time
import uuid
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers import ProgressBar
from mlflow.entities import Metric, RunStatus
from mlflow.exceptions import MlflowException
from monai.handlers import MLFlowHandler

from vmnet_monai.io.tracking_store import TRACKING_VARIABLE, check_tracking_store, is_tracked, unusable_store

__all__ = [
    "LossProgressBar",
    "RunTracker",
    "count_parameters",
    "is_untracked",
    "tracking_uri",
    "unique_run_name",
]

logger = logging.getLogger(__name__)


def unique_run_name(dataset_name: str | list[str]) -> str:
    """Name a run by its datasets, the time and a random suffix.

    MLflow's handler continues an unfinished run of the same name, or without a name the latest one.

    Args:
        dataset_name: name of the dataset, or names.
    """
    names = [dataset_name] if isinstance(dataset_name, str) else dataset_name
    return f"{'+'.join(names)}-{datetime.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"


def tracking_uri(output_dir: str) -> str:
    """Return MLflow's store where none is named: that of ``MLFLOW_TRACKING_URI``, or a database in the output folder.

    Args:
        output_dir: the training's output folder.
    """
    return os.environ.get(TRACKING_VARIABLE) or f"sqlite:///{os.path.abspath(output_dir)}/mlruns.db"


def is_untracked(tracking_uri: str | None, main_process: bool = True) -> bool:
    """Tell whether this process tracks nothing: any but the main one, or where no store is named.

    A store that cannot be reached is told at once.

    Args:
        tracking_uri: MLflow's store; None or ``"none"`` switches tracking off.
        main_process: whether this process is the one that tracks.

    Raises:
        OSError: if the store cannot be reached, see :func:`~vmnet_monai.io.tracking_store.check_tracking_store`.
    """
    if not main_process or not is_tracked(tracking_uri):
        return True
    logger.info("Opening the MLflow store.")
    check_tracking_store(tracking_uri)
    return False


def count_parameters(network: torch.nn.Module) -> int:
    """Return the number of a network's parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


class RunTracker(MLFlowHandler):
    """MONAI's MLflow handler, made safe for undefined metrics and crashed runs.

    A ``tracking_uri`` that is given wins over the environment variable ``MLFLOW_TRACKING_URI``. Metrics that are not
    finite are not sent, since a database may refuse them. A run that ends with an error is marked as failed. The
    command line is stored as the tag ``command``. The arguments are those of :class:`monai.handlers.MLFlowHandler`;
    give each run a ``run_name`` of its own (:func:`unique_run_name`), the same for its trainer and evaluator. List it
    before handlers that raise errors again, such as StatsHandler: ignite calls none after them.
    """

    def __init__(self, tracking_uri: str | None = None, **arguments: Any) -> None:
        variable = os.environ.pop(TRACKING_VARIABLE, None) if tracking_uri else None  # which MONAI lets win
        try:
            loggers = {"epoch_logger": self.log_epoch, "iteration_logger": self.log_iteration}
            super().__init__(tracking_uri, **loggers | arguments)
        finally:
            if variable is not None:
                os.environ[TRACKING_VARIABLE] = variable

    def attach(self, engine: Engine) -> None:
        """Register with a trainer or evaluator."""
        super().attach(engine)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)

    def start(self, engine: Engine) -> None:
        """Start or join the run, and note the command line.

        Raises:
            OSError: if MLflow cannot use the store.
        """
        try:
            super().start(engine)
        except MlflowException as error:
            raise unusable_store(self.client.tracking_uri, " ".join(str(error).split())) from error
        if self.cur_run is not None:
            self.client.set_tag(self.cur_run.info.run_id, "command", shlex.join(sys.argv))

    def fail(self, engine: Engine, error: BaseException) -> None:
        """Mark the run as failed and raise the error again."""
        if self.cur_run is not None:
            self.client.set_terminated(self.cur_run.info.run_id, RunStatus.to_string(RunStatus.FAILED))
        raise error

    def log_epoch(self, engine: Engine) -> None:
        """Send the metrics of an epoch."""
        self._send(engine.state.metrics, self.global_epoch_transform(engine.state.epoch))

    def log_iteration(self, engine: Engine) -> None:
        """Send the loss of an iteration."""
        self._send({self.tag_name: self.output_transform(engine.state.output)}, engine.state.iteration)

    def _send(self, metrics: Mapping[str, Any], step: int) -> None:
        """Send what is finite."""
        now = int(time.time() * 1000)
        numbers = {name: float(value) for name, value in metrics.items()}
        finite = [Metric(name, value, now, step) for name, value in numbers.items() if math.isfinite(value)]
        if finite and self.cur_run is not None:
            self.client.log_batch(self.cur_run.info.run_id, metrics=finite)

    def complete(self) -> None:
        """Send the artifacts, those inside a folder below the folder's name."""
        if self.cur_run is None:
            return
        for path in map(Path, filter(None, self.artifacts)):
            if path.is_dir():
                self.client.log_artifacts(self.cur_run.info.run_id, str(path), path.name)
            elif path.is_file():
                self.client.log_artifact(self.cur_run.info.run_id, str(path))


class LossProgressBar(ProgressBar):
    """Ignite's progress bar over the iterations of an epoch, with the loss beside it."""

    def attach(self, engine: Engine) -> None:  # type: ignore[override]
        """Register with a trainer."""
        super().attach(engine, output_transform=lambda output: {"loss": float(output[0]["loss"])})
