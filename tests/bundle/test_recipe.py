"""The recipe of the bundle's weights, and its ablation, in small, on phantoms of which half have no vessel mask."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from bundle_configs import CALIBRATE, EVALUATE, SMALL, TRAIN
from monai.bundle import run

VESSELS = "configs/experiments/vessels.json"
JOINT = "configs/experiments/joint.json"
FINE_TUNE = "configs/experiments/fine_tune.json"
ABLATION = "configs/experiments/ablation"
STRUCTURES = "configs/experiments/structures.json"
DISEASES = "configs/experiments/diseases.json"

HALF_MASKED = (
    "$(lambda lists: {part: [{key: value for key, value in item.items() if key != 'vessel' or index % 2} "
    "for index, item in enumerate(items)] for part, items in lists.items()})"
    "(vmnet_monai.datasets.load_datalists(@dataset_name, @dataset_dir, @diseases, @split_seed))"
)
RECIPE: dict[str, Any] = {
    **SMALL,
    "crop_size": 32,
    "disease_size": 32,
    "batch_size": 4,
    "datalists": HALF_MASKED,
    "validate#metrics#val_auc#min_count": 1,
}


def _bundle(task: str, files: list[str], phantoms: Path, output_dir: Path, **overrides: Any) -> Path:
    settings = {"dataset_name": "phantom", "dataset_dir": str(phantoms), **RECIPE, **overrides}
    run(task, config_file=[TRAIN, *files], output_dir=str(output_dir), **settings)
    return output_dir


@pytest.fixture(scope="module")
def vessels(train: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    changes = {"crop_size": 32, "batch_size": 4, "crops_per_image": 2}
    return train(tmp_path_factory.mktemp("vessels"), 1, [TRAIN, VESSELS], **changes)


@pytest.fixture(scope="module")
def joint(train: Callable[..., Path], vessels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    weights = str(vessels / "models/model.pt")
    files = [TRAIN, VESSELS, JOINT, FINE_TUNE]
    return train(tmp_path_factory.mktemp("joint"), 1, files, RECIPE, pretrained=weights)


def test_joint_training_starts_from_the_vessels_and_learns_both(vessels: Path, joint: Path) -> None:
    before, after = (torch.load(folder / "models/model.pt") for folder in (vessels, joint))
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert {"encoder", "disease_encoder", "decoder", "structure_head", "guide_encoder", "classifier"} <= changed
    started_at_zero = ("guidance", "classifier.add")
    kernels = [n for n, value in before.items() if value.ndim == 4 and not n.startswith(started_at_zero)]
    moved = [torch.linalg.norm(after[n] - before[n]) / torch.linalg.norm(before[n]) for n in kernels]
    assert max(moved) < 0.5  # unrelated random weights lie 1.4 apart


def test_joint_weights_score_photographs_with_and_without_mask(joint: Path, phantoms: Path) -> None:
    _bundle("evaluating", [VESSELS, JOINT, EVALUATE], phantoms, joint)
    table = pd.read_csv(joint / "metrics.csv")
    assert len(table) == 4
    assert table["vessel_inside_fov_dice"].notna().sum() == 2
    assert table["probability_glaucoma"].between(0, 1).all()


def test_operating_point_of_joint_weights_can_be_chosen_with_flips(joint: Path, phantoms: Path, tmp_path: Path) -> None:
    weights = str(joint / "models/model.pt")
    _bundle("calibrating", [VESSELS, JOINT, CALIBRATE], phantoms, tmp_path, pretrained=weights, flips=True)
    without, with_flips = (
        json.loads((folder / "models/operating_point.json").read_text()) for folder in (joint, tmp_path)
    )
    assert without["disease_calibration"] != with_flips["disease_calibration"]
    assert with_flips["disease_size"] == 32


@pytest.mark.parametrize(
    ("system", "head"), [("vessels_only", "vessel_inside_fov_dice"), ("diseases_only", "probability_amd")]
)
def test_ablation_leaves_one_head(
    system: str, head: str, train: Callable[..., Path], phantoms: Path, tmp_path: Path
) -> None:
    files = [VESSELS, JOINT, f"{ABLATION}/budget.json", f"{ABLATION}/{system}.json"]
    train(tmp_path, 1, [TRAIN, *files], RECIPE)
    _bundle("evaluating", [*files, EVALUATE], phantoms, tmp_path)
    table = pd.read_csv(tmp_path / "metrics.csv")
    known = table.notna().any()
    heads = [name for name in ("vessel_inside_fov_dice", "probability_amd") if known.get(name, False)]
    assert heads == [head]


def test_diseases_are_learnt_from_drawn_maps_and_leave_the_structures_as_they_are(
    train: Callable[..., Path], phantoms: Path, tmp_path: Path
) -> None:
    crops = {
        **{"crop_size": 32, "batch_size": 4},
        **{"train#items#times": {"phantom": 2}, "loss#structure_weights": {"vessel": 2.0}},
    }
    files = [TRAIN, VESSELS, STRUCTURES]
    structures = train(tmp_path / "structures", 1, files, SMALL | {"disease_size": 32}, **crops)
    weights = str(structures / "models/model.pt")
    settings = SMALL | {"disease_size": 32, "batch_size": 4, "pretrained": weights}
    settings["validate#metrics#val_auc#min_count"] = 1
    diseases = train(tmp_path / "diseases", 2, [TRAIN, DISEASES], settings)

    before, after = (torch.load(folder / "models/model.pt") for folder in (structures, diseases))
    for name, value in before.items():
        if name.startswith(("encoder.", "decoder.", "structure_head.")):
            # an average of equal weights differs from them by roundings
            torch.testing.assert_close(after[name], value, rtol=1e-5, atol=1e-6)
    shared, own = (f"disease_encoder.levels.{level}.convs.conv_0.conv.weight" for level in (1, 2))
    torch.testing.assert_close(after[shared], before[shared.removeprefix("disease_")], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(after[own], before[own.removeprefix("disease_")], rtol=1e-3)

    overrides = settings | {"dataset_name": "phantom", "dataset_dir": str(phantoms)}
    overrides["pretrained"] = str(diseases / "models/model.pt")
    for task, overlay in (("calibrating", CALIBRATE), ("evaluating", EVALUATE)):
        run(task, config_file=[TRAIN, overlay], output_dir=str(diseases), **overrides)
    table = pd.read_csv(diseases / "metrics.csv")
    assert table["vessel_inside_fov_dice"].notna().all()
    assert table["probability_glaucoma"].between(0, 1).all()
