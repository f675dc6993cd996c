"""Exclusive classes, read by a sigmoid."""

from __future__ import annotations

import pytest
import torch

from vmnet_monai.networks.softmax import check_activation, exclusive_logits


def test_sigmoid_of_each_logit_is_the_softmax_probability() -> None:
    scores = torch.tensor([[1.0, 2.0, -0.5]])
    torch.testing.assert_close(exclusive_logits(scores, background=False).sigmoid(), scores.softmax(dim=1))


def test_background_has_the_score_0() -> None:
    scores = torch.randn(2, 3, 4, 4)
    with_background = torch.cat([scores, torch.zeros(2, 1, 4, 4)], dim=1).softmax(dim=1)
    torch.testing.assert_close(exclusive_logits(scores, background=True).sigmoid(), with_background[:, :3])


def test_one_class_against_the_background_keeps_its_score() -> None:
    scores = torch.randn(1, 1, 2, 2)
    torch.testing.assert_close(exclusive_logits(scores, background=True), scores)


def test_unknown_activation_is_refused() -> None:
    with pytest.raises(ValueError, match="head must be one of sigmoid, softmax, got 'tanh'"):
        check_activation("head", "tanh")
