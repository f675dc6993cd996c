"""Labels that a network could guess from the look of a dataset instead of from the eye."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence

from vmnet_monai.datasets.item import Item

__all__ = ["forget_confounded_labels"]


def forget_confounded_labels(
    items: Sequence[Item], min_share: float = 0.05, keep_share: float = 0.25, seed: int = 0
) -> list[Item]:
    """Declare most labels unknown where nearly a whole dataset has the same one.

    A dataset without a single healthy eye teaches that its camera and its JPEG quality exclude health. Where a disease
    is present in less than ``min_share`` or absent in less than ``min_share`` of a dataset's known labels, the label
    says more about the dataset than about the eye, and is kept for a random ``keep_share`` of the photographs only: a
    share above 0 still teaches, for instance, that healthy eyes have no retinopathy.

    Args:
        items: training items.
        min_share: least share of either class, in [0, 0.5].
        keep_share: share of photographs that keep a confounded label, in [0, 1].
        seed: of the draw.

    Returns:
        The items in their order, copied where a label is forgotten (NaN). Photographs without any label left stay.

    Raises:
        ValueError: if a share is out of range.
    """
    if not 0 <= min_share <= 0.5 or not 0 <= keep_share <= 1:
        raise ValueError(f"min_share must lie in [0, 0.5] and keep_share in [0, 1], got {min_share} and {keep_share}.")
    known: dict[tuple[str, int], list[float]] = defaultdict(list)
    for item in items:
        for k, label in enumerate(item["disease"]):
            if not math.isnan(label):
                known[item["dataset"], k].append(label)
    confounded = {
        source for source, labels in known.items() if not min_share <= sum(labels) / len(labels) <= 1 - min_share
    }
    draw = random.Random(seed)
    result = []
    for item in items:
        disease = [
            math.nan if (item["dataset"], k) in confounded and draw.random() >= keep_share else label
            for k, label in enumerate(item["disease"])
        ]
        result.append({**item, "disease": disease})
    return result
