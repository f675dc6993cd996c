"""Scales images down to the size at which a disease head reads them."""

from __future__ import annotations

import math

import torch

__all__ = ["averaged", "reduce_to"]


def reduce_to(image: torch.Tensor, size: int | None, stride: int = 1) -> torch.Tensor:
    """Average images down to a width, if they are wider.

    Args:
        image: (B, C, H, W).
        size: the width in pixels, a multiple of ``stride``; None leaves the images as they are.
        stride: divisor of the height and width after the reduction.

    Returns:
        (B, C, H size / W, size); images that are no wider than ``size`` as they come.

    Raises:
        ValueError: if the height or width that comes out is not a whole multiple of ``stride``; the message says what
            to pad to.
    """
    height, width = image.shape[-2], image.shape[-1]
    if size is None or width <= size:
        if height % stride != 0 or width % stride != 0:
            padded_height = (height + stride - 1) // stride * stride
            padded_width = (width + stride - 1) // stride * stride
            raise ValueError(
                f"the network needs a height and width divisible by {stride}, got {height} x {width}: pad or resize to "
                f"{padded_height} x {padded_width}."
            )
        return image
    if size % stride != 0:
        raise ValueError(f"disease_size must be divisible by {stride}, the network's stride, got {size}.")
    if width % stride != 0 or height % stride != 0 or height * size % (width * stride) != 0:
        # A square always fits: what comes out is size x size.
        side = (max(height, width) + stride - 1) // stride * stride
        raise ValueError(
            f"the network needs a height and width divisible by {stride}, also scaled to a width of {size}, as the "
            f"disease head reads them, got {height} x {width}: pad or resize to {side} x {side}."
        )
    return averaged(image, size)


def averaged(maps: torch.Tensor, width: int) -> torch.Tensor:
    """Average maps down to a width, as :func:`torch.nn.functional.interpolate` with ``mode="area"`` does.

    Written with products of matrices where no whole factor leads there, which every exporter knows.

    Args:
        maps: (B, C, H, W).
        width: at most W; ``H width / W`` must be whole.

    Returns:
        (B, C, H width / W, width). Every pixel is the mean of those that it touches.
    """
    common = math.gcd(maps.shape[-1], width)
    pixels, cells = maps.shape[-1] // common, width // common
    if pixels == 1:
        return maps
    if cells == 1:
        return torch.nn.functional.avg_pool2d(maps, kernel_size=pixels, stride=pixels)
    # Blocks of so many pixels become blocks of so many cells, all with the same weights.
    index = torch.arange(cells, device=maps.device)[:, None]
    first, end = index * pixels // cells, ((index + 1) * pixels + cells - 1) // cells
    position = torch.arange(pixels, device=maps.device)[None]
    weights = ((position >= first) & (position < end)).to(maps.dtype) / (end - first).to(maps.dtype)
    rows = torch.matmul(weights, maps.unflatten(2, (-1, pixels))).flatten(2, 3)
    return torch.matmul(rows.unflatten(3, (-1, pixels)), weights.transpose(0, 1)).flatten(3)
