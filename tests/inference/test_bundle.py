"""What a bundle is called."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from small_bundle import BUNDLE

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.inference.bundle import model_release

POINT = OperatingPoint.load(BUNDLE / "models")


def test_a_model_is_named_with_version_and_date() -> None:
    version = json.loads((BUNDLE / "configs/metadata.json").read_text())["version"]
    dated = dataclasses.replace(POINT, trained="2026-12-01")
    assert model_release(BUNDLE, dated) == f"V-MNet {version}, weights of 2026-12-01"
    assert model_release(BUNDLE, dataclasses.replace(POINT, trained=None)) == f"V-MNet {version}"


@pytest.mark.parametrize("metadata", [None, "{", "[]", "{}", '{"name": "x"}'])
def test_without_metadata_the_network_gives_the_name(metadata: str | None, tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    if metadata is not None:
        (tmp_path / "configs/metadata.json").write_text(metadata)
    assert (
        model_release(tmp_path, dataclasses.replace(POINT, trained="2026-12-01")) == "FineVMNet, weights of 2026-12-01"
    )
