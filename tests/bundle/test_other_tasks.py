"""Skin lesions and retinal fluid: the same workflows segment other structures of other pictures, by overlays alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import itk
import numpy as np
import pandas as pd
import pytest
from bundle_configs import EVALUATE, INFERENCE, TRAIN
from monai.bundle import run
from PIL import Image
from skimage.draw import disk

from vmnet_monai.calibration.operating_point import OperatingPoint

VENET = "configs/networks/venet.json"
RESFORMER = "configs/networks/resformer.json"
HEIGHT_PX, WIDTH_PX = 40, 56


def blob(generator: np.random.Generator, centre: tuple[int, int]) -> np.ndarray:
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), dtype=bool)
    mask[disk(centre, generator.integers(5, 9), shape=mask.shape)] = True
    return mask


def write_isic2017(root: Path) -> Path:
    """Six photographs per part: a dark lesion on skin; melanoma, seborrheic keratosis and nevus in turn."""
    generator = np.random.default_rng(0)
    for part in ("Training", "Validation", "Test_v2"):
        data, outlines = root / f"ISIC-2017_{part}_Data", root / f"ISIC-2017_{part}_Part1_GroundTruth"
        data.mkdir(parents=True)
        outlines.mkdir()
        lines = ["image_id,melanoma,seborrheic_keratosis"]
        for index in range(6):
            name = f"ISIC_00{len(part):02d}{index:03d}"
            lesion = blob(generator, (20, 28))
            image = generator.integers(170, 200, (HEIGHT_PX, WIDTH_PX, 3))
            image[lesion] -= np.array([[90, 60, 30], [30, 60, 90], [90, 90, 90]])[index % 3]
            Image.fromarray(image.astype(np.uint8)).save(data / f"{name}.jpg")
            Image.fromarray(lesion.astype(np.uint8) * 255).save(outlines / f"{name}_segmentation.png")
            lines.append(f"{name},{index % 3 == 0:d}.0,{index % 3 == 1:d}.0")
        (root / f"ISIC-2017_{part}_Part3_GroundTruth.csv").write_text("\n".join(lines) + "\n")
    return root


def write_retouch(root: Path) -> Path:
    """Four Cirrus volumes of four slices: no fluid, then IRF, SRF and PED, each darker or brighter than the retina."""
    generator = np.random.default_rng(0)
    for number in range(1, 5):
        volume = generator.integers(100, 130, (4, HEIGHT_PX, WIDTH_PX)).astype(np.uint8)
        reference = np.zeros_like(volume)
        for label, grey in ((1, 20), (2, 60), (3, 220)):
            mask = blob(generator, (20, 14 * label))
            volume[label][mask] = grey
            reference[label][mask] = label
        folder = root / f"RETOUCH-TrainingSet-Cirrus/TRAIN{number:03d}"
        folder.mkdir(parents=True)
        for name, voxels in (("oct", volume), ("reference", reference)):
            itk.imwrite(itk.image_from_array(voxels), str(folder / f"{name}.mhd"))
    return root


TASKS: dict[str, tuple[Callable[[Path], Path], list[str], dict, int]] = {
    "isic2017": (
        write_isic2017,
        ["lesion"],
        {"segmentation_activation": "softmax", "disease_activation": "softmax"},
        6,
    ),
    "retouch": (write_retouch, ["irf", "srf", "ped"], {}, 4),
}
NETWORKS = {
    "isic2017": (VENET, {"network_def#features": [8, 12, 16]}),
    "retouch": (
        RESFORMER,
        {"network_def#features": [8, 16], "network_def#num_heads": [2, 4], "cam_layer": "levels.1"},
    ),
}


@pytest.mark.filterwarnings("ignore:.*RETOUCH folders missing")
@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_task_goes_through_every_workflow(task: str, output_folder: Callable[[Path], Path], tmp_path: Path) -> None:
    write, structures, changes, tested = TASKS[task]
    network, size = NETWORKS[task]
    data = write(tmp_path / "data")
    epochs = 40 if task == "isic2017" else 2  # enough to learn a lesion
    overlays = [f"configs/datasets/{task}.json", network]
    output, predictions = output_folder(tmp_path / "output"), tmp_path / "predictions"
    settings = {
        **{"dataset_dir": str(data), "output_dir": str(output), "device": "cpu", "grid_size": 64, "disease_size": 64},
        **{"batch_size": 4, "max_epochs": epochs, "val_interval": epochs // 2, "learning_rate": 0.01},
        **changes,
        **size,
    }
    run("training", config_file=[TRAIN, *overlays], **settings)
    point = OperatingPoint.load(output / "models")
    assert (list(point.structures), point.field_of_view) == (structures, "whole")
    assert len(point.structure_thresholds) == len(structures)
    with Image.open(next((output / "validation").glob("*.png"))) as image:
        assert image.size == (2 * WIDTH_PX, HEIGHT_PX)

    run("evaluating", config_file=[TRAIN, *overlays, EVALUATE], **settings)
    summary = json.loads((output / "metrics.json").read_text())
    table = pd.read_csv(output / "metrics.csv")
    assert summary["photographs"] == len(table) == tested
    for structure in structures:
        whole, inside = (summary[structure][region]["all"]["mean"]["dice"] for region in ("whole_image", "inside_fov"))
        assert whole == inside  # the whole picture is the region
        assert table[f"{structure}_inside_fov_dice"].mean() == pytest.approx(inside)
    if task == "isic2017":
        assert summary["lesion"]["inside_fov"]["all"]["mean"]["dice"] > 0.7

    run(
        config_file=[INFERENCE, *overlays],
        **{"dataset_dir": str(data), "output_dir": str(predictions), "model_dir": str(output / "models")},
        **{"device": "cpu", "explain": [point.diseases[0]], **changes, **size},
    )
    names = set(pd.read_csv(predictions / "predictions.csv")["id"])
    for structure in structures:
        for folder in (structure, f"{structure}_probability"):
            assert {path.stem for path in (predictions / folder).iterdir()} == names
    with Image.open(next((predictions / "cam").iterdir())) as image:
        assert image.size == (WIDTH_PX, HEIGHT_PX)
