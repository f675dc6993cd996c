"""The operating point: thresholds and calibration, and how they are chosen on validation images."""

from __future__ import annotations

from vmnet_monai.calibration.fit import fit_operating_point
from vmnet_monai.calibration.operating_point import OperatingPoint, network_settings, weights_version
from vmnet_monai.calibration.own import OwnCalibration, fit_own_calibration
from vmnet_monai.calibration.percentile import percentile, score_quantiles
from vmnet_monai.calibration.platt import platt_scaled, platt_scaling
from vmnet_monai.calibration.thresholds import best_dice_threshold, best_threshold, best_thresholds

__all__ = [
    "OperatingPoint",
    "OwnCalibration",
    "best_dice_threshold",
    "best_threshold",
    "best_thresholds",
    "fit_operating_point",
    "fit_own_calibration",
    "network_settings",
    "percentile",
    "platt_scaled",
    "platt_scaling",
    "score_quantiles",
    "weights_version",
]
