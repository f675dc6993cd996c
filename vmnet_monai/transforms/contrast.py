"""Contrast enhancement of fundus photographs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from scipy import ndimage
from skimage.color import lab2rgb, rgb2lab
from skimage.exposure import equalize_adapthist

__all__ = ["CONTRAST_METHODS", "EnhanceContrastd", "enhance_contrast"]

CONTRAST_METHODS = ("none", "clahe", "local_average")
"""Unchanged; contrast-limited adaptive histogram equalisation of the lightness; Graham's local average."""

LOCAL_AVERAGE_SIGMA = 1 / 60
"""Standard deviation of the local average as a fraction of the image's side: a thirtieth of the disc's radius, which is
half the side (B. Graham, Kaggle diabetic retinopathy competition report, 2015)."""

LOCAL_AVERAGE_GAIN = 4.0
"""Gain of Graham's local average, as in his report."""


def _check(method: str) -> None:
    if method not in CONTRAST_METHODS:
        raise ValueError(f"contrast must be one of {', '.join(CONTRAST_METHODS)}, got {method!r}.")


def enhance_contrast(image: np.ndarray, method: str) -> np.ndarray:
    """Return the image with its contrast enhanced.

    - ``"none"``: unchanged.
    - ``"clahe"``: CLAHE on the lightness of CIELAB, colours kept (scikit-image's ``equalize_adapthist``).
    - ``"local_average"``: ``4 (I - G * I) + 128`` with a wide Gaussian G (Graham 2015), which removes uneven light.

    Args:
        image: (3, H, W) uint8 RGB.
        method: one of :data:`CONTRAST_METHODS`.

    Returns:
        (3, H, W) uint8.

    Raises:
        ValueError: if the method is unknown.

    Example:
        >>> uneven = np.zeros((3, 64, 64), dtype=np.uint8)
        >>> uneven[:, :, 32:] = 10
        >>> enhance_contrast(uneven, "local_average")[0, 0, [0, 31, 32, 63]]  # only the edge is left
        array([128, 115, 140, 128], dtype=uint8)
    """
    _check(method)
    if method == "none":
        return image
    if method == "clahe":
        lab = rgb2lab(np.moveaxis(image, 0, -1))
        lab[..., 0] = 100 * equalize_adapthist(lab[..., 0] / 100)
        return np.moveaxis((lab2rgb(lab) * 255).round().astype(np.uint8), -1, 0)
    pixels = image.astype(np.float32)
    sigma = LOCAL_AVERAGE_SIGMA * image.shape[-1]
    average = ndimage.gaussian_filter(pixels, sigma=(0, sigma, sigma))
    return (LOCAL_AVERAGE_GAIN * (pixels - average) + 128).clip(0, 255).astype(np.uint8)


class EnhanceContrastd(MapTransform):
    """Applies :func:`enhance_contrast` to images, (3, H, W) uint8, and sets pixels outside ``fov`` to black.

    Args:
        keys: keys of the images.
        method: one of :data:`CONTRAST_METHODS`.
        fov_key: mask of the field of view, (1, H, W), non-zero inside.
    """

    def __init__(self, keys: KeysCollection, method: str = "none", fov_key: str = "fov") -> None:
        super().__init__(keys)
        _check(method)
        self.method = method
        self.fov_key = fov_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        if self.method != "none":
            inside = np.asarray(item[self.fov_key]) > 0
            for key in self.key_iterator(item):
                item[key] = torch.from_numpy(enhance_contrast(np.asarray(item[key]), self.method) * inside)
        return item
