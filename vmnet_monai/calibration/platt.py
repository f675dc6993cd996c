"""Platt scaling: turns probabilities that rank well into probabilities that can be taken at their word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from vmnet_monai.metrics.disease import check_table
from vmnet_monai.metrics.reliability import log_odds

IDENTITY = (1.0, 0.0)
"""Scale and shift that leave probabilities as they are."""

MINIMUM_SCALE = 0.05
"""Keeps the order of the photographs, and so the AUC: at 0 all become equal, below it the order turns round."""


def platt_scaling(probabilities: NDArray[np.floating], labels: NDArray[np.floating]) -> tuple[float, float]:
    """Fit scale and shift of ``sigmoid(scale * logit(probability) + shift)`` to the known labels of one disease.

    They minimise the log loss. Platt, Advances in Large Margin Classifiers 1999, 61-74; with the shift at 0 it is
    temperature scaling, Guo et al., ICML 2017, arXiv:1706.04599. In place of 1 and 0 the targets are Platt's
    (P + 1) / (P + 2) and 1 / (N + 2), for P photographs with the disease and N without: few positives do not overfit,
    and a perfect separation gives no infinite scale. Fit it on validation photographs.

    Args:
        probabilities: (N,), 0 to 1.
        labels: (N,), 1 present, 0 absent, NaN unknown.

    Returns:
        Scale, at least :data:`MINIMUM_SCALE`, and shift; 1 and 0, the identity, where a class is missing.

    Raises:
        ValueError: when shapes differ, a probability is outside 0 to 1, or a label is not 1, 0 or NaN.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> truly = rng.uniform(0.05, 0.95, 20000)
        >>> labels = (rng.uniform(size=truly.size) < truly).astype(float)
        >>> overconfident = expit(2 * log_odds(truly))
        >>> scale, _ = platt_scaling(overconfident, labels)
        >>> round(scale, 1)  # halves the log odds again
        0.5
    """
    probabilities, labels = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    check_table(probabilities[:, np.newaxis], labels[:, np.newaxis])
    known = ~np.isnan(labels)
    x, present = log_odds(probabilities[known]), labels[known] == 1
    positives, negatives = present.sum(), (~present).sum()
    if not positives or not negatives:
        return IDENTITY
    target = np.where(present, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def log_loss_and_gradient(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = parameters[0] * x + parameters[1]
        error = expit(z) - target
        return (np.logaddexp(0, z) - target * z).mean(), np.array([(error * x).mean(), error.mean()])

    bounds = [(MINIMUM_SCALE, None), (None, None)]
    scale, shift = minimize(log_loss_and_gradient, IDENTITY, jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(scale), float(shift)


def platt_scaled(probabilities: ArrayLike, calibration: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Apply the scale and shift of each disease: ``sigmoid(scale * logit(probability) + shift)``.

    Args:
        probabilities: (..., K), 0 to 1; NaN stays NaN.
        calibration: K pairs from :func:`platt_scaling`.

    Returns:
        (..., K) float64 within 0 to 1, in each column in the order of the input.

    Raises:
        ValueError: when the last dimension is not K, a probability is outside 0 to 1, or a scale is not above 0.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    scale, shift = np.asarray(calibration, dtype=np.float64).T
    if values.shape[-1:] != scale.shape:
        raise ValueError(f"probabilities must have one column for each of {len(scale)} diseases, got {values.shape}")
    if ((values < 0) | (values > 1)).any():
        raise ValueError("probabilities must lie within 0 to 1: apply the sigmoid first")
    if not (scale > 0).all():
        raise ValueError(f"the scale of a calibration must be above 0, got {scale.tolist()}: fit it, or give 1")
    return expit(scale * log_odds(values) + shift)
