"""The overlays of the baselines: one command trains, evaluates and predicts with each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import EVALUATE, INFERENCE, ROOT, SMALL, SMALL_NETWORK, TRAIN
from mlflow import MlflowClient
from monai.bundle import ConfigParser, run

OVERLAYS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("configs/networks/*.json"))
RESNET18 = "configs/networks/resnet18.json"
QUICK = {key: value for key, value in SMALL.items() if key not in SMALL_NETWORK}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlay_makes_a_disease_network_of_random_weights(overlay: str) -> None:
    parser = ConfigParser(ConfigParser.load_config_files([TRAIN, overlay]))
    network = parser.get_parsed_content("network_def").eval()
    with torch.no_grad():
        outputs = network(torch.rand(2, 3, 64, 96))
    assert {name: value.shape for name, value in outputs.items()} == {"disease": (2, 5)}
    assert network.label_names == parser["diseases"]
    assert parser["vessel_share"] == 0


def test_baseline_goes_through_every_workflow(phantoms: Path, tmp_path: Path) -> None:
    output, predictions = tmp_path / "output", tmp_path / "predictions"
    settings = {"dataset": "phantom", "dataset_dir": str(phantoms), **QUICK, "output_dir": str(output)}
    run("training", config_file=[TRAIN, RESNET18], **settings, **{"train#trainer#max_epochs": 1})
    client = MlflowClient(tracking_uri=f"sqlite:///{output}/mlruns.db")
    (experiment,) = [e for e in client.search_experiments() if e.name == "vmnet"]
    (tracked,) = client.search_runs(experiment.experiment_id)
    metrics = tracked.data.metrics
    assert np.isfinite(metrics["train_loss"])
    assert metrics["val_score"] == pytest.approx(metrics["val_auc"])  # there are no vessels to score
    assert np.isnan(metrics.get("val_dice", np.nan))

    run("evaluating", config_file=[TRAIN, RESNET18, EVALUATE], **settings)
    scores = json.loads((output / "metrics.json").read_text())
    assert "phantom" in scores["disease"]
    assert not scores["vessel"].get("inside_fov")

    photograph = tmp_path / "photographs/eye.png"
    photograph.parent.mkdir()
    shutil.copy(next((phantoms / "images").glob("*.png")), photograph)
    run(
        config_file=[INFERENCE, RESNET18],
        dataset_dir=str(photograph.parent),
        output_dir=str(predictions),
        model_dir=str(output / "models"),
        cam_diseases=["amd"],
        device="cpu",
        **{"handlers#2#cam_layer": "network.layer4"},
    )
    assert pd.read_csv(predictions / "predictions.csv")["probability_amd"].between(0, 1).all()
    assert [path.name for path in (predictions / "cam").iterdir()] == ["eye_amd.png"]
    assert not (predictions / "vessel").exists()
