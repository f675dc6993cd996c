"""Net benefit by hand, and what holds of every decision curve."""

from __future__ import annotations

import numpy as np
import pytest

from vmnet_monai.metrics import DECISION_THRESHOLDS, decision_curve

PROBABILITIES = np.array([0.9, 0.8, 0.6, 0.4, 0.2])
LABELS = np.array([1.0, 0.0, 1.0, 0.0, 0.0])


def test_net_benefit_counts_found_diseases_less_weighed_false_alarms() -> None:
    """From 0.75 on one of two is found, with one false alarm, which weighs three times as much."""
    curve = decision_curve(PROBABILITIES, LABELS, [0.75])
    assert curve["net_benefit"] == pytest.approx([1 / 5 - 1 / 5 * 3])
    assert curve["treat_all"] == pytest.approx([2 / 5 - 3 / 5 * 3])


def test_a_probability_at_the_threshold_is_positive() -> None:
    assert decision_curve(PROBABILITIES, LABELS, [0.6])["net_benefit"] == pytest.approx([2 / 5 - 1 / 5 * 1.5])


def test_acting_on_all_is_worth_nothing_at_the_prevalence() -> None:
    assert decision_curve(PROBABILITIES, LABELS, [LABELS.mean()])["treat_all"] == pytest.approx([0])


def test_perfect_probabilities_are_worth_the_prevalence_at_every_threshold() -> None:
    curve = decision_curve(LABELS, LABELS)
    assert curve["threshold"] == list(DECISION_THRESHOLDS)
    assert curve["net_benefit"] == pytest.approx([LABELS.mean()] * len(DECISION_THRESHOLDS))


def test_the_ends_have_no_odds() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        decision_curve(PROBABILITIES, LABELS, [0.0, 0.5])


def test_without_photographs_there_is_no_benefit_to_tell() -> None:
    assert np.isnan(decision_curve(np.array([]), np.array([]), [0.5])["net_benefit"]).all()
