"""Weights to start from."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from vmnet_monai.networks import load_weights


def test_weights_arrive(tmp_path: Path) -> None:
    source, target = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    torch.save(source.state_dict(), tmp_path / "model.pt")
    load_weights(target, tmp_path / "model.pt")
    assert torch.equal(source.weight, target.weight)


def test_other_shapes_are_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 3).state_dict(), tmp_path / "model.pt")
    with pytest.raises(RuntimeError, match="size mismatch"):
        load_weights(torch.nn.Linear(3, 3), tmp_path / "model.pt")


def test_a_file_that_holds_more_than_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": Path("x")}, tmp_path / "model.pt")
    with pytest.raises(pickle.UnpicklingError):
        load_weights(torch.nn.Linear(2, 3), tmp_path / "model.pt")
