"""The features: all of them have a name and a reason, and exposure and frame do not change them."""

from __future__ import annotations

import numpy as np
import pytest
from images_to_check import grey, retina, square

from vmnet_monai.quality import image_features
from vmnet_monai.quality.features import COLOUR_FEATURES, FEATURES


def test_every_feature_is_named_with_its_reason() -> None:
    features = image_features(square(retina()))
    assert set(features) == set(FEATURES)
    assert np.isfinite(list(features.values())).all()


def test_a_grey_photograph_has_no_features_of_colour_and_all_others() -> None:
    features = image_features(square(grey(retina())))
    assert {name for name, value in features.items() if np.isnan(value)} == set(COLOUR_FEATURES)


@pytest.mark.parametrize(
    ("name", "tolerance"), [("band_4px", 0.05), ("dark_lines_3px", 0.1), ("dark_to_step_3px", 0.1)]
)
def test_contrast_is_measured_relative_to_the_exposure(name: str, tolerance: float) -> None:
    """At 0.7 of the brightness a logarithm of absolute contrast would change by 0.36."""
    darker = image_features(square((retina() * 0.7).astype(np.uint8)))[name]
    assert darker == pytest.approx(image_features(square(retina()))[name], abs=tolerance)


def test_a_black_surround_ends_sharply_and_a_white_page_is_no_black_surround() -> None:
    photograph = square(retina())
    features = image_features(photograph)
    assert features["surround"] < 0.1
    assert 0.3 < features["rim"] <= 1.5
    photograph.rgb[:, ~photograph.fov] = 255
    assert image_features(photograph)["surround"] > 1
