"""The operating point: thresholds and calibration, and how they are chosen on validation images."""

from __future__ import annotations

from vmnet_monai.calibration.fit import fit_operating_point
from vmnet_monai.calibration.operating_point import OperatingPoint, network_settings, weights_version
from vmnet_monai.calibration.platt import platt_scaled, platt_scaling
from vmnet_monai.calibration.thresholds import best_dice_threshold, best_threshold, best_thresholds

__all__ = [
    "OperatingPoint",
    "best_dice_threshold",
    "best_threshold",
    "best_thresholds",
    "fit_operating_point",
    "network_settings",
    "platt_scaled",
    "platt_scaling",
    "weights_version",
]
