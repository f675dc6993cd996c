"""Losses of the disease head, made from the values of a config."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

__all__ = ["disease_loss", "prevalence_weighted_losses"]

MIN_PREVALENCE = 0.01
"""Least prevalence that counts: presence of a disease weighs at most 99 times as much as its absence."""


def disease_loss(activation: str) -> nn.Module:
    """Return the cross-entropy that belongs to an activation of the disease head.

    Args:
        activation: ``"sigmoid"``, any number of diseases per image; or ``"softmax"``, exactly one.

    Raises:
        ValueError: if it is neither.

    Example:
        >>> disease_loss("softmax")
        CrossEntropyLoss()
    """
    if activation not in ("sigmoid", "softmax"):
        raise ValueError(f"the activation must be sigmoid or softmax, got {activation!r}.")
    return nn.BCEWithLogitsLoss() if activation == "sigmoid" else nn.CrossEntropyLoss()


def prevalence_weighted_losses(prevalences: Sequence[float], device: str | torch.device = "cpu") -> list[nn.Module]:
    """Make one binary cross-entropy per disease, in which presence weighs (1 - p) / p for a prevalence p.

    Args:
        prevalences: K fractions, see :func:`vmnet_monai.datasets.prevalences`; those below :data:`MIN_PREVALENCE`
            count as this.
        device: where they compute.

    Example:
        >>> prevalence_weighted_losses([0.25])[0].pos_weight
        tensor(3.)
    """
    weights = [(1 - prevalence) / max(prevalence, MIN_PREVALENCE) for prevalence in prevalences]
    return [nn.BCEWithLogitsLoss(pos_weight=torch.tensor(weight, device=device)) for weight in weights]
