"""How long the bundle takes for one photograph, beside a plain U-Net, measured in one run.

    python tests/benchmarks/image_time.py [--repeats 5]

Everything before and after the network (reading, checks, putting the maps back, vessel measures) counts in the first
row. The
photograph is scikit-image's retina; the weights are those of the bundle.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fire
import numpy as np
import skimage.data
import torch
from monai.bundle import ConfigParser
from monai.networks.nets import UNet
from PIL import Image

from vmnet_monai import Predictor
from vmnet_monai.metrics.comparison import markdown_table

PLAIN = "plain U-Net of 1.6 million parameters at 640 pixels, float32"
"""For scale."""


def image_time(bundle_root: str = "bundles/vmnet", repeats: int = 5) -> str:
    """Return a Markdown table of the median seconds per photograph and their ratio to the plain U-Net.

    Args:
        bundle_root: the bundle's folder.
        repeats: times that each row is measured, after one run to warm up.
    """
    with TemporaryDirectory() as folder:
        photograph = Path(folder) / "retina.png"
        Image.fromarray(skimage.data.retina()).save(photograph)
        parser = ConfigParser()
        parser.read_config(f"{bundle_root}/configs/inference.json")
        parser.update({"bundle_root": bundle_root})
        predictor = Predictor(bundle_root, explain=[])
        rows = _rows(parser, lambda: predictor(photograph), repeats)
    unet = rows[PLAIN]
    table = markdown_table(
        ["", "seconds", "ratio"],
        [[name, f"{seconds:.2f}", f"{seconds / unet:.1f}"] for name, seconds in rows.items()],
    )
    return f"{torch.get_num_threads()} threads, grid {parser.get_parsed_content('grid_size')}\n\n{table}"


def _rows(parser: ConfigParser, predict: Callable[[], Any], repeats: int) -> dict[str, float]:
    device = parser.get_parsed_content("device")
    network = parser.get_parsed_content("network").eval()
    weights = torch.load(f"{parser.get_parsed_content('model_dir')}/model.pt", map_location=device, weights_only=True)
    network.load_state_dict(weights)
    size_px = parser.get_parsed_content("grid_size")
    image = torch.rand(1, 3, size_px, size_px, device=device)
    inferer_type = type(parser.get_parsed_content("inferer"))
    unet = UNet(2, 3, 1, channels=(16, 32, 64, 128, 256), strides=(2, 2, 2, 2), num_res_units=2).to(device).eval()
    small = torch.rand(1, 3, 640, 640, device=device)

    def network_only(**options: Any) -> Callable[[], Any]:
        return lambda: inferer_type(**options)(image, network)

    amp = parser.get_parsed_content("amp")
    measured = {
        f"photograph to maps and measures, as configured ({'bfloat16' if amp else 'float32'})": predict,
        "network, float32": network_only(autocast=False),
        "network, bfloat16": network_only(autocast=True),
        "network, as configured, four flips": network_only(autocast=amp, flips=True),
        PLAIN: lambda: unet(small),
    }
    with torch.no_grad():
        return {name: _median_seconds(call, repeats) for name, call in measured.items()}


def _median_seconds(call: Callable[[], Any], repeats: int) -> float:
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:]))


if __name__ == "__main__":
    fire.Fire(image_time)
