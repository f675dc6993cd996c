"""The AUC margin loss on logits."""

from __future__ import annotations

import pytest
import torch
from monai.losses import AUCMLoss

from vmnet_monai.losses import AUCMarginLoss

TARGET = torch.tensor([[1.0], [0.0], [0.0], [1.0]])


def test_value_by_hand() -> None:
    """At the start a = b = alpha = 0, half are positive, scores are 1/2: (1/2)(2/4)(1/4) + (1/2)(2/4)(1/4) = 1/8."""
    assert AUCMarginLoss()(torch.zeros(4, 1), TARGET).item() == pytest.approx(1 / 8)


def test_logits_are_scored_by_their_sigmoid() -> None:
    logits = torch.tensor([[3.0], [-1.0], [0.5], [-2.0]])
    ours, monai = AUCMarginLoss(margin=0.8), AUCMLoss(margin=0.8)
    for loss in (ours, monai):
        torch.nn.init.constant_(loss.alpha, 0.3)
    torch.testing.assert_close(ours(logits, TARGET), monai(logits.sigmoid(), TARGET))


def test_right_order_costs_less_than_wrong_order() -> None:
    loss = AUCMarginLoss()
    torch.nn.init.constant_(loss.alpha, 1.0)
    right = 4 * (2 * TARGET - 1)
    assert loss(right, TARGET) < loss(-right, TARGET)


def test_dual_variable_pulls_the_scores_of_the_classes_apart() -> None:
    loss = AUCMarginLoss()
    for parameter, start in ((loss.alpha, 1.0), (loss.a, 0.5), (loss.b, 0.5)):
        torch.nn.init.constant_(parameter, start)
    logits = torch.zeros(4, 1, requires_grad=True)
    loss(logits, TARGET).backward()
    assert logits.grad is not None
    assert (logits.grad[TARGET == 1] < 0).all(), "descent raises the positives"
    assert (logits.grad[TARGET == 0] > 0).all(), "descent lowers the negatives"


def test_one_class_only_is_finite() -> None:
    logits = torch.zeros(4, 1, requires_grad=True)
    value = AUCMarginLoss()(logits, torch.ones(4, 1))
    value.backward()
    assert value.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
