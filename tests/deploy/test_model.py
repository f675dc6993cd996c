"""Where the application finds its model, and what it calls it."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from small_bundle import small_bundle

from vmnet_monai.calibration.operating_point import OperatingPoint, weights_version
from vmnet_monai.deploy.model import find_model, model_identity


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_a_model_is_found_by_its_own_path_and_below_a_folder(tmp_path: Path) -> None:
    export = write(tmp_path / "exports/model/model.ts")
    bundle = write(tmp_path / "bundles/vmnet/configs/inference.json").parents[1]
    write(bundle / "models/model.ts")
    assert find_model(export) == find_model(tmp_path / "exports") == export
    assert find_model(bundle) == find_model(tmp_path / "bundles") == bundle


@pytest.mark.parametrize("names", [[], ["a/model.ts", "b/model.ts"]])
def test_no_model_and_two_models_are_refused(names: list[str], tmp_path: Path) -> None:
    for name in names:
        write(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=f"one .* {len(names)}.*path"):
        find_model(tmp_path)


def test_results_name_the_versions_of_package_weights_and_thresholds(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    model = model_identity(bundle)
    assert model.package_version == importlib.metadata.version("vmnet_monai")
    assert model.model_version == weights_version(bundle / "models")
    assert model.thresholds_version == OperatingPoint.load(bundle / "models").thresholds_version
    assert model.runtime == "torch"
