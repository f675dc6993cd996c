"""One of the processes among which Ray divides a run: it loads the bundle once, and predicts photographs."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from ignite.engine import Events

from vmnet_monai.errors import plain_errors
from vmnet_monai.inference.bundle import read_inference_config
from vmnet_monai.inference.deidentification import MARKER
from vmnet_monai.inference.manifest import Manifest
from vmnet_monai.inference.ray_attempts import FINISHED, MAX_ATTEMPTS
from vmnet_monai.inference.writer import PredictionWriter
from vmnet_monai.reports.record import InputRecord, Record

__all__ = ["ManifestPart", "PredictImages", "Task", "Work"]


class Task(NamedTuple):
    """An input that is to be predicted."""

    item: Mapping[str, Any]
    """As :meth:`vmnet_monai.inference.manifest.Manifest.start` returns it."""
    made_from: Mapping[str, Any]
    """What its outputs depend on; taken down by the driver before any image is read."""


class Work(NamedTuple):
    """What all processes of a run need to know."""

    bundle: str | None
    overrides: Mapping[str, Any]
    """Of the config, without ``dataset_dir``."""
    files: bool
    """Whether the files of each photograph are written, or only rows of the table."""
    folder: str
    """The driver's working folder, to which relative paths refer."""


class ManifestPart(Manifest):
    """The part of a manifest in a process of Ray, while the driver's manifest holds the lock.

    Attributes:
        files: whether records are written to disk.
    """

    files = True

    def _open(self) -> None:
        """Do nothing: the driver has made, locked and marked the folder."""

    def take(self, tasks: Sequence[Task]) -> None:
        """Begin with other inputs."""
        self.items = {task.item["id"]: task.item for task in tasks}
        self.made_from = {task.item["id"]: dict(task.made_from) for task in tasks}
        self.records = {}
        self.private_reasons = {}

    def begin_replacing(self, name: str) -> list[str]:
        """Do so where records are written."""
        return super().begin_replacing(name) if self.files else []

    def write(self, record: Record) -> None:
        """Do so where records are written."""
        if self.files:
            super().write(record)


class _RowWriter(PredictionWriter):
    """Makes the records of predictions without writing their files."""

    def _write_files(self, *_: Any) -> list[str]:
        return []


class PredictImages:
    """Predicts photographs by the bundle's own reader, network and writer; for ``map_batches`` of Ray Data.

    Args:
        work: what all processes of the run know.
        attempts: handle of the run's :class:`~vmnet_monai.inference.ray_attempts.Attempts`.
        get: ``ray.get``.

    Raises:
        OSError: if the driver's folders are not there.
    """

    def __init__(self, work: Work, attempts: Any, get: Any) -> None:
        self.attempts = attempts
        self.get = get
        _enter(work.folder)
        changes: dict[str, Any] = {
            "manifest#_target_": f"{__name__}.{ManifestPart.__name__}",
            "manifest#progress": None,
            "dataset#data": [],
            "handlers": [],
            "num_workers": 0,
        }
        config = read_inference_config(work.bundle, **{**work.overrides, **changes})
        with plain_errors():
            config.get_parsed_content("initialize")
            config.get_parsed_content("load_weights")()
            self.manifest: ManifestPart = config.get_parsed_content("manifest")
            self.manifest.files = work.files
            if work.files and not (self.manifest.output_dir / MARKER).is_file():
                raise _not_shared(self.manifest.output_dir)
            self.dataset = config.get_parsed_content("dataset")
            self.evaluator = config.get_parsed_content("evaluator")
            self.batch_size: int = config.get_parsed_content("batch_size")
            writer: PredictionWriter = config.get_parsed_content("writer")
        if not work.files:
            writer = _RowWriter(self.manifest, writer.finding_maker, writer.explainer, report=False)
        # Not attached: at its end it would write the tables, which are the driver's.
        self.evaluator.add_event_handler(Events.ITERATION_STARTED, writer.start)
        self.evaluator.add_event_handler(Events.ITERATION_COMPLETED, writer.write_batch)

    def __call__(self, block: pa.Table) -> pa.Table:
        """Predict photographs.

        Args:
            block: the column ``task``, each a pickled :class:`Task`.

        Returns:
            The column ``record``, each a pickled record; reasons as they are, also where the run is de-identified.
        """
        tasks = [pickle.loads(task) for task in block["task"].to_pylist()]
        records: list[InputRecord] = []
        for start in range(0, len(tasks), self.batch_size):
            records += self._predict(tasks[start : start + self.batch_size])
        return pa.table({"record": [pickle.dumps(record) for record in records]})

    def _predict(self, tasks: Sequence[Task]) -> list[InputRecord]:
        names = [task.item["id"] for task in tasks]
        before = self.get(self.attempts.begin.remote(names))
        if len(tasks) > 1 and any(before):  # one of them may have ended the process: each for itself
            self.get(self.attempts.undo.remote([n for n, count in zip(names, before, strict=True) if count >= 0]))
            return [record for task in tasks for record in self._predict([task])]
        self.manifest.take(tasks)
        if before[0] == FINISHED and (earlier := self.manifest.earlier(names[0])) is not None:
            return [earlier]
        if before[0] >= MAX_ATTEMPTS:
            self.manifest.add_unpredicted(
                names[0],
                "failed",
                f"the process that predicted it was ended from outside {before[0]} times, as for want of memory, or by "
                "an error of a library: look at the photograph, or give each process more memory.",
            )
        else:
            self.dataset.data = [task.item for task in tasks]
            self.evaluator.state.epoch_length = None  # ignite keeps that of the run before
            self.evaluator.run()
        records = [self._with_reason(record) for record in self.manifest.ordered()]
        self.get(self.attempts.end.remote(names))
        return records

    def _with_reason(self, record: InputRecord) -> InputRecord:
        reason = self.manifest.private_reasons.get(record.id, record.reason)
        return record.model_copy(update={"reason": reason})


def _enter(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError as error:
        raise _not_shared(Path(folder)) from error


def _not_shared(folder: Path) -> OSError:
    return OSError(
        f"every machine of the cluster must see the folders under the same names, and {folder} is missing on "
        f"{os.uname().nodename}: use a file system that all share, and name its folders."
    )
