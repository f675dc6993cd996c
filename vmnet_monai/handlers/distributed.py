"""What each process of a distributed training needs: its device, items, random numbers and orderly end."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import ignite.distributed as idist
import torch
import torch.distributed as dist
from ignite.engine import Engine, Events
from monai.data import partition_dataset
from monai.data.utils import set_rnd
from monai.utils import set_determinism
from torch.nn.parallel import DistributedDataParallel

__all__ = [
    "EpochSeed",
    "distributed_network",
    "end_process",
    "local_device",
    "partition_for_process",
    "start_process",
]


class EpochSeed:
    """Seeds every random generator anew at the start of each epoch, from the seed, the epoch and the process.

    An epoch then draws the same augmentations whether the training ran through or was resumed before it.

    Args:
        seed: the training's seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Any) -> None:
        """Seed Python, NumPy, PyTorch and the random transforms of the trainer's dataset."""
        seed = (self.seed * 1_000_003 + engine.state.epoch * 1_009 + idist.get_rank()) % 2**32
        set_determinism(seed)
        set_rnd(engine.data_loader.dataset, seed)


def partition_for_process(items: Sequence[Any]) -> list[Any]:
    """Return this process's part of a list that all processes hold; the parts are disjoint and as even as can be.

    Args:
        items: the list, the same in every process.

    Raises:
        ValueError: if there are more processes than items, since an engine cannot run on nothing.
    """
    processes = idist.get_world_size()
    if len(items) < processes:
        raise ValueError(
            f"{processes} processes cannot share {len(items)} photographs: start at most {len(items)} processes."
        )
    parts: list[list[Any]] = partition_dataset(list(items), num_partitions=processes, even_divisible=False)
    return parts[idist.get_rank()]


def local_device() -> torch.device:
    """Return the GPU of this process, by the environment variable ``LOCAL_RANK`` of torchrun, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return torch.device("cpu")


def start_process(device: str | torch.device, seed: int) -> None:
    """Join the group of processes, by NCCL on GPUs and gloo otherwise, and seed this one.

    Args:
        device: the device of this process.
        seed: the training's seed; each process adds its rank.
    """
    is_gpu = torch.device(device).type == "cuda"
    dist.init_process_group("nccl" if is_gpu else "gloo")
    if is_gpu:
        torch.cuda.set_device(device)
    set_determinism(seed=seed + dist.get_rank())


def distributed_network(network: torch.nn.Module, device: str | torch.device) -> DistributedDataParallel:
    """Wrap a network for distributed training.

    Args:
        network: some MONAI networks have parameters without gradient, so that unused ones are looked for.
        device: the device of this process.
    """
    target = torch.device(device)
    return DistributedDataParallel(
        network.to(target, memory_format=torch.channels_last),  # type: ignore[call-overload]
        device_ids=[target] if target.type == "cuda" else None,
        find_unused_parameters=True,
    )


def end_process() -> NoReturn:
    """Wait for the other processes of a distributed run, leave the group, and end this process with exit code 0.

    The interpreter is not torn down: while a ``DistributedDataParallel`` exists, gloo's threads outlive
    ``destroy_process_group``, and now and then abort a process that exits the ordinary way (PyTorch issue 190489).
    """
    dist.barrier()
    dist.destroy_process_group()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
