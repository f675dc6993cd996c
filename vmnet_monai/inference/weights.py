"""Loads a network's weights as an evaluation or inference starts."""

from __future__ import annotations

from pathlib import Path

import torch
from ignite.engine import Engine, Events

from vmnet_monai.io.weights import TORCHSCRIPT_NAME, weights_path

__all__ = ["WeightsLoader"]


class WeightsLoader:
    """Loads the weights in a folder, from ``model.pt`` or, where there is none, from ``model.ts``; a handler.

    Args:
        network: takes the weights.
        folder: the folder of the weights.
        device: where they are loaded to.
    """

    def __init__(self, network: torch.nn.Module, folder: str | Path, device: str | torch.device = "cpu") -> None:
        self.network = network
        self.folder = Path(folder)
        self.device = device

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self)

    def __call__(self, engine: Engine | None = None) -> None:
        """Load.

        Raises:
            FileNotFoundError: if there are no weights.
            RuntimeError: if they do not fit the network.
        """
        path = weights_path(self.folder)
        if path.name == TORCHSCRIPT_NAME:
            state = torch.jit.load(path, map_location=self.device).state_dict()
        else:
            state = torch.load(path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state)
