"""Scores of disease probabilities against labels of which some are unknown (NaN) and never count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric, calibration_binning
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, cohen_kappa_score

from vmnet_monai.metrics.binary import CALIBRATION_BINS, confusion_scores, roc_auc, roc_auc_of_counts
from vmnet_monai.metrics.bootstrap import patient_bootstrap_interval
from vmnet_monai.metrics.decision import decision_curve
from vmnet_monai.metrics.reliability import calibration_intercept, calibration_slope

MIN_COUNT = 10
"""Photographs with a disease, and as many without, from which its scores within a source are worth looking at."""

_CONFUSION_KEYS = ("sensitivity", "specificity", "precision", "f1", "accuracy")
_MACRO_KEYS = ("auc", "average_precision", *_CONFUSION_KEYS, "kappa", "calibration_error", "brier")


def disease_scores(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.floating],
    thresholds: Sequence[float],
    label_names: Sequence[str],
    patients: Sequence[str],
    bootstrap_samples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Score N photographs for K diseases: each disease, their mean, and the flattened table of known labels.

    A disease is positive where its probability reaches its threshold. Intervals are 95 % bootstrap intervals by
    patient (:func:`~vmnet_monai.metrics.bootstrap.patient_bootstrap_interval`).

    Args:
        probabilities: (N, K), 0 to 1.
        labels: (N, K), 1 present, 0 absent, NaN unknown.
        thresholds: K probabilities.
        label_names: K disease keys.
        patients: N patient identifiers, unique across the datasets that are pooled.
        bootstrap_samples: number of resamples behind an interval.
        seed: of the resamples.

    Returns:
        Python numbers, lists and dicts:

        - ``per_disease``: by disease key: ``n`` known, ``positives`` among them and their fraction, ``prevalence``;
          ``auc`` (ROC) and ``auc_interval`` [lower, upper]; ``calibration_intercept``, ``calibration_slope``, each with
          ``_interval``, see :mod:`vmnet_monai.metrics.reliability`; ``decision_curve``, see
          :func:`~vmnet_monai.metrics.decision_curve`; ``average_precision``, ``sensitivity``, ``specificity``,
          ``precision``, ``f1``, ``accuracy``, ``kappa`` (Cohen's), ``calibration_error`` (expected, of the probability
          of presence, 15 equal-width bins) and ``brier`` (mean squared distance of probability and label). AUC, average
          precision, kappa and Brier score are scikit-learn's.
        - ``macro``: the mean of each score from the AUC to the Brier score over the diseases where it is defined. The
          interval of the AUC rests on the resamples in which each of its diseases has both classes.
        - ``micro``: the same scores over all known entries of the table, flattened.
        - ``odir_final_score``: mean of the micro kappa, accuracy and AUC, which is what the evaluation of the ODIR-2019
          challenge computes: its "F1" over both classes of the flattened table equals accuracy.
        - ``rfmid_score``: mean of the macro AUC and the macro average precision, as in the RFMiD (RIADD) challenge.

        A score is NaN where it is undefined: intercept and slope as their functions say, AUC and average precision
        unless both classes are known, sensitivity and f1 without a label of presence, specificity without one of
        absence, precision where nothing is positive, kappa where labels and decisions all belong to one class,
        everything without a known label.

    Raises:
        ValueError: when a length differs, a probability or threshold is outside 0 to 1, or a label is not 1, 0 or NaN.

    Example:
        >>> probabilities = np.array([[0.9], [0.4], [0.2], [0.7]])
        >>> labels = np.array([[1.0], [1.0], [0.0], [np.nan]])  # the last is unknown
        >>> scores = disease_scores(probabilities, labels, [0.5], ["glaucoma"], ["a", "b", "c", "d"])
        >>> one = scores["per_disease"]["glaucoma"]
        >>> one["n"], one["auc"], one["sensitivity"], one["specificity"]
        (3, 1.0, 0.5, 1.0)
    """
    probabilities, labels = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    limits = np.asarray(thresholds, dtype=np.float64)
    check_table(probabilities, labels)
    for name, given, needed in (
        ("thresholds", len(limits), probabilities.shape[1]),
        ("label_names", len(label_names), probabilities.shape[1]),
        ("patients", len(patients), probabilities.shape[0]),
    ):
        if given != needed:
            raise ValueError(f"{name} must have {needed} entries for a table of {probabilities.shape}, got {given}")
    if not ((limits >= 0) & (limits <= 1)).all():
        raise ValueError(f"thresholds must lie within 0 to 1, got {limits.tolist()}: give probabilities")

    positive, known = probabilities >= limits, ~np.isnan(labels)
    patient = np.asarray(patients, dtype=str)
    per_disease: dict[str, dict[str, Any]] = {}
    for k, name in enumerate(label_names):
        rows = known[:, k]
        p, y = probabilities[rows, k], labels[rows, k]
        per_disease[name] = _binary_scores(p, y, positive[rows, k]) | {
            "prevalence": float(y.mean()) if y.size else float("nan"),
            "calibration_intercept": calibration_intercept(p, y),
            "calibration_slope": calibration_slope(p, y),
            "decision_curve": decision_curve(p, y),
        }
        for key, statistic in _resampled(p, y).items():
            interval = patient_bootstrap_interval(statistic, patient[rows].tolist(), bootstrap_samples, seed)
            per_disease[name][f"{key}_interval"] = list(interval)

    macro: dict[str, Any] = {key: mean_defined([s[key] for s in per_disease.values()]) for key in _MACRO_KEYS}
    columns = [
        auc_of_rows(probabilities[:, k], labels[:, k])
        for k, scores in enumerate(per_disease.values())
        if not np.isnan(scores["auc"])
    ]

    def macro_auc(rows: NDArray[np.intp]) -> float:
        return sum(auc(rows) for auc in columns) / len(columns) if columns else float("nan")

    macro["auc_interval"] = list(patient_bootstrap_interval(macro_auc, patients, bootstrap_samples, seed))
    micro = _binary_scores(probabilities[known], labels[known], positive[known])
    return {
        "per_disease": per_disease,
        "macro": macro,
        "micro": micro,
        "odir_final_score": (micro["kappa"] + micro["accuracy"] + micro["auc"]) / 3,
        "rfmid_score": (macro["auc"] + macro["average_precision"]) / 2,
    }


def within_source_auc(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.floating],
    datasets: Sequence[str],
    min_count: int = MIN_COUNT,
) -> tuple[float, dict[tuple[str, int], float]]:
    """Mean area under the ROC curve over the pairs of dataset and disease, each scored within its dataset alone.

    Between datasets the look of the photographs gives their diseases away; within one it does not.

    Args:
        probabilities: (N, K), probabilities or logits; NaN where there is none.
        labels: (N, K), 1 present, 0 absent, NaN unknown.
        datasets: N dataset names.
        min_count: a pair counts with at least this many photographs that have the disease and as many that have not.

    Returns:
        The mean, 0 to 1, and the AUC of each pair that counts, by dataset and index of the disease, sorted. An AUC is
        NaN where a probability behind it is NaN, and so is the mean then; the mean is NaN where no pair counts.

    Raises:
        ValueError: when a length differs, a label is not 1, 0 or NaN, or ``min_count`` is below 1.
    """
    probabilities, labels = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    _check_shapes_and_labels(probabilities, labels)
    if len(datasets) != len(labels):
        raise ValueError(f"datasets must have {len(labels)} entries for a table of {labels.shape}, got {len(datasets)}")
    if min_count < 1:
        raise ValueError(f"min_count must be at least 1, got {min_count}: an AUC needs a photograph of each class")
    names = np.asarray(datasets, dtype=str)
    aucs: dict[tuple[str, int], float] = {}
    for name in np.unique(names):
        p, y = probabilities[names == name], labels[names == name]
        for k in np.flatnonzero(np.minimum((y == 1).sum(axis=0), (y == 0).sum(axis=0)) >= min_count):
            aucs[str(name), int(k)] = roc_auc(p[:, k], y[:, k])
    return float(np.mean(list(aucs.values()))) if aucs else float("nan"), aucs


class DiseaseROCAUC(CumulativeIterationMetric):
    """Area under the ROC curve over the known labels, as one number for MONAI's ``IgniteMetricHandler``.

    Called with ``y_pred`` (B, K), probabilities or logits, and ``y`` (B, K), 1 present, 0 absent, NaN unknown, or with
    lists of (K,).

    Args:
        column: index of the disease to score; None for the mean over the diseases that have both classes.

    Raises:
        ValueError: when ``column`` is negative.
    """

    def __init__(self, column: int | None = None) -> None:
        super().__init__()
        if column is not None and column < 0:
            raise ValueError(f"column must be 0 or more, got {column}: count diseases from the first")
        self.column = column

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        if y_pred.ndim != 2 or y_pred.shape != y.shape:
            raise ValueError(
                f"y_pred and y must have the same shape (B, K), got {tuple(y_pred.shape)} and {tuple(y.shape)}"
            )
        if self.column is not None and self.column >= y.shape[1]:
            raise ValueError(f"column must be below the number of diseases {y.shape[1]}, got {self.column}")
        return y_pred, y

    def aggregate(self) -> float:
        """Return the AUC of the column, or the mean over the columns that have both classes.

        Returns:
            0 to 1; NaN where no class pair is known, or where a prediction to be scored is NaN.

        Raises:
            ValueError: when nothing has been accumulated.
        """
        buffers = self.get_buffer()
        if buffers is None:
            raise ValueError("there is nothing to aggregate: call the metric on a batch first")
        y_pred, y = (buffer.double().cpu().numpy() for buffer in buffers)
        columns = range(y.shape[1]) if self.column is None else [self.column]
        scored = [k for k in columns if (y[:, k] == 0).any() and (y[:, k] == 1).any()]
        return float(np.mean([roc_auc(y_pred[:, k], y[:, k]) for k in scored])) if scored else float("nan")


def _binary_scores(p: NDArray[np.float64], y: NDArray[np.float64], positive: NDArray[np.bool_]) -> dict[str, Any]:
    """Score (n,) probabilities and decisions against (n,) labels, all known."""
    present = y == 1
    tp, fp = int((positive & present).sum()), int((positive & ~present).sum())
    tn, fn = int((~positive & ~present).sum()), int((~positive & present).sum())
    confusion = confusion_scores(tp, fp, tn, fn)
    mean_probability, frequency, in_bin = calibration_binning(
        torch.as_tensor(p[None, None]), torch.as_tensor(y[None, None]), num_bins=CALIBRATION_BINS
    )
    calibration_error = (in_bin * (mean_probability - frequency).abs()).nansum() / in_bin.sum()
    both_labels, one_class = tp + fn > 0 and tn + fp > 0, len(y) in (tp, tn)
    return {
        "n": len(y),
        "positives": tp + fn,
        "auc": roc_auc(p, y),
        "average_precision": float(average_precision_score(y, p)) if both_labels else float("nan"),
        **{key: confusion[key] for key in _CONFUSION_KEYS},
        "kappa": float("nan") if one_class else float(cohen_kappa_score(y, positive)),
        "calibration_error": calibration_error.item(),
        "brier": float(brier_score_loss(y, p)) if len(y) else float("nan"),
    }


def _resampled(p: NDArray[np.float64], y: NDArray[np.float64]) -> dict[str, Callable[[NDArray[np.intp]], float]]:
    """Make the statistics of (n,) probabilities and known labels that are given with an interval."""
    return {
        "auc": auc_of_rows(p, y),
        "calibration_intercept": lambda rows: calibration_intercept(p[rows], y[rows]),
        "calibration_slope": lambda rows: calibration_slope(p[rows], y[rows]),
    }


def auc_of_rows(p: NDArray[np.floating], y: NDArray[np.floating]) -> Callable[[NDArray[np.intp]], float]:
    """Make a function from row indices to their AUC that ranks the scores once, not once per resample.

    Args:
        p: (N,) scores.
        y: (N,) labels; those other than 0 and 1 do not count.

    Returns:
        From the indices of a resample's rows, repeated as drawn, to their AUC; NaN unless both classes are drawn.
    """
    scores, rank = np.unique(p, return_inverse=True)

    def auc(rows: NDArray[np.intp]) -> float:
        drawn, labels = rank[rows], y[rows]
        return roc_auc_of_counts(
            np.stack([np.bincount(drawn[labels == label], minlength=len(scores)) for label in (0, 1)])
        )

    return auc


def mean_defined(values: Sequence[float] | NDArray[np.floating]) -> float:
    """Return the mean of what is defined, NaN where nothing is.

    Example:
        >>> mean_defined([0.5, float("nan"), 1.0])
        0.75
    """
    defined = np.asarray(values, dtype=np.float64)
    defined = defined[~np.isnan(defined)]
    return float(defined.mean()) if defined.size else float("nan")


def check_table(probabilities: NDArray[np.floating], labels: NDArray[np.floating]) -> None:
    """Refuse what is no table of (N, K) probabilities, 0 to 1, and labels 1, 0 or NaN.

    Raises:
        ValueError: naming the rule that is broken.
    """
    _check_shapes_and_labels(probabilities, labels)
    # Written so that NaN fails it too.
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("probabilities must lie within 0 to 1: apply the sigmoid, leave out photographs that failed")


def _check_shapes_and_labels(probabilities: NDArray[np.floating], labels: NDArray[np.floating]) -> None:
    if probabilities.ndim != 2 or probabilities.shape != labels.shape:
        raise ValueError(
            f"probabilities and labels must have the same shape (N, K), got {probabilities.shape} and {labels.shape}"
        )
    if not (np.isnan(labels) | np.isin(labels, (0, 1))).all():
        raise ValueError(f"labels must be 1, 0 or NaN (unknown), got {np.unique(labels)}: map other codes to these")
