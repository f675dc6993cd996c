"""Confidence intervals by resampling patients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

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
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}: 0.95 stands for 95 %")
    resamples = patient_resamples(patients, samples, seed)
    if len(set(patients)) < 2:
        return float("nan"), float("nan")
    values = np.array([statistic(rows) for rows in resamples])
    values = values[~np.isnan(values)]
    if 2 * len(values) < samples:
        return float("nan"), float("nan")
    lower, upper = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(lower), float(upper)


def patient_resamples(patients: Sequence[str], samples: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """Draw patients with replacement, as many as there are, each with all their photographs.

    Args:
        patients: one patient identifier per photograph, unique across the datasets that are pooled.
        samples: number of resamples.
        seed: of the draws.

    Returns:
        Iterator over the resamples, each the indices of its photographs, repeated as drawn.

    Raises:
        ValueError: when ``samples`` is below 1.
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}: 1000 is usual for a 95 % interval")
    names, patient = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    generator = np.random.default_rng(seed)
    images = np.arange(len(patient))

    def rows() -> NDArray[np.intp]:
        times_drawn = np.bincount(generator.integers(len(names), size=len(names)), minlength=len(names))
        return np.repeat(images, times_drawn[patient])

    return (rows() for _ in range(samples))
