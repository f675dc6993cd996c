"""Evaluation and inference through the bundle."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skimage.data
import torch
from bundle_configs import CALIBRATE, EVALUATE, INFERENCE, SMALL, SMALL_NETWORK, TRAIN
from monai.bundle import run
from PIL import Image

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.datasets.phantom import DISEASES


def _evaluate(trained: Path, phantoms: Path, output_dir: Path, **overrides: Any) -> Path:
    settings = {"dataset_name": "phantom", "dataset_dir": str(phantoms), **SMALL, **overrides}
    folders = {"output_dir": str(output_dir), "model_dir": str(trained / "models")}
    run("evaluating", config_file=[TRAIN, EVALUATE], **folders, **settings)
    return output_dir


@pytest.fixture(scope="module")
def evaluated(trained: Path, phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _evaluate(trained, phantoms, tmp_path_factory.mktemp("evaluated"))


def test_scores_are_written_per_region_dataset_and_disease(evaluated: Path) -> None:
    scores = json.loads((evaluated / "metrics.json").read_text())
    assert scores["split"] == "test"
    assert scores["photographs"] == 4
    for region in ("inside_fov", "whole_image"):
        phantom = scores["vessel"][region]["phantom"]
        assert phantom["photographs"] == 4
        assert 0 <= phantom["mean"]["dice"] <= 1
        assert 0 <= phantom["pooled"]["auc"] <= 1
        dice, iou = phantom["pooled"]["dice"], phantom["pooled"]["iou"]
        assert iou == pytest.approx(dice / (2 - dice))
    assert set(scores["disease"]["phantom"]["per_disease"]) == set(scores["thresholds"]) - {"vessel"}


def test_one_row_per_photograph_with_the_decision_at_the_stored_threshold(evaluated: Path, trained: Path) -> None:
    table = pd.read_csv(evaluated / "metrics.csv")
    thresholds = json.loads((trained / "models/operating_point.json").read_text())
    assert len(table) == 4
    for disease, threshold in zip(thresholds["diseases"], thresholds["disease_thresholds"], strict=True):
        expected = (table[f"probability_{disease}"] >= threshold).astype(int)
        assert (table[f"decision_{disease}"] == expected).all()
    mean = json.loads((evaluated / "metrics.json").read_text())["vessel"]["inside_fov"]["phantom"]["mean"]
    assert table["vessel_inside_fov_dice"].mean() == pytest.approx(mean["dice"])


@pytest.mark.parametrize("label", [0, 1])
def test_a_part_of_one_class_is_scored_as_far_as_possible_and_said_once(
    label: int, trained: Path, phantoms: Path, tmp_path: Path
) -> None:
    shutil.copytree(phantoms, tmp_path / "phantoms")
    index = tmp_path / "phantoms/phantoms.csv"
    table = pd.read_csv(index, dtype=str)
    labels = {disease: 1 - label if disease == "normal" else label for disease in DISEASES}
    for disease in DISEASES:
        table.loc[table["split"] == "test", disease] = str(labels[disease])
    table.to_csv(index, index=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _evaluate(trained, tmp_path / "phantoms", tmp_path / "out")
    scores = json.loads((tmp_path / "out/metrics.json").read_text())["disease"]["phantom"]
    for disease, one in scores["per_disease"].items():
        assert one["auc"] is None
        assert one["average_precision"] is None
        assert one["specificity" if labels[disease] else "sensitivity"] is None
        assert 0 <= one["accuracy"] <= 1
    assert scores["macro"]["auc"] is None
    assert len(pd.read_csv(tmp_path / "out/metrics.csv")) == 4
    assert not [one for one in caught if "sklearn" in one.filename or issubclass(one.category, RuntimeWarning)]
    said = [str(one.message) for one in caught if "In the test part" in str(one.message)]
    assert len(said) == 1
    assert f"with and without {', '.join(DISEASES)}: an evaluation leaves their AUC empty" in said[0]


def test_evaluating_on_another_grid_than_trained_is_refused(trained: Path, phantoms: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as caught:
        _evaluate(trained, phantoms, tmp_path, grid_size=96)
    assert "trained with grid_size = 64" in str(caught.value.__cause__)


def test_finished_weights_get_an_operating_point_for_another_grid(
    trained: Path, phantoms: Path, tmp_path: Path
) -> None:
    settings = {
        **SMALL,
        "grid_size": 96,
        "dataset_name": "phantom",
        "dataset_dir": str(phantoms),
        "output_dir": str(tmp_path),
    }
    weights = trained / "models/model.pt"
    run("calibrating", config_file=[TRAIN, CALIBRATE], **settings | {"pretrained": str(weights)})
    before, after = torch.load(weights), torch.load(tmp_path / "models/model.pt")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert OperatingPoint.load(tmp_path / "models").grid_size == 96
    run("evaluating", config_file=[TRAIN, EVALUATE], **settings)
    stored = json.loads((tmp_path / "models/operating_point.json").read_text())
    scored = json.loads((tmp_path / "metrics.json").read_text())["thresholds"]
    assert [scored["vessel"]] == stored["structure_thresholds"]


def test_high_thresholds_are_stored_and_scored(trained: Path, phantoms: Path, tmp_path: Path) -> None:
    settings = {**SMALL, "dataset_name": "phantom", "dataset_dir": str(phantoms), "output_dir": str(tmp_path)}
    chosen = settings | {"pretrained": str(trained / "models/model.pt"), "structure_high_thresholds": [1.0]}
    run("calibrating", config_file=[TRAIN, CALIBRATE], **chosen)
    assert OperatingPoint.load(tmp_path / "models").structure_high_thresholds == (1.0,)
    run("evaluating", config_file=[TRAIN, EVALUATE], **settings)
    lowered = pd.read_csv(tmp_path / "metrics.csv")["vessel_inside_fov_sensitivity"]
    run("evaluating", config_file=[TRAIN, EVALUATE], **settings, structure_high_thresholds=[])
    assert (lowered == 0).all()
    assert (pd.read_csv(tmp_path / "metrics.csv")["vessel_inside_fov_sensitivity"] > 0).any()


@pytest.fixture(scope="module")
def predicted(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, output = tmp_path_factory.mktemp("photographs"), tmp_path_factory.mktemp("predictions")
    retina = Image.fromarray(skimage.data.retina())
    retina.resize((300, 300)).save(folder / "retina.png")
    retina.crop((0, 200, 1411, 1200)).resize((280, 200)).save(folder / "cut at top.jpg")
    run(
        config_file=INFERENCE,
        dataset_dir=str(folder),
        output_dir=str(output),
        model_dir=str(trained / "models"),
        device="cpu",
        explain="all",
        **SMALL_NETWORK,
    )
    return output


def test_every_photograph_gets_a_row_and_pictures_of_its_own_size(predicted: Path) -> None:
    table = pd.read_csv(predicted / "predictions.csv")
    diseases = ["normal", "diabetic_retinopathy", "glaucoma", "cataract", "amd"]
    assert sorted(table["id"]) == ["cut_at_top", "retina"] or len(table) == 2
    assert table[[f"score_{disease}" for disease in diseases]].stack().between(0, 1).all()
    for row in table.itertuples():
        with Image.open(row.image) as photograph:
            size = photograph.size
        for path in ("vessel", "vessel_probability"):
            with Image.open(predicted / path / f"{row.id}.png") as picture:
                assert picture.size == size
        for disease in diseases:
            with Image.open(predicted / "cam" / f"{row.id}_{disease}.png") as picture:
                assert picture.size == size
                assert picture.mode == "RGB"


def test_the_mask_is_the_16_bit_probability_at_the_stored_threshold(predicted: Path, trained: Path) -> None:
    threshold = json.loads((trained / "models/operating_point.json").read_text())["structure_thresholds"][0]
    for path in (predicted / "vessel").iterdir():
        mask = np.asarray(Image.open(path))
        probability = np.asarray(Image.open(predicted / "vessel_probability" / path.name))
        assert probability.dtype == np.uint16
        assert set(np.unique(mask)) <= {0, 255}
        certain = np.abs(probability / 65535 - threshold) > 1 / 65535
        assert ((mask == 255) == (probability / 65535 >= threshold))[certain].all()


def test_a_dataset_can_be_named_for_inference(trained: Path, phantoms: Path, tmp_path: Path) -> None:
    run(
        config_file=INFERENCE,
        dataset_name="phantom",
        dataset_dir=str(phantoms),
        output_dir=str(tmp_path),
        model_dir=str(trained / "models"),
        explain=[],
        device="cpu",
        **SMALL_NETWORK,
    )
    assert len(pd.read_csv(tmp_path / "predictions.csv")) == 20
    assert not (tmp_path / "cam").exists()


def test_flips_change_the_vessels_and_leave_the_heat_maps(predicted: Path, trained: Path, tmp_path: Path) -> None:
    before = pd.read_csv(predicted / "predictions.csv").set_index("id").sort_index()
    run(
        config_file=INFERENCE,
        dataset_dir=str(Path(before["image"].iloc[0]).parent),
        output_dir=str(tmp_path),
        model_dir=str(trained / "models"),
        explain=["amd"],
        device="cpu",
        flips=True,
        **SMALL_NETWORK,
    )
    after = pd.read_csv(tmp_path / "predictions.csv").set_index("id").sort_index()
    np.testing.assert_allclose(after["score_amd"], before["score_amd"], atol=0.1)
    for name in after.index:
        vessels = [
            np.asarray(Image.open(folder / f"vessel_probability/{name}.png")) for folder in (predicted, tmp_path)
        ]
        assert not np.array_equal(*vessels)
        assert np.corrcoef(vessels[0].ravel(), vessels[1].ravel())[0, 1] > 0.8
        heat_maps = [(folder / f"cam/{name}_amd.png").read_bytes() for folder in (predicted, tmp_path)]
        assert heat_maps[0] == heat_maps[1]


def test_evaluation_can_average_over_flips(trained: Path, evaluated: Path, phantoms: Path, tmp_path: Path) -> None:
    _evaluate(trained, phantoms, tmp_path, flips=True)
    once, averaged = (
        json.loads((folder / "metrics.json").read_text())["vessel"]["inside_fov"]["phantom"]["pooled"]["auc"]
        for folder in (evaluated, tmp_path)
    )
    assert averaged != once
    assert averaged == pytest.approx(once, abs=0.1)
