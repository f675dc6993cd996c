"""Scores of two-class decisions against hand-computed tables and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from vmnet_monai.metrics import confusion_scores, roc_auc, roc_auc_of_counts

NAN = float("nan")


def test_large_pooled_counts_keep_double_precision() -> None:
    # A single precision count would lose the odd pixel above 2**24.
    assert confusion_scores(tp=2**24 + 1, fp=0, tn=0, fn=2**24 + 1)["sensitivity"] == 0.5
    assert confusion_scores(tp=10**8, fp=0, tn=10**9, fn=0)["mcc"] == pytest.approx(1)


def test_two_class_mean_counts_the_background_as_much_as_the_vessels() -> None:
    """IoU of the vessels 2 / (2 + 1 + 1), of the background 16 / (16 + 1 + 1)."""
    scores = confusion_scores(tp=2, fp=1, tn=16, fn=1)
    assert scores["iou"] == pytest.approx(1 / 2)
    assert scores["iou_two_class_mean"] == pytest.approx((1 / 2 + 8 / 9) / 2)


def test_two_class_mean_is_the_same_with_the_classes_exchanged() -> None:
    scores, exchanged = confusion_scores(tp=3, fp=1, tn=7, fn=2), confusion_scores(tp=7, fp=2, tn=3, fn=1)
    assert scores["iou_two_class_mean"] == exchanged["iou_two_class_mean"] == pytest.approx((3 / 6 + 7 / 10) / 2)


def test_auc_is_the_fraction_of_pairs_in_the_right_order_and_a_tie_is_half_right() -> None:
    """Of the four pairs of 0.5 and 0.8 with 0.2 and 0.5, one is a tie."""
    assert roc_auc(np.array([0.5, 0.8, 0.2, 0.5]), np.array([1, 1, 0, 0])) == pytest.approx(3.5 / 4)


def test_unknown_labels_do_not_count_and_neither_do_their_scores() -> None:
    assert roc_auc(np.array([0.9, 0.1, NAN, 0.5]), np.array([1, 0, NAN, NAN])) == 1


@pytest.mark.parametrize("labels", [[1.0, 1.0], [0.0, NAN], [NAN, NAN]])
def test_auc_is_undefined_without_both_classes(labels: list[float]) -> None:
    assert np.isnan(roc_auc(np.array([0.2, 0.8]), np.array(labels)))


def test_auc_is_undefined_where_a_score_is() -> None:
    assert np.isnan(roc_auc(np.array([0.2, 0.8, NAN]), np.array([0, 1, 1])))


def test_certain_logits_are_ranked() -> None:
    assert roc_auc(np.array([np.inf, 3.0, -np.inf, 5.0]), np.array([1, 1, 0, 0])) == pytest.approx(3 / 4)


@pytest.mark.parametrize("seed", range(5))
def test_auc_of_counts_is_scikit_learns(seed: int) -> None:
    """Scores with many ties, each drawn several times."""
    generator = np.random.default_rng(seed)
    counts = generator.integers(0, 4, size=(2, 30))
    labels, scores = np.repeat([0, 1], 30).repeat(counts.ravel()), np.tile(np.arange(30), 2).repeat(counts.ravel())
    assert roc_auc_of_counts(counts) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_auc_of_counts_is_undefined_without_both_classes() -> None:
    assert np.isnan(roc_auc_of_counts(np.array([[0, 0], [1, 2]])))
