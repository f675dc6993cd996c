"""A small training on phantoms, run once through MONAI's bundle entry point, on which the bundle's tests build."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from bundle_configs import ROOT, SMALL, TRAIN
from monai.bundle import run

from vmnet_monai.datasets.phantom import write_phantoms


@pytest.fixture(autouse=True, scope="session")
def _at_repository_root() -> Iterator[None]:
    before, uri = Path.cwd(), os.environ.pop("MLFLOW_TRACKING_URI", None)
    os.chdir(ROOT)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    os.chdir(before)
    if uri is not None:
        os.environ["MLFLOW_TRACKING_URI"] = uri


@pytest.fixture(scope="session")
def phantoms(once: Callable[..., Path]) -> Path:
    """Twenty phantoms of 96 pixels."""
    return once("phantoms", lambda folder: write_phantoms(folder, count=20, size_px=96, seed=1))


@pytest.fixture(scope="session")
def train(phantoms: Path, output_folder: Callable[[Path], Path]) -> Callable[..., Path]:
    """Train as the command line does; returns the output folder."""

    def training(
        output_dir: Path,
        max_epochs: int = 2,
        config_file: Any = TRAIN,
        small: Mapping[str, Any] = SMALL,
        **overrides: Any,
    ) -> Path:
        if "tracking_uri" not in overrides:
            output_folder(output_dir)
        settings = {"dataset_name": "phantom", "dataset_dir": str(phantoms), **small, **overrides}
        run(
            "training",
            config_file=config_file,
            output_dir=str(output_dir),
            **{"train#trainer#max_epochs": max_epochs, **settings},
        )
        return output_dir

    return training


@pytest.fixture(scope="session")
def trained(train: Callable[..., Path], once: Callable[..., Path]) -> Path:
    """The output folder of a finished training."""
    return once("trained", train)
