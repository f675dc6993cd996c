"""Each lower resolution weighs half as much, down to the lowest; MONAI's loss applies the weights."""

from __future__ import annotations

import math

import pytest
import torch
from monai.losses import DeepSupervisionLoss
from torch import nn

from vmnet_monai.losses.deep_supervision import deep_supervision_weights


@pytest.mark.parametrize(
    ("count", "weights"),
    [(1, [1]), (2, [2 / 3, 1 / 3]), (3, [4 / 7, 2 / 7, 1 / 7]), (5, [16 / 31, 8 / 31, 4 / 31, 2 / 31, 1 / 31])],
)
def test_weights_by_hand(count: int, weights: list[float]) -> None:
    assert deep_supervision_weights(count) == pytest.approx(weights)


@pytest.mark.parametrize("count", range(1, 10))
def test_weights_add_up_to_one(count: int) -> None:
    assert sum(deep_supervision_weights(count)) == pytest.approx(1)


@pytest.mark.parametrize("count", [0, -1])
def test_no_output_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"count.* 1.* {count}"):
        deep_supervision_weights(count)


def test_loss_of_three_resolutions_by_hand() -> None:
    """With an all-vessel reference a logit of 0 costs log 2, one of -40 costs 40, and one of -70 costs 70."""
    outputs = [torch.zeros(1, 1, 4, 4), torch.full((1, 1, 2, 2), -40.0), torch.full((1, 1, 1, 1), -70.0)]
    for output in outputs:
        output.requires_grad_()
    loss = DeepSupervisionLoss(nn.BCEWithLogitsLoss(), weights=deep_supervision_weights(3))
    value = loss(outputs, torch.ones(1, 1, 4, 4))
    assert value.item() == pytest.approx(4 / 7 * math.log(2) + 2 / 7 * 40 + 1 / 7 * 70)

    value.backward()
    gradients = [output.grad.sum().item() for output in outputs if output.grad is not None]
    assert gradients == pytest.approx([-4 / 7 * 0.5, -2 / 7, -1 / 7])
