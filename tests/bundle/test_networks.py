"""The overlays of the other systems: each makes its network and loss, trains, evaluates and predicts by one command."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from bundle_configs import EVALUATE, INFERENCE, ROOT, SMALL, SMALL_NETWORK, TRAIN, network_overlays
from mlflow import MlflowClient
from monai.bundle import ConfigParser, run
from monai.networks.nets import EfficientNetBNFeatures, efficientnet

NETWORKS = ROOT / "configs/networks"
OVERLAYS = sorted(path.relative_to(NETWORKS).with_suffix("").as_posix() for path in NETWORKS.rglob("*.json"))
DISEASE_NETWORKS = {"classification_only", "densenet121", "efficientnet_b0", "resnet18", "resnet50", "vit"}
VESSEL_NETWORKS = {
    *("attention_unet", "basic_unet_plus_plus", "efficientnet_b0_unet", "flexible_unet"),
    *("segmentation_only", "segresnet", "swin_unetr", "unetr"),
}
QUICK = {key: value for key, value in SMALL.items() if key not in SMALL_NETWORK}

SMALL_UNET = {"network_def#features": [8, 12, 16, 24], "network_def#guided_levels": 1}
SMALL_RESFORMER = {"network_def#features": [4, 8], "network_def#num_heads": [2, 4], "cam_layer": "levels.1"}

SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "VENet": ("venet", {"network_def#features": [4, 6, 8]}),
    "VENet with softmax": (
        "venet",
        {"network_def#features": [4, 6], "segmentation_activation": "softmax", "disease_activation": "softmax"},
    ),
    "ResFormer, sequential": ("resformer", SMALL_RESFORMER),
    "ResFormer, parallel": ("resformer_parallel", SMALL_RESFORMER),
    "ResFormer without DFE": ("resformer_no_dfe", SMALL_RESFORMER),
    "ResFormer, authors' code": ("resformer_authors", SMALL_RESFORMER | {"network_def#depths": [1, 2]}),
    "VENetC": ("classification_only", {"network_def#features": [4, 6, 8]}),
    "VENetS": ("segmentation_only", {"network_def#features": [4, 6, 8]}),
    "U-Net with focal Dice": ("efficientnet_b0_unet", {}),
    "UNETR": (
        "unetr",
        {
            f"network_def#network#network#{name}": value
            for name, value in {"feature_size": 4, "hidden_size": 24, "mlp_dim": 24, "num_heads": 2}.items()
        },
    ),
    "classification from the encoder": ("layouts/encoder_classifier", SMALL_UNET),
    "shared decoder": ("layouts/shared_decoder", SMALL_UNET | {"network_def#guided_levels": 2}),
    "bottleneck transformer": (
        "layouts/bottleneck_transformer",
        SMALL_UNET | {"network_def#features": [8, 16, 32]},
    ),
    "ResNet-18": ("resnet18", {}),
    "V-MNet on U-Net blocks": ("vmnet_unet", SMALL_UNET | {"network_def#guided_levels": 2}),
}
"""Systems of the papers and baselines by overlay, in small."""

QUICKLY = ("VENet", "U-Net with focal Dice", "V-MNet on U-Net blocks")
"""One with both heads, one with a head less, and the one that is ours: those that are run with the quick tests."""


def heads(name: str) -> set[str]:
    return (
        {"vessel", "disease"}
        - ({"vessel"} if name in DISEASE_NETWORKS else set())
        - ({"disease"} if name in VESSEL_NETWORKS else set())
    )


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_makes_a_network_that_learns_by_its_own_loss_and_optimizer(name: str, phantoms: Path) -> None:
    parser = ConfigParser(ConfigParser.load_config_files([TRAIN, *network_overlays(name)]))
    parser.update({"grid_size": 64, "disease_size": 32, "device": "cpu", "dataset_dir": str(phantoms)})
    network = parser.get_parsed_content("network")
    expected = {"vessel": (2, 1, 64, 64), "disease": (2, 5)}
    outputs = network(torch.rand(2, 3, 64, 64))
    assert {key: value.shape for key, value in outputs.items() if not key.startswith("vessel_")} == {
        key: expected[key] for key in heads(name)
    }
    if "disease" in heads(name):
        assert network.label_names == parser["diseases"]
    shares = {"vessel": 1.0, "disease": 0.0}
    assert parser["segmentation_fraction"] == (0.5 if len(heads(name)) == 2 else shares[next(iter(heads(name)))])

    target = {
        "vessel": (torch.rand(2, 1, 64, 64) > 0.8).float(),
        "has_vessel": torch.ones(2, dtype=torch.bool),
        "fov": torch.ones(2, 1, 64, 64),
        "disease": torch.eye(5)[:2],
    }
    loss = parser.get_parsed_content("loss")(outputs, target)
    loss.backward()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    parser.get_parsed_content("optimizer").step()
    assert torch.isfinite(loss)
    assert any(not torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_u_net_with_focal_dice_starts_from_imagenet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file in PyTorch's cache where MONAI downloads it, in the layout of its authors: blocks without stages."""
    torch.manual_seed(0)
    weights = EfficientNetBNFeatures("efficientnet-b0", pretrained=False).state_dict()
    file = tmp_path / "hub/checkpoints" / Path(efficientnet.url_map["efficientnet-b0"]).name
    file.parent.mkdir(parents=True)
    torch.save({re.sub(r"^(_blocks)\.\d+\.", r"\1.", key): value for key, value in weights.items()}, file)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    parser = ConfigParser(ConfigParser.load_config_files([TRAIN, *network_overlays("efficientnet_b0_unet")]))
    encoder = parser.get_parsed_content("network_def").network.encoder
    parser.get_parsed_content("start")
    torch.testing.assert_close(encoder.state_dict(), weights, rtol=0, atol=0)


@pytest.mark.parametrize(
    "system", [name if name in QUICKLY else pytest.param(name, marks=pytest.mark.slow) for name in SYSTEMS]
)
def test_system_goes_through_every_workflow(
    system: str, train: Callable[..., Path], phantoms: Path, tmp_path: Path
) -> None:
    name, changes = SYSTEMS[system]
    predictions = tmp_path / "predictions"
    settings = {**QUICK, "batch_size": 4, "disease_size": 32, **changes}
    output = train(tmp_path / "output", 1, [TRAIN, *network_overlays(name)], settings)
    client = MlflowClient(tracking_uri=f"sqlite:///{output}/mlruns.db")
    (experiment,) = [e for e in client.search_experiments() if e.name == "vmnet"]
    (tracked,) = client.search_runs(experiment.experiment_id)
    metrics = tracked.data.metrics
    assert np.isfinite(metrics["train_loss"])
    scores = {"vessel": "val_dice", "disease": "val_auc"}
    of_heads = [metrics[scores[head]] for head in sorted(heads(name))]
    assert metrics["val_score"] == pytest.approx(np.mean(of_heads))  # a head that is not there is not scored

    settings |= {"dataset_name": "phantom", "dataset_dir": str(phantoms), "output_dir": str(output)}
    run("evaluating", config_file=[TRAIN, *network_overlays(name), EVALUATE], **settings)
    summary = json.loads((output / "metrics.json").read_text())
    assert bool(summary["vessel"]) == ("vessel" in heads(name))
    assert ("phantom" in summary["disease"]) == ("disease" in heads(name))

    image = tmp_path / "photographs/eye.png"
    image.parent.mkdir()
    shutil.copy(next((phantoms / "images").glob("*.png")), image)
    run(
        config_file=[INFERENCE, *network_overlays(name)],
        dataset_dir=str(image.parent),
        output_dir=str(predictions),
        model_dir=str(output / "models"),
        explain=["amd"],
        device="cpu",
        **changes,
    )
    table = pd.read_csv(predictions / "predictions.csv")
    assert (predictions / "vessel/eye.png").exists() == ("vessel" in heads(name))
    assert ("score_amd" in table.columns) == ("disease" in heads(name))
    if "disease" in heads(name):
        assert table["score_amd"].between(0, 1).all()
        assert [path.name for path in (predictions / "cam").iterdir()] == ["eye_amd.png"]


@pytest.mark.slow
def test_resformer_is_trained_on_rotations_and_flips_and_selected_by_its_loss(
    train: Callable[..., Path], tmp_path: Path
) -> None:
    files = [TRAIN, "configs/networks/resformer.json", "configs/experiments/resformer.json"]
    output = train(tmp_path, 1, files, {**QUICK, "batch_size": 4, "disease_size": 32, **SMALL_RESFORMER})
    client = MlflowClient(tracking_uri=f"sqlite:///{output}/mlruns.db")
    (tracked,) = client.search_runs([e.experiment_id for e in client.search_experiments() if e.name == "vmnet"])
    metrics = tracked.data.metrics
    assert metrics["val_score"] == pytest.approx(np.exp(-metrics["val_loss"]))
    assert {"val_dice", "val_auc"} <= metrics.keys()
    assert (output / "models/model.pt").is_file()
