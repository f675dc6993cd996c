"""The joint loss: vessels inside the field of view, diseases where they are known."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

__all__ = ["VesselDiseaseLoss"]

BACKGROUND_LOGIT = -20.0
"""Logit given to pixels outside the field of view: a probability of 2e-9, so that they add nothing to any loss."""


class VesselDiseaseLoss(nn.Module):
    r"""Weighs a segmentation loss on vessels and a classification loss on diseases, each on what is known.

    - Vessels: photographs without mask are left out. Pixels outside the field of view are set to certain background
      in prediction and truth, so that they add nothing to any MONAI segmentation loss on logits. A loss that averages
      over pixels, such as cross-entropy, still divides by all of them.
    - Diseases: each label is scored on the photographs where it is known (not NaN); the losses of the labels are
      averaged with the number of known photographs as weight, which for a mean-reduced loss equals the mean over all
      known entries.

    A head of which a batch knows nothing contributes zero, with zero gradients, so that distributed training sees
    every parameter in every step. A network of a single task may return its own key only.

    Args:
        vessel_loss: loss on logits (B, 1, H, W) and targets in [0, 1], for example
            ``monai.losses.DiceCELoss(sigmoid=True)``.
        disease_losses: one loss for all labels, on logits (N, 1) and targets 0 or 1, for example
            ``torch.nn.BCEWithLogitsLoss()`` or ``monai.losses.FocalLoss()``; or a list with one loss per label, for
            losses that hold state of their own.
        vessel_weight: weight of the vessel loss.
        disease_weight: weight of the disease loss.
    """

    def __init__(
        self,
        vessel_loss: nn.Module,
        disease_losses: nn.Module | list[nn.Module],
        vessel_weight: float = 1.0,
        disease_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.vessel_loss = vessel_loss
        self.disease_losses = nn.ModuleList(disease_losses if isinstance(disease_losses, list) else [disease_losses])
        self.vessel_weight = vessel_weight
        self.disease_weight = disease_weight

    def forward(self, prediction: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Compute the weighted sum of the two losses.

        Args:
            prediction: ``vessel`` (B, 1, H, W) and ``disease`` (B, K), logits; either may be absent.
            target: ``vessel`` (B, 1, H, W) in [0, 1], ``has_vessel`` (B,) bool, ``fov`` (B, 1, H, W) of 0 and 1,
                ``disease`` (B, K) of 0, 1 and NaN.

        Returns:
            A scalar, float32.

        Raises:
            ValueError: if a list of disease losses has not one loss per label.
        """
        terms: list[torch.Tensor] = []
        if "vessel" in prediction:
            terms.append(self.vessel_weight * self._vessel(prediction["vessel"].float(), target))
        if "disease" in prediction:
            terms.append(self.disease_weight * self._disease(prediction["disease"].float(), target["disease"]))
        return torch.stack(terms).sum()

    def _vessel(self, logits: torch.Tensor, target: Mapping[str, torch.Tensor]) -> torch.Tensor:
        known = target["has_vessel"]
        if not known.any():
            return 0.0 * logits.sum()
        inside = target["fov"][known] > 0.5
        return self.vessel_loss(
            torch.where(inside, logits[known], BACKGROUND_LOGIT),
            torch.where(inside, target["vessel"][known].float(), 0.0),
        )

    def _disease(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if len(self.disease_losses) not in (1, logits.shape[1]):
            raise ValueError(
                f"disease_losses must be one loss or a list of {logits.shape[1]}, one per label, "
                f"got {len(self.disease_losses)}: match the list to the head."
            )
        known = ~torch.isnan(labels)
        total = 0.0 * logits.sum()
        for column in range(logits.shape[1]):
            rows = known[:, column]
            if rows.any():
                loss = self.disease_losses[column if len(self.disease_losses) > 1 else 0]
                total = total + rows.sum() * loss(logits[rows, column, None], labels[rows, column, None])
        return total / known.sum().clamp(min=1)
