"""Batches of the photographs that can be used; the others are recorded with the reason, and the run goes on."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import torch
from monai.data import DataLoader, Dataset
from monai.data.utils import list_data_collate, worker_init_fn
from monai.engines import SupervisedEvaluator
from monai.engines.utils import IterationEvents
from monai.utils.enums import CommonKeys as Keys

from vmnet_monai.errors import ImageError, root_cause
from vmnet_monai.explain import Explainer
from vmnet_monai.inference.manifest import Manifest
from vmnet_monai.inference.workers import CAN_FORK, begin_process, pack, unpack, useful_workers
from vmnet_monai.reports.record import Status

__all__ = ["SkipFailedIteration", "SkipInvalidDataLoader"]


class _Outcome(NamedTuple):
    item: dict[str, Any]
    prepared: dict[str, Any] | None
    """The item after the transforms; None where they failed."""
    status: Status
    reason: str
    seconds: float


class _Guarded(torch.utils.data.Dataset[_Outcome]):
    """Returns each transformed item, or the reason why its transforms failed."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> _Outcome:
        started = time.perf_counter()
        item = self.dataset.data[index]
        prepared: dict[str, Any] | None = None
        status: Status = "ok"
        reason = ""
        if "refused" in item:
            status, reason = "refused", item["refused"]
        else:
            try:
                prepared = self.dataset[index]
            except Exception as error:
                status, reason = _blame(error)
        return _Outcome(item, prepared, status, reason, time.perf_counter() - started)


def _only(outcomes: list[_Outcome]) -> _Outcome:
    """The outcome, packed where a process that reads sends it."""
    (outcome,) = outcomes
    if outcome.prepared is None or torch.utils.data.get_worker_info() is None:
        return outcome
    return outcome._replace(prepared=pack(outcome.prepared))


def _emptied_into_batch(items: list[dict[str, Any]]) -> dict[str, Any]:
    batch: dict[str, Any] = list_data_collate(items)
    items.clear()
    return batch


def _begin_reading(parent: int, worker_id: int) -> None:
    worker_init_fn(worker_id)
    begin_process(parent)


class SkipInvalidDataLoader:
    """Iterates over the photographs of a dataset in batches for a MONAI engine.

    A photograph whose transforms raise an error is left out of the batches: it is added to the manifest, as ``refused``
    for a :class:`~vmnet_monai.errors.ImageError`, as ``failed`` for any other error. The number of batches is not known
    before, so that an engine runs until they end.

    Args:
        dataset: photographs and transforms. Entries get ``seconds``, the time that reading took.
        manifest: where the unusable ones are noted.
        batch_size: photographs per batch.
        num_workers: processes that read; 0 reads in the own process, as does one photograph alone.

    Raises:
        ValueError: if the batch size is below 1, or the dataset is the name of one.
    """

    def __init__(self, dataset: Dataset, manifest: Manifest, batch_size: int = 4, num_workers: int = 0) -> None:
        if not isinstance(dataset, Dataset):
            raise ValueError(
                f"dataset must be a MONAI Dataset, got {dataset!r}: name datasets by the config key dataset_name."
            )
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}.")
        self.dataset = dataset
        self.manifest = manifest
        self.batch_size = batch_size
        count = useful_workers(num_workers, len(dataset))
        self.loader = DataLoader(
            _Guarded(dataset),
            batch_size=1,
            num_workers=count,
            multiprocessing_context="fork" if CAN_FORK and count else None,
            collate_fn=_only,
            worker_init_fn=functools.partial(_begin_reading, os.getpid()),
        )

    def __iter__(self) -> Iterator[dict[str, Any]]:
        usable: list[dict[str, Any]] = []
        for outcome in self._outcomes():
            if outcome.prepared is None:
                status: Literal["refused", "failed"] = "refused" if outcome.status == "refused" else "failed"
                self.manifest.add_unpredicted(outcome.item["id"], status, outcome.reason, outcome.seconds)
                continue
            usable.append(unpack(outcome.prepared) | {"seconds": outcome.seconds})
            del outcome  # the batch is made of copies, and while the network runs nothing else should fill the memory
            if len(usable) == self.batch_size:
                yield _emptied_into_batch(usable)
        if usable:
            yield _emptied_into_batch(usable)

    def _outcomes(self) -> Iterator[_Outcome]:
        """What the loader gives.

        Raises:
            RuntimeError: if a process that reads was ended, such as by a system that is out of memory.
        """
        try:
            yield from self.loader
        except RuntimeError as error:
            raise RuntimeError(
                f"a process that reads photographs was ended from outside ({' '.join(str(error).split())}): run the "
                f"same command again, which does only what is missing, with fewer than {self.loader.num_workers} of "
                "them (`--workers`, num_workers), or with more memory."
            ) from error


class SkipFailedIteration:
    """One iteration of an evaluator; where the network fails, the batch fails alone.

    Its images are recorded as failed, and the engine goes on with an empty batch. For the argument
    ``iteration_update`` of :class:`monai.engines.SupervisedEvaluator`, whose own iteration does the same without
    the exception and the evidence for heat maps.

    Args:
        manifest: where the failed ones are noted.
        explainer: keeps of the network's pass what the heat maps are made of.
    """

    def __init__(self, manifest: Manifest, explainer: Explainer) -> None:
        self.manifest = manifest
        self.explainer = explainer

    def __call__(self, engine: SupervisedEvaluator, batchdata: dict[str, Any]) -> Any:
        """Run one iteration and return the engine's output, empty where it failed."""
        try:
            inputs, targets = engine.prepare_batch(
                batchdata, engine.state.device, engine.non_blocking, **engine.to_kwargs
            )
            engine.state.output = {Keys.IMAGE: inputs, Keys.LABEL: targets}
            with engine.mode(engine.network):
                engine.state.output[Keys.PRED] = self.explainer.infer(engine.inferer, inputs, engine.network)
            engine.fire_event(IterationEvents.FORWARD_COMPLETED)
            engine.fire_event(IterationEvents.MODEL_COMPLETED)
        except Exception as error:
            cause = root_cause(error)
            reason = " ".join(f"{type(cause).__name__}: {cause}".split())
            for name in batchdata["id"]:
                self.manifest.add_unpredicted(name, "failed", reason)
            engine.state.batch, engine.state.output = [], []
        return engine.state.output


def _blame(error: Exception) -> tuple[Status, str]:
    """Tell whether the input is at fault, and the reason in one line."""
    cause = root_cause(error)
    if isinstance(cause, ImageError):
        return "refused", " ".join(str(cause).split())
    return "failed", " ".join(f"{type(cause).__name__}: {cause}".split())
