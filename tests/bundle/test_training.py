"""Training through the bundle: what it writes, determinism, resuming, mixing, tracking."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from bundle_configs import TRAIN
from mlflow import MlflowClient
from monai.bundle import ConfigParser
from PIL import Image

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.datasets import DatasetWarning


def _client(output_dir: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{output_dir.absolute()}/mlruns.db")


def _runs(client: MlflowClient) -> list:
    (experiment,) = [e for e in client.search_experiments() if e.name == "vmnet"]
    return client.search_runs(experiment.experiment_id)


def _checkpoint(output_dir: Path, epoch: int) -> dict[str, Any]:
    return torch.load(output_dir / f"checkpoints/checkpoint_epoch={epoch}.pt", weights_only=True)


def test_a_training_leaves_weights_thresholds_pictures_and_checkpoints(trained: Path) -> None:
    state = torch.load(trained / "models/model.pt", weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    point = OperatingPoint.load(trained / "models")
    assert point.diseases == ("normal", "diabetic_retinopathy", "glaucoma", "cataract", "amd")
    assert point.grid_size == 64
    assert all(0 <= value <= 1 for value in (point.structure_thresholds[0], *point.disease_thresholds))
    with Image.open(next((trained / "validation").glob("*.png"))) as image:
        assert image.size == (2 * 96, 96)
    names = sorted(path.name for path in (trained / "checkpoints").iterdir())
    assert names == ["checkpoint_epoch=1.pt", "checkpoint_epoch=2.pt"]


def test_mlflow_holds_parameters_metrics_config_and_artifacts(trained: Path) -> None:
    client = _client(trained)
    (run,) = _runs(client)
    assert run.info.status == "FINISHED"
    assert run.data.params["dataset_name"] == "phantom"
    assert run.data.params["grid_size"] == "64"
    history = client.get_metric_history(run.info.run_id, "val_dice")
    assert [metric.step for metric in history] == [1, 2]
    assert {"train_loss", "val_auc", "val_score", "val_pooled_auc_cataract"} <= set(run.data.metrics)
    artifacts = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"configs", "models", "validation"} <= artifacts
    assert "models/model.pt" in {file.path for file in client.list_artifacts(run.info.run_id, "models")}
    assert run.data.tags["command"]


def test_another_seed_gives_other_weights_and_fewer_epochs_than_the_validation_interval_still_leave_some(
    train: Callable[..., Path], trained: Path, tmp_path: Path
) -> None:
    """That the same seed gives the same weights is in the next test."""
    train(tmp_path, max_epochs=1, seed=1, val_interval=2)
    assert (tmp_path / "models/model.pt").exists()
    first, other = (_checkpoint(folder, epoch=1)["network"] for folder in (trained, tmp_path))
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_a_crashed_training_is_marked_and_resumed_to_the_weights_of_one_that_ran_through(
    train: Callable[..., Path], trained: Path, tmp_path: Path
) -> None:
    crash = tmp_path / "crash.json"
    handler = {
        "_target_": "StatsHandler",
        "iteration_log": False,
        "epoch_print_logger": "$lambda engine: 1 / (2 - engine.state.epoch)",
    }
    crash.write_text(json.dumps({"+train#handlers": [handler]}))
    output = tmp_path / "output"
    with pytest.raises(RuntimeError):
        train(output, config_file=[TRAIN, str(crash)])
    assert [path.name for path in (output / "checkpoints").iterdir()] == ["checkpoint_epoch=1.pt"]

    train(output, resume=True)
    torn, through = (_checkpoint(folder, epoch=2) for folder in (output, trained))
    assert all(torch.equal(torn["network"][key], through["network"][key]) for key in through["network"])
    assert torn["early_stop"] == through["early_stop"]
    assert torn["evaluator"]["best_metric"] == through["evaluator"]["best_metric"]

    before = json.loads((output / "models/operating_point.json").read_text())
    train(output, max_epochs=3, resume=True)
    assert (output / "checkpoints/checkpoint_epoch=3.pt").exists()
    assert before.keys() == json.loads((output / "models/operating_point.json").read_text()).keys()
    runs = _runs(_client(output))
    assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED", "FINISHED"]
    assert len({run.info.run_name for run in runs}) == 3
    resumed = next(run for run in runs if run.data.params.get("max_epochs") == "3")
    history = _client(output).get_metric_history(resumed.info.run_id, "train_loss")
    assert [metric.step for metric in history] == [3]


def test_one_class_for_validation_is_warned_of_and_leaves_the_last_weights(
    train: Callable[..., Path], phantoms: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(phantoms / "phantoms.csv")
    table["image"] = str(phantoms) + "/" + table["image"]
    table.loc[table["split"] == "val", "cataract"] = 0
    table[["image", "patient", "split", "cataract"]].to_csv(tmp_path / "own.csv", index=False)
    given = {"dataset_name": "table", "dataset_dir": str(tmp_path / "own.csv"), "diseases": ["cataract"]}
    with pytest.warns(DatasetWarning, match="without cataract: val_score is undefined, .*last validation are kept"):
        output = train(tmp_path / "output", tracking_uri="none", **given)
    weights = torch.load(output / "models/model.pt", weights_only=True)
    last = _checkpoint(output, epoch=2)["network"]
    assert all(torch.equal(weights[key], value) for key, value in last.items())
    assert OperatingPoint.load(output / "models").disease_thresholds == (0.5,)
    assert not (output / "mlruns.db").exists()


def test_resuming_without_checkpoint_says_what_to_give(train: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as caught:
        train(tmp_path, resume=True)
    assert "holds no checkpoint to resume from" in str(caught.value.__cause__)


def test_vessels_of_one_dataset_and_labels_of_another_train_together(
    train: Callable[..., Path], phantoms: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(phantoms / "phantoms.csv")
    for name, columns in {"vessels": ["vessel"], "labels": ["cataract", "normal"]}.items():
        rows = table.assign(patient=name + "_" + table["id"].astype(str))[
            ["image", "fov", "patient", "split", *columns]
        ]
        rows[["image", "fov"]] = str(phantoms) + "/" + rows[["image", "fov"]]
        if "vessel" in columns:
            rows["vessel"] = str(phantoms) + "/" + rows["vessel"]
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
    output = train(
        tmp_path / "output",
        dataset_name=["table", "table"],
        dataset_dir=[str(tmp_path / "vessels.csv"), str(tmp_path / "labels.csv")],
    )
    point = OperatingPoint.load(output / "models")
    assert point.structure_thresholds[0] != 0.5
    assert point.disease_thresholds[point.diseases.index("amd")] == 0.5  # nothing said, nothing chosen


@pytest.mark.parametrize(
    ("keep", "metric"), [(["vessel"], "val_dice"), (["cataract", "normal"], "val_auc")], ids=["vessels", "labels"]
)
def test_a_dataset_that_knows_one_head_only_trains_it_alone(
    train: Callable[..., Path], phantoms: Path, tmp_path: Path, keep: list[str], metric: str
) -> None:
    table = pd.read_csv(phantoms / "phantoms.csv")
    paths = ["image", "fov", *[name for name in keep if name == "vessel"]]
    rows = table[["patient", "split", *{*paths, *keep}]].copy()
    rows[paths] = str(phantoms) + "/" + rows[paths]
    rows.to_csv(tmp_path / "own.csv", index=False)
    output = train(tmp_path / "output", max_epochs=1, dataset_name="table", dataset_dir=str(tmp_path / "own.csv"))
    (run,) = _runs(_client(output))
    assert run.data.metrics["val_score"] == pytest.approx(run.data.metrics[metric])
    assert np.isfinite(run.data.metrics["train_loss"])


def test_guidance_can_be_switched_off_by_an_overlay(tmp_path: Path) -> None:
    overlay = tmp_path / "plain.json"
    overlay.write_text(json.dumps({"network_def#guidance": "none"}))
    for files, guided in (([TRAIN], True), ([TRAIN, str(overlay)], False)):
        parser = ConfigParser(ConfigParser.load_config_files(files))
        state = parser.get_parsed_content("network_def").state_dict()
        assert any(key.startswith("guidance") for key in state) == guided


def test_both_axes_are_scaled_and_moved() -> None:
    parser = ConfigParser(ConfigParser.load_config_files(TRAIN))
    affine = parser.get_parsed_content("train#affine")
    affine.set_random_state(0)
    affine.rand_affine.randomize()
    grid = affine.rand_affine.rand_affine_grid
    assert len(grid.scale_params) == 2
    assert len(grid.translate_params) == 2
