"""Small evaluations for the tests of the handlers: made by hand, or a real evaluator on phantoms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.transforms import (
    Activationsd,
    AsDiscreted,
    Compose,
    EnsureChannelFirstd,
    EnsureTyped,
    FlattenSubKeysd,
    LoadImaged,
    MaskIntensityd,
    ScaleIntensityRanged,
)

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.datasets.phantom import read, write_phantoms
from vmnet_monai.handlers import PrepareMultiTaskBatch
from vmnet_monai.io.images import FundusImageReader, to_mask, to_rgb
from vmnet_monai.networks import VMNet
from vmnet_monai.transforms import (
    CropToFieldOfViewd,
    FieldOfViewd,
    FillMissingMasksd,
    LabelVectord,
    LoadReferenceMasksd,
    RecordLabelPathsd,
    RestoreToImaged,
)

DISEASES = ("normal", "glaucoma")
NAN = float("nan")


def operating_point(*disease_thresholds: float) -> OperatingPoint:
    """An operating point of uncalibrated probabilities."""
    return OperatingPoint(
        diseases=DISEASES,
        grid_size=64,
        disease_size=32,
        contrast="none",
        field_of_view="estimate",
        network="VMNet(classified=encoder)",
        structures=("vessel",),
        structure_thresholds=(0.5,),
        disease_calibration=((1.0, 0.0), (1.0, 0.0)),
        disease_thresholds=disease_thresholds,
    )


def photograph(
    name: str = "a",
    dataset: str = "drive",
    probabilities: Sequence[float] | None = (0.5, 0.5),
    labels: Sequence[float] = (NAN, NAN),
    vessel: list[list[float]] | None = None,
    reference: list[list[int]] | None = None,
    fov: list[list[int]] | None = None,
    sex: str = "",
    age: float = NAN,
) -> dict[str, Any]:
    """What batch and output hold of one photograph; ``vessel`` are probabilities, ``reference`` None is unknown."""
    height, width = (1, 1) if vessel is None else (len(vessel), len(vessel[0]))
    entry: dict[str, Any] = {
        "id": name,
        "dataset": dataset,
        "patient": f"patient of {name}",
        "sex": sex,
        "age": age,
        "image_path": f"{name}.png",
        "has_vessel": torch.tensor(reference is not None),
        "label_disease": torch.tensor(labels),
        "seconds": 0.0,
        "image": torch.zeros(3, 8, 8),
        "fov": torch.ones(1, height, width),
        "fov_box": torch.tensor([0, 0, max(height, width), height, width]),
    }
    if probabilities is not None:
        entry["pred_disease"] = torch.tensor(probabilities)
    if vessel is not None:
        entry["pred_vessel"] = torch.tensor([vessel])
        entry["vessel_reference"] = torch.tensor([reference or [[0] * len(row) for row in vessel]], dtype=torch.uint8)
        entry["fov_reference"] = torch.tensor([fov or [[1] * len(row) for row in vessel]], dtype=torch.uint8)
    return entry


def feed(batches: Sequence[list[dict[str, Any]]], *handlers: Any, epochs: int = 1) -> Engine:
    """Run handlers over batches that are both the engine's batch and its decollated output."""
    engine = Engine(lambda _, batch: batch)
    engine.state_dict_user_keys.append("best_metric_epoch")
    for handler in handlers:
        handler.attach(engine)
    engine.run(batches, max_epochs=epochs)
    return engine


def phantom_items(directory: Path, count: int = 4, size_px: int = 96) -> list[dict[str, Any]]:
    """Phantoms on disk as items with the labels :data:`DISEASES`."""
    write_phantoms(directory, count, size_px)
    return [dict(item) for item in read(directory, DISEASES)]


def evaluator(
    items: list[dict[str, Any]],
    network: torch.nn.Module,
    handlers: Sequence[Any] = (),
    key_metric: dict[str, Any] | None = None,
    alter: Callable[[dict[str, Any]], dict[str, Any]] = lambda entry: entry,
) -> SupervisedEvaluator:
    """A MONAI evaluator with the transforms of the bundle on a grid of 64 pixels.

    ``alter`` is applied to batch and output of each photograph after the postprocessing.
    """
    pictures = ("image", "vessel", "fov")
    masks: dict[str, Any] = {"keys": ("vessel", "fov"), "allow_missing_keys": True}
    reading: dict[str, Any] = {"image_only": True, "dtype": None}
    before = Compose(
        [
            RecordLabelPathsd(),
            LoadImaged("image", reader=FundusImageReader(to_rgb), **reading),
            LoadImaged(**masks, reader=FundusImageReader(to_mask), **reading),
            EnsureChannelFirstd("image", channel_dim=-1),
            EnsureChannelFirstd(**masks, channel_dim="no_channel"),
            FieldOfViewd(),
            CropToFieldOfViewd(pictures, size_px=64, allow_missing_keys=True),
            FillMissingMasksd("vessel"),
            LabelVectord("disease", len(DISEASES)),
            ScaleIntensityRanged(pictures, 0, 255, 0.0, 1.0),
            AsDiscreted("fov", threshold=0.5),
            EnsureTyped(pictures, track_meta=False),
        ]
    )
    after = Compose(
        [
            FlattenSubKeysd("pred", prefix="pred"),
            FlattenSubKeysd("label", prefix="label"),
            Activationsd(("pred_vessel", "pred_disease"), sigmoid=True, allow_missing_keys=True),
            RestoreToImaged(("pred_vessel", "fov"), allow_missing_keys=True),
            AsDiscreted("fov", threshold=0.5),
            MaskIntensityd("pred_vessel", mask_key="fov", allow_missing_keys=True),
            LoadReferenceMasksd(),
            alter,
        ]
    )
    return SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(items, before), batch_size=3),
        network=network,
        prepare_batch=PrepareMultiTaskBatch(),
        postprocessing=after,
        key_val_metric=key_metric,
        val_handlers=list(handlers),
    )


def small_network(seed: int = 0) -> VMNet:
    """A V-MNet of three levels with random weights."""
    torch.manual_seed(seed)
    return VMNet(DISEASES, features=(4, 8, 12), guided_levels=2)
