"""Units of cost, measured in the same run as what is told in them: a small network, and the machine's matrix rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.networks.blocks import Convolution, ResidualUnit
from torch import nn

REFERENCE_SIZE = 512
"""Side in pixels of the photograph that the W-Net sees."""

MATRIX_SIZE = 1024
"""Rows and columns of the matrices that are multiplied."""


class SmallUNet(nn.Module):
    """A U-Net of three levels of residual blocks with a convolution on each skip.

    Args:
        in_channels: channels of the image.
        channels: channels of the levels.
    """

    def __init__(self, in_channels: int, channels: Sequence[int] = (8, 16, 32)) -> None:
        super().__init__()
        block: dict[str, Any] = {"subunits": 2, "act": "relu", "norm": "batch"}
        pairs = list(zip(channels[:-1], channels[1:], strict=True))
        self.first = ResidualUnit(2, in_channels, channels[0], **block)
        self.down = nn.ModuleList(ResidualUnit(2, shallow, deep, **block) for shallow, deep in pairs)
        self.skip = nn.ModuleList(Convolution(2, shallow, shallow, act="relu", norm="batch") for shallow, _ in pairs)
        self.up = nn.ModuleList(nn.ConvTranspose2d(deep, shallow, 2, stride=2) for shallow, deep in pairs)
        self.join = nn.ModuleList(ResidualUnit(2, 2 * shallow, shallow, **block) for shallow, _ in pairs)
        self.head = nn.Conv2d(channels[0], 1, kernel_size=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to logits (B, 1, H, W)."""
        encoded = [self.first(image)]
        for down in self.down:
            encoded.append(down(nn.functional.max_pool2d(encoded[-1], 2)))
        x = encoded[-1]
        for level in reversed(range(len(self.up))):
            x = self.join[level](torch.cat([self.skip[level](encoded[level]), self.up[level](x)], dim=1))
        return self.head(x)


class WNet(nn.Module):
    """Two small U-Nets, the second of which improves what the first has drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.first = SmallUNet(3)
        self.second = SmallUNet(4)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map (B, 3, H, W) to ``{"vessel": (B, 1, H, W)}``, logits."""
        return {"vessel": self.second(torch.cat([image, torch.sigmoid(self.first(image))], dim=1))}


def cpu_seconds(passes: Mapping[Any, Callable[[], Any]], repeats: int) -> dict[Any, float]:
    """Median CPU seconds of each call, of this process; all are called in turn, and the first turn does not count."""
    seconds: dict[Any, list[float]] = {name: [] for name in passes}
    for _ in range(repeats + 1):
        for name, call in passes.items():
            start = time.process_time()
            call()
            seconds[name].append(time.process_time() - start)
    return {name: float(np.median(values[1:])) for name, values in seconds.items()}


def matrix_rate(repeats: int = 3) -> float:
    """Operations per CPU second of PyTorch's product of two matrices in float32: 2 n³ over the median time."""
    matrix = torch.rand(MATRIX_SIZE, MATRIX_SIZE)
    return 2 * MATRIX_SIZE**3 / cpu_seconds({"product": lambda: matrix @ matrix}, repeats)["product"]
