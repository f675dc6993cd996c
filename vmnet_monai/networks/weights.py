"""Weights to start a training from."""

from __future__ import annotations

from pathlib import Path

import torch

__all__ = ["load_weights"]


def load_weights(network: torch.nn.Module, path: str | Path) -> None:
    """Load a state dict, such as the bundle's ``model.pt``, into a network of the same architecture.

    Args:
        network: takes the weights.
        path: a file that holds nothing but tensors; others are refused.

    Raises:
        RuntimeError: if the weights do not fit.
    """
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
