"""The additive model: curves read by linear interpolation, and the file that holds them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from images_to_check import grey, other_image, retina, square

from vmnet_monai.quality import FundusModel, image_features
from vmnet_monai.quality.features import COLOUR_FEATURES, FEATURES
from vmnet_monai.quality.model import Curve, default_model

MODEL = FundusModel(
    intercept=1.0,
    min_log_odds=-2.0,
    curves={"rim": Curve((0.0, 1.0), (-4.0, 0.0)), "blue_fraction": Curve((0.0, 0.1, 0.2), (0.0, -1.0, -3.0))},
)


@pytest.mark.parametrize(
    ("rim", "blue", "log_odds"), [(1.0, 0.0, 1.0), (0.5, 0.0, -1.0), (0.0, 0.15, -5.0), (-9.0, 9.0, -6.0)]
)
def test_log_odds_are_the_intercept_and_a_value_of_each_curve(rim: float, blue: float, log_odds: float) -> None:
    assert MODEL.log_odds({"rim": rim, "blue_fraction": blue}) == pytest.approx(log_odds)


def test_an_unknown_colour_adds_nothing() -> None:
    assert MODEL.contributions({"rim": 0.5, "blue_fraction": float("nan")}) == {"rim": -2.0, "blue_fraction": 0.0}


def test_colour_adds_nothing_for_a_grey_photograph() -> None:
    contributions = default_model().contributions(image_features(square(grey(retina()))))
    assert [contributions[name] for name in COLOUR_FEATURES] == [0.0] * len(COLOUR_FEATURES)


def test_a_model_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    MODEL.save(tmp_path / "model.json")
    assert FundusModel.load(tmp_path / "model.json") == MODEL


def test_the_model_of_the_package_has_features_that_are_measured() -> None:
    """And the curve of each passes through 0: none refuses every photograph alone."""
    model = default_model()
    assert len(model.curves) == 37
    assert set(model.curves) <= set(FEATURES)
    assert all(min(curve.log_odds) <= 0 <= max(curve.log_odds) for curve in model.curves.values())


def test_the_model_of_the_package_scores_as_it_did_when_it_was_fitted() -> None:
    """The scores that its curves gave when they were refitted for version 0.6.0."""
    scores = [default_model().log_odds(image_features(square(image))) for image in (retina(), other_image("astronaut"))]
    assert scores == pytest.approx([7.130, -7.754], abs=0.02)


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ({"curves": {"hue": {"values": [0, 1], "log_odds": [0, 1]}}}, "hue"),
        ({"curves": {"rim": {"values": [0, 1], "log_odds": [0.25]}}}, "0.25"),
        ({"curves": {"rim": {"values": [0, 0.75, 0.5], "log_odds": [0, 1, 2]}}}, "0.75"),
        ({"curves": {"rim": {"values": [0, 1]}}}, "log_odds"),
        ({"intercept": "high"}, "high"),
    ],
    ids=["unknown feature", "lengths differ", "values fall", "no log odds", "no number"],
)
def test_another_file_is_refused_by_its_name(tmp_path: Path, change: dict[str, object], value: str) -> None:
    file = tmp_path / "model.json"
    MODEL.save(file)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ValueError, match=value) as error:
        FundusModel.load(file)
    assert str(file) in str(error.value)
