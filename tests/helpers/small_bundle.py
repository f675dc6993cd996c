"""A bundle of a small network with random weights, which predicts in no time."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from vmnet_monai.calibration.operating_point import OperatingPoint, network_settings
from vmnet_monai.networks import VMNet

BUNDLE = Path(__file__).parents[2] / "bundles/vmnet"
DISEASES = ("normal", "glaucoma")
SIZE_PX = 256


def small_bundle(folder: Path, structures: tuple[str, ...] = ("vessel",)) -> Path:
    """Write the bundle: the shipped ``inference.json`` with a small network, its weights and operating point."""
    config = json.loads((BUNDLE / "configs/inference.json").read_text())
    config["network_def"] = {
        **{"_target_": "vmnet_monai.networks.VMNet", "label_names": "@diseases", "structures": "@structures"},
        **{"disease_size": "@disease_size", "features": [4, 8, 12], "guided_levels": 2},
    }
    config |= {"device": "cpu", "amp": False}
    (folder / "configs").mkdir(parents=True)
    (folder / "configs/inference.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    network = VMNet(DISEASES, features=(4, 8, 12), guided_levels=2, disease_size=SIZE_PX, structures=structures)
    (folder / "models").mkdir()
    torch.save(network.state_dict(), folder / "models/model.pt")
    OperatingPoint(
        diseases=DISEASES,
        grid_size=SIZE_PX,
        disease_size=SIZE_PX,
        contrast="none",
        field_of_view="estimate",
        network=network_settings(network),
        structures=structures,
        structure_thresholds=(0.5,) * len(structures),
        disease_calibration=((1.0, 0.0), (1.0, 0.0)),
        disease_thresholds=(0.0, 1.0),
    ).save(folder / "models")
    return folder
