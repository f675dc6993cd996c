"""Images for the check: fundus photographs, other images that come with scikit-image, and the steps up to the check."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data
from skimage.util import img_as_ubyte

from vmnet_monai.quality import WorkingSquare
from vmnet_monai.transforms import CropToFieldOfViewd, FieldOfViewd

GRID_PX = 256

RGB = NDArray[np.uint8]

OTHER_IMAGES = (
    *("astronaut", "brick", "camera", "cell", "chelsea", "clock", "coffee", "coins", "colorwheel", "grass", "gravel"),
    *("horse", "hubble_deep_field", "immunohistochemistry", "logo", "microaneurysms", "moon", "page", "rocket", "text"),
    "shepp_logan_phantom",
)
"""Images that come with scikit-image."""


def other_image(name: str) -> RGB:
    """One of scikit-image's images as (H, W, 3) uint8."""
    image = img_as_ubyte(getattr(data, name)())
    return np.stack([image] * 3, axis=-1) if image.ndim == 2 else image[..., :3]


def retina() -> RGB:
    """The fundus photograph that comes with scikit-image, at half its size."""
    return np.ascontiguousarray(data.retina()[::2, ::2])


def grey(image: RGB) -> RGB:
    return np.stack([image[..., 1]] * 3, axis=-1)


def cropped(image: RGB) -> dict[Any, Any]:
    """The item as it reaches the check."""
    item = FieldOfViewd()({"image": torch.from_numpy(np.moveaxis(image, -1, 0).copy())})
    return CropToFieldOfViewd(("image", "fov"), size_px=GRID_PX)(item)


def square(image: RGB) -> WorkingSquare:
    item = cropped(image)
    return WorkingSquare.of(item["image"], item["fov"])
