"""Remarks on how a photograph was read, beside those on its quality."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.transforms import Transform

from vmnet_monai.io.images import REMARKS

__all__ = ["RecordReadingRemarksd"]


class RecordReadingRemarksd(Transform):
    """Writes what the reader remarked on an image, such as its depth or further pages, into the item.

    It stands behind the LoadImage of a :class:`~vmnet_monai.io.images.FundusImageReader`, before transforms that drop
    the image's meta data.

    Args:
        image_key: the image, a MetaTensor; one without remarks, such as a plain tensor, gets none.
        warnings_key: where they are written: one string, a sentence per line, empty where there is none.
    """

    def __init__(self, image_key: str = "image", warnings_key: str = "warnings") -> None:
        self.image_key, self.warnings_key = image_key, warnings_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        meta = getattr(data[self.image_key], "meta", {})
        return {**data, self.warnings_key: str(meta.get(REMARKS, ""))}
