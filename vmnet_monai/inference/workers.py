"""Processes beside the network's, which read photographs and write results while the network computes.

They are forked, which takes milliseconds where a new process would import PyTorch and MONAI for seconds. Where the
system does not fork safely (macOS, Windows), one process does all.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = [
    "CAN_FORK",
    "WritingProcesses",
    "begin_process",
    "default_workers",
    "pack",
    "return_freed_memory",
    "unpack",
    "useful_workers",
]

Result = TypeVar("Result")

CAN_FORK = sys.platform == "linux"
"""Whether processes are forked, and end with their parent."""

MAX_DEFAULT = 4
"""Most processes of a kind that are started unasked: each takes the memory of a photograph and its maps, of which a
container may have less than its machine has cores."""

QUEUED = 2
"""Items that are given to a process before the first is done: one that it works on, and one that waits."""

LARGE_BYTES = 128 << 20
"""Memory below this size is kept when it is freed; the largest maps of the network on a grid of 1024 take 100 MB."""

KEPT_BYTES = 512 << 20
"""Most free memory that is kept at the end of the heap."""

_PR_SET_PDEATHSIG = 1
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def default_workers() -> int:
    """Processes that read, and as many that write, beside the network's: one for two cores, up to :data:`MAX_DEFAULT`.

    Returns:
        0 where there is one core only, or where processes are not forked.
    """
    cores = len(os.sched_getaffinity(0)) if CAN_FORK else 1
    return min(cores // 2, MAX_DEFAULT)


def useful_workers(count: int, items: int) -> int:
    """Processes that pay: none for one item alone.

    Args:
        count: processes that may be started.
        items: items that are to be done.
    """
    return min(count, items) if items > 1 else 0


def begin_process(parent: int) -> None:
    """Make this forked process end with its parent, leave Ctrl-C to it, and compute by one thread.

    Args:
        parent: id of the process that forked it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    if CAN_FORK:
        # A parent that is killed could not end it; alone it would go on to write to a folder that another run takes.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


class _Packed(NamedTuple):
    """A tensor on its way from one process to another."""

    array: NDArray[Any] | None
    """None for zeros, such as the mask of a structure that nobody has drawn; bool for a mask of zeros and ones."""
    shape: torch.Size
    dtype: torch.dtype


def pack(item: Mapping[str, Any]) -> dict[str, Any]:
    """Make an item ready for another process: arrays for its tensors, also inside dictionaries.

    PyTorch would send tensors through shared memory, of which a container often has 64 MB, less than a few photographs
    take, and a process that finds it full is killed. Arrays go through a pipe.

    Args:
        item: tensors (on any device), dictionaries of them, and what can be pickled.
    """
    return {key: _packed(value) for key, value in item.items()}


def unpack(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item as it was before :func:`pack`, on the CPU."""
    return {key: _unpacked(value) for key, value in item.items()}


def _packed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return pack(value)
    if type(value) is not torch.Tensor:
        return value
    array = value.detach().cpu().numpy()
    is_set = array.astype(np.bool_)
    if not is_set.any():
        return _Packed(None, value.shape, value.dtype)
    return _Packed(is_set if np.array_equal(array, is_set) else array, value.shape, value.dtype)


def _unpacked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return unpack(value)
    if not isinstance(value, _Packed):
        return value
    if value.array is None:
        return torch.zeros(value.shape, dtype=value.dtype)
    return torch.from_numpy(value.array).to(value.dtype)


_task: Callable[[dict[str, Any]], Any]


def _begin(task: Callable[[dict[str, Any]], Any], parent: int) -> None:
    global _task
    _task = task
    begin_process(parent)


def _do(item: dict[str, Any]) -> Any:
    return _task(unpack(item))


class WritingProcesses(Generic[Result]):
    """Does a task with one item after another in forked processes, and gives the results in the order of the items.

    Where all processes have :data:`QUEUED` items, it waits.

    Args:
        task: what is done with an item; the processes have it as it is when they are forked, by this constructor.
        count: number of processes.
    """

    def __init__(self, task: Callable[[dict[str, Any]], Result], count: int) -> None:
        self.count = count
        self._pending: deque[Future[Result]] = deque()
        self._pool = ProcessPoolExecutor(count, multiprocessing.get_context("fork"), _begin, (task, os.getpid()))
        self._pool.submit(os.getpid)  # forks them
        _keep_freed_memory()

    def put(self, item: Mapping[str, Any]) -> Iterator[Result]:
        """Give an item to a process, and yield the results that are there.

        Args:
            item: see :func:`pack`.

        Raises:
            RuntimeError: if a process was ended, such as by a system that is out of memory.
        """
        self._pending.append(self._submitted(pack(item)))
        while self._pending and (self._pending[0].done() or len(self._pending) > QUEUED * self.count):
            yield self._next()

    def finish(self) -> Iterator[Result]:
        """Yield the results of all items, and end the processes.

        Raises:
            RuntimeError: as :meth:`put`.
        """
        while self._pending:
            yield self._next()
        self._pool.shutdown()

    def stop(self) -> Iterator[Result]:
        """Let the processes finish what they have begun, leave the rest, and yield the results that are there."""
        self._pool.shutdown(cancel_futures=True)
        while self._pending:
            future = self._pending.popleft()
            if not future.cancelled() and future.exception() is None:
                yield future.result()

    def _submitted(self, item: dict[str, Any]) -> Future[Result]:
        try:
            return self._pool.submit(_do, item)
        except BrokenProcessPool as error:
            raise self._ended() from error

    def _next(self) -> Result:
        try:
            return self._pending.popleft().result()
        except BrokenProcessPool as error:
            raise self._ended() from error

    def _ended(self) -> RuntimeError:
        return RuntimeError(
            "a process that writes results was ended from outside, as by a system that is out of memory: run the same "
            f"command again, which does only what is missing, with fewer than {self.count} of them (`--workers`, "
            "num_workers), or with more memory."
        )


def return_freed_memory() -> None:
    """Give memory that was freed back to the system, where the C library is GNU's.

    By itself it keeps what lies between pieces in use, after the network 200 MB, in which no map of a large photograph
    has room. What is asked for anew costs 0.1 to 0.2 CPU-seconds a photograph; see also :data:`KEPT_BYTES`.
    """
    if hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


def _keep_freed_memory() -> None:
    """Let this process use memory again that was freed, where the C library is GNU's.

    By itself it returns what is larger than 32 MB to the system at once, and each page that the next photograph asks
    for anew is a call of the system: 0.1 CPU-seconds a photograph. It is nothing for a process that holds maps of the
    photograph's size: between freed pieces of memory there is no room for these, and its peak rises.
    """
    if hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
