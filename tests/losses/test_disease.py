"""Losses of the disease head by hand."""

from __future__ import annotations

import math

import pytest
import torch

from vmnet_monai.losses import disease_loss, prevalence_weighted_losses


def test_presence_weighs_as_much_as_it_is_rare() -> None:
    """At a prevalence of 1/4 presence weighs 3; a logit of 0 costs log 2."""
    (loss,) = prevalence_weighted_losses([0.25])
    zero = torch.zeros(1, 1)
    assert loss(zero, torch.ones(1, 1)).item() == pytest.approx(3 * math.log(2))
    assert loss(zero, torch.zeros(1, 1)).item() == pytest.approx(math.log(2))


def test_a_disease_that_was_never_seen_has_a_finite_weight() -> None:
    assert prevalence_weighted_losses([0.0])[0].pos_weight.item() == pytest.approx(100)


@pytest.mark.parametrize(("activation", "name"), [("sigmoid", "BCEWithLogitsLoss"), ("softmax", "CrossEntropyLoss")])
def test_the_loss_follows_the_activation(activation: str, name: str) -> None:
    assert type(disease_loss(activation)).__name__ == name


def test_another_activation_is_refused() -> None:
    with pytest.raises(ValueError, match="'relu'"):
        disease_loss("relu")
