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


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x03\x04"])
def test_a_damaged_file_is_refused_with_the_way_out(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.pt must hold weights.*take"):
        WeightsLoader(torch.nn.Linear(2, 3), tmp_path)()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(source: torch.nn.Module, value: float, tmp_path: Path) -> None:
    torch.nn.init.constant_(source.bias, value)  # type: ignore[arg-type]
    torch.jit.script(source).save(tmp_path / "model.ts")
    with pytest.raises(ValueError, match=r"model\.ts must hold numbers, and bias"):
        WeightsLoader(torch.nn.Linear(2, 3), tmp_path)()
    torch.save(source.state_dict(), tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"model\.pt must hold numbers, and bias"):
        WeightsLoader(torch.nn.Linear(2, 3), tmp_path)()


def test_a_checkpoint_is_no_file_of_weights(source: torch.nn.Module, tmp_path: Path) -> None:
    torch.save({"network": source.state_dict(), "trainer": {"epoch": 3}}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"it holds network, trainer: take models/model\.pt"):
        WeightsLoader(torch.nn.Linear(2, 3), tmp_path)()


def test_a_file_is_loaded_into_a_network_that_is_wrapped(source: torch.nn.Module, tmp_path: Path) -> None:
    torch.save(source.state_dict(), tmp_path / "other.pt")
    network = torch.nn.Linear(2, 3)
    WeightsLoader(torch.nn.DataParallel(network), tmp_path / "other.pt")()
    assert torch.equal(network.weight, source.weight)


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        WeightsLoader(torch.nn.Linear(2, 3), tmp_path)()
