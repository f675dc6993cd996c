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
from vmnet_monai.structures import wholes_first

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
    is_high = levels >= probability_levels(high_threshold)
    reached = levels >= probability_levels(threshold)
    del levels  # before the labels, which take as much as the map
    components = label(reached, connectivity=2)
    is_weak = np.ones(components.max() + 1, dtype=bool)
    is_weak[components[is_high]] = False
    is_weak[0] = False
    weak: NDArray[np.bool_] = is_weak[components]
    return weak


class LowerWeakComponentsd(Transform):
    """Lowers the probabilities of weak components below the threshold, see :func:`weak_components`.

    What is written, measured and scored then follows from the probabilities alone. In the weak components of a whole,
    its parts are lowered as well; ``weak_<whole>`` (H, W) bool stays in the item, so that each may come after the other
    in an item of its own.

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
        self.parts = dict(parts or {})
        high = dict(zip(structures, high_thresholds, strict=False))
        self.high_thresholds = {name: high[name] for name in wholes_first(high, self.parts)}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Lower ``pred_<structure>`` (1, H, W), where it is there, and add what was weak of a whole."""
        item = dict(data)
        for structure, high in self.high_thresholds.items():
            key, whole = f"pred_{structure}", self.parts.get(structure)
            if key not in item:
                continue
            if f"weak_{whole}" in item:
                item[key] = self._lowered(structure, item[key], item[f"weak_{whole}"])
            if high > self.thresholds[structure]:
                weak = torch.from_numpy(weak_components(np.asarray(item[key])[0], self.thresholds[structure], high))
                item[key] = self._lowered(structure, item[key], weak)
                if structure in self.parts.values():
                    item[f"weak_{structure}"] = weak
        return item

    def _lowered(self, name: str, probability: torch.Tensor, weak: torch.Tensor) -> torch.Tensor:
        below = max(int(probability_levels(self.thresholds[name])) - 1, 0) / (PROBABILITY_LEVELS - 1)
        above = weak & (probability > below)
        return probability.masked_fill(above, below) if above.any() else probability
