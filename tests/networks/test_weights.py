"""Weights to start from."""

from __future__ import annotations

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
    with pytest.raises(ValueError, match="size mismatch.*pretrained False"):
        load_weights(torch.nn.Linear(3, 3), tmp_path / "model.pt")


def test_a_file_that_holds_more_than_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": Path("x")}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="must hold weights"):
        load_weights(torch.nn.Linear(2, 3), tmp_path / "model.pt")


def test_parts_are_loaded_by_name_and_others_are_left_alone(tmp_path: Path) -> None:
    source = torch.nn.ModuleDict({"encoder": torch.nn.Linear(2, 2), "head": torch.nn.Linear(2, 3)})
    torch.save(source.state_dict(), tmp_path / "model.pt")
    names = ("encoder", "branch", "head")
    target = torch.nn.ModuleDict({name: torch.nn.Linear(2, 2) for name in names})
    head = target["head"].weight.clone()
    load_weights(target, tmp_path / "model.pt", {"encoder": "encoder", "branch": "encoder"})
    assert torch.equal(target["encoder"].weight, source["encoder"].weight)
    assert torch.equal(target["branch"].weight, source["encoder"].weight)
    assert torch.equal(target["head"].weight, head)
    with pytest.raises(ValueError, match="Missing key"):
        load_weights(target, tmp_path / "model.pt", {"encoder": "body"})
    with pytest.raises(ValueError, match="body"):
        load_weights(target, tmp_path / "model.pt", {"body": "encoder"})
