"""Labels and masks of an image as tensors, with flags for what is unknown."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import LoadImage, MapTransform, Transform

from vmnet_monai.io.images import FundusImageReader, to_mask

__all__ = ["FillMissingMasksd", "LabelVectord", "LoadReferenceMasksd", "RecordLabelPathsd"]


class LabelVectord(MapTransform):
    """Turns the labels of an image into a vector: 1 present, 0 absent, NaN unknown.

    Args:
        keys: labels, sequences of K values out of 0, 1, NaN and None, which become float32 tensors (K,); without the
            key all are unknown.
        num_labels: the number K.

    Raises:
        ValueError: if there are not K labels or a label is none of 0, 1, NaN and None.
    """

    def __init__(self, keys: KeysCollection, num_labels: int) -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.num_labels = num_labels

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        for key in self.keys:
            values = item.get(key, [None] * self.num_labels)
            vector = np.array([np.nan if value is None else value for value in values], dtype=np.float32)
            if vector.shape != (self.num_labels,):
                raise ValueError(
                    f"{item.get('id', 'photograph')}: {key} must hold {self.num_labels} labels, one per disease of the "
                    f"head, got {len(values)}: read the dataset with the head's own list of diseases."
                )
            if not np.all(np.isnan(vector) | (vector == 0) | (vector == 1)):
                raise ValueError(
                    f"{item.get('id', 'photograph')}: {key} must be 0 (absent), 1 (present) or NaN (unknown), "
                    f"got {values}: correct the table."
                )
            item[key] = torch.from_numpy(vector)
        return item


class RecordLabelPathsd(Transform):
    """Records, before loading, which structures of an image have masks, and the paths of image and masks.

    Adds per structure ``has_<structure>`` (bool tensor, ()) and ``<structure>_path``, and ``image_path`` and
    ``fov_path`` (str, empty where there is none), so that batches can mix images with and without masks, scores
    can be computed on the masks as they were drawn, and results can be drawn over the image.

    Args:
        structures: keys of the masks.
    """

    def __init__(self, structures: Sequence[str] = ("vessel",)) -> None:
        self.structures = tuple(structures)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        for structure in self.structures:
            item[f"has_{structure}"] = torch.tensor(structure in item)
        for key in ("image", "fov", *self.structures):
            item[f"{key}_path"] = str(item.get(key, ""))
        return item


class FillMissingMasksd(MapTransform):
    """Adds an all-zero mask of each structure that an image lacks; ``has_<structure>`` tells that it is unknown.

    Args:
        keys: the structures; added masks are (1, H, W) of the image's dtype.
    """

    def __init__(self, keys: KeysCollection) -> None:
        super().__init__(keys, allow_missing_keys=True)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        for key in self.keys:
            if key not in item:
                item[key] = torch.zeros_like(torch.as_tensor(item["image"])[:1])
        return item


class LoadReferenceMasksd(Transform):
    """Loads the masks of structures and of the field of view again, on the image's own pixels, for scoring.

    Adds ``<structure>_reference`` and ``fov_reference``, uint8 (1, H, W) of 0 and 1. Without mask of a structure its
    reference is all zero; without mask of the field of view the restored estimate ``fov``, (1, H, W) in [0, 1], is
    thresholded at 0.5.

    Args:
        structures: keys of the masks.

    Raises:
        ValueError: if a mask has another size than the image.
    """

    def __init__(self, structures: Sequence[str] = ("vessel",)) -> None:
        self.structures = tuple(structures)
        self.load = LoadImage(FundusImageReader(to_mask), image_only=True, ensure_channel_first=False)

    def _mask(self, path: str, like: torch.Tensor) -> torch.Tensor:
        mask = torch.as_tensor(np.asarray(self.load(path)) > 0).to(torch.uint8)[None]
        if mask.shape != like.shape:
            raise ValueError(
                f"{path} has {tuple(mask.shape[1:])} pixels and its photograph has {tuple(like.shape[1:])}: "
                "a mask must have its photograph's size."
            )
        return mask

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        fov = torch.as_tensor(item["fov"])
        item["fov_reference"] = self._mask(item["fov_path"], fov) if item["fov_path"] else (fov > 0.5).to(torch.uint8)
        for structure in self.structures:
            path = item[f"{structure}_path"]
            item[f"{structure}_reference"] = self._mask(path, fov) if path else torch.zeros_like(item["fov_reference"])
        return item
