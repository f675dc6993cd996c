"""Pictures that are no fundus photographs are refused, photographs and phantoms pass, and poor ones are warned of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage import data
from skimage.util import img_as_ubyte

from vmnet_monai.datasets.phantom import generate_phantom
from vmnet_monai.io.images import to_rgb
from vmnet_monai.quality.check import (
    EVIDENCE,
    CheckFundusImaged,
    NotAFundusImageError,
    check_fundus_image,
    fundus_evidence,
    image_features,
    line_responses,
    quality_warnings,
)
from vmnet_monai.transforms import CropToFieldOfViewd, FieldOfViewBox, FieldOfViewd, FieldOfViewError

SHARED = Path(__file__).parents[2] / "../shared/data"
GRID_PX = 256

RGB = NDArray[np.uint8]


def to_picture(values: NDArray[Any]) -> RGB:
    """Any of scikit-image's pictures as (H, W, 3) uint8."""
    picture = img_as_ubyte(values)
    return np.stack([picture] * 3, axis=-1) if picture.ndim == 2 else picture[..., :3]


def cropped(picture: RGB) -> dict[Any, Any]:
    item = FieldOfViewd()({"image": torch.from_numpy(np.moveaxis(picture, -1, 0).copy())})
    return CropToFieldOfViewd(("image", "fov"), size_px=GRID_PX)(item)


def check(picture: RGB, expected: str = "fundus") -> list[str]:
    """The warnings, by the steps of the pipeline."""
    warnings: str = CheckFundusImaged(expected)(cropped(picture))["warnings"]
    return warnings.split("\n") if warnings else []


def disc(picture: RGB) -> RGB:
    """The middle of a picture as a disc on black."""
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    return picture[top : top + side, left : left + side] * (np.hypot(y, x) < 0.97)[..., None].astype(np.uint8)


def orange(picture: RGB) -> RGB:
    grey = picture.mean(axis=-1, keepdims=True) / 255
    return ((0.3 + 0.7 * grey) * [230, 130, 60]).astype(np.uint8)


OTHER_PICTURES = (
    *("astronaut", "brick", "camera", "cell", "chelsea", "clock", "coffee", "coins", "colorwheel", "grass", "gravel"),
    *("horse", "hubble_deep_field", "immunohistochemistry", "logo", "microaneurysms", "moon", "page", "rocket", "text"),
    "shepp_logan_phantom",
)
"""Pictures that come with scikit-image."""

DISCS = ("astronaut", "brick", "camera", "chelsea", "coffee", "grass", "gravel", "hubble_deep_field", "rocket")


@pytest.fixture(scope="module")
def retina() -> RGB:
    return np.ascontiguousarray(data.retina()[::2, ::2])


def refused(picture: RGB) -> bool:
    try:
        check(picture)
    except (FieldOfViewError, NotAFundusImageError):
        return True
    return False


@pytest.mark.parametrize("name", OTHER_PICTURES)
def test_other_pictures_are_refused(name: str) -> None:
    assert refused(to_picture(getattr(data, name)()))


@pytest.mark.parametrize("name", DISCS)
def test_discs_cut_out_of_other_pictures_are_refused_also_in_orange(name: str) -> None:
    picture = disc(to_picture(getattr(data, name)()))
    assert refused(picture)
    assert refused(disc(orange(picture)))


def test_a_grey_patch_of_a_retina_scaled_up_is_refused() -> None:
    """102 x 102 pixels around two microaneurysms: a retina, but no photograph of one that can be graded."""
    large = Image.fromarray(data.microaneurysms()).resize((512, 512), Image.Resampling.BICUBIC).convert("RGB")
    assert refused(np.asarray(large))


y, x = np.mgrid[-1:1:300j, -1:1:300j]
DRAWN: dict[str, RGB] = {
    "black": np.zeros((300, 300, 3), dtype=np.uint8),
    "white": np.full((300, 300, 3), 255, dtype=np.uint8),
    "flat orange disc": disc(np.full((300, 300, 3), [230, 120, 40], dtype=np.uint8)),
    "gradient": np.stack([100 + 100 * x, 60 + 50 * x, 30 + 20 * x], axis=-1).astype(np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8),
}


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_pictures_are_refused(name: str) -> None:
    assert refused(DRAWN[name])


@pytest.mark.parametrize(
    "change",
    [
        lambda rgb: rgb,
        lambda rgb: rgb[::2, ::2],
        lambda rgb: rgb[:, ::-1],
        lambda rgb: np.stack([rgb[..., 1]] * 3, axis=-1),
        lambda rgb: (rgb * 0.8).astype(np.uint8),
        lambda rgb: np.pad(rgb, ((60, 60), (200, 100), (0, 0))),
        lambda rgb: rgb[100:-100],
        lambda rgb: rgb[140:-140, 140:-140],
    ],
    ids=["as taken", "half size", "mirrored", "red-free", "darker", "padded", "cut", "inside the disc"],
)
def test_a_fundus_photograph_is_accepted(retina: RGB, change: Callable[[RGB], RGB]) -> None:
    check(np.ascontiguousarray(change(retina)))


@pytest.mark.parametrize("size_px", [96, 256])
def test_phantoms_are_accepted(size_px: int) -> None:
    for seed in range(4):
        check(generate_phantom(seed, size_px).image)


def test_a_good_photograph_has_no_warnings(retina: RGB) -> None:
    assert check(retina) == []


@pytest.mark.parametrize(
    ("word", "change"),
    [
        ("grey", lambda rgb: np.stack([rgb[..., 1]] * 3, axis=-1)),
        ("dark", lambda rgb: rgb * 0.2),
        ("hazy", lambda rgb: 0.1 * rgb + 0.9 * np.array([150, 130, 100]) * (rgb.max(axis=-1, keepdims=True) > 25)),
        ("blurred", lambda rgb: ndimage.gaussian_filter(rgb, (9, 9, 0))),
        ("off-centre", lambda rgb: np.pad(rgb, ((0, 0), (0, 500), (0, 0)))),
        ("small", lambda rgb: np.asarray(Image.fromarray(rgb).resize((150, 150)))),
    ],
)
def test_a_spoilt_photograph_is_warned_of_by_name(
    retina: RGB, word: str, change: Callable[[RGB], NDArray[Any]]
) -> None:
    assert any(word in sentence for sentence in check(change(retina).astype(np.uint8)))


def test_overexposure_is_warned_of() -> None:
    image = np.full((3, 200, 200), 120, dtype=np.uint8)
    image[:, :, :100] = 255
    box = FieldOfViewBox(0, 0, 800, 800, 800)
    assert any("overexposed" in sentence for sentence in quality_warnings(image, np.ones((200, 200)), box))


def test_small_and_constant_pictures_are_refused_whatever_is_expected() -> None:
    with pytest.raises(NotAFundusImageError, match="field of view is 20 pixels wide and at least 48"):
        check(np.random.default_rng(0).integers(100, 256, (20, 20, 3), dtype=np.uint8), "any")
    image, fov = np.full((3, 96, 96), 90, dtype=np.uint8), np.full((1, 96, 96), 255, dtype=np.uint8)
    item = {"image": torch.from_numpy(image), "fov": torch.from_numpy(fov), "fov_box": torch.tensor([0, 0, 96, 96, 96])}
    with pytest.raises(NotAFundusImageError, match="nearly constant"):
        CheckFundusImaged("any")(item)
    with pytest.raises(NotAFundusImageError, match="nearly constant"):
        check_fundus_image(image, fov, side_px=96)


def test_any_picture_is_accepted_where_any_is_expected() -> None:
    assert check(to_picture(data.astronaut()), "any") == []


def test_unknown_expectation_is_refused() -> None:
    with pytest.raises(ValueError, match="must be one of fundus, any, got 'retina'"):
        CheckFundusImaged("retina")


def test_the_item_given_is_left_alone(retina: RGB) -> None:
    item = cropped(retina)
    before = set(item)
    assert "warnings" in CheckFundusImaged()(item)
    assert set(item) == before


def test_a_grey_picture_earns_no_points_for_colour(retina: RGB) -> None:
    item = cropped(np.stack([retina[..., 1]] * 3, axis=-1))
    features = image_features(item["image"], item["fov"])
    assert np.isnan(features["red_green_spread"])
    points = fundus_evidence(features)
    assert list(points) == list(EVIDENCE)
    assert all(points[name] == 0 for name in points if np.isnan(features[name]))


def test_a_dark_line_a_bright_line_and_a_step_are_told_apart() -> None:
    """A vertical line of three pixels; three pixels beside its middle column it is over."""
    line, step = np.zeros((60, 60), dtype=np.float32), np.zeros((60, 60), dtype=np.float32)
    line[:, 29:32] = -0.5
    step[:, 30:] = 0.5
    dark, bright, _ = line_responses(line, [3])[0]
    assert dark[30, 30] == pytest.approx(0.5, abs=1e-5)
    assert bright[30, 30] <= 0
    assert line_responses(-line, [3])[0][1, 30, 30] == pytest.approx(0.5, abs=1e-5)
    assert line_responses(step, [3])[0][2, 30, 30] == pytest.approx(0.5, abs=1e-5)
    assert line_responses(step, [3])[0][0, 30, 30] <= 0


@pytest.mark.parametrize(
    ("folder", "every"),
    [
        ("HRF/images", 9),
        ("CHASEDB1", 9),
        ("ODIR-5K-256/preprocessed_images", 40),
        ("ODIR-5K-400/preprocessed_images", 45),
    ],
)
def test_public_photographs_are_accepted(folder: str, every: int) -> None:
    files = sorted(path for path in (SHARED / folder).glob("*") if path.suffix.lower() == ".jpg")
    if not files:
        pytest.skip(f"no photographs in {SHARED / folder}")
    for path in files[::every]:
        check(np.asarray(to_rgb(Image.open(path))))
