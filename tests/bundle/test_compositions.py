"""Every network overlay under every experiment overlay that the documentation allows: it composes, and it learns."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bundle_configs import ROOT, TRAIN, network_overlays
from layouts import write_drive, write_eyepacs_light, write_odir5k, write_rfmid
from monai.bundle import ConfigParser

OWN = Path("the bundle's own")
"""Stands for no overlay of a network."""

FOLDER = ROOT / "configs/networks"
NETWORKS = [OWN, *sorted(path.relative_to(FOLDER) for path in FOLDER.rglob("*.json"))]
TWO_HEADED = {OWN.stem, "vmnet_unet", "venet", "resformer"}
RECIPES = {
    "alone": [],
    "vessels": ["vessels"],
    "joint": ["vessels", "joint"],
    "comparison": ["vessels", "joint", "comparison"],
    "structures": ["vessels", "structures"],
    "diseases": ["diseases"],
    "vessels only": ["ablation/vessels_only"],
    "diseases only": ["ablation/diseases_only"],
    "resformer": ["vessels", "resformer"],
    "auc margin": ["auc_margin"],
    "convex": ["convex_focal_dice"],
}
OF_THE_BUNDLE = {"structures", "diseases"}
"""Recipes that set parts of the bundle's network, so that no other is laid over it."""

ITEMS = [{"id": str(i), "dataset": "hrf", "disease": [float(i % 2)] * 5, "vessel": "a.png"} for i in range(4)]
SIZE_PX = 64


def allowed(network: Path, recipe: str) -> bool:
    """Whether the documentation allows the two together."""
    if recipe in ("vessels only", "diseases only"):
        return network.stem in TWO_HEADED or network.parent.name == "layouts"
    if recipe == "resformer":
        return network.stem.startswith("resformer")
    if recipe == "convex":
        return network.stem == "efficientnet_b0_unet"
    if recipe == "auc margin":
        return network.parent.name == "layouts" or network == OWN
    if recipe in OF_THE_BUNDLE:
        return network == OWN
    return True


def composed(network: Path, recipe: str) -> ConfigParser:
    files = [TRAIN, *(f"configs/experiments/{name}.json" for name in RECIPES[recipe] if "ablation" not in name)]
    if network != OWN:
        files += network_overlays(network.with_suffix("").as_posix())
    files += [f"configs/experiments/{name}.json" for name in RECIPES[recipe] if "ablation" in name]
    if recipe in ("convex", "auc margin"):
        files = [TRAIN, files[-1], f"configs/experiments/{RECIPES[recipe][0]}.json"]
    parser = ConfigParser(ConfigParser.load_config_files(files))
    small: dict[str, Any] = {"grid_size": SIZE_PX, "disease_size": SIZE_PX, "crop_size": SIZE_PX, "device": "cpu"}
    parser.update({key: value for key, value in small.items() if key in parser})
    if recipe in OF_THE_BUNDLE:
        parser["network_def#encoder#pretrained"] = False
    parser["datalists"] = {"train": ITEMS, "val": ITEMS[:1]}
    return parser


CASES = [
    pytest.param(network, recipe, id=f"{network.with_suffix('').as_posix()}, {recipe}")
    for network in NETWORKS
    for recipe in RECIPES
    if allowed(network, recipe)
]


@pytest.mark.parametrize(("network", "recipe"), CASES)
def test_overlays_compose(network: Path, recipe: str) -> None:
    parser = composed(network, recipe)
    for key in ("train#preprocessing", "validate#preprocessing", "train#sampler"):
        assert parser.get_parsed_content(key) is not None


def targets(structures: list[str]) -> dict[str, torch.Tensor]:
    masks = {name: torch.zeros(2, 1, SIZE_PX, SIZE_PX) for name in structures}
    known = {f"has_{name}": torch.tensor([True, True]) for name in structures}
    disease = torch.nn.functional.one_hot(torch.tensor([0, 1]), 5).float()
    return {**masks, **known, "fov": torch.ones(2, 1, SIZE_PX, SIZE_PX), "disease": disease}


@pytest.mark.parametrize(
    ("network", "recipe"), [case for case in CASES if case.values[1] in ("vessels only", "diseases only", "convex")]
)
def test_the_loss_of_each_composition_reaches_its_network(network: Path, recipe: str) -> None:
    """That of each network alone is in test_networks."""
    parser = composed(network, recipe)
    model, loss = parser.get_parsed_content("network"), parser.get_parsed_content("loss")
    output = model.train()(torch.rand(2, 3, SIZE_PX, SIZE_PX))
    expected = {"vessels only": {"vessel"}, "diseases only": {"disease"}}.get(recipe)
    if expected:
        assert {name for name in output if not name[-1].isdigit()} == expected
    value = loss(output, targets(["vessel"]))
    value.backward()
    assert value.isfinite()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_the_papers_four_datasets_are_joined_by_one_overlay(tmp_path: Path) -> None:
    """Vessels come from DRIVE alone, diseases from the others; each keeps its official parts, and batches have both."""
    write_drive(tmp_path / "DRIVE")
    write_rfmid(tmp_path / "RFMiD")
    patients = dict.fromkeys(range(1, 21), ("glaucoma", "normal fundus"))
    write_odir5k(tmp_path / "ODIR-5K", patients)
    write_eyepacs_light(tmp_path / "eyepac-light-v2-512-jpg")
    parser = ConfigParser(ConfigParser.load_config_files([TRAIN, "configs/datasets/vmnet_paper.json"]))
    parser.update({"data_root": str(tmp_path)})
    parts = parser.get_parsed_content("datalists")
    counted = {part: dict(Counter(item["dataset"] for item in items)) for part, items in parts.items()}
    assert counted["test"] == {"drive": 2, "rfmid": 3, "odir5k": 8, "eyepacs_light": 2}
    assert set(counted["train"]) == set(counted["val"]) == {"drive", "rfmid", "odir5k", "eyepacs_light"}
    for item in (item for items in parts.values() for item in items):
        assert ("vessel" in item) == (item["dataset"] == "drive")
        assert np.isnan(item["disease"]).all() == (item["dataset"] == "drive")
    batches = list(parser.get_parsed_content("train#sampler"))
    of_drive = [parts["train"][place]["dataset"] == "drive" for place in batches]
    assert np.mean(of_drive) == pytest.approx(parser["segmentation_fraction"], abs=0.1)
