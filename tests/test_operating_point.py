"""The operating point travels with the weights and is compared with the config."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from vmnet_monai.operating_point import OperatingPoint

POINT = OperatingPoint(
    diseases=("normal", "glaucoma"),
    grid_size=512,
    contrast="clahe",
    vessel_threshold=29491 / 65535,
    disease_thresholds=(0.1 + 0.2, 0.7),
)


def test_what_is_saved_is_loaded_to_the_last_digit(tmp_path: Path) -> None:
    path = POINT.save(tmp_path / "models")
    assert path == tmp_path / "models" / "operating_point.json"
    assert OperatingPoint.load(tmp_path / "models") == POINT


def test_file_is_readable_json(tmp_path: Path) -> None:
    stored = json.loads(POINT.save(tmp_path).read_text())
    assert stored == {
        "diseases": ["normal", "glaucoma"],
        "grid_size": 512,
        "contrast": "clahe",
        "vessel_threshold": POINT.vessel_threshold,
        "disease_thresholds": list(POINT.disease_thresholds),
    }


def test_config_that_agrees_is_accepted(tmp_path: Path) -> None:
    POINT.save(tmp_path)
    assert OperatingPoint.load(tmp_path, ["normal", "glaucoma"], 512, "clahe") == POINT


@pytest.mark.parametrize(
    ("wanted", "rule"),
    [
        ({"diseases": ["normal"]}, r"diseases = \('normal', 'glaucoma'\), and the config says \('normal',\)"),
        ({"diseases": ["glaucoma", "normal"]}, r"diseases = .* says \('glaucoma', 'normal'\)"),
        ({"grid_size": 256}, "grid_size = 512, and the config says 256: .* override `--grid_size`"),
        ({"contrast": "none"}, "contrast = clahe, and the config says none"),
    ],
)
def test_config_that_disagrees_is_refused_with_both_values(wanted: dict[str, Any], rule: str, tmp_path: Path) -> None:
    POINT.save(tmp_path)
    with pytest.raises(ValueError, match=f"the weights in .* were trained with {rule}"):
        OperatingPoint.load(tmp_path, **wanted)


def test_weights_without_operating_point_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"operating_point.json is missing: it is written beside the weights"):
        OperatingPoint.load(tmp_path)


def test_it_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        POINT.grid_size = 256  # type: ignore[misc]


def test_a_probability_at_its_threshold_is_called_and_nan_is_not_decided() -> None:
    point = OperatingPoint(("amd", "normal", "glaucoma"), 64, "none", 0.5, (0.2, 0.4, 0.6))
    assert point.decide([0.2, 0.39, float("nan")]) == [1, 0, None]
