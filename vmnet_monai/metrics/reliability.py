"""Whether probabilities can be taken at their word: intercept and slope of calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit

__all__ = ["PROBABILITY_EPS", "calibration_intercept", "calibration_slope", "log_odds"]

PROBABILITY_EPS = 2.0**-24
"""Distance kept from 0 and 1, where the logit is infinite: the largest float32 below 1 lies this far from it."""

_MAX_STEPS = 50
_TOLERANCE = 1e-8


def log_odds(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Compute log(p / (1 - p)), with p kept :data:`PROBABILITY_EPS` away from 0 and 1; NaN stays NaN.

    Example:
        >>> log_odds(np.array([0.5, 1.0])).round(2).tolist()
        [0.0, 16.64]
    """
    return logit(np.clip(np.asarray(probabilities, dtype=np.float64), PROBABILITY_EPS, 1 - PROBABILITY_EPS))


def calibration_intercept(probabilities: NDArray[np.floating], labels: NDArray[np.floating]) -> float:
    """Fit a in log odds of the disease = a + :func:`log_odds` of the probability: calibration in the large.

    The slope is fixed at 1 (the logit is an offset), by maximum likelihood: a makes the mean probability equal to the
    fraction that has the disease. Cox, Biometrika 1958, 45:562-565; Van Calster et al., BMC Med 2019,
    doi:10.1186/s12916-019-1466-7.

    Args:
        probabilities: (N,), 0 to 1.
        labels: (N,), 1 present, 0 absent, all known.

    Returns:
        0 where the probabilities are right on average, above 0 where they are too low, below 0 where they are too high;
        NaN unless both classes are there.

    Example:
        >>> labels = np.array([1.0, 0.0, 0.0, 0.0])
        >>> round(calibration_intercept(np.full(4, 0.5), labels), 3)  # log(1/3): odds of 1 to 3 were given as 1 to 1
        -1.099
    """
    present = np.asarray(labels) == 1
    if present.all() or not present.any():
        return float("nan")
    offsets, frequency = log_odds(probabilities), present.mean()
    if np.ptp(offsets) == 0:
        return float(logit(frequency) - offsets[0])
    lower, upper = logit(frequency) - offsets.max(), logit(frequency) - offsets.min()
    return float(brentq(lambda intercept: expit(offsets + intercept).mean() - frequency, lower, upper))


def calibration_slope(probabilities: NDArray[np.floating], labels: NDArray[np.floating]) -> float:
    """Fit b in log odds of the disease = a + b x :func:`log_odds` of the probability, a and b free.

    Logistic regression by maximum likelihood, without penalty, by Newton's method: scikit-learn's takes ten times as
    long, which a thousand resamples do not allow. Cox, Biometrika 1958, 45:562-565; Van Calster et al., BMC Med 2019,
    doi:10.1186/s12916-019-1466-7.

    Args:
        probabilities: (N,), 0 to 1.
        labels: (N,), 1 present, 0 absent, all known.

    Returns:
        1 where the probabilities are as far from one another as they should be, below 1 where they are too extreme
        (overfitted), above 1 where they are too moderate, at or below 0 where they do not rank. NaN where there is no
        finite slope: unless both classes are there, where one threshold separates them, and where all probabilities
        are equal.

    Example:
        >>> labels = np.array([1.0, 0.0, 0.0, 0.0] + [0.0, 1.0, 1.0, 1.0])  # odds of 1 to 3 and of 3 to 1
        >>> overconfident = np.array([0.1] * 4 + [0.9] * 4)  # given as 1 to 9 and 9 to 1
        >>> round(calibration_slope(overconfident, labels), 3)
        0.5
    """
    present, odds = np.asarray(labels) == 1, log_odds(probabilities)
    with_disease, without = odds[present], odds[~present]
    if not with_disease.size or not without.size:
        return float("nan")
    if with_disease.min() >= without.max() or with_disease.max() <= without.min():
        return float("nan")
    scale = odds.std()
    design = np.stack([np.ones_like(odds), (odds - odds.mean()) / scale])
    coefficients = np.zeros(2)
    for _ in range(_MAX_STEPS):
        fitted = expit(coefficients @ design)
        information = (design * (fitted * (1 - fitted))) @ design.T
        if np.linalg.cond(information) > 1 / np.finfo(float).eps:
            break
        step = np.linalg.solve(information, design @ (present - fitted))
        coefficients += step
        if np.abs(step).max() < _TOLERANCE:
            return float(coefficients[1] / scale)
    return float("nan")
