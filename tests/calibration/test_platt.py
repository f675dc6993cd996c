"""Platt scaling against hand-computed tables and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from vmnet_monai.calibration.platt import MINIMUM_SCALE, platt_scaled, platt_scaling
from vmnet_monai.metrics import disease_scores

NAN = float("nan")


def overconfident(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities whose logits are 2.5 times too far from 0 and 1 too high, with labels."""
    generator = np.random.default_rng(seed)
    true_logits = generator.normal(-1, 2, n)
    return expit(2.5 * true_logits + 1), (generator.random(n) < expit(true_logits)).astype(float)


def scores(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    patients = [str(i) for i in range(len(labels))]
    table = disease_scores(probabilities[:, None], labels[:, None], [0.5], ["amd"], patients, bootstrap_samples=1)
    return table["per_disease"]["amd"]


def test_two_scores_become_the_means_of_their_smoothed_labels() -> None:
    """One of four present at 0.2, three of four at 0.9. Targets: (4 + 1) / (4 + 2) and 1 / (4 + 2)."""
    probabilities = np.repeat([0.2, 0.9], 4)
    calibration = platt_scaling(probabilities, np.array([1, 0, 0, 0, 1, 1, 1, 0]))
    expected = [(5 / 6 + 3 * 1 / 6) / 4, (3 * 5 / 6 + 1 / 6) / 4]
    assert platt_scaled([[0.2], [0.9]], [calibration])[:, 0] == pytest.approx(expected, abs=1e-4)


def test_distortion_of_the_logits_is_undone() -> None:
    """The logits are 2.5 z + 1, so z = logit / 2.5 - 1 / 2.5."""
    assert platt_scaling(*overconfident(20000)) == pytest.approx((0.4, -0.4), abs=0.03)


def test_agrees_with_scikit_learn_on_the_smoothed_targets() -> None:
    probabilities, labels = overconfident(60)
    positives, negatives = (labels == 1).sum(), (labels == 0).sum()
    target = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    regression = LogisticRegression(C=1e12, tol=1e-8, max_iter=1000).fit(
        np.tile(logit(probabilities)[:, None], (2, 1)), np.repeat([1, 0], 60), np.concatenate([target, 1 - target])
    )
    expected = (regression.coef_[0, 0], regression.intercept_[0])
    assert platt_scaling(probabilities, labels) == pytest.approx(expected, abs=1e-3)


def test_calibration_error_falls_on_other_photographs_and_the_ranking_stays() -> None:
    calibration = platt_scaling(*overconfident(300))
    probabilities, labels = overconfident(2000, seed=1)
    calibrated = platt_scaled(probabilities[:, None], [calibration])[:, 0]
    before, after = scores(probabilities, labels), scores(calibrated, labels)
    assert before["calibration_error"] > 0.1
    assert after["calibration_error"] < 0.04
    assert after["brier"] < before["brier"]
    assert after["auc"] == pytest.approx(before["auc"], abs=1e-6)


def test_unknown_labels_do_not_count() -> None:
    probabilities, labels = overconfident(50)
    more = np.concatenate([probabilities, [0.1, 0.9, 0.99]]), np.concatenate([labels, [NAN] * 3])
    assert platt_scaling(*more) == platt_scaling(probabilities, labels)


@pytest.mark.parametrize("labels", [[1, 1, NAN], [0, 0, NAN], [NAN] * 3])
def test_one_class_gives_no_reason_for_a_change(labels: list[float]) -> None:
    assert platt_scaling(np.array([0.2, 0.6, 0.9]), np.array(labels)) == (1, 0)


def test_no_photograph_gives_no_reason_for_a_change() -> None:
    assert platt_scaling(np.empty(0), np.empty(0)) == (1, 0)


def test_scores_that_rank_the_wrong_way_keep_their_order() -> None:
    scale, shift = platt_scaling(np.array([0.1, 0.2, 0.8, 0.9]), np.array([1, 1, 0, 0]))
    assert scale == MINIMUM_SCALE
    low, high = platt_scaled([[0.1], [0.9]], [(scale, shift)])[:, 0]
    assert low < high


def test_perfect_separation_gives_no_certainty() -> None:
    """Two of each class: the targets are 3/4 and 1/4."""
    calibration = platt_scaling(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0, 0, 1, 1]))
    assert platt_scaled([[0.0], [1.0]], [calibration])[:, 0] == pytest.approx([0.25, 0.75], abs=1e-4)


def test_each_column_has_its_own_calibration_and_nan_stays() -> None:
    """Odds of 1/4 to the power of 2, times 1: 1/16. Odds of 1, times e: e / (1 + e)."""
    calibrated = platt_scaled(np.array([[0.2, 0.5], [NAN, 0.5]], dtype=np.float32), [(2, 0), (1, 1)])
    assert calibrated.dtype == np.float64
    np.testing.assert_allclose(calibrated, [[1 / 17, np.e / (1 + np.e)], [NAN, np.e / (1 + np.e)]], rtol=1e-6)
    np.testing.assert_array_equal(platt_scaled([NAN, 0.5], [(2, 0), (1, 1)]), calibrated[1])


def test_identity_leaves_probabilities_as_they_are() -> None:
    probabilities = np.array([[0.0], [1e-6], [0.3], [0.999], [1.0]])
    np.testing.assert_allclose(platt_scaled(probabilities, [(1, 0)]), probabilities, atol=1e-7)


@pytest.mark.parametrize(
    ("probabilities", "labels", "rule"),
    [
        ([0.5, 0.5], [1], "same shape"),
        ([1.5], [1], "within 0 to 1"),
        ([NAN], [1], "within 0 to 1"),
        ([0.5], [2], "labels.* NaN"),
    ],
)
def test_what_cannot_be_fitted_is_refused(probabilities: list[float], labels: list[float], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        platt_scaling(np.array(probabilities), np.array(labels))


@pytest.mark.parametrize(
    ("probabilities", "calibration", "rule"),
    [
        ([[0.5]], [(1, 0), (1, 0)], r" 2 diseases.*\(1, 1\)"),
        ([[-3.0, 0.5]], [(1, 0), (1, 0)], "within 0 to 1: apply the sigmoid"),
        ([0.5, 0.5], [(1, 0), (0, 1)], r"above 0.*\[1.0, 0.0\]"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(
    probabilities: Any, calibration: list[tuple[float, float]], rule: str
) -> None:
    with pytest.raises(ValueError, match=rule):
        platt_scaled(probabilities, calibration)
