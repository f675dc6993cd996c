"""Labels that a network could guess from the look of a dataset instead of from the eye."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vmnet_monai.datasets.item import Item

__all__ = ["confounded_labels", "mask_confounded_labels"]

MIN_FRACTION = 0.05
"""Least fraction of either class in a source; below it the label says more about the source than about the eye."""


def confounded_labels(
    labels: ArrayLike, datasets: Sequence[str], min_fraction: float = MIN_FRACTION
) -> NDArray[np.bool_]:
    """Find the labels that are confounded with their source: nearly all images of a dataset have the same.

    A label is confounded where its disease is present in less than ``min_fraction``, or absent in less than
    ``min_fraction``, of the dataset's known labels.

    Args:
        labels: (N, K), 1 present, 0 absent, NaN unknown.
        datasets: N dataset names.
        min_fraction: least fraction of either class, in [0, 0.5].

    Returns:
        (N, K) bool; unknown labels are not confounded.

    Raises:
        ValueError: if ``min_fraction`` is out of range.

    Example:
        >>> confounded_labels([[1.0], [1.0], [0.0], [1.0]], ["a", "a", "b", "b"]).ravel().tolist()
        [True, True, False, False]
    """
    if not 0 <= min_fraction <= 0.5:
        raise ValueError(f"min_fraction must lie in [0, 0.5], got {min_fraction}: 0.05 is the default.")
    table, names = np.asarray(labels, dtype=np.float64), np.asarray(datasets, dtype=str)
    confounded = np.zeros(table.shape, dtype=bool)
    for name in np.unique(names):
        rows = names == name
        known = ~np.isnan(table[rows])
        present = np.where(known, table[rows], 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        confounded[rows] = known & ((present < min_fraction) | (present > 1 - min_fraction))
    return confounded


def mask_confounded_labels(
    items: Sequence[Item], min_fraction: float = MIN_FRACTION, keep_fraction: float = 0.25, seed: int = 0
) -> list[Item]:
    """Declare most labels unknown that are confounded with their source, see :func:`confounded_labels`.

    A dataset without any healthy eye teaches the network that its camera and its JPEG quality exclude health. A
    confounded label is kept for a random ``keep_fraction`` of the images only: a fraction above 0 still teaches, for
    instance, that healthy eyes have no retinopathy.

    Args:
        items: training items.
        min_fraction: least fraction of either class, in [0, 0.5].
        keep_fraction: fraction of confounded labels that are kept, in [0, 1].
        seed: of the draw.

    Returns:
        The items in their order, copied, with NaN where a label is masked. Images without any label left stay.

    Raises:
        ValueError: if a fraction is out of range.
    """
    if not 0 <= keep_fraction <= 1:
        raise ValueError(f"keep_fraction must lie in [0, 1], got {keep_fraction}: 0.25 is the default.")
    if not items:
        return []
    labels = np.array([item["disease"] for item in items], dtype=np.float64)
    confounded = confounded_labels(labels, [item["dataset"] for item in items], min_fraction)
    masked = confounded & (np.random.default_rng(seed).random(labels.shape) >= keep_fraction)
    kept = np.where(masked, np.nan, labels).tolist()
    return [{**item, "disease": disease} for item, disease in zip(items, kept, strict=True)]
