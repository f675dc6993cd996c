"""What acting on a probability is worth: net benefit and the decision curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["DECISION_THRESHOLDS", "decision_curve"]

DECISION_THRESHOLDS = tuple(step / 20 for step in range(1, 20))
"""Threshold probabilities of the decision curve that an evaluation writes: 0.05 to 0.95."""


def decision_curve(
    probabilities: NDArray[np.floating],
    labels: NDArray[np.floating],
    thresholds: Sequence[float] = DECISION_THRESHOLDS,
) -> dict[str, list[float]]:
    """Compute the net benefit of acting on those at or above each threshold probability, and of acting on all.

    A threshold probability t says what a false alarm costs: whoever acts from t on holds one missed disease for as bad
    as (1 - t) / t false alarms. Net benefit = TP / n - (FP / n) x t / (1 - t), in diseases found per photograph;
    treat-all is the same with everyone positive, treat-none is 0 everywhere. Acting on the probability is worth it
    where its net benefit is above both. Vickers and Elkin, Med Decis Making 2006, doi:10.1177/0272989X06295361.

    Args:
        probabilities: (N,), 0 to 1.
        labels: (N,), 1 present, 0 absent, all known.
        thresholds: above 0 and below 1.

    Returns:
        ``threshold``, ``net_benefit`` and ``treat_all``, one number per threshold, at most the prevalence; NaN without
        any photograph.

    Raises:
        ValueError: when a threshold is not between 0 and 1.

    Example:
        >>> curve = decision_curve(np.array([0.9, 0.6, 0.3, 0.1]), np.array([1.0, 0.0, 1.0, 0.0]), [0.2, 0.5])
        >>> curve["net_benefit"]  # 2/4 - 1/4 x 0.25, then 1/4 - 1/4 x 1
        [0.4375, 0.0]
        >>> curve["treat_all"]
        [0.375, 0.0]
    """
    limits = np.asarray(thresholds, dtype=np.float64)
    if not ((limits > 0) & (limits < 1)).all():
        raise ValueError(
            f"threshold probabilities must lie between 0 and 1, got {limits.tolist()}: leave out both ends"
        )
    present, odds = np.asarray(labels) == 1, limits / (1 - limits)
    if not present.size:
        net_benefit = treat_all = np.full(limits.shape, np.nan)
    else:
        positive = np.asarray(probabilities) >= limits[:, np.newaxis]
        net_benefit = (positive & present).mean(axis=1) - (positive & ~present).mean(axis=1) * odds
        treat_all = present.mean() - (~present).mean() * odds
    return {"threshold": limits.tolist(), "net_benefit": net_benefit.tolist(), "treat_all": treat_all.tolist()}
