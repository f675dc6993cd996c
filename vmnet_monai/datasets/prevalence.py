"""How often each disease is present."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vmnet_monai.datasets.item import Item

__all__ = ["prevalences"]


def prevalences(items: Sequence[Item]) -> list[float]:
    """Return the fraction of photographs with each disease among those where it is known, to weight losses by it.

    Args:
        items: photographs with ``disease``, K values of 1, 0 and NaN.

    Returns:
        K values in [0, 1]; 0 for a disease without any known label.
    """
    labels = np.array([item["disease"] for item in items], dtype=np.float64)
    return ((labels == 1).sum(axis=0) / np.maximum(1, (~np.isnan(labels)).sum(axis=0))).tolist()
