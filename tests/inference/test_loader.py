"""Batches hold what can be used; what cannot is noted with the reason."""

from __future__ import annotations

import os
import signal
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from feeding import feed
from monai.data import Dataset

from vmnet_monai.errors import ImageError
from vmnet_monai.inference.loader import SkipInvalidDataLoader
from vmnet_monai.inference.manifest import Manifest


def load(item: dict[str, Any]) -> dict[str, Any]:
    """A transform that refuses the photograph ``cat``, and has no idea what to do with ``bug``."""
    if item["id"] == "cat":
        raise ImageError("It is a cat.\nTake a photograph of an eye.")
    if item["id"] == "bug":
        raise KeyError("no such key")
    return {"id": item["id"], "image": torch.zeros(3, 4, 4)}


def batches(folder: Path, *names: str, **options: int) -> SkipInvalidDataLoader:
    manifest = Manifest(folder, {}, "m", "t")
    items = [{"id": name, "image": f"{name}.png"} for name in names]
    return SkipInvalidDataLoader(Dataset(manifest.start(items), load), manifest, **options)


def statuses(usable: SkipInvalidDataLoader) -> dict[str, tuple[str, str]]:
    return {record.id: (record.status, record.reason) for record in usable.manifest.ordered()}


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_are_filled_with_what_can_be_used(tmp_path: Path, num_workers: int) -> None:
    usable = batches(tmp_path, "a", "cat", "b", "bug", "c", batch_size=2, num_workers=num_workers)
    assert [batch["id"] for batch in usable] == [["a", "b"], ["c"]]
    assert [batch["image"].shape[0] for batch in usable] == [2, 1]


def test_nothing_but_the_batch_fills_the_memory_while_the_network_runs(tmp_path: Path) -> None:
    usable = batches(tmp_path, "a", "b", "c", batch_size=2)
    prepared: list[weakref.ref[torch.Tensor]] = []

    def tracked(item: dict[str, Any]) -> dict[str, Any]:
        loaded = load(item)
        prepared.append(weakref.ref(loaded["image"]))
        return loaded

    usable.dataset.transform = tracked
    running = iter(usable)
    for _ in range(2):
        assert next(running)["image"].shape[1:] == (3, 4, 4)
        assert all(image() is None for image in prepared)
    assert len(prepared) == 3


def test_the_input_or_the_program_is_blamed(tmp_path: Path) -> None:
    usable = batches(tmp_path, "cat", "bug")
    assert list(usable) == []
    assert statuses(usable) == {
        "cat": ("refused", "It is a cat. Take a photograph of an eye."),
        "bug": ("failed", "KeyError: 'no such key'"),
    }


def test_an_item_that_says_why_it_is_refused_is_not_opened(tmp_path: Path) -> None:
    usable = batches(tmp_path, "a")
    usable.dataset.data[0]["refused"] = "row 3: image is blank."
    assert list(usable) == []
    assert statuses(usable) == {"a": ("refused", "row 3: image is blank.")}


@pytest.mark.parametrize("names", [(), ("cat", "cat2"), ("a", "b", "c", "d", "e")])
def test_an_engine_ends_with_the_last_photograph(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert feed(batches(tmp_path, *names, batch_size=2)).state.epoch == 1


def test_the_name_of_a_dataset_is_refused_with_the_key_that_takes_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'table'.*dataset_name"):
        SkipInvalidDataLoader("table", Manifest(tmp_path, {}, "m", "t"))  # type: ignore[arg-type]


def kill(item: dict[str, Any]) -> dict[str, Any]:
    """A transform that the system ends in the midst of the photograph ``big``, as it is out of memory."""
    if item["id"] == "big" and torch.utils.data.get_worker_info() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return load(item)


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_process_that_is_ended_is_told_with_the_remedy_and_the_next_run_goes_on(tmp_path: Path) -> None:
    usable = batches(tmp_path, "a", "big", batch_size=1, num_workers=1)
    usable.dataset.transform = kill
    with pytest.raises(RuntimeError, match=r"ended from outside .*same command again.*--workers"):
        list(usable)
    again = batches(tmp_path / "again", "a", "big", batch_size=1)
    again.dataset.transform = kill
    assert [batch["id"] for batch in again] == [["a"], ["big"]]


def test_photographs_leave_a_process_without_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container has 64 MB of it; tensors would be sent through it, arrays are not."""
    usable = batches(tmp_path, "a", "b", num_workers=1)
    outcome = usable.loader.dataset[0]
    monkeypatch.setattr(torch.utils.data, "get_worker_info", lambda: SimpleNamespace(id=0))
    sent = usable.loader.collate_fn([outcome])
    assert not any(isinstance(value, torch.Tensor) for value in sent.prepared.values())
    assert isinstance(outcome.prepared["image"], torch.Tensor)
    monkeypatch.undo()
    (batch,) = usable
    assert torch.equal(batch["image"][0], outcome.prepared["image"])


def test_one_photograph_alone_starts_no_process(tmp_path: Path) -> None:
    assert batches(tmp_path, "a", num_workers=2).loader.num_workers == 0
    assert batches(tmp_path / "two", "a", "b", num_workers=4).loader.num_workers == 2
