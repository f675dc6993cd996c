"""How good segmented structures and disease probabilities are."""

from __future__ import annotations

from vmnet_monai.metrics.binary import CALIBRATION_BINS, confusion_scores, roc_auc, roc_auc_of_counts
from vmnet_monai.metrics.bootstrap import patient_bootstrap_interval, patient_resamples
from vmnet_monai.metrics.comparison import compare_systems, comparison_table
from vmnet_monai.metrics.decision import DECISION_THRESHOLDS, decision_curve
from vmnet_monai.metrics.disease import (
    MIN_COUNT,
    DiseaseROCAUC,
    disease_scores,
    mean_defined,
    within_source_auc,
)
from vmnet_monai.metrics.evaluation import (
    INSIDE_FOV,
    Histograms,
    ImageScores,
    add_histograms,
    disease_report,
    evaluation_summary,
    evaluation_table,
    pooled,
    score_regions,
    segmentation_report,
    sources_by_auc,
)
from vmnet_monai.metrics.reliability import calibration_intercept, calibration_slope
from vmnet_monai.metrics.segmentation import (
    PROBABILITY_LEVELS,
    ClDiceMetric,
    LabelledDiceMetric,
    balanced_accuracy_among_parts,
    centreline_dice,
    components_difference,
    expected_calibration_error,
    histogram_scores,
    probability_histogram,
    probability_levels,
    segmentation_scores,
)
from vmnet_monai.metrics.subgroups import AGE_LIMITS, age_group, subgroup_scores

__all__ = [
    "AGE_LIMITS",
    "CALIBRATION_BINS",
    "DECISION_THRESHOLDS",
    "INSIDE_FOV",
    "MIN_COUNT",
    "PROBABILITY_LEVELS",
    "ClDiceMetric",
    "DiseaseROCAUC",
    "Histograms",
    "ImageScores",
    "LabelledDiceMetric",
    "add_histograms",
    "age_group",
    "balanced_accuracy_among_parts",
    "calibration_intercept",
    "calibration_slope",
    "centreline_dice",
    "compare_systems",
    "comparison_table",
    "components_difference",
    "confusion_scores",
    "decision_curve",
    "disease_report",
    "disease_scores",
    "evaluation_summary",
    "evaluation_table",
    "expected_calibration_error",
    "histogram_scores",
    "mean_defined",
    "patient_bootstrap_interval",
    "patient_resamples",
    "pooled",
    "probability_histogram",
    "probability_levels",
    "roc_auc",
    "roc_auc_of_counts",
    "score_regions",
    "segmentation_report",
    "segmentation_scores",
    "sources_by_auc",
    "subgroup_scores",
    "within_source_auc",
]
