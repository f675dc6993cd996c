"""Where the bundle's configs lie, and what makes a training small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CONFIGS = "bundles/vmnet/configs"
TRAIN = f"{CONFIGS}/train.json"
EVALUATE = f"{CONFIGS}/evaluate.json"
CALIBRATE = f"{CONFIGS}/calibrate.json"
INFERENCE = f"{CONFIGS}/inference.json"
MULTI_GPU = f"{CONFIGS}/multi_gpu_train.json"

SMALL: dict[str, Any] = {
    "device": "cpu",
    "grid_size": 64,
    "val_interval": 1,
    "network_def#encoder": {"_target_": "vmnet_monai.networks.UNetEncoder", "features": [8, 12, 16, 24]},
    "network_def#decoder_channels": [16, 12, 8],
    "network_def#guide_channels": [4, 4, 4, 4],
    "network_def#shared_stages": 1,
    "network_def#guided_levels": 2,
    "pretrained": False,
}
"""Overrides that make a training a matter of seconds."""

OVER_A_NETWORK = {
    **dict.fromkeys(("resformer_authors", "resformer_no_dfe", "resformer_parallel"), "resformer"),
    **dict.fromkeys(("classification_only", "segmentation_only"), "venet"),
}
"""Overlays in configs/networks/ that change another one there, by their names; the last two also change ResFormer's."""


def network_overlays(name: str) -> list[str]:
    """The files of a network's overlay, after the one that it changes."""
    below = [OVER_A_NETWORK[name]] if name in OVER_A_NETWORK else []
    return [f"configs/networks/{own}.json" for own in (*below, name)]


SMALL_NETWORK = {key: value for key, value in SMALL.items() if key.startswith("network_def")}
