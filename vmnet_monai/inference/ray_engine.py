"""A bundle applied to folders of images by many processes and machines, which Ray leads."""

from __future__ import annotations

import json
import logging
import math
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from monai.utils import optional_import

from vmnet_monai.errors import missing_package, plain_errors
from vmnet_monai.inference.bundle import read_inference_config
from vmnet_monai.inference.manifest import Manifest
from vmnet_monai.inference.ray_attempts import Attempts
from vmnet_monai.inference.ray_worker import PredictImages, Task, Work
from vmnet_monai.inference.result_table import FOLDER, ResultTable
from vmnet_monai.inference.runtime_choice import AUTO
from vmnet_monai.io.bundle import literal
from vmnet_monai.io.files import remove_partial_files
from vmnet_monai.reports.record import InputRecord

__all__ = ["TableManifest", "predict_on_ray"]

BLOCK = 16
"""Most photographs that go to a process at once; as many are begun again where it dies."""

ACTOR_BYTES = 2 * 2**30
"""Memory that is counted for a process where nobody says how many there are."""

STORE_BYTES = 200 * 2**20
"""Shared memory of a Ray that is started here: through it go paths and records only, and containers have little."""


class TableManifest(Manifest):
    """A manifest without files: what is done stands in the :class:`~vmnet_monai.inference.result_table.ResultTable`.

    It keeps no more than a row of ``manifest.csv`` of each input in memory.
    """

    listing = FOLDER

    def start_from(self, made_from: dict[str, str]) -> None:
        """Take what the table says that earlier predictions were made from: id -> JSON."""
        self._made_before = made_from

    def earlier(self, name: str) -> InputRecord | None:
        """Return a short record of a predicted input if it is done; None where it is not."""
        if self._made_before.get(name) != json.dumps(self.made_from[name], sort_keys=True):
            return None
        return InputRecord.model_validate({**self._known(name), "status": "ok"})

    def note(self, record: InputRecord) -> None:
        """Note what ``manifest.csv`` would say of an input."""
        super().note(InputRecord(**record.model_dump(include={*InputRecord.model_fields})))

    def _write_tables(self) -> None:
        """Do nothing: the table is written as the run goes on."""


def predict_on_ray(
    inputs: Sequence[str | Path],
    output_dir: str | Path,
    bundle: str | Path | None = None,
    address: str | None = None,
    actors: int | None = None,
    files: bool = True,
    **overrides: Any,
) -> Manifest:
    """Do what :func:`~vmnet_monai.inference.run.predict_folder` does, divided among the processes of a Ray cluster.

    Each process loads the bundle once and writes the files and records of its photographs itself; this one holds the
    lock of the output folder, writes the tables, the index and the
    :class:`~vmnet_monai.inference.result_table.ResultTable`, and makes up for processes and machines that are lost:
    their photographs go to others. All machines must see inputs, bundle and output folder under the same names.

    Args:
        inputs: photographs, folders and lists, see :func:`vmnet_monai.datasets.find_images`.
        output_dir: where the predictions go.
        bundle: folder of the bundle, or a ``model.ts`` of ``vmnet export``.
        address: of a cluster, ``"auto"`` for the one that this machine belongs to; None starts a Ray on this machine
            that ends with the run, unless the program has started one.
        actors: processes; by default as many as the cluster has GPUs, without GPUs as many as it has cores, and no
            more than its memory suffices for. More processes than GPUs share them.
        files: whether to write images, reports, records and the CSV tables; otherwise only the table of results.
        **overrides: further keys of ``inference.json``.

    Returns:
        The manifest with the record of every input; without files these are the short ones of ``manifest.csv``.

    Raises:
        ImportError: if Ray is not installed.
        OSError: if bundle, weights or output folder cannot be used, or there is no cluster.
        RuntimeError: if Ray ended the run; what was done is kept.
        ValueError: if an override does not fit the weights.
    """
    ray = ray_package()
    if not files:
        overrides |= {"report": False, "pdf": False, "dicom": False, "explain": []}
    overrides["output_dir"] = literal(output_dir)
    own: dict[str, Any] = {"dataset_dir": [literal(path) for path in inputs]}
    if not files:
        own["manifest#_target_"] = f"{__name__}.{TableManifest.__name__}"
    if not torch.cuda.is_available():
        own["device"] = "cpu"  # of this process; others may have a GPU
    config = read_inference_config(bundle, **{**overrides, **own})
    if config.get("runtime") == AUTO:
        raise ValueError(
            f"all processes of Ray need one runtime, and {AUTO} may choose another on each machine: name one as "
            "runtime, after `vmnet export`."
        )
    work = Work(None if bundle is None else str(bundle), overrides, files, os.getcwd())
    with plain_errors():
        for key in ("explainer", "runtime_network"):
            config.get_parsed_content(key)  # what does not fit the weights is told before anything is written
        config.get_parsed_content("load_weights")()
        finding_maker = config.get_parsed_content("finding_maker")
        with _cluster(ray, address, actors):
            manifest: Manifest = config.get_parsed_content("manifest")
            try:
                writer = config.get_parsed_content("writer")
                table = ResultTable(output_dir, finding_maker)
                if isinstance(manifest, TableManifest):
                    manifest.start_from(table.made_from())
                todo = manifest.start(config.get_parsed_content("items"))
                table.start(manifest.records, manifest.made_from, manifest.earlier)
                try:
                    tasks = [Task(item, manifest.made_from[item["id"]]) for item in todo]
                    for record in _records(ray, tasks, work, actors):
                        _take(record, manifest, table)
                finally:
                    table.flush()
                    remove_partial_files(output_dir)
                    if files:
                        writer.finish()
                    else:
                        manifest.write_tables()
            finally:
                manifest.close()
    print(manifest.summary())
    return manifest


def ray_package() -> Any:
    """Import Ray with Ray Data, which reports no usage unless the environment says that it may.

    Raises:
        ImportError: if it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    _, found = optional_import("ray.data")
    if not found:
        raise missing_package("the engine ray", "ray", "ray")
    return optional_import("ray")[0]


@contextmanager
def _cluster(ray: Any, address: str | None, actors: int | None) -> Iterator[None]:
    """Join a cluster, or start one on this machine; leave it at the end.

    Raises:
        ConnectionError: if there is none at the address.
    """
    if ray.is_initialized():  # by the program that called
        yield
        return
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address is None:
            cores = max(os.cpu_count() or 1, actors or 1)
            quiet |= {"num_cpus": cores, "include_dashboard": False, "object_store_memory": STORE_BYTES}
        ray.init(address or "local", **quiet)
    except ConnectionError as error:
        raise ConnectionError(
            f"no Ray cluster answers at {address}: start one (`ray start --head`), or leave out `--ray-address`."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _records(ray: Any, tasks: Sequence[Task], work: Work, actors: int | None) -> Iterator[InputRecord]:
    """Predict on the cluster, and give each record as it comes.

    Raises:
        RuntimeError: if Ray gives up.
    """
    if not tasks:
        return
    has = ray.cluster_resources()
    gpus = 0 if "cpu" in str(work.overrides.get("device")) else int(has.get("GPU", 0))
    fitting = max(1, int(min(has.get("CPU", 1), has.get("memory", math.inf) // ACTOR_BYTES)))
    count = min(actors or gpus or fitting, len(tasks))
    size = max(1, min(BLOCK, len(tasks) // (4 * count)))
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=False
    )
    attempts = ray.remote(Attempts).options(num_cpus=0, scheduling_strategy=here).remote()
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    predicted = ray.data.from_arrow(
        [
            pa.table({"task": [pickle.dumps(task) for task in tasks[start : start + size]]})
            for start in range(0, len(tasks), size)
        ]
    ).map_batches(
        PredictImages,
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=count),
        num_cpus=1,
        num_gpus=1 / math.ceil(count / gpus) if gpus else 0,
        fn_constructor_kwargs={"work": work, "attempts": attempts, "get": ray.get},
    )
    try:
        for block in predicted.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield from map(pickle.loads, block["record"].to_pylist())
    except ray.exceptions.RayError as error:
        raise RuntimeError(
            f"Ray ended the run ({' '.join(str(error).split())}): mend it, and run the same command again, which does "
            "only what is missing."
        ) from error


def _take(record: InputRecord, manifest: Manifest, table: ResultTable) -> None:
    """Note what became of an input, once."""
    if record.id in manifest.records:
        return
    if record.status == "ok":
        manifest.note(record)
    else:
        manifest.add_unpredicted(record.id, record.status, record.reason, record.seconds)
        record = manifest.records[record.id]
    table.add(record, manifest.made_from[record.id])
