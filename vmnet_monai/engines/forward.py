"""How MONAI's engines feed a network with two heads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from ignite.engine import Engine
from monai.engines import PrepareBatch
from monai.inferers import Inferer

__all__ = ["AutocastInferer", "PrepareVesselDiseaseBatch", "mixed_precision_pays", "photographs"]

TARGET_KEYS = ("vessel", "has_vessel", "fov", "disease")
"""What a loss or metric may need of a batch."""


class PrepareVesselDiseaseBatch(PrepareBatch):
    """Splits a batch into the network's input and a dictionary of targets.

    The input is ``image`` (B, 3, H, W) float32; the targets are ``vessel`` (B, 1, H, W), ``has_vessel`` (B,), ``fov``
    (B, 1, H, W) and ``disease`` (B, K).
    """

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Move input and targets to the device."""
        image = batchdata["image"].to(device=device, non_blocking=non_blocking, **kwargs)
        targets = {key: batchdata[key].to(device=device, non_blocking=non_blocking) for key in TARGET_KEYS}
        return image, targets


class AutocastInferer(Inferer):
    """Runs the network on whole photographs, in bfloat16 where that is asked for.

    bfloat16 has the exponent range of float32, so that no gradient scaling is needed, on CPU and on GPU alike.

    Args:
        enabled: whether to compute in bfloat16.
    """

    def __init__(self, enabled: bool = False) -> None:
        self.enabled = enabled

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> dict[str, torch.Tensor]:
        """Return the network's dictionary of logits, float32, for ``inputs`` (B, 3, H, W)."""
        if self.enabled:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=self.enabled):
            outputs = network(inputs, *args, **kwargs)
        return {name: logits.float() for name, logits in outputs.items()}


def mixed_precision_pays(device: str | torch.device) -> bool:
    """Tell whether bfloat16 is faster than float32 on a device: GPUs, and CPUs with matrix units (Intel AMX).

    Args:
        device: a device or its name.
    """
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


def photographs(engine: Engine) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Iterate over the photographs of an engine's last iteration, each as its decollated batch and output."""
    state: Any = engine.state
    return zip(state.batch, state.output, strict=True)
