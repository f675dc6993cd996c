"""Contrast methods on pictures whose result is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vmnet_monai.datasets.phantom import generate_phantom
from vmnet_monai.transforms import CONTRAST_METHODS, EnhanceContrastd, enhance_contrast


def phantom_image() -> np.ndarray:
    return np.moveaxis(generate_phantom(1, size_px=96).image, -1, 0)


@pytest.mark.parametrize("method", CONTRAST_METHODS)
def test_shape_and_type_are_kept_and_the_given_picture_is_left_alone(method: str) -> None:
    image = phantom_image()
    before = image.copy()
    enhanced = enhance_contrast(image, method)
    assert (enhanced.shape, enhanced.dtype) == (image.shape, np.uint8)
    assert (image == before).all()


def test_none_changes_nothing() -> None:
    image = phantom_image()
    assert (enhance_contrast(image, "none") == image).all()


def test_clahe_widens_a_narrow_range_of_lightness_and_keeps_grey_grey() -> None:
    image = np.broadcast_to(np.linspace(110, 130, 64).astype(np.uint8), (3, 64, 64))
    enhanced = enhance_contrast(image, "clahe").astype(int)
    assert np.ptp(enhanced) > 2 * np.ptp(image.astype(int))
    assert np.ptp(enhanced, axis=0).max() <= 1


def test_local_average_turns_even_light_of_any_colour_into_mid_grey() -> None:
    image = np.broadcast_to(np.array([200, 90, 30], dtype=np.uint8)[:, None, None], (3, 60, 60))
    assert np.abs(enhance_contrast(image, "local_average").astype(int) - 128).max() <= 1


def test_local_average_multiplies_fine_detail_by_four() -> None:
    """A fine checkerboard of 100 +- 5 averages to 100, so that it comes out as 128 +- 20."""
    board = 100 + 5 * (-1) ** np.indices((90, 90)).sum(axis=0)
    enhanced = enhance_contrast(np.stack([board] * 3).astype(np.uint8), "local_average")
    assert set(np.unique(enhanced[:, 20:-20, 20:-20]).tolist()) <= {107, 108, 147, 148}


@pytest.mark.parametrize("method", ["clahe", "local_average"])
def test_outside_of_the_field_of_view_is_black(method: str) -> None:
    fov = torch.zeros(1, 96, 96, dtype=torch.uint8)
    fov[:, 20:70, 20:70] = 255
    image = EnhanceContrastd("image", method)({"image": torch.from_numpy(phantom_image()), "fov": fov})["image"]
    assert image.dtype == torch.uint8
    assert (image * (fov == 0)).max() == 0
    assert (image * (fov > 0)).max() > 0


def test_transform_without_contrast_needs_no_field_of_view() -> None:
    image = torch.from_numpy(phantom_image())
    assert EnhanceContrastd("image")({"image": image})["image"] is image


def test_unknown_method_is_refused_when_the_transform_is_made() -> None:
    with pytest.raises(ValueError, match="contrast.*none, clahe, local_average.*'gamma'"):
        EnhanceContrastd("image", "gamma")
    with pytest.raises(ValueError, match="'gamma'"):
        enhance_contrast(phantom_image(), "gamma")
