"""Adapters between MONAI's engines and a network with two heads: batch, inferer, metric inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine
from monai.engines import PrepareBatch
from monai.inferers import Inferer

__all__ = [
    "MultiTaskInferer",
    "PrepareMultiTaskBatch",
    "bfloat16_is_fast",
    "decollated",
    "disease_pairs",
    "maps_of_another",
    "structure_pairs",
]

FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))
"""Axes of (B, C, H, W) along which each mirror image is mirrored; the first is the image as it is."""

PROBABILITY_EPS = torch.finfo(torch.float32).eps
"""Distance that mean probabilities keep from 0 and 1, so that their logits stay finite."""


class PrepareMultiTaskBatch(PrepareBatch):
    """Splits a batch into the network's input and a dictionary of targets.

    The input is ``image`` (B, 3, H, W) float32; the targets are ``fov`` (B, 1, H, W), ``disease`` (B, K) and per
    structure, such as ``vessel``, its mask (B, 1, H, W) and ``has_<structure>`` (B,).

    Args:
        structures: keys of the masks.
        guided: if true, the masks are maps that were drawn before (:class:`~vmnet_monai.transforms.DrawStructuresd`),
            and the network is given them all as ``guide`` (B, S, H, W).
        other_eye: if true, each image is guided by the maps of another one, see :func:`maps_of_another`: the control of
            a guided network, which has as many parameters and learns nothing from the maps of its own image.

    Raises:
        ValueError: if ``other_eye`` is set and ``guided`` is not.
    """

    def __init__(self, structures: Sequence[str] = ("vessel",), guided: bool = False, other_eye: bool = False) -> None:
        if other_eye and not guided:
            raise ValueError("other_eye needs guided, got other_eye alone: set both, or neither.")
        self.structures = tuple(structures)
        self.target_keys = ("fov", "disease", *structures, *(f"has_{structure}" for structure in structures))
        self.guided = guided
        self.other_eye = other_eye

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Move input and targets to the device, and return both; if guided, also the network's further arguments."""
        image = batchdata["image"].to(device=device, non_blocking=non_blocking, **kwargs)
        targets = {key: batchdata[key].to(device=device, non_blocking=non_blocking) for key in self.target_keys}
        if not self.guided:
            return image, targets
        guide = torch.cat([targets[key] for key in self.structures], dim=1)
        return image, targets, (), {"guide": maps_of_another(guide) if self.other_eye else guide}


def maps_of_another(maps: torch.Tensor) -> torch.Tensor:
    """Give each image of a batch the maps of the one half the batch away: neighbours may be two eyes of one patient.

    Args:
        maps: (B, S, H, W), probabilities of structures.

    Returns:
        (B, S, H, W); zero for a batch of one, which has no other image.

    Example:
        >>> maps_of_another(torch.arange(5.0)).tolist()
        [3.0, 4.0, 0.0, 1.0, 2.0]
    """
    return maps.roll(len(maps) // 2, dims=0) if len(maps) > 1 else torch.zeros_like(maps)


class MultiTaskInferer(Inferer):
    """Runs the network on whole images, optionally in bfloat16 and averaged over their mirror images.

    bfloat16 has the exponent range of float32, so that no gradient scaling is needed, on CPU and on GPU alike.

    With flips the network is given each image as it is, mirrored left to right, mirrored top to bottom, and both: one
    after the other, because four at once would need four times the memory. Outputs of four dimensions are mirrored
    back, and keyword arguments of four dimensions are mirrored with the image. Every output, structures and diseases
    alike, is then the logit of the mean probability, ``logit(mean(sigmoid(logits)))``, so that the sigmoid of the
    postprocessing gives the mean probability.

    Args:
        autocast: whether to compute in bfloat16.
        flips: whether to average over the four mirror images.
    """

    def __init__(self, autocast: bool = False, flips: bool = False) -> None:
        self.autocast = autocast
        self.flips = flips

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> dict[str, torch.Tensor]:
        """Return the network's dictionary of logits, float32, for ``inputs`` (B, 3, H, W)."""
        if not self.flips:
            return self._logits(inputs, network, *args, **kwargs)
        views = []
        for axes in FLIPS:
            mirrored = {name: value.flip(axes) if value.ndim == 4 else value for name, value in kwargs.items()}
            logits = self._logits(inputs.flip(axes), network, *args, **mirrored)
            views.append({name: value.flip(axes) if value.ndim == 4 else value for name, value in logits.items()})
        return {
            name: torch.stack([view[name] for view in views]).sigmoid().mean(0).logit(eps=PROBABILITY_EPS)
            for name in views[0]
        }

    def _logits(
        self, inputs: torch.Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> dict[str, torch.Tensor]:
        if self.autocast:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=self.autocast):
            outputs = network(inputs, *args, **kwargs)
        return {name: logits.float() for name, logits in outputs.items()}


def bfloat16_is_fast(device: str | torch.device) -> bool:
    """Tell whether bfloat16 is faster than float32 on a device: GPUs, and CPUs with matrix units (Intel AMX).

    Args:
        device: a device or its name.
    """
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older PyTorch does not tell
    return bool(capabilities.get("amx_bf16", False))


def decollated(engine: Engine) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Iterate over the images of an engine's last iteration, each as its decollated batch and output."""
    state: Any = engine.state
    return zip(state.batch, state.output, strict=True)


Pairs = tuple[list[torch.Tensor], list[torch.Tensor]]


def structure_pairs(structures: Sequence[str]) -> Callable[[Sequence[Mapping[str, torch.Tensor]]], Pairs]:
    """Make a function that takes masks and references out of an engine's output, for a MONAI metric.

    Both are those inside the field of view. Each structure of each image is one pair, so that the metric is a mean over
    images and structures. A reference is NaN where the image has none (``label_has_<structure>``), or the network does
    not segment the structure.

    Args:
        structures: keys of the masks.
    """

    def pair(item: Mapping[str, torch.Tensor], structure: str) -> tuple[torch.Tensor, torch.Tensor]:
        reference = item[f"{structure}_reference_inside_fov"].float()
        prediction = item.get(f"pred_{structure}_inside_fov")
        if prediction is None or not bool(item[f"label_has_{structure}"]):
            return torch.zeros_like(reference), torch.full_like(reference, torch.nan)
        return prediction, reference

    def pairs(output: Sequence[Mapping[str, torch.Tensor]]) -> Pairs:
        predictions, references = zip(*(pair(item, key) for item in output for key in structures), strict=True)
        return list(predictions), list(references)

    return pairs


def disease_pairs(output: Sequence[Mapping[str, torch.Tensor]]) -> Pairs:
    """Take the disease probabilities and labels out of an engine's output, for a MONAI metric.

    The probabilities of a network without disease head are NaN.
    """
    labels = [item["label_disease"] for item in output]
    if "pred_disease" not in output[0]:
        return [torch.full_like(label, torch.nan) for label in labels], labels
    return [item["pred_disease"] for item in output], labels
