"""MLflow tracking of a training, and the record of the config that was run."""

from __future__ import annotations

import inspect
import json
import math
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from ignite.handlers import ProgressBar
from mlflow.entities import RunStatus
from monai.bundle import ConfigParser
from monai.handlers import MLFlowHandler

from vmnet_monai.files import whole_file

__all__ = ["LossProgressBar", "RunTracker", "unique_run_name", "write_executed_config"]


def unique_run_name(dataset: str | list[str]) -> str:
    """Name a run by its datasets, the time and a random suffix, so that no run adopts an unfinished other one."""
    names = [dataset] if isinstance(dataset, str) else dataset
    return f"{'+'.join(names)}-{datetime.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"


def write_executed_config(path: str) -> str:
    """Write the config that is being run, files merged and overrides applied, and return the path.

    To be called from an expression of a bundle config. MONAI hands expressions no reference to the config they stand
    in, so the parser is found among the callers.

    Args:
        path: the JSON file to write.

    Raises:
        RuntimeError: if no config parser is among the callers.
    """
    for frame in inspect.stack(context=0):
        parser = frame.frame.f_locals.get("self")
        if isinstance(parser, ConfigParser):
            with whole_file(path) as temporary:
                temporary.write_text(json.dumps(parser.get(), indent=2, default=str) + "\n", encoding="utf-8")
            return path
    raise RuntimeError("write_executed_config found no config parser: call it from an expression of a bundle config.")


class RunTracker(MLFlowHandler):
    """MONAI's MLflow handler, made safe for undefined metrics and crashed runs.

    Metrics that are not finite are not sent, since a database may refuse them. A run that ends by an error is closed
    as failed, so that it shows as such. The arguments are those of :class:`monai.handlers.MLFlowHandler`; give each
    run a ``run_name`` of its own (:func:`unique_run_name`), shared by its trainer and evaluator. List it before
    handlers that hand errors on, such as StatsHandler: ignite calls none after them.
    """

    def attach(self, engine: Engine) -> None:
        """Register with a trainer or evaluator."""
        super().attach(engine)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)

    def fail(self, engine: Engine, error: BaseException) -> None:
        """Close the run as failed and hand the error on."""
        if self.cur_run is not None:
            self.client.set_terminated(self.cur_run.info.run_id, RunStatus.to_string(RunStatus.FAILED))
        raise error

    def _log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        finite = {name: value for name, value in metrics.items() if math.isfinite(float(value))}
        if finite:
            super()._log_metrics(finite, step)

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
