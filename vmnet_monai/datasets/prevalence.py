"""How often each disease is present, and how often an image is drawn for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vmnet_monai.datasets.item import Item

__all__ = ["balanced_probabilities", "prevalences"]


def prevalences(items: Sequence[Item]) -> list[float]:
    """Return the fraction of photographs with each disease among those where it is known, to weight losses by it.

    Args:
        items: photographs with ``disease``, K values of 1, 0 and NaN.

    Returns:
        K values in [0, 1]; 0 for a disease without any known label.
    """
    labels = np.array([item["disease"] for item in items], dtype=np.float64)
    return ((labels == 1).sum(axis=0) / np.maximum(1, (~np.isnan(labels)).sum(axis=0))).tolist()


def balanced_probabilities(items: Sequence[Item], balance: float) -> NDArray[np.float64]:
    """Return the probability of each item to be drawn, by how rare its diseases are in its dataset.

    An item counts among the n items of its dataset that show the same disease, and is drawn with a probability
    proportional to ``n ** -balance``, its mean over the diseases that it shows. The items of a dataset that show none
    form a group of their own.

    Args:
        items: photographs with ``dataset`` and ``disease``.
        balance: 0 draws every item alike, 1 every disease of every dataset alike.

    Returns:
        (N,), with a sum of 1.

    Example:
        >>> items = [{"dataset": "a", "disease": [label]} for label in (1.0, 0.0, 0.0, 0.0)]
        >>> balanced_probabilities(items, balance=1.0).round(3).tolist()
        [0.5, 0.167, 0.167, 0.167]
    """
    groups: list[list[tuple[str, int | None]]] = [
        [(item["dataset"], k) for k, label in enumerate(item["disease"]) if label == 1] or [(item["dataset"], None)]
        for item in items
    ]
    sizes = Counter(group for shown in groups for group in shown)
    weights = np.array([np.mean([sizes[group] ** -balance for group in shown]) for shown in groups])
    return weights / weights.sum()
