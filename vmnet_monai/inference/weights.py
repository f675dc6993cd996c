"""Loads a network's weights as an evaluation or inference starts."""

from __future__ import annotations

from pathlib import Path

import torch
from ignite.engine import Engine, Events

from vmnet_monai.io.weights import TORCHSCRIPT_NAME, weights_path
from vmnet_monai.networks.weights import check_weights, read_weights

__all__ = ["WeightsLoader"]


class WeightsLoader:
    """Loads the weights in a folder, from ``model.pt`` or, where there is none, from ``model.ts``; a handler.

    Args:
        network: takes the weights, wrapped for distributed training or not.
        folder: the folder of the weights, or a file of them.
        device: where they are loaded to.
    """

    def __init__(self, network: torch.nn.Module, folder: str | Path, device: str | torch.device = "cpu") -> None:
        self.network = getattr(network, "module", network)
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
            ValueError: if the file holds no weights, or such as are no numbers.
        """
        path = self.folder if self.folder.is_file() else weights_path(self.folder)
        if path.name == TORCHSCRIPT_NAME:
            state = torch.jit.load(path, map_location=self.device).state_dict()
            check_weights(state, path)
        else:
            state = read_weights(path, self.device)
        self.network.load_state_dict(state)
