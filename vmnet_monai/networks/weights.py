"""Weights to start a training from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

__all__ = ["load_weights"]


def load_weights(network: torch.nn.Module, path: str | Path, parts: Mapping[str, str] | None = None) -> None:
    """Load a state dict, such as the bundle's ``model.pt``, into a network of the same architecture.

    Args:
        network: takes the weights.
        path: a file that holds nothing but tensors; others are refused.
        parts: name of a part of the network -> name of a part in the file, such as ``{"disease_encoder": "encoder"}``;
            the other parts of both are left alone. None loads all.

    Raises:
        RuntimeError: if the weights do not fit.
        AttributeError: if the network has no part of a name.
    """
    weights = torch.load(path, map_location="cpu", weights_only=True)
    if parts is None:
        network.load_state_dict(weights)
        return
    for part, source in parts.items():
        inside = {name.removeprefix(f"{source}."): w for name, w in weights.items() if name.startswith(f"{source}.")}
        network.get_submodule(part).load_state_dict(inside)
