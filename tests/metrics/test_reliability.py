"""Intercept and slope of calibration, beside scikit-learn's logistic regression."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from vmnet_monai.metrics import calibration_intercept, calibration_slope
from vmnet_monai.metrics.reliability import log_odds


def drawn(count: int, slope: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and labels whose log odds are those of the probabilities times a slope, less 0.5."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(scale=2, size=count)
    return expit(odds), (rng.random(count) < expit(slope * odds - 0.5)).astype(float)


@pytest.mark.parametrize("seed", range(5))
def test_slope_is_that_of_a_logistic_regression_without_penalty(seed: int) -> None:
    probabilities, labels = drawn(40, 0.6, seed)
    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(
        log_odds(probabilities)[:, None], labels
    )
    assert calibration_slope(probabilities, labels) == pytest.approx(fitted.coef_.item(), rel=1e-5)


def test_slope_finds_how_much_too_extreme_probabilities_are() -> None:
    assert calibration_slope(*drawn(20000, 0.5)) == pytest.approx(0.5, abs=0.02)


def test_intercept_makes_the_mean_probability_the_prevalence() -> None:
    probabilities, labels = drawn(200, 1.0)
    shifted = expit(log_odds(probabilities) + calibration_intercept(probabilities, labels))
    assert shifted.mean() == pytest.approx(labels.mean())
    assert calibration_intercept(probabilities, labels) < 0, "the labels were drawn with lower odds"


def test_what_has_no_finite_estimate_is_undefined() -> None:
    probabilities = np.array([0.1, 0.2, 0.8, 0.9])
    separated, one_class = np.array([0.0, 0.0, 1.0, 1.0]), np.ones(4)
    assert np.isnan(calibration_slope(probabilities, separated))
    assert np.isnan(calibration_slope(1 - probabilities, separated))
    assert np.isnan(calibration_slope(np.array([0.1, 0.5, 0.5, 0.9]), separated)), "but for a tie"
    assert np.isnan(calibration_slope(np.full(4, 0.3), separated))
    assert np.isnan(calibration_slope(probabilities, one_class))
    assert np.isnan(calibration_intercept(probabilities, one_class))
    assert calibration_intercept(probabilities, separated) == pytest.approx(0, abs=1e-9), "right on average"


def test_certain_probabilities_are_scored_as_nearly_certain() -> None:
    labels = np.array([1.0, 0.0, 1.0, 0.0])
    assert np.isfinite(calibration_slope(np.array([1.0, 1.0, 0.0, 0.0]), labels))
    assert calibration_intercept(np.ones(4), labels) == pytest.approx(-log_odds(np.ones(1)).item())
