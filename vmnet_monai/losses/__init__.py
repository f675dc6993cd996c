"""Losses on the dictionaries that the networks return."""

from __future__ import annotations

from vmnet_monai.losses.auc_margin import AUCMarginLoss
from vmnet_monai.losses.deep_supervision import deep_supervision_weights
from vmnet_monai.losses.vessel_disease import VesselDiseaseLoss

__all__ = ["AUCMarginLoss", "VesselDiseaseLoss", "deep_supervision_weights"]
