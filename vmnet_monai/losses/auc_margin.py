"""AUC margin loss on logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.losses import AUCMLoss

__all__ = ["AUCMarginLoss", "auc_margin_losses", "auc_margin_parameters"]


class AUCMarginLoss(AUCMLoss):
    """MONAI's AUCMLoss on logits; it takes their sigmoid, as the loss expects scores in [0, 1].

    Its parameter ``alpha`` is a dual variable that the optimiser must maximise, and ``a``, ``b`` belong to one label:
    use one instance per label, see configs/experiments/auc_margin.json. Source: Yuan et al., ICCV 2021,
    arXiv 2012.03173.
    """

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Score logits (N, 1) against targets (N, 1) of 0 and 1."""
        with torch.no_grad():
            self.alpha.clamp_(min=0)  # below 0 the term would reward a wrong order
        return super().forward(torch.sigmoid(input), target)


def auc_margin_losses(prevalences: Sequence[float], device: str | torch.device = "cpu") -> list[torch.nn.Module]:
    """Make one :class:`AUCMarginLoss` per disease.

    Args:
        prevalences: K fractions, see :func:`vmnet_monai.datasets.prevalences`.
        device: where they compute.
    """
    return [AUCMarginLoss(imratio=prevalence).to(device) for prevalence in prevalences]


def auc_margin_parameters(network: torch.nn.Module, loss: torch.nn.Module) -> list[dict[str, Any]]:
    """Group the parameters for an optimiser: the network; each loss's ``a`` and ``b``; its ``alpha``, to be maximised.

    Args:
        network: the network.
        loss: a loss whose ``disease_losses`` are those of :func:`auc_margin_losses`.

    Returns:
        Parameter groups of a torch optimiser.
    """
    losses: Any = loss.disease_losses
    return [
        {"params": network.parameters()},
        {"params": [parameter for one in losses for parameter in (one.a, one.b)], "weight_decay": 0.0},
        {"params": [one.alpha for one in losses], "weight_decay": 0.0, "maximize": True},
    ]
