"""What one pass of V-MNet costs, as a multiple of one pass of a small W-Net, measured in one run on the CPU.

    python tests/benchmarks/network_cost.py [--overlay configs/networks/efficientnet_lite.json] [--sizes 640,768,896]

The W-Net stands for the lightest networks that segment vessels well: two small U-Nets in a row, the second of which
sees the photograph and what the first has drawn (Galdran et al., Sci Rep 2022, doi 10.1038/s41598-022-09675-y, with
68 thousand parameters at 512 pixels). Run it on a machine that does nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import fire
import numpy as np
import openvino
import torch
from monai.bundle import ConfigParser
from monai.networks.blocks import Convolution, ResidualUnit
from torch import nn

from vmnet_monai.inference.runtimes import openvino_core
from vmnet_monai.metrics.comparison import markdown_table

ROOT = Path(__file__).parents[2]
TRAIN = str(ROOT / "bundles/vmnet/configs/train.json")

STRUCTURES = ("vessel", "artery", "vein", "disc")
"""What the network of the overlay draws."""

TODAY_SIZE = 896
"""Grid of the bundle's weights."""

REFERENCE_SIZE = 512
"""Side in pixels of the photograph that the W-Net sees."""


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


class InTurn(nn.Module):
    """Returns the values of a network's dictionary, which OpenVINO cannot convert, as a tuple."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the logits of images (B, 3, H, W)."""
        return tuple(self.network(image).values())


def network_cost(
    overlay: str = str(ROOT / "configs/networks/efficientnet_lite.json"),
    sizes: Sequence[int] = (640, 768, 896),
    repeats: int = 5,
    threads: int = 2,
    today_size: int = TODAY_SIZE,
    reference_size: int = REFERENCE_SIZE,
    **override: Any,
) -> str:
    """Measure the bundle's network and that of an overlay, all heads, on one photograph.

    Args:
        overlay: config file of the other network.
        sizes: its grids in pixels.
        repeats: times that each is measured, all in turn, after one run to warm up.
        threads: of PyTorch and of OpenVINO.
        today_size: grid of the bundle's network.
        reference_size: grid of the W-Net.
        **override: overrides of the config of the overlay's network.

    Returns:
        A Markdown table: parameters in millions, and the median CPU seconds of a pass in PyTorch and in OpenVINO, both
        in float32, each also as a multiple of the W-Net's in PyTorch.
    """
    torch.set_num_threads(threads)
    sizes = [sizes] if isinstance(sizes, int) else sizes
    today = _network([TRAIN], {})
    other = _network([TRAIN, overlay], {"structures": list(STRUCTURES), **override})
    systems = {f"W-Net at {reference_size}": (WNet().eval(), reference_size)}
    systems[f"bundle's network at {today_size}"] = (today, today_size)
    systems |= {f"{Path(overlay).stem} at {size}": (other, size) for size in sizes}
    passes: dict[tuple[str, str], Callable[[], Any]] = {}
    for name, (network, size) in systems.items():
        image = torch.rand(1, 3, size, size)
        passes[name, "PyTorch"] = lambda network=network, image=image: network(image)
        passes[name, "OpenVINO"] = _openvino(network, image, threads)
    with torch.inference_mode():
        seconds = cpu_seconds(passes, repeats)
    unit = seconds[f"W-Net at {reference_size}", "PyTorch"]
    rows = []
    for name, (network, _) in systems.items():
        cells = [name, f"{sum(parameter.numel() for parameter in network.parameters()) / 1e6:.2f}"]
        for runtime in ("PyTorch", "OpenVINO"):
            cells += [f"{seconds[name, runtime]:.2f}", f"{seconds[name, runtime] / unit:.2f}"]
        rows.append(cells)
    header = ["", "parameters, millions", "PyTorch, CPU s", "in W-Nets", "OpenVINO, CPU s", "in W-Nets"]
    return f"{threads} threads, float32, all heads\n\n{markdown_table(header, rows)}"


def cpu_seconds(passes: Mapping[Any, Callable[[], Any]], repeats: int) -> dict[Any, float]:
    """Median CPU seconds of each call, of this process; all are called in turn, and the first turn does not count."""
    seconds: dict[Any, list[float]] = {name: [] for name in passes}
    for _ in range(repeats + 1):
        for name, call in passes.items():
            start = time.process_time()
            call()
            seconds[name].append(time.process_time() - start)
    return {name: float(np.median(values[1:])) for name, values in seconds.items()}


def _network(config_file: Sequence[str], override: Mapping[str, Any]) -> nn.Module:
    parser = ConfigParser()
    parser.read_config(config_file)
    parser.update({"device": "cpu", **override})
    network: nn.Module = parser.get_parsed_content("network").eval()
    return network


def _openvino(network: nn.Module, image: torch.Tensor, threads: int) -> Callable[[], Any]:
    model = openvino.convert_model(InTurn(network), example_input=image, input=tuple(image.shape))
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino_core().compile_model(model, "CPU", settings)
    pixels = image.numpy()
    return lambda: compiled(pixels)


if __name__ == "__main__":
    fire.Fire(network_cost)
