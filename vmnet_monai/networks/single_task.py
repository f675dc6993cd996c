"""Networks of a single task: any network with one output, or one head of a network with two."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.inferers import sliding_window_inference
from torch import nn

from vmnet_monai.networks.reduction import reduce_to

__all__ = ["TASKS", "OneHead", "SingleTask", "SlidingWindows", "check_task"]

TASKS = ("segmentation", "classification")
"""Segmentation of all structures, or classification of the diseases."""


class SingleTask(nn.Module):
    """Wraps a network with a single output, so that it trains, validates and predicts like V-MNet.

    For baselines of either task: a MONAI segmentation network with one output channel per structure, or a
    classification network with one output per disease. The network must take images of any size, unless
    ``input_size`` is set or :class:`SlidingWindows` wraps it. Of several returned tensors, as of BasicUNetPlusPlus and
    ViT, the first is used.

    Args:
        network: maps images (B, 3, H, W) in [0, 1] to logits: structures (B, S, H, W) or diseases (B, K).
        task: ``"segmentation"`` or ``"classification"``.
        label_names: keys of the K diseases in the order of the logits; none for structures.
        disease_size: if set, the network sees the image averaged down as V-MNet's disease head does.
        input_size: side in pixels of the only input that a classification network takes, such as one with position
            embeddings: the image is scaled to it, after the reduction.
        structures: keys of the S structures in the order of the logits.

    Raises:
        ValueError: if the task is unknown.

    Example:
        >>> from monai.networks.nets import UNet
        >>> unet = UNet(2, in_channels=3, out_channels=2, channels=(4, 8), strides=(2,))
        >>> network = SingleTask(unet, "segmentation", structures=["artery", "vein"])
        >>> {name: tuple(logits.shape) for name, logits in network(torch.rand(1, 3, 32, 32)).items()}
        {'artery': (1, 1, 32, 32), 'vein': (1, 1, 32, 32)}
    """

    def __init__(
        self,
        network: nn.Module,
        task: str,
        label_names: Sequence[str] = (),
        disease_size: int | None = None,
        input_size: int | None = None,
        structures: Sequence[str] = ("vessel",),
    ) -> None:
        super().__init__()
        check_task(task)
        self.network = network
        self.task = task
        self.label_names = list(label_names)
        self.settings = {"task": task, "network": type(network).__name__}
        self.disease_size = disease_size
        self.input_size = input_size
        self.structures = list(structures)

    def disease_input(self, image: torch.Tensor) -> torch.Tensor:
        """Return what the disease head reads of images (B, C, H, W), see ``disease_size``."""
        return reduce_to(image, self.disease_size)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ``{"vessel": (B, 1, H, W), ...}`` or ``{"disease": (B, K)}``, logits, for ``image`` (B, 3, H, W)."""
        image = self.disease_input(image)
        size = self.input_size
        if size is not None:
            image = nn.functional.interpolate(image, [size, size], mode="bilinear", antialias=True)
        output = self.network(image)
        logits = output[0] if isinstance(output, (list, tuple)) else output
        outputs = {"disease": logits}
        if self.task != "classification":
            outputs = {name: logits[:, index : index + 1] for index, name in enumerate(self.structures)}
        return outputs


class SlidingWindows(nn.Module):
    """Shows an image in windows to a segmentation network that takes one size only, such as UNETR.

    Windows overlap by half and their logits are weighted by a Gaussian: MONAI's ``sliding_window_inference``.
    TorchScript cannot compile it.

    Args:
        network: maps (1, C, S, S) to (1, C', S, S).
        window_size: side S in pixels; an image of this size is one window.
    """

    def __init__(self, network: nn.Module, window_size: int) -> None:
        super().__init__()
        self.network = network
        self.window_size = window_size

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return (B, C', H, W) for ``image`` (B, C, H, W), of any H and W."""
        size = (self.window_size, self.window_size)
        if image.shape[2:] == size:
            return self.network(image)
        logits: torch.Tensor = sliding_window_inference(  # type: ignore[assignment]
            image, size, 1, self.network, overlap=0.5, mode="gaussian"
        )
        return logits


class OneHead(nn.Module):
    """Keeps one head of a network with two, without guidance, so that only this task is learnt and scored.

    Args:
        network: returns ``disease`` logits and those of structures, such as ``vessel``.
        task: ``"segmentation"`` or ``"classification"``, the head that is kept.

    Raises:
        ValueError: if the task is unknown.
    """

    def __init__(self, network: nn.Module, task: str) -> None:
        super().__init__()
        check_task(task)
        remove_guidance = getattr(network, "remove_guidance", None)
        if remove_guidance is not None:
            remove_guidance()
        self.network = network
        self.task = task
        self.settings = {"task": task, "network": type(network).__name__}

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the logits of the head that is kept, for ``image`` (B, 3, H, W)."""
        outputs: dict[str, torch.Tensor] = self.network(image)
        if self.task == "classification":
            return {"disease": outputs["disease"]}
        del outputs["disease"]
        return outputs


def check_task(task: str) -> None:
    """Check an argument of a network.

    Raises:
        ValueError: if it is not one of :data:`TASKS`.
    """
    if task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {task!r}: name the output's task.")
