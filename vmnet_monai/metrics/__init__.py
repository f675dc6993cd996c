"""How good vessel maps and disease probabilities are."""

from __future__ import annotations

from vmnet_monai.metrics.bootstrap import patient_bootstrap_interval
from vmnet_monai.metrics.calibration import platt_scaled, platt_scaling
from vmnet_monai.metrics.comparison import compare_systems, comparison_table
from vmnet_monai.metrics.disease import (
    DiseaseROCAUC,
    best_threshold,
    best_thresholds,
    brier_score,
    cohen_kappa,
    disease_scores,
    within_source_auc,
)
from vmnet_monai.metrics.evaluation import disease_report, vessel_report
from vmnet_monai.metrics.vessel import (
    CALIBRATION_BINS,
    PROBABILITY_LEVELS,
    ClDiceMetric,
    VesselDiceMetric,
    average_precision,
    best_dice_threshold,
    centreline_dice,
    components_difference,
    confusion_scores,
    expected_calibration_error,
    histogram_scores,
    probability_histogram,
    probability_levels,
    roc_auc,
    vessel_scores,
)

__all__ = [
    "CALIBRATION_BINS",
    "PROBABILITY_LEVELS",
    "ClDiceMetric",
    "DiseaseROCAUC",
    "VesselDiceMetric",
    "average_precision",
    "best_dice_threshold",
    "best_threshold",
    "best_thresholds",
    "brier_score",
    "centreline_dice",
    "cohen_kappa",
    "compare_systems",
    "comparison_table",
    "components_difference",
    "confusion_scores",
    "disease_report",
    "disease_scores",
    "expected_calibration_error",
    "histogram_scores",
    "patient_bootstrap_interval",
    "platt_scaled",
    "platt_scaling",
    "probability_histogram",
    "probability_levels",
    "roc_auc",
    "vessel_report",
    "vessel_scores",
    "within_source_auc",
]
