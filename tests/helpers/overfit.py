"""Whether a network can learn a few phantoms by heart: vessels and diseases."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from monai.losses import DiceCELoss

from vmnet_monai.datasets.phantom import generate_phantom
from vmnet_monai.losses import MultiTaskLoss

LABEL_NAMES = ["normal", "diabetic_retinopathy", "amd"]


@cache
def four_phantoms(size_px: int = 64) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The middles of four photographs of twice the size, as a network and its loss see them."""
    middle = slice(size_px // 2, size_px // 2 + size_px)
    shown = ("normal", "amd", "diabetic_retinopathy", "normal")
    phantoms = [generate_phantom(seed, 2 * size_px, [disease]) for seed, disease in enumerate(shown)]
    image = torch.from_numpy(np.stack([p.image[middle, middle] for p in phantoms])).movedim(-1, 1) / 255
    vessel = torch.from_numpy(np.stack([p.vessel[middle, middle] for p in phantoms]))[:, None].float()
    return image, {
        "vessel": vessel,
        "has_vessel": torch.ones(4, dtype=torch.bool),
        "fov": torch.ones_like(vessel),
        "disease": torch.tensor([[float(name == disease) for name in LABEL_NAMES] for disease in shown]),
    }


def dice_after_overfitting(
    network: torch.nn.Module, steps: int, learning_rate: float = 0.01, loss: torch.nn.Module | None = None
) -> float:
    """Train on four phantoms; returns the Dice over all their pixels, in evaluation mode.

    Args:
        network: returns ``vessel`` logits, and ``disease`` logits (B, 3) unless it is of a single task.
        steps: of Adam, all four photographs in each.
        learning_rate: of Adam.
        loss: on the dictionaries of the network and of :func:`four_phantoms`.
    """
    image, target = four_phantoms()
    loss = loss or MultiTaskLoss(DiceCELoss(sigmoid=True), torch.nn.BCEWithLogitsLoss())
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    network.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss(network(image), target).backward()
        optimizer.step()
    with torch.no_grad():
        found = network.eval()(image)["vessel"] > 0
    truth = target["vessel"] > 0.5
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))
