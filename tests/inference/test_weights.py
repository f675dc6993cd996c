"""Weights reach the network from either file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.engine import Engine

from vmnet_monai.inference.weights import WeightsLoader


@pytest.fixture
def source(tmp_path: Path) -> torch.nn.Module:
    torch.manual_seed(1)
    return torch.nn.Linear(2, 3)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_both_files_give_the_same_weights(source: torch.nn.Module, tmp_path: Path) -> None:
    torch.jit.script(source).save(tmp_path / "model.ts")
    alone, beside = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    WeightsLoader(alone, tmp_path)()
    torch.save(source.state_dict(), tmp_path / "model.pt")
    WeightsLoader(beside, tmp_path)()
    assert torch.equal(alone.weight, source.weight)
    assert torch.equal(beside.weight, source.weight)


def test_an_engine_loads_as_it_starts(source: torch.nn.Module, tmp_path: Path) -> None:
    torch.save(source.state_dict(), tmp_path / "model.pt")
    network, seen = torch.nn.Linear(2, 3), []
    engine = Engine(lambda *_: seen.append(torch.equal(network.weight, source.weight)))
    WeightsLoader(network, tmp_path).attach(engine)
    engine.run([0])
    assert seen == [True]


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        WeightsLoader(torch.nn.Linear(2, 3), tmp_path)()
