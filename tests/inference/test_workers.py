"""Processes beside the network's give what one process gives, in order, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from vmnet_monai.inference import workers
from vmnet_monai.inference.workers import (
    QUEUED,
    WritingProcesses,
    default_workers,
    pack,
    return_freed_memory,
    unpack,
    useful_workers,
)

pytestmark = pytest.mark.skipif(not workers.CAN_FORK, reason="processes are forked")


def tensors(item: Any) -> Iterable[torch.Tensor]:
    for value in item.values():
        yield from tensors(value) if isinstance(value, dict) else [value] * isinstance(value, torch.Tensor)


def test_an_item_is_packed_without_tensors_and_comes_out_as_it_was() -> None:
    pred = {"vessel": torch.rand(1, 4, 4), "disease": torch.tensor([0.5, float("nan")])}
    fov = torch.tensor([[[0.0, 1.0]]])
    vessel = torch.zeros(1, 4, 4, dtype=torch.uint8)
    item = {"pred": pred, "vessel": vessel, "fov": fov, "photograph": b"123", "seconds": 0.5}
    packed = pack(item)
    assert not list(tensors(packed))
    assert packed["vessel"].array is None, "zeros are sent by their shape"
    assert packed["fov"].array.nbytes == 2, "a mask is sent as bytes"
    out = unpack(packed)
    assert out.keys() == item.keys() and out["photograph"] == b"123" and out["seconds"] == 0.5
    for sent, received in zip(tensors(item), tensors(out), strict=True):
        torch.testing.assert_close(received, sent, rtol=0, atol=0, equal_nan=True)


def double(item: dict[str, Any]) -> int:
    time.sleep(0.05 * (item["number"] % 2))
    return 2 * item["number"]


def test_results_come_in_the_order_of_the_items() -> None:
    processes = WritingProcesses(double, 2)
    results = [result for number in range(12) for result in processes.put({"number": number})]
    assert len(results) >= 12 - 2 * QUEUED, "no more wait than the processes may have"
    assert [*results, *processes.finish()] == list(range(0, 24, 2))


def test_an_own_error_of_the_task_is_raised_as_it_is() -> None:
    processes = WritingProcesses(double, 1)
    list(processes.put({}))
    with pytest.raises(KeyError, match="number"):
        list(processes.finish())
    assert not list(processes.stop())


def end(item: dict[str, Any]) -> str:
    if item["id"] == "big":
        os.kill(os.getpid(), signal.SIGKILL)
    return str(item["id"])


def test_a_process_that_is_ended_is_told_with_the_remedy() -> None:
    processes = WritingProcesses(end, 1)
    with pytest.raises(RuntimeError, match=r"ended from outside.*same command again.*--workers"):
        for name in ("a", "big", "c", "d", "e"):
            list(processes.put({"id": name}))
        list(processes.finish())
    assert not list(processes.stop())


def surroundings(_: dict[str, Any]) -> tuple[bool, int]:
    return signal.getsignal(signal.SIGINT) == signal.SIG_IGN, torch.get_num_threads()


def test_a_process_leaves_ctrl_c_to_its_parent_and_computes_by_one_thread() -> None:
    processes = WritingProcesses(surroundings, 1)
    assert [*processes.put({}), *processes.finish()] == [(True, 1)]


def test_a_begun_item_is_finished_when_the_run_is_stopped(tmp_path: Path) -> None:
    def write(item: dict[str, Any]) -> str:
        (tmp_path / "begun").touch()
        time.sleep(0.2)
        return str(item["id"])

    processes = WritingProcesses(write, 1)
    list(processes.put({"id": "a"}))
    until((tmp_path / "begun").is_file)
    assert list(processes.stop()) == ["a"]


def test_the_processes_of_a_killed_run_end_with_it(tmp_path: Path) -> None:
    def hang(item: dict[str, Any]) -> None:
        (tmp_path / "begun").write_text(str(os.getpid()))
        time.sleep(60)

    run = os.fork()
    if run == 0:
        list(WritingProcesses(hang, 1).put({}))
        time.sleep(60)
        os._exit(0)
    begun = tmp_path / "begun"
    until(lambda: begun.is_file() and begun.read_text() != "")
    os.kill(run, signal.SIGKILL)
    os.waitpid(run, 0)
    until(lambda: not is_running(int(begun.read_text())))


def until(condition: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.parametrize(("cores", "count"), [(1, 0), (2, 1), (4, 2), (64, 4)])
def test_there_is_one_process_of_each_kind_for_two_cores(
    cores: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert default_workers() == count


def test_where_processes_are_not_forked_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "CAN_FORK", False)
    assert default_workers() == 0


@pytest.mark.parametrize(("count", "items", "useful"), [(4, 1, 0), (4, 0, 0), (4, 3, 3), (2, 9, 2), (0, 9, 0)])
def test_one_item_alone_needs_no_process(count: int, items: int, useful: int) -> None:
    assert useful_workers(count, items) == useful


def test_freed_memory_between_pieces_in_use_goes_back_to_the_system() -> None:
    def resident_mb() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    pieces = [bytes([1]) * 100_000 for _ in range(2000)]
    in_use = pieces[::200]  # of so many bytes that each lies on the heap
    del pieces
    before = resident_mb()
    return_freed_memory()
    assert resident_mb() < before - 100
    assert len(in_use) == 10
