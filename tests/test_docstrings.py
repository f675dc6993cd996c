"""The examples in the docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

import vmnet_monai

MODULES = [module.name for module in pkgutil.walk_packages(vmnet_monai.__path__, "vmnet_monai.")]
WITH_EXAMPLE = [
    "calibration.OperatingPoint",
    "calibration.platt_scaling",
    "biomarkers.vessel_measures",
    "datasets.find_images",
    "datasets.read_datasets",
    "explain.disease_heat_maps",
    "handlers.MixedSampler",
    "handlers.PredictionCollector",
    "inference.manifest.Manifest",
    "inference.predictor.Predictor",
    "losses.MultiTaskLoss",
    "metrics.LabelledDiceMetric",
    "metrics.disease_scores",
    "metrics.segmentation_scores",
    "networks.ResFormer",
    "networks.SingleTask",
    "networks.VENet",
    "networks.VMNet",
    "transforms.FieldOfViewBox",
    "transforms.chain",
    "transforms.enhance_contrast",
    "transforms.estimate_field_of_view",
]


def load(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("monai.deploy"):
            pytest.skip("needs the extra `deploy`")
        raise


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_examples_hold(name: str) -> None:
    failed, _ = doctest.testmod(load(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failed == 0


@pytest.mark.parametrize("path", WITH_EXAMPLE)
def test_main_classes_and_functions_have_an_example(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert ">>> " in (getattr(importlib.import_module(f"vmnet_monai.{module}"), name).__doc__ or "")
