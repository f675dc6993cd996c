"""Scores of a decision between two classes, for pixels and for photographs alike."""

from __future__ import annotations

import numpy as np
import torch
from monai.metrics import compute_confusion_matrix_metric
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

CALIBRATION_BINS = 15
"""Equal-width probability bins of the expected calibration error, as in Guo et al., ICML 2017 (arXiv:1706.04599)."""

_CONFUSION_METRICS = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "accuracy": "accuracy",
    "f1": "f1 score",
    "iou": "threat score",
    "mcc": "matthews correlation coefficient",
}


def confusion_scores(tp: int, fp: int, tn: int, fn: int) -> dict[str, float]:
    """Score a 2 x 2 table: sensitivity, specificity, precision, accuracy, f1 (Dice), iou, mcc, iou_two_class_mean.

    ``iou`` is that of the positives alone. ``iou_two_class_mean`` is the mean of it and of the iou of the negatives,
    TN / (TN + FP + FN), which some papers report as IoU; with many negatives it is far the higher of the two.

    MONAI's formulas in double precision. A score whose denominator is 0 is NaN. Without a positive, f1 and iou are NaN
    as well: their formulas would punish one false positive with 0 and not reward its absence. For the same reason
    iou_two_class_mean is NaN without a positive and without a negative.

    Example:
        >>> scores = confusion_scores(tp=3, fp=1, tn=5, fn=1)
        >>> scores["sensitivity"], scores["f1"], scores["iou"]
        (0.75, 0.75, 0.6)
    """
    counts = torch.tensor([tp, fp, tn, fn], dtype=torch.float64)
    scores = {key: compute_confusion_matrix_metric(name, counts).item() for key, name in _CONFUSION_METRICS.items()}
    if tp + fn == 0:
        scores["f1"] = scores["iou"] = float("nan")
    # With the classes exchanged, negatives are the positives.
    exchanged = torch.tensor([tn, fn, tp, fp], dtype=torch.float64)
    iou_negatives = compute_confusion_matrix_metric("threat score", exchanged).item() if tn + fp else float("nan")
    return {**scores, "iou_two_class_mean": (scores["iou"] + iou_negatives) / 2}


def roc_auc(scores: NDArray[np.floating], labels: NDArray[np.floating]) -> float:
    """Area under the ROC curve over the known labels, by scikit-learn; NaN where that is undefined.

    The chance that a positive scores above a negative, a tie counting one half: Hanley and McNeil, Radiology 1982,
    doi:10.1148/radiology.143.1.7063747.

    Args:
        scores: (N,), probabilities or logits.
        labels: (N,), 1 present, 0 absent, NaN unknown.

    Returns:
        0 to 1; NaN unless both classes are known, and where the score of a known label is NaN.

    Example:
        >>> roc_auc(np.array([0.9, 0.1, 0.4, 0.6]), np.array([1, 0, 1, float("nan")]))
        1.0
    """
    known = ~np.isnan(labels)
    scores, labels = scores[known], labels[known]
    if np.unique(labels).size < 2 or np.isnan(scores).any():
        return float("nan")
    # scikit-learn refuses infinite logits; the largest number ranks like them.
    return float(roc_auc_score(labels, np.nan_to_num(scores)))


def roc_auc_of_counts(counts: NDArray[np.int64]) -> float:
    """Area under the ROC curve, as :func:`roc_auc`, from how often each score occurs.

    scikit-learn sorts the scores each time, which millions of pixels or a thousand resamples do not allow.

    Args:
        counts: (2, L) negatives and positives at each of L ascending scores.

    Returns:
        0 to 1; NaN unless both classes are present.

    Example:
        >>> roc_auc_of_counts(np.array([[1, 1, 0], [0, 1, 2]]))  # one tie among six pairs
        0.9166666666666666
    """
    negatives, positives = counts
    pairs = float(negatives.sum()) * float(positives.sum())
    if pairs == 0:
        return float("nan")
    negatives_below = np.cumsum(negatives) - negatives
    return float((positives * (negatives_below + negatives / 2)).sum() / pairs)
