"""What each process takes for itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import ignite.distributed as idist
import numpy as np
import pytest
from monai.data import Dataset
from monai.transforms import Compose, RandGaussianNoise
from torch.utils.data import ConcatDataset

from vmnet_monai.handlers import EpochSeed, partition_for_process


def test_the_parts_of_all_processes_hold_each_item_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idist, "get_world_size", lambda: 3)
    parts = []
    for rank in range(3):
        monkeypatch.setattr(idist, "get_rank", lambda rank=rank: rank)
        parts.append(partition_for_process(list("abcdefg")))
    assert sorted(sum(parts, [])) == list("abcdefg")
    assert sorted(map(len, parts)) == [2, 2, 3]


def test_more_processes_than_photographs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idist, "get_world_size", lambda: 3)
    with pytest.raises(ValueError, match="3 processes.* 2 .*at most 2"):
        partition_for_process(["a", "b"])


@pytest.mark.parametrize("several", [False, True])
def test_an_epoch_draws_the_same_whatever_came_before(several: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset: Any = Dataset([np.zeros((1, 2, 2), dtype=np.float32)], Compose([RandGaussianNoise(prob=1.0)]))
    if several:
        dataset = ConcatDataset([dataset])

    def draw(epoch: int, seed: int = 0) -> list[float]:
        engine = SimpleNamespace(state=SimpleNamespace(epoch=epoch), data_loader=SimpleNamespace(dataset=dataset))
        EpochSeed(seed)(engine)
        return dataset[0].flatten().tolist()

    first = draw(1)
    assert draw(2) != first
    assert draw(1) == first
    assert draw(1, seed=1) != first
    monkeypatch.setattr(idist, "get_rank", lambda: 1)
    assert draw(1) != first
