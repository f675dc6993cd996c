"""Training, evaluation and calibration from any folder, and which keys may be overridden."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bundle_configs import SMALL

from vmnet_monai import bundle_path
from vmnet_monai.datasets.phantom import write_phantoms
from vmnet_monai.workflows import RENAMED_KEYS, run_workflow


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder outside the repository."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_a_training_is_evaluated_and_calibrated_with_the_bundle_of_the_package(
    output_folder: Callable[[Path], Path],
) -> None:
    write_phantoms("phantoms", count=10, size_px=64)
    output_folder(Path("out"))
    given = {**SMALL, "dataset_name": "phantom", "dataset_dir": "phantoms"}
    run_workflow("train", overrides={**given, "output_dir": "out", "max_epochs": 1})
    executed = json.loads(Path("out/executed_config.json").read_text())
    assert executed["network_def"]["encoder"] == SMALL["network_def#encoder"]
    assert (executed["max_epochs"], executed["dataset_dir"]) == (1, "phantoms")

    run_workflow("evaluate", overrides={**given, "output_dir": "out"})
    assert json.loads(Path("out/metrics.json").read_text())["split"] == "test"
    assert json.loads(Path("out/executed_config_evaluate.json").read_text())["validate"]["split"] == "test"
    assert json.loads(Path("out/executed_config.json").read_text()) == executed, "the training's record stays"

    Path("grid.json").write_text('{"grid_size": 96}')
    calibration = {key: value for key, value in given.items() if key != "grid_size"} | {"output_dir": "calibrated"}
    run_workflow("calibrate", overlays=["grid.json"], overrides={**calibration, "pretrained": "out/models/model.pt"})
    trained, calibrated = (torch.load(f"{name}/models/model.pt", weights_only=True) for name in ("out", "calibrated"))
    assert all(torch.equal(calibrated[key], value) for key, value in trained.items())
    assert json.loads(Path("calibrated/models/operating_point.json").read_text())["grid_size"] == 96


def test_only_the_first_process_writes_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    for rank in ("1", "0"):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(ValueError, match="hrff"):
            run_workflow("train", overrides={"output_dir": rank, "dataset_name": "hrff"})
    assert not Path("1/executed_config.json").exists()
    assert Path("0/executed_config.json").exists()


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("grid_sise", "grid_sise: did you mean grid_size?"),
        ("trian#trainer", "no key trian: did you mean train or training"),
        ("train#samplr#balance", "no key train#samplr: did you mean train#sampler"),
        ("train#sampler#balence", "train#sampler#balance"),
        ("network_def#encodr", "network_def#encoder"),
        ("train::sampler::balence", "train#sampler#balance"),
        ("+imports", r"no key \+imports: did you mean imports"),
        ("seed#x", "no key seed#x: all keys are in"),
        ("qqq", "no key qqq: all keys are in"),
    ],
)
def test_unknown_keys_are_refused_with_near_ones_before_anything_is_written(key: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_workflow("train", overrides={key: 1, "output_dir": "out"})
    assert os.listdir() == []


@pytest.mark.parametrize(("old", "new"), RENAMED_KEYS.items())
def test_old_keys_are_refused_with_the_new_name(old: str, new: str) -> None:
    with pytest.raises(ValueError, match=f"{old}.*{new}"):
        run_workflow("train", overrides={old: 1})
    Path("mine.json").write_text(json.dumps({old: 1}))
    with pytest.raises(ValueError, match=rf"mine\.json.*{old}.*{new}"):
        run_workflow("train", overlays=["mine.json"])


def test_what_lies_below_an_old_key_is_refused_with_its_new_name() -> None:
    Path("mine.json").write_text(json.dumps({"train#augmentation#7#prob": 0.0}))
    with pytest.raises(ValueError, match=r"mine\.json.* train#augmentation#jpeg#prob "):
        run_workflow("train", overlays=["mine.json"])


def test_no_renamed_key_is_one_of_the_config() -> None:
    from monai.bundle import ConfigParser

    config = ConfigParser.load_config_files(str(bundle_path() / "configs/train.json"))
    parser: Any = ConfigParser(config)
    assert [old for old in RENAMED_KEYS if parser.get(old) is not None] == []
    added = {"crops_per_image", "reduce"}  # by configs/experiments/joint.json
    assert [key for key in {*RENAMED_KEYS.values()} - added if key not in parser] == []


@pytest.mark.parametrize("where", ["bundle", "overlay"])
def test_missing_files_are_named(where: str) -> None:
    given: dict[str, Any] = {"bundle": "nowhere"} if where == "bundle" else {"overlays": ["nowhere.json"]}
    with pytest.raises(FileNotFoundError, match="nowhere"):
        run_workflow("train", **given)


def test_an_overlay_key_that_nothing_reads_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    overlay = {
        "learning_rat": 0,
        "data_root": "data",
        "dataset_name": "hrff",
        "cam_layer": "x",
        "dataset_dir": "@data_root",
    }
    Path("own.json").write_text(json.dumps(overlay))
    with pytest.raises(ValueError, match="hrff"):
        run_workflow("train", overlays=["own.json"], overrides={"output_dir": "out"})
    (message,) = [record.getMessage() for record in caplog.records if record.name == "vmnet_monai.workflows"]
    assert "own.json sets the config key learning_rat" in message
    assert "learning_rate?" in message


@pytest.mark.parametrize("name", ["evaluate", "calibrate"])
def test_missing_weights_are_told_before_anything_is_read_or_written(name: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"out/models/model\.pt are missing"):
        run_workflow(name, overrides={"output_dir": "out"})
    assert not Path("out").exists()
