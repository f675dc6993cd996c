"""Losses on the dictionaries of logits that the networks return."""

from __future__ import annotations

from vmnet_monai.losses.auc_margin import AUCMarginLoss, auc_margin_losses, auc_margin_parameters
from vmnet_monai.losses.deep_supervision import deep_supervision_weights
from vmnet_monai.losses.disease import disease_loss, prevalence_weighted_losses
from vmnet_monai.losses.multi_task import MultiTaskLoss

__all__ = [
    "AUCMarginLoss",
    "MultiTaskLoss",
    "auc_margin_losses",
    "auc_margin_parameters",
    "deep_supervision_weights",
    "disease_loss",
    "prevalence_weighted_losses",
]
