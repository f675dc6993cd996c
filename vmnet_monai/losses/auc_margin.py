"""AUC margin loss on logits."""

from __future__ import annotations

import torch
from monai.losses import AUCMLoss

__all__ = ["AUCMarginLoss"]


class AUCMarginLoss(AUCMLoss):
    """MONAI's AUCMLoss on logits: their sigmoid is scored, as the loss expects scores in [0, 1].

    Its parameter ``alpha`` is a dual variable that the optimiser must maximise, and ``a``, ``b`` belong to one label:
    use one instance per label, see configs/experiments/auc_margin.json. Source: Yuan et al., ICCV 2021,
    arXiv 2012.03173.
    """

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Score logits (N, 1) against targets (N, 1) of 0 and 1."""
        with torch.no_grad():
            self.alpha.clamp_(min=0)  # below 0 the term would reward a wrong order
        return super().forward(torch.sigmoid(input), target)
