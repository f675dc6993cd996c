"""The decoded photograph, kept beside what the network sees of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from monai.transforms import Transform
from numpy.typing import NDArray

__all__ = ["KeepPhotographd", "kept_photograph"]


class KeepPhotographd(Transform):
    """Keeps the pixels of a photograph, so that pictures of the results need not decode its file again.

    They are kept as bytes, which batches hold as they are, whatever the photographs' sizes. It stands behind the
    LoadImage of the image, while that has all its pixels.

    Args:
        image_key: the image, (H, W, 3) uint8 RGB.
        photograph_key: where its bytes are written, row by row.
    """

    def __init__(self, image_key: str = "image", photograph_key: str = "photograph") -> None:
        self.image_key, self.photograph_key = image_key, photograph_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return {**data, self.photograph_key: np.asarray(data[self.image_key]).tobytes()}


def kept_photograph(photograph: bytes, height_px: int, width_px: int) -> NDArray[np.uint8]:
    """Return the pixels that :class:`KeepPhotographd` kept.

    Args:
        photograph: the bytes.
        height_px: H.
        width_px: W.

    Returns:
        (H, W, 3) uint8 RGB, which cannot be written to.

    Example:
        >>> item = KeepPhotographd()({"image": np.full((2, 3, 3), 7, dtype=np.uint8)})
        >>> kept_photograph(item["photograph"], 2, 3).shape
        (2, 3, 3)
    """
    return np.frombuffer(photograph, dtype=np.uint8).reshape(height_px, width_px, 3)
