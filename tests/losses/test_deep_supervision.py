"""Lower resolutions weigh half as much each, the lowest nothing; MONAI's loss applies the weights."""

from __future__ import annotations

import math

import pytest
import torch
from monai.losses import DeepSupervisionLoss
from torch import nn

from vmnet_monai.losses.deep_supervision import deep_supervision_weights


@pytest.mark.parametrize(
    ("count", "weights"),
    [(1, [1]), (2, [1, 0]), (3, [2 / 3, 1 / 3, 0]), (5, [8 / 15, 4 / 15, 2 / 15, 1 / 15, 0])],
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
    """Of an all-vessel truth: undecided costs log 2, a logit of -40 costs 40, and the lowest resolution nothing."""
    outputs = [torch.zeros(1, 1, 4, 4), torch.full((1, 1, 2, 2), -40.0), torch.full((1, 1, 1, 1), -99.0)]
    for output in outputs:
        output.requires_grad_()
    loss = DeepSupervisionLoss(nn.BCEWithLogitsLoss(), weights=deep_supervision_weights(3))
    value = loss(outputs, torch.ones(1, 1, 4, 4))
    assert value.item() == pytest.approx(2 / 3 * math.log(2) + 1 / 3 * 40)

    value.backward()
    gradients = [output.grad.sum().item() for output in outputs if output.grad is not None]
    assert gradients == pytest.approx([-2 / 3 * 0.5, -1 / 3, 0])
