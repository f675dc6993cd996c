"""Networks of a single task, for comparison: any network with one output, or one head of a network with two."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from vmnet_monai.networks.reduction import reduce_to

__all__ = ["TASKS", "OneHead", "SingleTask"]

TASKS = ("vessel", "disease")
"""The tasks, by the key of their logits."""


class SingleTask(nn.Module):
    """Gives the one output of a network its name, so that it trains, validates and predicts like V-MNet.

    For baselines of either task: a MONAI segmentation network with one output channel, or a classification network
    with one output per disease. What it asks of the photograph's size is left to it.

    Args:
        network: maps photographs (B, 3, H, W) in [0, 1] to one tensor of logits: vessels (B, 1, H, W) or diseases
            (B, K).
        task: ``"vessel"`` or ``"disease"``.
        label_names: keys of the K diseases in the order of the logits; none for vessels.
        disease_size: if set, the network sees the photograph averaged down as V-MNet's disease head does.

    Raises:
        ValueError: if the task is unknown.
    """

    def __init__(
        self, network: nn.Module, task: str, label_names: Sequence[str] = (), disease_size: int | None = None
    ) -> None:
        super().__init__()
        _check_task(task)
        self.network = network
        self.task = task
        self.label_names = list(label_names)
        self.disease_size = disease_size

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ``{"vessel": (B, 1, H, W)}`` or ``{"disease": (B, K)}``, logits, for ``image`` (B, 3, H, W)."""
        return {self.task: self.network(reduce_to(image, self.disease_size))}


class OneHead(nn.Module):
    """Leaves one head of a network with two, so that only this task is learnt and scored.

    Args:
        network: returns ``vessel`` and ``disease`` logits.
        task: ``"vessel"`` or ``"disease"``, the head that stays.

    Raises:
        ValueError: if the task is unknown.
    """

    def __init__(self, network: nn.Module, task: str) -> None:
        super().__init__()
        _check_task(task)
        self.network = network
        self.task = task

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the logits of the head that stays, for ``image`` (B, 3, H, W)."""
        outputs: dict[str, torch.Tensor] = self.network(image)
        return {self.task: outputs[self.task]}


def _check_task(task: str) -> None:
    if task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {task!r}: name the output's task.")
