"""Chooses the diseases of an image that get a heat map, and the method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from vmnet_monai.explain.heat_maps import METHODS, disease_heat_maps

__all__ = ["Explainer"]


class Explainer:
    """Makes the heat maps of one image for the chosen diseases.

    Args:
        network: the network, in evaluation mode.
        diseases: keys of all K diseases in the order of the logits.
        explain: ``"positive"``, the diseases whose probability is at or above the threshold; ``"all"``; or their keys.
        layer: target layer of Grad-CAM.
        method: see :func:`vmnet_monai.explain.disease_heat_maps`.

    Raises:
        ValueError: if a disease to explain is not one of the head's, or the method is unknown.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        diseases: Sequence[str],
        explain: Literal["positive", "all"] | Sequence[str] = "positive",
        layer: str = "classifier.features",
        method: str = "gradcam",
    ) -> None:
        named = [] if isinstance(explain, str) else list(explain)
        unknown = sorted(set(named) - set(diseases))
        if unknown or (isinstance(explain, str) and explain not in ("positive", "all")):
            raise ValueError(
                f"the diseases to explain must be 'positive', 'all', or a list out of {', '.join(diseases)}; got "
                f"{', '.join(unknown) or repr(explain)}."
            )
        if method not in METHODS:
            raise ValueError(f"the method of heat maps must be one of {', '.join(METHODS)}, got {method!r}.")
        self.network = network
        self.diseases = tuple(diseases)
        self.explain = explain
        self.layer = layer
        self.method = method

    def heat_maps(self, grid: torch.Tensor, fov: torch.Tensor, positive: Sequence[str]) -> dict[str, torch.Tensor]:
        """Make the heat maps on the network's grid.

        Args:
            grid: (3, S, S) float32, the network's input.
            fov: (1, S, S), 1 inside the field of view.
            positive: the diseases whose probability is at or above the threshold.

        Returns:
            disease -> (1, S, S) float32 in [0, 1].
        """
        chosen = self.explain
        if isinstance(chosen, str):
            chosen = positive if chosen == "positive" else self.diseases
        columns = {disease: self.diseases.index(disease) for disease in self.diseases if disease in chosen}
        if not columns:
            return {}
        return disease_heat_maps(self.network, grid[None], columns, self.layer, method=self.method, field_of_view=fov)
