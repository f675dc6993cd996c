"""How good vessel maps and disease probabilities are."""

from __future__ import annotations

from vmnet_monai.metrics.bootstrap import patient_bootstrap_interval
from vmnet_monai.metrics.comparison import compare_systems, comparison_table
from vmnet_monai.metrics.disease import (
    DiseaseROCAUC,
    brier_score,
    cohen_kappa,
    disease_scores,
    mean_defined,
    within_source_auc,
)
from vmnet_monai.metrics.evaluation import disease_report, segmentation_report
from vmnet_monai.metrics.vessel import (
    CALIBRATION_BINS,
    PROBABILITY_LEVELS,
    ClDiceMetric,
    LabelledDiceMetric,
    average_precision,
    centreline_dice,
    components_difference,
    confusion_scores,
    expected_calibration_error,
    histogram_scores,
    probability_histogram,
    probability_levels,
    roc_auc,
    segmentation_scores,
)

__all__ = [
    "CALIBRATION_BINS",
    "PROBABILITY_LEVELS",
    "ClDiceMetric",
    "DiseaseROCAUC",
    "LabelledDiceMetric",
    "average_precision",
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
    "mean_defined",
    "patient_bootstrap_interval",
    "probability_histogram",
    "probability_levels",
    "roc_auc",
    "segmentation_report",
    "segmentation_scores",
    "within_source_auc",
]
