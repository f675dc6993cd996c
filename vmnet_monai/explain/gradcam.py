"""Grad-CAM of the disease head."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from monai.visualize import GradCAM

__all__ = ["DiseaseView", "disease_heat_maps"]


class DiseaseView(torch.nn.Module):
    """Shows a network of two heads as one that returns the disease logits, which Grad-CAM can index.

    Args:
        network: a network that returns a dictionary with ``disease`` (B, K).
    """

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the disease logits (B, K) of photographs (B, 3, H, W)."""
        logits: torch.Tensor = self.network(image)["disease"]
        return logits


def disease_heat_maps(
    network: torch.nn.Module,
    image: torch.Tensor,
    diseases: Mapping[str, int] | Sequence[str],
    target_layer: str = "classifier.features",
) -> dict[str, torch.Tensor]:
    """Compute the Grad-CAM of each disease for one photograph.

    ``ReLU(sum_c w_c A_c)`` with ``w_c`` the mean gradient of the disease's logit with respect to feature map ``A_c`` of
    the target layer (Selvaraju et al., ICCV 2017, doi 10.1109/ICCV.2017.74), by :class:`monai.visualize.GradCAM`,
    scaled up bilinearly. Each map is divided by its own maximum, so that maps show places, not strengths; a map
    without positive evidence is zero.

    Args:
        network: the network, in evaluation mode.
        image: (1, 3, S, S) float32.
        diseases: column of each disease in the logits, or their names in the order of the columns.
        target_layer: name of the layer in the network.

    Returns:
        disease -> (1, S, S) float32 in [0, 1].

    Raises:
        ValueError: if the network has no such layer.
    """
    if target_layer not in dict(network.named_modules()):
        raise ValueError(
            f"target_layer must name a layer of the network, got {target_layer!r}: choose one of "
            f"{', '.join(name for name, _ in network.named_children())} or a layer inside them."
        )
    columns = diseases if isinstance(diseases, Mapping) else {name: index for index, name in enumerate(diseases)}
    # On a copy: MONAI never takes its hooks off the layers again, and the gradients stay on the parameters.
    view = DiseaseView(copy.deepcopy(network))
    camera = GradCAM(nn_module=view, target_layers=f"network.{target_layer}", postprocessing=lambda maps: maps)
    heat_maps = {}
    with torch.enable_grad():
        for disease, column in columns.items():
            heat = torch.as_tensor(camera(x=image, class_idx=column))[0].detach().relu()
            heat_maps[disease] = heat / heat.max().clamp(min=torch.finfo(heat.dtype).tiny)
    return heat_maps
