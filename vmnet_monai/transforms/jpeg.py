"""JPEG artefacts as an augmentation."""

from __future__ import annotations

import io
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform
from PIL import Image

__all__ = ["RandJPEGd", "compress_jpeg"]


def compress_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Compress an image by JPEG and decode it again.

    Args:
        image: (3, H, W) float in [0, 1].
        quality: JPEG quality, 1 to 95.

    Returns:
        (3, H, W) float32 in [0, 1].
    """
    pixels = np.moveaxis((image * 255).round().clip(0, 255).astype(np.uint8), 0, -1)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality)
    return np.moveaxis(np.asarray(Image.open(buffer)), -1, 0).astype(np.float32) / 255


class RandJPEGd(RandomizableTransform, MapTransform):
    """Compresses images, (3, H, W) float in [0, 1], by JPEG of a random quality.

    Args:
        keys: keys of the images; all get the same quality.
        prob: probability of compressing.
        quality: lowest and highest quality, both included.
    """

    def __init__(self, keys: KeysCollection, prob: float = 0.1, quality: tuple[int, int] = (30, 95)) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)
        self.quality = quality

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        self.randomize(None)
        if self._do_transform:
            quality = int(self.R.randint(self.quality[0], self.quality[1] + 1))
            for key in self.key_iterator(item):
                item[key] = torch.from_numpy(compress_jpeg(np.asarray(item[key]), quality))
        return item
