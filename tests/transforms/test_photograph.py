"""The decoded photograph travels with the item."""

from __future__ import annotations

import numpy as np
import torch
from monai.data.utils import decollate_batch, list_data_collate

from vmnet_monai.transforms.photograph import KeepPhotographd, kept_photograph


def test_photographs_of_different_sizes_go_through_a_batch() -> None:
    pixels = [np.random.default_rng(0).integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((4, 6), (5, 3))]
    items = [{**KeepPhotographd()({"image": one}), "image": torch.zeros(3, 2, 2)} for one in pixels]
    for item, one in zip(decollate_batch(list_data_collate(items)), pixels, strict=True):
        np.testing.assert_array_equal(kept_photograph(item["photograph"], *one.shape[:2]), one)
