"""Chooses the diseases of an image that get a heat map, and the method."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Literal

import torch

from vmnet_monai.explain.heat_maps import (
    CAMERAS,
    DEFAULT_METHOD,
    METHODS,
    disease_heat_maps,
    disease_input,
    evidence_fractions,
    recorded_pass,
)

__all__ = ["Explainer"]


class Explainer:
    """Makes the heat maps of one image for the chosen diseases.

    Args:
        network: the network, in evaluation mode.
        diseases: keys of all K diseases in the order of the logits.
        explain: ``"positive"``, the diseases whose probability is at or above the threshold; ``"all"``; or their keys.
        layer: target layer of all methods but ``"occlusion"``.
        method: see :func:`vmnet_monai.explain.disease_heat_maps`.
        reached: tells from the probabilities (K,) of an image which diseases are at or above their threshold, so that
            with ``"positive"`` the gradients of no others are computed; None computes those of all.

    Raises:
        ValueError: if a disease to explain is not one of the head's, or the method is unknown.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        diseases: Sequence[str],
        explain: Literal["positive", "all"] | Sequence[str] = "positive",
        layer: str = "classifier.features",
        method: str = DEFAULT_METHOD,
        reached: Callable[[torch.Tensor], Sequence[str]] | None = None,
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
        self.reached = reached

    def infer(
        self, inferer: Callable[..., dict[str, torch.Tensor]], inputs: torch.Tensor, network: torch.nn.Module
    ) -> dict[str, torch.Tensor]:
        """Run a network on images, and keep of the same pass what the heat maps are made of.

        Args:
            inferer: such as :class:`vmnet_monai.handlers.MultiTaskInferer`. Of several passes the first one counts, of
                the images as they are.
            inputs: (B, 3, S, S) float32.
            network: what runs the network. Only the explainer's own one can be looked into; beside an export of it the
                disease head alone runs once more, guided by the maps that the export has drawn, where they are all that
                guides.

        Returns:
            The inferer's dictionary of logits; also ``"evidence"`` (B, K, h, w) float32, the maps of the diseases in
            the size of the layer's, 0 of those for which no map is asked for, if the method uses a layer and the pass
            has it; beside an export (B, K, 1, 1) where no map is asked for.
        """
        has_layer = self.layer in dict(self.network.named_modules(remove_duplicate=False))
        if self.method not in CAMERAS or not self.explain or not has_layer:
            return inferer(inputs, network)
        if network is not self.network:
            outputs = inferer(inputs, network)
            if not hasattr(self.network, "draw") or "disease" not in outputs:
                return outputs
            if not self._asked_for(outputs["disease"]):
                return {**outputs, "evidence": outputs["disease"].new_zeros(*outputs["disease"].shape, 1, 1)}
            names: Sequence[str] = self.network.structures  # type: ignore[assignment]
            guide = torch.cat([outputs[name] for name in names], dim=1).sigmoid()
            with recorded_pass(self.network, self.layer) as record:
                self.network(disease_input(self.network, inputs), guide=guide)
        else:
            with recorded_pass(network, self.layer) as record:
                outputs = inferer(inputs, network)
        if record.logits is None or record.features is None:
            return outputs
        evidence = record.features.new_zeros(*record.logits.shape, *record.features.shape[2:])
        columns = self._asked_for(outputs["disease"])
        if columns:
            evidence[:, columns] = record.evidence(self.method, columns)
        return {**outputs, "evidence": evidence}

    def _asked_for(self, logits: torch.Tensor) -> list[int]:
        """The columns of logits (B, K) of which any image is to have a map."""
        asked: Collection[str] = self.diseases if isinstance(self.explain, str) else self.explain
        if self.explain == "positive" and self.reached is not None:
            asked = {disease for row in logits for disease in self.reached(row.sigmoid())}
        return [column for column, disease in enumerate(self.diseases) if disease in asked]

    def heat_maps(
        self,
        grid: torch.Tensor,
        fov: torch.Tensor,
        positive: Sequence[str],
        evidence: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Make the heat maps on the network's grid.

        Args:
            grid: (3, S, S) float32, the network's input.
            fov: (1, S, S), 1 inside the field of view.
            positive: the diseases whose probability is at or above the threshold.
            evidence: (K, h, w) of :meth:`infer`; without it the network is run again.

        Returns:
            disease -> (1, S, S) float32 in [0, 1].
        """
        chosen = self.explain
        if isinstance(chosen, str):
            chosen = positive if chosen == "positive" else self.diseases
        columns = {disease: self.diseases.index(disease) for disease in self.diseases if disease in chosen}
        if not columns:
            return {}
        if evidence is None:
            return disease_heat_maps(
                self.network, grid[None], columns, self.layer, method=self.method, field_of_view=fov
            )
        chosen_maps = evidence_fractions(evidence[list(columns.values())].to(fov.device), fov)
        return dict(zip(columns, chosen_maps, strict=True))
