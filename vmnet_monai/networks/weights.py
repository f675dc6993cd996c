"""Reads weights, and loads those to start a training from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from textwrap import shorten

import torch

__all__ = ["check_weights", "load_weights", "read_weights"]


def read_weights(path: str | Path, device: str | torch.device = "cpu") -> dict[str, torch.Tensor]:
    """Read a state dict, such as the bundle's ``model.pt``.

    Args:
        path: a file that holds nothing but tensors; nothing in it is run.
        device: where they are loaded to.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds no weights, or such as are no numbers.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (EOFError, RuntimeError, UnpicklingError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(
            f"{path} must hold weights, a dictionary of tensors, and is damaged or something else ({reason}): take "
            "model.pt of a training or of the bundle again."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        names = f", it holds {', '.join(map(str, state))}" if isinstance(state, dict) else ""
        raise ValueError(
            f"{path} must hold weights, a dictionary of tensors{names}: take models/model.pt of the training, no "
            "checkpoint."
        )
    check_weights(state, path)
    return state


def check_weights(state: dict[str, torch.Tensor], path: str | Path) -> None:
    """Refuse weights that are NaN or infinite, with which every prediction would be NaN.

    Args:
        state: name -> tensor.
        path: where they come from.

    Raises:
        ValueError: naming the first such tensor.
    """
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(
                f"{path} must hold numbers, and {name} has NaN or infinite ones: the training diverged or the file is "
                "damaged. Take the weights again, or train with a lower learning_rate."
            )


def load_weights(network: torch.nn.Module, path: str | Path, parts: Mapping[str, str] | None = None) -> None:
    """Load a state dict, such as the bundle's ``model.pt``, into a network of the same architecture.

    Args:
        network: takes the weights.
        path: a file that holds nothing but tensors; others are refused.
        parts: name of a part of the network -> name of a part in the file, such as ``{"disease_encoder": "encoder"}``;
            the other parts of both are left alone. None loads all.

    Raises:
        ValueError: if the file holds no weights, or such as are no numbers, or they do not fit the network.
    """
    weights = read_weights(path)
    try:
        if parts is None:
            network.load_state_dict(weights)
            return
        for part, source in parts.items():
            names = [name for name in weights if name.startswith(f"{source}.")]
            inside = {name.removeprefix(f"{source}."): weights[name] for name in names}
            network.get_submodule(part).load_state_dict(inside)
    except (RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"a network must have the parts of the weights that it starts from, and {type(network).__name__} does not "
            f"fit {path} ({shorten(reason, 200)}): give weights of the same network, or `--pretrained False` to start "
            "from random ones."
        ) from error
