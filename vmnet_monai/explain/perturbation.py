"""Measures of whether a disease's score depends on the places that a heat map names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from monai.networks.layers import GaussianFilter
from scipy.integrate import trapezoid

__all__ = ["insertion_and_deletion", "revealed", "without_detail"]

BLUR_FRACTION = 0.05
"""Standard deviation of :func:`without_detail` over the image's width: 13 of 256 pixels, about half an optic disc."""


def without_detail(image: torch.Tensor, field_of_view: torch.Tensor) -> torch.Tensor:
    """Blur an image so far that neither lesions nor the disc are left, inside the field of view by what lies inside.

    Args:
        image: (C, H, W) float32.
        field_of_view: (1, H, W), non-zero inside.

    Returns:
        (C, H, W) float32, unchanged outside the field of view.
    """
    inside = (field_of_view > 0).to(image)
    blur = GaussianFilter(2, BLUR_FRACTION * image.shape[-1])
    weight = blur(inside[None])[0].clamp(min=torch.finfo(image.dtype).eps)
    return torch.where(inside > 0, blur((image * inside)[None])[0] / weight, image)


def revealed(
    image: torch.Tensor,
    background: torch.Tensor,
    heat: torch.Tensor,
    field_of_view: torch.Tensor,
    steps: int,
    seed: int = 0,
) -> torch.Tensor:
    """Show more and more of an image over a background, the hottest pixels first.

    Pixels that are equally hot come in random order, so that an even map shows pixels at random.

    Args:
        image: (C, H, W) float32.
        background: (C, H, W) float32.
        heat: (1, H, W).
        field_of_view: (1, H, W), non-zero inside; pixels outside are the image's from the start.
        steps: N, number of steps from none to all of the pixels inside.
        seed: of the random order.

    Returns:
        (N + 1, C, H, W) float32; image ``i`` shows the fraction ``i / N`` of the pixels inside.
    """
    inside = (field_of_view[0] > 0).numpy()
    hottest_first = np.lexsort((np.random.default_rng(seed).random(int(inside.sum())), -heat[0].numpy()[inside]))
    rank = np.full(inside.shape, -1)
    rank[inside] = np.argsort(hottest_first)
    shown = np.linspace(0, inside.sum(), steps + 1).round()
    return torch.where(torch.from_numpy(rank < shown[:, None, None])[:, None], image, background)


def insertion_and_deletion(
    score: Callable[[torch.Tensor], torch.Tensor],
    image: torch.Tensor,
    heat: torch.Tensor,
    field_of_view: torch.Tensor,
    steps: int = 16,
    seed: int = 0,
) -> tuple[float, float]:
    """Compute the areas under the insertion and the deletion curve of a heat map.

    Petsiuk, Das & Saenko, "RISE", BMVC 2018, arXiv 1806.07421: the score while the hottest pixels are put into a
    blurred image, and while they are taken out of the image, against the fraction of the pixels of the field of view. A
    map that points at what the score depends on has a large area of insertion and a small one of deletion. Both curves
    lead to or from :func:`without_detail`; the paper deletes to black, which no retina is.

    Args:
        score: maps images (B, C, H, W) to scores (B,).
        image: (C, H, W) float32.
        heat: (1, H, W).
        field_of_view: (1, H, W), non-zero inside.
        steps: number of steps of the curves; the score is taken of ``2 (steps + 1)`` images.
        seed: of the order of pixels that are equally hot.

    Returns:
        The areas of insertion and deletion, in units of the score.
    """
    blurred = without_detail(image, field_of_view)
    with torch.no_grad():
        inserted, deleted = (
            score(revealed(*pair, heat, field_of_view, steps, seed)).double().numpy()
            for pair in ((image, blurred), (blurred, image))
        )
    return float(trapezoid(inserted, dx=1 / steps)), float(trapezoid(deleted, dx=1 / steps))
