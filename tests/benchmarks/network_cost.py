"""What one pass of V-MNet costs, as a multiple of one pass of a small W-Net, measured in one run on the CPU.

    python tests/benchmarks/network_cost.py [--sizes 640,768,896] [--overlay configs/networks/vmnet_unet.json]

The W-Net stands for the lightest networks that segment vessels well: two small U-Nets in a row, the second of which
sees the photograph and what the first has drawn (Galdran et al., Sci Rep 2022, doi 10.1038/s41598-022-09675-y, with
68 thousand parameters at 512 pixels). Run it on a machine that does nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import fire
import openvino
import torch
from monai.bundle import ConfigParser
from torch import nn
from units import REFERENCE_SIZE, WNet, cpu_seconds

from vmnet_monai.inference.runtimes import openvino_core
from vmnet_monai.metrics.comparison import markdown_table

ROOT = Path(__file__).parents[2]
TRAIN = str(ROOT / "bundles/vmnet/configs/train.json")

STRUCTURES = ("vessel", "artery", "vein", "disc")
"""What the bundle's network draws."""

OVERLAY_SIZE = 896
"""Grid of the bundle's weights up to version 0.5."""


class InTurn(nn.Module):
    """Returns the values of a network's dictionary, which OpenVINO cannot convert, as a tuple."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the logits of images (B, 3, H, W)."""
        return tuple(self.network(image).values())


def network_cost(
    sizes: Sequence[int] = (640, 768, 896),
    overlay: str = str(ROOT / "configs/networks/vmnet_unet.json"),
    overlay_size: int = OVERLAY_SIZE,
    repeats: int = 5,
    threads: int = 2,
    reference_size: int = REFERENCE_SIZE,
    **override: Any,
) -> str:
    """Measure the bundle's network and that of an overlay, all heads, on one photograph.

    Args:
        sizes: grids of the bundle's network in pixels.
        overlay: config file of the other network, which draws vessels only.
        overlay_size: its grid in pixels.
        repeats: times that each is measured, all in turn, after one run to warm up.
        threads: of PyTorch and of OpenVINO.
        reference_size: grid of the W-Net.
        **override: overrides of the config of the bundle's network.

    Returns:
        A Markdown table: parameters in millions, and the median CPU seconds of a pass in PyTorch and in OpenVINO, both
        in float32, each also as a multiple of the W-Net's in PyTorch.
    """
    torch.set_num_threads(threads)
    sizes = [sizes] if isinstance(sizes, int) else sizes
    own = _network([TRAIN], {"structures": list(STRUCTURES), **override})
    other = _network([TRAIN, overlay], {})
    systems = {f"W-Net at {reference_size}": (WNet().eval(), reference_size)}
    systems |= {f"bundle's network at {size}": (own, size) for size in sizes}
    systems[f"{Path(overlay).stem} at {overlay_size}"] = (other, overlay_size)
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
