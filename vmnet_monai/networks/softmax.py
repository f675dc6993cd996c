"""Logits of mutually exclusive classes that a sigmoid turns into their softmax probabilities."""

from __future__ import annotations

import torch

__all__ = ["ACTIVATIONS", "check_activation", "exclusive_logits"]

ACTIVATIONS = ("sigmoid", "softmax")
"""Sigmoid: each class on its own. Softmax: the classes exclude one another."""


def exclusive_logits(scores: torch.Tensor, background: bool) -> torch.Tensor:
    r"""Rewrite the scores of mutually exclusive classes so that the sigmoid of each is its softmax probability.

    With :math:`s` the scores and :math:`p = \mathrm{softmax}(s)`, the result is :math:`\log p_c - \log(1 - p_c) =
    s_c - \log \sum_{j \neq c} e^{s_j}`. A softmax head thus keeps the contract of all networks here, and flips,
    thresholds, calibration and files are the same for both kinds of classes.

    Args:
        scores: (B, C, ...).
        background: whether none of the C classes may be present. The background then has the score 0; a softmax depends
            on differences only. Without background C must be at least 2.

    Returns:
        (B, C, ...), logits.
    """
    rest: list[torch.Tensor] = []
    for c in range(scores.shape[1]):
        others = torch.cat([scores[:, :c], scores[:, c + 1 :]], dim=1)
        if background:
            others = torch.cat([others, torch.zeros_like(scores[:, :1])], dim=1)
        rest.append(torch.logsumexp(others, dim=1, keepdim=True))
    return scores - torch.cat(rest, dim=1)


def check_activation(name: str, activation: str) -> None:
    """Check an argument of a network.

    Raises:
        ValueError: if it is not one of :data:`ACTIVATIONS`.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"{name} must be one of {', '.join(ACTIVATIONS)}, got {activation!r}.")
