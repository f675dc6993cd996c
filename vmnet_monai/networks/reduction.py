"""Scales images down to the size at which a disease head reads them."""

from __future__ import annotations

import torch

__all__ = ["reduce_to"]


def reduce_to(image: torch.Tensor, size: int | None, stride: int = 1) -> torch.Tensor:
    """Average images down by the largest whole factor that leaves them at least ``size`` pixels wide.

    Args:
        image: (B, C, H, W).
        size: the least width in pixels; None leaves the images as they are.
        stride: divisor of the height and width after the reduction.

    Returns:
        (B, C, H / factor, W / factor).

    Raises:
        ValueError: if height or width is not divisible by factor times stride; the message says what to pad to.
    """
    factor = 1 if size is None else max(1, image.shape[-1] // size)
    height, width, divisor = image.shape[-2], image.shape[-1], factor * stride
    if height % divisor != 0 or width % divisor != 0:
        padded_height, padded_width, padded_divisor = height, width, divisor
        while padded_width % padded_divisor != 0:
            padded_width = (padded_width + padded_divisor - 1) // padded_divisor * padded_divisor
            # A wider image may be reduced by a larger factor.
            padded_divisor = stride if size is None else stride * max(1, padded_width // size)
        padded_height = (height + padded_divisor - 1) // padded_divisor * padded_divisor
        raise ValueError(
            f"the network needs a height and width divisible by {divisor}, got {height} x {width}: "
            f"pad or resize to {padded_height} x {padded_width}."
        )
    return torch.nn.functional.avg_pool2d(image, factor) if factor > 1 else image
