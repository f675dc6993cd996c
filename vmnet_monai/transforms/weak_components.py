"""Takes out of a structure's map what nowhere looks surely like it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform
from numpy.typing import NDArray
from skimage.measure import label

from vmnet_monai.io.levels import PROBABILITY_LEVELS, probability_levels

__all__ = ["LowerWeakComponentsd", "weak_components"]


def weak_components(probability: NDArray[np.floating], threshold: float, high_threshold: float) -> NDArray[np.bool_]:
    """Find the 8-connected components at a threshold that nowhere reach a higher one.

    What is left at the threshold without them is the mask of a hysteresis threshold (Canny, IEEE Trans. Pattern Anal.
    Mach. Intell. 1986, doi 10.1109/TPAMI.1986.4767851).

    Args:
        probability: (H, W), 0 to 1.
        threshold: from which a pixel belongs to a component.
        high_threshold: that one pixel of a component has to reach; one at or below ``threshold`` is always reached.

    Returns:
        (H, W), true in the weak components.

    Example:
        >>> weak_components(np.array([[0.6, 0.0, 0.6, 0.9]]), threshold=0.5, high_threshold=0.8)
        array([[ True, False, False, False]])
    """
    levels = probability_levels(probability)
    components = label(levels >= probability_levels(threshold), connectivity=2)
    is_weak = np.ones(components.max() + 1, dtype=bool)
    is_weak[components[levels >= probability_levels(high_threshold)]] = False
    is_weak[0] = False
    weak: NDArray[np.bool_] = is_weak[components]
    return weak


class LowerWeakComponentsd(Transform):
    """Lowers the probabilities of weak components below the threshold, see :func:`weak_components`.

    What is written, measured and scored then follows from the probabilities alone. In the weak components of a whole,
    its parts are lowered as well.

    Args:
        structures: keys of the structures.
        thresholds: one per structure, 0 to 1.
        high_thresholds: one per structure, 0 to 1; an empty list lowers nothing.
        parts: part -> whole, of the structures.

    Raises:
        ValueError: if a list has another length.

    Example:
        >>> item = {"pred_vessel": torch.tensor([[[0.6, 0.0, 0.6, 0.9]]])}
        >>> lower = LowerWeakComponentsd(["vessel"], thresholds=[0.5], high_thresholds=[0.8])
        >>> [round(value, 3) for value in lower(item)["pred_vessel"][0, 0].tolist()]
        [0.5, 0.0, 0.6, 0.9]
    """

    def __init__(
        self,
        structures: Sequence[str],
        thresholds: Sequence[float],
        high_thresholds: Sequence[float],
        parts: Mapping[str, str] | None = None,
    ) -> None:
        for name, values in (("thresholds", thresholds), ("high_thresholds", high_thresholds)):
            if len(values) != len(structures) and not (name == "high_thresholds" and not values):
                raise ValueError(
                    f"{name} must be a list with one value for each of {', '.join(structures)}, got {list(values)}."
                )
        self.thresholds = dict(zip(structures, thresholds, strict=True))
        self.high_thresholds = dict(zip(structures, high_thresholds, strict=False))
        self.parts = dict(parts or {})

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Lower ``pred_<structure>`` (1, H, W), where it is there."""
        item = dict(data)
        for structure, high in self.high_thresholds.items():
            if high <= self.thresholds[structure] or f"pred_{structure}" not in item:
                continue
            probability = np.asarray(item[f"pred_{structure}"])[0]
            weak = torch.from_numpy(weak_components(probability, self.thresholds[structure], high))
            for name in (structure, *(part for part, whole in self.parts.items() if whole == structure)):
                if weak.any() and f"pred_{name}" in item:
                    item[f"pred_{name}"] = self._lowered(name, item[f"pred_{name}"], weak)
        return item

    def _lowered(self, name: str, probability: torch.Tensor, weak: torch.Tensor) -> torch.Tensor:
        below = max(int(probability_levels(self.thresholds[name])) - 1, 0) / (PROBABILITY_LEVELS - 1)
        return torch.where(weak, probability.clamp(max=below), probability)
