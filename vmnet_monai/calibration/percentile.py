"""The rank of a score among reference eyes, from a small table of quantiles."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["MIN_REFERENCE_EYES", "QUANTILES", "percentile", "score_quantiles"]

QUANTILES = 101
"""Values of a table: the quantiles 0, 0.01, ..., 1."""

MIN_REFERENCE_EYES = 20
"""Fewer say nothing of the rank of another eye."""


def score_quantiles(scores: ArrayLike) -> tuple[float, ...]:
    """Make a table of the quantiles of the reference eyes' scores.

    Args:
        scores: (N,), 0 to 1, of eyes with the disease and without; NaN is left out.

    Returns:
        :data:`QUANTILES` values that do not fall; none of fewer than :data:`MIN_REFERENCE_EYES` eyes.
    """
    values = np.asarray(scores, dtype=np.float64)
    values = values[~np.isnan(values)]
    if values.size < MIN_REFERENCE_EYES:
        return ()
    return tuple(np.maximum.accumulate(np.quantile(values, np.linspace(0, 1, QUANTILES)).round(6)).tolist())


def percentile(score: float, table: Sequence[float]) -> float | None:
    """Rank a score: the percentage of the reference eyes whose score is lower.

    Between two values of the table the rank rises linearly.

    Args:
        score: 0 to 1, or NaN.
        table: from :func:`score_quantiles`.

    Returns:
        0 to 100; None for NaN or without table.

    Example:
        >>> table = score_quantiles([step / 100 for step in range(101)])
        >>> percentile(0.25, table), percentile(0.0, table), percentile(1.0, table)
        (25.0, 0.0, 100.0)
    """
    if not table or math.isnan(score):
        return None
    above = bisect_left(table, score)  # the first value that is not lower
    if above == 0:
        return 0.0
    if above == len(table):
        return 100.0
    lower, upper = table[above - 1], table[above]
    return (above - 1 + (score - lower) / (upper - lower)) / (len(table) - 1) * 100
