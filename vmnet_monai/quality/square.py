"""An image on the square of 192 pixels on which it is judged, and what several judgements need of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from skimage.measure import CircleModel

__all__ = ["WORKING_SIZE_PX", "WorkingSquare", "line_responses", "luminance"]

WORKING_SIZE_PX = 192
"""Side of the square on which everything is judged: large vessels are three pixels wide on it, and fundus photographs
from 96 pixels up look alike."""

RIM = 0.06
"""Width of the rim that is left out of most measures, as a fraction of the square's side."""

MIN_INNER_PX = 1500
"""A field of view with fewer pixels inside its rim has no inside, as a line of text or a thin frame."""

SCALES_PX = (1, 2, 4, 8)
"""Gaussian standard deviations to which the contrast is smoothed: an octave from one to the next."""

NEIGHBOURHOOD_PX = 12
"""Standard deviation of the Gaussian whose mean the contrast is relative to."""

DARK_OFFSET = 6.0
"""Added to intensities of 255 before ratios and logarithms, so that noise in the dark does not count as contrast."""

GREY_TOLERANCE = 0.01
"""Mean of the two absolute logarithms of the channels' ratios, added, below which an image is grey."""

LINE_LENGTH_PX = 11
"""Length of the line segments along which vessels are looked for."""

LINE_ANGLES = tuple(np.arange(8) * np.pi / 8)
"""Directions of the line segments."""

THIN_PX, WIDE_PX, WIDEST_PX = LINE_DISTANCES_PX = (3, 5, 7)
"""Distances of a line to the parallels on its sides: thin, wide and very wide vessels."""


class OutlineCircle(NamedTuple):
    """The circle that fits the curved parts of a field of view's outline."""

    circle: CircleModel | None
    """Centre as (x, y); None where the outline has straight edges only, or where no circle fits."""
    error: float
    """Root mean square distance of the outline from it, as a fraction of the square's side: 0 where all edges are
    straight, 1 where no circle fits."""


@dataclass(frozen=True)
class WorkingSquare:
    """An image on the working square; N is :data:`WORKING_SIZE_PX`."""

    rgb: NDArray[np.float32]
    """(3, N, N), 0 to 255; outside the field of view as in the image."""
    fov: NDArray[np.bool_]
    """(N, N): the field of view."""
    depth: NDArray[np.floating]
    """(N, N): distance to the rim of the field of view in pixels, 0 outside."""
    inner: NDArray[np.bool_]
    """(N, N): the field of view without its rim."""
    filled: NDArray[np.float32]
    """(3, N, N), 0 to 255: continued by the nearest pixel beyond the field of view, so that its rim is no edge."""

    @classmethod
    def of(cls, image: ArrayLike, fov: ArrayLike) -> WorkingSquare:
        """Scale an image to the working square.

        Args:
            image: (3, S, S) uint8 RGB, the square around the field of view.
            fov: (1, S, S) or (S, S), non-zero inside the field of view.
        """
        rgb = _shrink(torch.as_tensor(np.ascontiguousarray(image)))
        mask = np.ascontiguousarray(np.asarray(fov) > 0).reshape(1, *np.shape(fov)[-2:])
        inside = _shrink(torch.as_tensor(mask))[0] > 0.5
        depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        lit, inner = depth > 2, depth > RIM * WORKING_SIZE_PX
        if inner.sum() < MIN_INNER_PX:
            lit = inner = inside
        if not inner.any():
            lit = inner = np.ones_like(inside)
        nearest = ndimage.distance_transform_edt(~lit, return_distances=False, return_indices=True)
        return cls(rgb, inside, depth, inner, rgb[:, nearest[0], nearest[1]])

    @cached_property
    def luminance(self) -> NDArray[np.float32]:
        """(N, N), 0 to 255."""
        return luminance(self.filled)

    @cached_property
    def contrasts(self) -> list[NDArray[np.float32]]:
        """Per scale of :data:`SCALES_PX` (N, N): deviation from the neighbourhood's mean, as a fraction of it, so that
        the exposure cancels."""
        local = ndimage.gaussian_filter(self.luminance, NEIGHBOURHOOD_PX, truncate=3)
        contrast = (self.luminance - local) / (local + DARK_OFFSET)
        return [ndimage.gaussian_filter(contrast, scale, truncate=3) for scale in SCALES_PX]

    @cached_property
    def lines(self) -> dict[int, NDArray[np.float32]]:
        """Per distance of :data:`LINE_DISTANCES_PX` (3, inner pixels), as :func:`line_responses` gives them."""
        responses = line_responses(self.contrasts[0], LINE_DISTANCES_PX)
        return {
            distance: response[:, self.inner] for distance, response in zip(LINE_DISTANCES_PX, responses, strict=True)
        }

    @cached_property
    def colour_ratios(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, N) each: logarithms of red over green and of green over blue, smoothed."""
        red, green, blue = np.log(ndimage.gaussian_filter(self.filled, (0, 3, 3), truncate=3) + DARK_OFFSET)
        return red - green, green - blue

    @property
    def is_grey(self) -> bool:
        """Whether the three channels are the same, within :data:`GREY_TOLERANCE`."""
        return bool(sum(np.abs(ratio[self.inner]).mean() for ratio in self.colour_ratios) < GREY_TOLERANCE)

    @cached_property
    def outline(self) -> OutlineCircle:
        """The circle through the outline of the field of view, where no edge of the square cuts it."""
        rows, columns = np.flatnonzero(self.fov.any(axis=1)), np.flatnonzero(self.fov.any(axis=0))
        y, x = np.nonzero(self.fov & ~ndimage.binary_erosion(self.fov))
        if x.size == 0:
            return OutlineCircle(None, 1.0)
        curved = (y > rows[0] + 3) & (y < rows[-1] - 3) & (x > columns[0] + 3) & (x < columns[-1] - 3)
        points = np.column_stack([x, y])[curved]
        if len(points) < 30:
            return OutlineCircle(None, 0.0)
        circle = CircleModel.from_estimate(points)
        if not circle:
            return OutlineCircle(None, 1.0)
        return OutlineCircle(circle, float(np.sqrt((circle.residuals(points) ** 2).mean()) / WORKING_SIZE_PX))


def luminance(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weigh the channels of (3, H, W) as ITU-R BT.601 does; (H, W)."""
    return (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]).astype(np.float32)


def line_responses(contrast: NDArray[np.float32], distances_px: Sequence[int]) -> list[NDArray[np.float32]]:
    """Tell dark lines, bright lines and steps apart.

    The mean along a short line is compared with those of the two parallel lines at a distance: a vessel is darker than
    both its sides (after Ricci & Perfetti, IEEE Trans Med Imaging 2007, doi:10.1109/TMI.2007.898551), the outline of an
    object is darker than one only.

    Args:
        contrast: (H, W).
        distances_px: of the parallel lines from the line between them.

    Returns:
        Per distance (3, H, W): per pixel the strongest of all directions of dark line, bright line and step.
    """
    margin = LINE_LENGTH_PX // 2 + 1
    padded = torch.nn.functional.pad(torch.from_numpy(contrast)[None, None], (margin,) * 4, mode="replicate")
    means = torch.nn.functional.conv2d(padded, _line_kernels())[0]
    responses = []
    for distance_px in distances_px:
        strongest = torch.zeros(3, *contrast.shape)
        for mean, angle in zip(means, LINE_ANGLES, strict=True):
            down, right = round(distance_px * np.cos(angle)), round(distance_px * np.sin(angle))
            one, other = mean.roll((down, right), (0, 1)), mean.roll((-down, -right), (0, 1))
            darker, brighter = torch.minimum(one, other), torch.maximum(one, other)
            strongest = torch.maximum(strongest, torch.stack([darker - mean, mean - brighter, brighter - darker]))
        responses.append(strongest.numpy())
    return responses


def _line_kernels() -> torch.Tensor:
    """Means along a line through the middle, one kernel per angle, (A, 1, n, n); pixels weighed bilinearly."""
    half = LINE_LENGTH_PX // 2 + 1
    kernels = np.zeros((len(LINE_ANGLES), 1, 2 * half + 1, 2 * half + 1), dtype=np.float32)
    offset = np.linspace(-(LINE_LENGTH_PX // 2), LINE_LENGTH_PX // 2, 4 * LINE_LENGTH_PX)
    axis = np.arange(-half, half + 1)
    for kernel, angle in zip(kernels, LINE_ANGLES, strict=True):
        weight_y = np.clip(1 - np.abs(axis[:, None] + offset * np.sin(angle)), 0, None)
        weight_x = np.clip(1 - np.abs(axis[:, None] - offset * np.cos(angle)), 0, None)
        kernel[0] = weight_y @ weight_x.T / len(offset)
    return torch.from_numpy(kernels)


def _shrink(image: torch.Tensor) -> NDArray[np.float32]:
    """Scale (C, S, S) to the working square: quick means over whole blocks first, then antialiased bilinear."""
    size = (WORKING_SIZE_PX, WORKING_SIZE_PX)
    batch = image[None].float()
    block = min(image.shape[-2:]) // WORKING_SIZE_PX
    if block > 1:
        batch = torch.nn.functional.avg_pool2d(batch, block)
    pixels: NDArray[np.float32] = torch.nn.functional.interpolate(batch, size, mode="bilinear", antialias=True).numpy()
    return pixels[0]
