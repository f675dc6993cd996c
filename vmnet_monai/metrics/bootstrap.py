"""Confidence intervals by resampling patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray


def patient_bootstrap_interval(
    statistic: Callable[[NDArray[np.intp]], float],
    patients: Sequence[str],
    samples: int,
    seed: int,
    level: float = 0.95,
) -> tuple[float, float]:
    """Estimate the interval in which a statistic would lie, had other patients of the same kind been photographed.

    Percentile bootstrap over patients: as many patients as there are, drawn with replacement, each with all their
    photographs, because two eyes of one patient are not independent. Field and Welsh, J R Stat Soc B 2007,
    doi:10.1111/j.1467-9868.2007.00593.x.

    Args:
        statistic: from the indices of a resample's photographs (repeated as drawn) to a number, NaN where undefined.
        patients: one patient identifier per photograph, unique across the datasets that are pooled.
        samples: number of resamples; undefined ones are left out.
        seed: of the draws; the same seed gives the same interval.
        level: fraction of the resamples inside the interval.

    Returns:
        Lower and upper bound; both NaN with fewer than two patients, or when fewer than half the resamples are defined.

    Raises:
        ValueError: when ``samples`` is below 1 or ``level`` is not between 0 and 1.
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}: 1000 is usual for a 95 % interval")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}: 0.95 stands for 95 %")
    names, patient = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    if len(names) < 2:
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    images = np.arange(len(patient))
    values = np.empty(samples)
    for i in range(samples):
        times_drawn = np.bincount(generator.integers(len(names), size=len(names)), minlength=len(names))
        values[i] = statistic(np.repeat(images, times_drawn[patient]))
    values = values[~np.isnan(values)]
    if 2 * len(values) < samples:
        return float("nan"), float("nan")
    lower, upper = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(lower), float(upper)
