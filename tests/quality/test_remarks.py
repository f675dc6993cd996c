"""Poor fundus photographs are remarked on by what is wrong with them, good ones are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from images_to_check import RGB, cropped, grey, retina
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from vmnet_monai.quality import WorkingSquare, quality_remarks
from vmnet_monai.transforms import FieldOfViewBox


def remarks(image: RGB) -> list[str]:
    item = cropped(image)
    return quality_remarks(WorkingSquare.of(item["image"], item["fov"]), FieldOfViewBox(*item["fov_box"].tolist()))


def test_a_good_photograph_has_no_remarks() -> None:
    assert remarks(retina()) == []


@pytest.mark.parametrize(
    ("word", "change"),
    [
        ("grey", grey),
        ("dark", lambda rgb: rgb * 0.2),
        ("hazy", lambda rgb: 0.1 * rgb + 0.9 * np.array([150, 130, 100]) * (rgb.max(axis=-1, keepdims=True) > 25)),
        ("blurred", lambda rgb: ndimage.gaussian_filter(rgb, (9, 9, 0))),
        ("channels are in order", lambda rgb: rgb[..., [0, 0, 2]] * np.array([0.8, 0.9, 1])),
        ("scanning lasers", lambda rgb: np.stack([rgb[..., 0] * 0.5, rgb[..., 0] * 0.5, rgb[..., 2] * 0], axis=-1)),
        ("times as long as wide", lambda rgb: rgb[220:-220]),
        ("off-centre", lambda rgb: np.pad(rgb, ((0, 0), (0, 500), (0, 0)))),
        ("small", lambda rgb: np.asarray(Image.fromarray(rgb).resize((150, 150)))),
    ],
)
def test_a_spoilt_photograph_is_remarked_on_by_name(word: str, change: Callable[[RGB], NDArray[Any]]) -> None:
    assert any(word in sentence for sentence in remarks(change(retina()).astype(np.uint8)))


def test_overexposure_is_remarked_on() -> None:
    image = np.full((3, 200, 200), 120, dtype=np.uint8)
    image[:, :, :100] = 255
    square = WorkingSquare.of(image, np.ones((200, 200)))
    assert any("overexposed" in sentence for sentence in quality_remarks(square, FieldOfViewBox(0, 0, 800, 800, 800)))
