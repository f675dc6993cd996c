"""Whether a picture is a fundus photograph at all, and what a reader should know about its quality."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.transforms import Transform
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from skimage.measure import CircleModel

from vmnet_monai.errors import ImageError
from vmnet_monai.transforms.field_of_view import FieldOfViewBox

__all__ = [
    "CheckFundusImaged",
    "NotAFundusImageError",
    "check_fundus_image",
    "fundus_evidence",
    "image_features",
    "quality_warnings",
]

WORKING_SIZE_PX = 192
"""Side of the square on which everything is judged: large vessels are three pixels wide, and photographs from 96 px up
look alike on it."""

OCTAVES_PX = (1, 2, 4, 8)
"""Gaussian widths, on the working square, between which texture is measured."""

LINE_LENGTH_PX = 11
"""Length of the line segments, on the working square, along which vessels are looked for."""

THIN_PX, WIDE_PX, WIDEST_PX = LINE_DISTANCES_PX = (3, 5, 7)
"""Distances of a line to the parallels on its sides: thin, wide and very wide vessels."""

LINE_ANGLES = tuple(np.arange(8) * np.pi / 8)
"""Directions of the line segments."""

DARK_OFFSET = 6.0
"""Added to intensities of 255 before ratios and logarithms, so that noise in the dark does not count as contrast."""


COLOUR_FEATURES = (
    *("blue_share", "red_green_spread", "green_blue_spread"),
    *("red_green_uneven", "green_blue_uneven"),
)
"""Features that a grey photograph, legal as any other, does not have."""


MIN_SIDE_PX = 48
"""Least width of the field of view: on a smaller one no vessel is a pixel wide, and nothing can be judged."""

MIN_SPREAD = 1.5
"""Least standard deviation of brightness, of 255; every real photograph looked at has more than 5."""

MIN_LOG_ODDS = -2.0
"""Score below which a picture is refused: chosen on the pictures that the curves were fitted to, such that about one
real photograph in a thousand is refused; a photograph refused costs more than another picture that passes."""

MIN_BRIGHTNESS = 55
"""Least usual median of the brightest channel, of 255."""

OVEREXPOSED_LEVEL = 205
"""Brightness, of 255, that less than a tenth of the field of view usually exceeds."""

MIN_CONTRAST = 0.09
"""Least usual 97th percentile of the steps over 14 pixels of the working square, as a share of the brightness."""

MIN_SHARPNESS = 0.35
"""Least usual contrast of thin lines, as a share of that of wide ones."""

MAX_OFF_CENTRE = 0.10
"""Largest usual distance of the disc's centre from the picture's, in diameters."""

USUAL_SIDE_PX = 200
"""Width of the field of view from which on thin vessels can be seen."""


class NotAFundusImageError(ImageError):
    """Raised when a picture does not look like a fundus photograph."""


@dataclass(frozen=True)
class _Square:
    """The picture on the working square, and what several judgements need of it."""

    rgb: NDArray[np.float32]
    """(3, N, N), 0 to 255; outside the field of view as in the picture."""
    fov: NDArray[np.bool_]
    """(N, N)."""
    depth: NDArray[np.floating]
    """(N, N): distance to the rim of the field of view, in pixels; 0 outside."""
    inner: NDArray[np.bool_]
    """(N, N): the field of view without its rim."""
    filled: NDArray[np.float32]
    """(3, N, N): beyond the field of view continued by its nearest pixel, so that its rim is no edge."""

    @cached_property
    def luminance(self) -> NDArray[np.float32]:
        """(N, N), 0 to 255."""
        return _luminance(self.filled)

    @cached_property
    def octaves(self) -> list[NDArray[np.float32]]:
        """Per scale (N, N): deviation from the neighbourhood's mean, as a share of it, so that exposure cancels."""
        local = ndimage.gaussian_filter(self.luminance, 12, truncate=3)
        contrast = (self.luminance - local) / (local + DARK_OFFSET)
        return [ndimage.gaussian_filter(contrast, scale, truncate=3) for scale in OCTAVES_PX]

    @cached_property
    def lines(self) -> dict[int, NDArray[np.float32]]:
        """Per distance (3, pixels inside), as :func:`line_responses` gives them."""
        responses = line_responses(self.octaves[0], LINE_DISTANCES_PX)
        return {
            distance: response[:, self.inner] for distance, response in zip(LINE_DISTANCES_PX, responses, strict=True)
        }


def _square(image: ArrayLike, fov: ArrayLike) -> _Square:
    rgb = _shrink(torch.as_tensor(np.ascontiguousarray(image)))
    mask = _shrink(torch.as_tensor(np.ascontiguousarray(np.asarray(fov) > 0)).reshape(1, *np.shape(fov)[-2:]))
    return _prepare(rgb, mask[0] > 0.5)


def _shrink(image: torch.Tensor) -> NDArray[np.float32]:
    """Scale (C, S, S) to the working square: quick means over whole blocks first, then antialiased bilinear."""
    size = (WORKING_SIZE_PX, WORKING_SIZE_PX)
    batch = image[None].float()
    block = min(image.shape[-2:]) // WORKING_SIZE_PX
    if block > 1:
        batch = torch.nn.functional.avg_pool2d(batch, block)
    result: NDArray[np.float32] = torch.nn.functional.interpolate(batch, size, mode="bilinear", antialias=True)[
        0
    ].numpy()
    return result


def _prepare(rgb: NDArray[np.float32], fov: NDArray[np.bool_]) -> _Square:
    depth = ndimage.distance_transform_edt(np.pad(fov, 1))[1:-1, 1:-1]
    lit = depth > 2
    inner = depth > 0.06 * WORKING_SIZE_PX
    if inner.sum() < 1500:  # a field of view without inside: a text line, a thin frame
        lit = inner = fov
    if not inner.any():
        lit = inner = np.ones_like(fov)
    nearest = ndimage.distance_transform_edt(~lit, return_distances=False, return_indices=True)
    return _Square(rgb, fov, depth, inner, rgb[:, nearest[0], nearest[1]])


def _luminance(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    return (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]).astype(np.float32)


def image_features(image: ArrayLike, fov: ArrayLike) -> dict[str, float]:
    """Measure what tells a fundus photograph from other pictures; :data:`EVIDENCE` names and explains each.

    Args:
        image: (3, S, S) uint8 RGB, the square around the field of view.
        fov: (1, S, S) or (S, S), non-zero inside the field of view.
    """
    return _features(_square(image, fov))


def _features(square: _Square) -> dict[str, float]:
    return _outline(square) | _texture(square) | _lines(square) | _shading(square) | _colour(square) | _levels(square)


def _fit_circle(fov: NDArray[np.bool_]) -> tuple[CircleModel | None, float]:
    """Fit a circle, x before y, to the curved parts of the outline.

    Returns:
        The circle, None where the outline has straight edges only or nothing fits; and the root mean square distance
        of the outline from it, as a share of the square's side.
    """
    rows, columns = np.flatnonzero(fov.any(axis=1)), np.flatnonzero(fov.any(axis=0))
    y, x = np.nonzero(fov & ~ndimage.binary_erosion(fov))
    if x.size == 0:
        return None, 1.0
    free = (y > rows[0] + 3) & (y < rows[-1] - 3) & (x > columns[0] + 3) & (x < columns[-1] - 3)
    points = np.column_stack([x, y])[free]
    if len(points) < 30:
        return None, 0.0
    circle = CircleModel.from_estimate(points)
    if not circle:
        return None, 1.0
    return circle, float(np.sqrt((circle.residuals(points) ** 2).mean()) / WORKING_SIZE_PX)


def _outline(square: _Square) -> dict[str, float]:
    """How well the field of view is a disc, cut by straight edges or not, and how abruptly it ends."""
    fov = square.fov
    outline = _fit_circle(fov)[1]
    away = ndimage.distance_transform_edt(~fov) if not fov.all() else np.zeros(fov.shape)
    if (away > 0).mean() < 0.02:
        return {"outline": outline, "rim": 1.0, "surround": 0.0}
    depth = square.depth
    frame = np.ones_like(fov)
    frame[12:-12, 12:-12] = False
    luminance = np.where(frame & fov, np.nan, _luminance(square.rgb))

    def level(ring: NDArray[np.bool_]) -> float:
        values = luminance[ring]
        values = values[np.isfinite(values)]
        return float(np.median(values)) if values.size else 0.0

    step = level((depth > 0) & (depth <= 3)) - level((away > 0) & (away <= 3))
    inside, outside = level((depth > 5) & (depth <= 10)), level((away > 4) & (away <= 9))
    rim = float(np.clip(step / (abs(inside - outside) + 3), -1, 2))
    return {"outline": outline, "rim": rim, "surround": float(np.clip(outside / (inside + 3), 0, 3))}


def _texture(square: _Square) -> dict[str, float]:
    """Strength, skewness and tails of the contrast in bands of an octave."""
    features: dict[str, float] = {}
    for fine, coarse, scale in zip(square.octaves[:-1], square.octaves[1:], OCTAVES_PX[1:], strict=True):
        band = (fine - coarse)[square.inner]
        spread = float(band.std()) + 1e-4
        typical, extreme = np.percentile(np.abs(band[::3]), [50, 99])
        features |= {
            f"band_{scale}px": float(np.log(spread)),
            f"skew_{scale}px": float(np.clip(((band - band.mean()) ** 3).mean() / spread**3, -4, 4)),
            f"tail_{scale}px": float(np.log((extreme + 2e-4) / (typical + 2e-4))),
        }
    return features


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


def line_responses(contrast: NDArray[np.float32], distances_px: Sequence[int]) -> list[NDArray[np.float32]]:
    """Tell dark lines, bright lines and steps apart.

    The mean along a short line is compared with those of the two parallel lines at a distance: a vessel is darker than
    both its sides (after Ricci & Perfetti, IEEE Trans Med Imaging 2007, doi:10.1109/TMI.2007.898551), the outline of an
    object is darker than one only.

    Returns:
        Per distance (3, N, N): per pixel the strongest of all directions of dark line, bright line and step.
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


def _lines(square: _Square) -> dict[str, float]:
    """Dark lines against bright lines and steps, for thin and wide vessels."""
    features: dict[str, float] = {}
    least = 3e-4
    for distance_px in (THIN_PX, WIDE_PX):
        response = square.lines[distance_px]
        dark_mean, bright_mean, _ = response.mean(axis=1)
        middle, high, highest = np.percentile(response[:, ::3], [50, 97, 99], axis=1)
        features |= {
            f"dark_lines_{distance_px}px": float(np.log(high[0] + 1e-3)),
            f"steps_{distance_px}px": float(np.log(high[2] + 1e-3)),
            f"dark_to_bright_{distance_px}px": float(np.log((dark_mean + least) / (bright_mean + least))),
            f"dark_to_step_{distance_px}px": float(np.log((high[0] + least) / (high[2] + least))),
            f"bright_to_step_{distance_px}px": float(np.log((high[1] + least) / (high[2] + least))),
            f"dark_tail_{distance_px}px": float(np.log((highest[0] + least) / (middle[0] + least))),
        }
    return features


def _quadratic_residual(values: NDArray[np.floating], inner: NDArray[np.bool_]) -> NDArray[np.floating]:
    """What remains inside of (N, N) after the quadratic surface that fits best."""
    y, x = (np.argwhere(inner)[::4] / WORKING_SIZE_PX * 2 - 1).T
    terms = np.column_stack([np.ones_like(x), x, y, x * x, x * y, y * y])
    sample = values[inner][::4]
    residual: NDArray[np.floating] = sample - terms @ np.linalg.lstsq(terms, sample, rcond=None)[0]
    return residual


def _shading(square: _Square) -> dict[str, float]:
    """The wide changes of brightness, and what of them a quadratic surface does not explain."""
    logarithm = np.log(ndimage.gaussian_filter(square.luminance, 5, truncate=3) + DARK_OFFSET)
    residual = _quadratic_residual(logarithm, square.inner)
    spread = float(residual.std())
    return {
        "shading": float(np.log(logarithm[square.inner].std() + 0.01)),
        "uneven_skew": float(np.clip((residual**3).mean() / (spread + 1e-3) ** 3, -4, 4)),
        "uneven_high": float(np.percentile(residual, 99.5)),
        "uneven_low": float(np.percentile(residual, 0.5)),
    }


def _colour(square: _Square) -> dict[str, float]:
    """Ratios of the channels and how they vary; NaN in a grey picture."""
    red_green, green_blue = _colour_ratios(square)
    one, other = red_green[square.inner], green_blue[square.inner]
    if _is_grey(square):
        return dict.fromkeys(COLOUR_FEATURES, float("nan"))
    return {
        "blue_share": float((one + other < -0.1).mean()),
        "red_green_spread": float(np.log(one.std() + 0.02)),
        "green_blue_spread": float(np.log(other.std() + 0.02)),
        "red_green_uneven": float(np.log(_quadratic_residual(red_green, square.inner).std() + 0.01)),
        "green_blue_uneven": float(np.log(_quadratic_residual(green_blue, square.inner).std() + 0.01)),
    }


def _colour_ratios(square: _Square) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logarithms of red over green and of green over blue, smoothed."""
    red, green, blue = np.log(ndimage.gaussian_filter(square.filled, (0, 3, 3), truncate=3) + DARK_OFFSET)
    return red - green, green - blue


def _is_grey(square: _Square) -> bool:
    """Whether the three channels are the same, within one in a hundred."""
    return bool(sum(np.abs(ratio[square.inner]).mean() for ratio in _colour_ratios(square)) < 0.01)


def _levels(square: _Square) -> dict[str, float]:
    """How intensities are distributed, as in drawings and printed pages or not."""
    values = square.luminance[square.inner]
    share = np.histogram(values, 64, (0, 256))[0] / values.size
    down = np.abs(np.diff(square.luminance, axis=0))[square.inner[1:]]
    return {
        "entropy": float(-(share * np.log(share + 1e-9)).sum()),
        "still_share": float((down < 0.05).mean()),
    }


class Curve(NamedTuple):
    """The points that a feature earns: a piecewise linear curve."""

    values: tuple[float, ...]
    """Where the curve bends, in the feature's own unit, rising."""
    points: tuple[float, ...]
    """Logarithm of odds at each value; 0 at the median of fundus photographs."""
    reason: str
    """What to say of a picture that earns few."""


OUTLINE = "its outline is no disc"
RIM = "its field of view does not end as sharply as a camera's aperture"
SURROUND = "the surround of its disc is not black"
TEXTURE = "its contrast is too strong or too weak"
SPOTS = "its bright and dark details are not those of a retina"
VESSELS = "it does not show dark vessels as a retina does"
EDGES = "it has sharp outlines as objects and letters have, or no details at all"
LIGHT = "its light does not fall as on a retina"
COLOUR = "its colours do not vary as those of a retina do"
LEVELS = "its brightness is not distributed as in a photograph of a retina"

EVIDENCE: dict[str, Curve] = {
    "outline": Curve((0.0, 0.02, 0.1, 0.12), (-0.08, 0.8, -0.43, -0.44), OUTLINE),
    "rim": Curve((0.02, 0.04, 0.16, 0.63, 1.0), (-1.08, 0.85, -0.42, 0.0, -0.22), RIM),
    "surround": Curve((0.0, 0.01, 0.87), (0.0, -0.95, 0.41), SURROUND),
    "band_2px": Curve(
        (-7.36, -6.69, -5.63, -4.46, -3.88, -3.57, -2.5), (-1.85, -1.7, -1.04, 0.0, 1.63, 1.19, -0.07), TEXTURE
    ),
    "tail_2px": Curve(
        (0.78, 1.32, 1.61, 2.05, 2.41, 3.14, 4.46), (-3.27, -0.42, 0.23, -0.0, -1.42, -3.61, -3.48), SPOTS
    ),
    "band_4px": Curve(
        (-7.11, -6.48, -5.19, -4.24, -3.68, -3.3, -2.17), (2.13, 2.51, 1.98, -0.0, -2.33, -2.67, -5.01), TEXTURE
    ),
    "skew_4px": Curve((-2.08, -1.33, -0.59, 0.53, 2.98, 4.0), (-3.6, -2.09, -1.94, -0.0, 1.64, 1.13), SPOTS),
    "tail_4px": Curve((0.66, 1.38, 1.65, 2.01, 2.56, 3.12, 4.21), (-2.58, -1.57, 0.26, -0.0, 1.01, 1.02, 1.25), SPOTS),
    "band_8px": Curve(
        (-6.25, -5.95, -4.9, -4.01, -3.34, -2.94, -1.83), (2.7, 2.83, 2.66, -0.01, -1.32, -1.82, -2.52), TEXTURE
    ),
    "skew_8px": Curve((-1.72, -1.49, -0.32, 1.43, 3.94, 4.0), (-1.44, -1.72, -0.9, 0.0, 2.86, 1.42), SPOTS),
    "dark_lines_3px": Curve(
        (-6.58, -5.77, -4.71, -3.25, -2.61, -2.26, -1.27), (1.79, 1.57, 0.52, 0.01, -1.31, -2.48, -2.17), VESSELS
    ),
    "steps_3px": Curve(
        (-4.13, -3.86, -2.76, -1.89, -1.3, -0.84, 0.28), (0.7, -0.54, -1.44, 0.0, -0.05, -1.88, -3.97), EDGES
    ),
    "dark_to_bright_3px": Curve(
        (-0.93, -0.55, -0.12, 0.2, 0.48, 0.62, 1.12), (0.67, -1.14, -1.36, -0.0, 0.23, -0.37, -1.56), VESSELS
    ),
    "dark_to_step_3px": Curve(
        (-4.0, -3.37, -2.31, -1.36, -0.88, -0.68, -0.47), (-5.16, -3.34, -2.94, -0.03, 2.78, 2.12, 1.0), VESSELS
    ),
    "bright_to_step_3px": Curve(
        (-3.95, -3.33, -2.42, -1.75, -1.36, -1.1, -0.58), (-2.58, -0.63, 0.22, 0.0, -0.74, -1.5, -3.23), VESSELS
    ),
    "dark_tail_3px": Curve(
        (1.27, 1.76, 2.6, 3.52, 4.66, 5.35, 6.98), (-2.3, -2.05, -0.95, 0.0, -0.43, -0.68, -2.21), VESSELS
    ),
    "steps_5px": Curve(
        (-3.63, -3.4, -2.47, -1.58, -0.94, -0.4, 0.38), (1.46, 0.79, -0.69, 0.0, 1.11, 3.31, 2.02), EDGES
    ),
    "dark_tail_5px": Curve(
        (1.51, 2.07, 2.66, 3.35, 4.48, 5.64, 7.39), (-3.03, -1.9, 0.44, 0.0, -1.04, -2.0, -3.43), VESSELS
    ),
    "shading": Curve(
        (-3.96, -3.25, -2.44, -1.67, -1.02, -0.67, -0.55), (1.27, 1.29, -0.43, -0.0, 0.02, 0.67, 2.33), LIGHT
    ),
    "uneven_skew": Curve((-2.58, -1.92, -0.75, 0.56, 2.13, 3.32), (-1.54, 0.3, -0.41, 0.0, -1.55, -2.03), LIGHT),
    "uneven_high": Curve((0.0, 0.02, 0.09, 0.3, 0.63, 0.96), (-2.78, -2.92, -1.71, 0.01, 1.38, 2.18), LIGHT),
    "uneven_low": Curve(
        (-1.17, -0.68, -0.42, -0.21, -0.08, -0.03, -0.01), (-0.76, -0.89, -0.65, 0.0, -1.6, -1.6, -5.01), LIGHT
    ),
    "blue_share": Curve((0.0, 0.07, 0.16), (0.0, -1.06, -1.4), COLOUR),
    "red_green_spread": Curve(
        (-3.89, -3.13, -2.81, -2.24, -1.47, -0.7, -0.2), (-3.04, -0.97, 0.1, -0.0, 0.57, 0.72, -0.71), COLOUR
    ),
    "green_blue_spread": Curve(
        (-3.88, -3.37, -2.94, -2.24, -1.14, -0.45, -0.32), (0.26, 0.85, 1.06, -0.0, 1.98, 2.48, -1.05), COLOUR
    ),
    "red_green_uneven": Curve(
        (-4.57, -3.96, -3.36, -2.75, -2.09, -1.47, -0.53), (-1.87, 0.26, 0.02, -0.0, 0.51, 0.15, 0.58), COLOUR
    ),
    "green_blue_uneven": Curve(
        (-4.55, -3.9, -3.42, -2.83, -1.62, -1.14, -0.64), (-1.81, -0.86, 0.14, -0.0, -1.87, -1.09, -4.4), COLOUR
    ),
    "entropy": Curve(
        (0.27, 1.2, 2.04, 2.88, 3.41, 3.73, 3.84), (-3.04, -1.41, -0.47, 0.0, -0.06, -0.34, -4.07), LEVELS
    ),
    "still_share": Curve(
        (0.0, 0.01, 0.02, 0.04, 0.21, 0.5, 0.96), (-4.02, -2.51, -1.01, -0.01, 0.24, -0.08, -1.27), LEVELS
    ),
}
"""The curve of each feature, fitted to HRF, CHASE_DB1, ODIR-5K and phantoms against other pictures, as
``docs/reference/image-check.md`` tells."""

INTERCEPT = 7.75
"""Logarithm of the odds of a picture whose features are the medians of fundus photographs."""


def fundus_evidence(features: Mapping[str, float]) -> dict[str, float]:
    """Give the points of each feature for (above 0) and against (below 0) a fundus photograph.

    The curves are a generalised additive logistic model (Hastie & Tibshirani, Stat Sci 1986,
    doi:10.1214/ss/1177013604): the sum of all points and :data:`INTERCEPT` is the logarithm of the odds.

    Args:
        features: as :func:`image_features` gives them; NaN, a colour of a grey picture, gets no points.

    Returns:
        Points per key of :data:`EVIDENCE`.
    """
    return {
        name: 0.0 if np.isnan(features[name]) else float(np.interp(features[name], curve.values, curve.points))
        for name, curve in EVIDENCE.items()
    }


def check_fundus_image(image: ArrayLike, fov: ArrayLike, side_px: int) -> None:
    """Refuse what is not a fundus photograph.

    Args:
        image: (3, S, S) uint8 RGB, the square around the field of view.
        fov: (1, S, S) or (S, S), non-zero inside the field of view.
        side_px: side of that square in pixels of the photograph.

    Raises:
        NotAFundusImageError: if the picture is too small, constant, or unlike the fundus photographs on which the
            limits were set.
    """
    square = _square(image, fov)
    _check_image(square, side_px)
    _check_fundus(square)


def _check_image(square: _Square, side_px: int) -> None:
    if side_px < MIN_SIDE_PX:
        raise NotAFundusImageError(
            f"the picture is too small: its field of view is {side_px} pixels wide and at least {MIN_SIDE_PX} are "
            "needed. Give the photograph at its original size."
        )
    spread = float(square.luminance[square.inner].std())
    if spread < MIN_SPREAD:
        raise NotAFundusImageError(
            f"the picture is nearly constant: its brightness varies by {spread:.1f} of 255 and at least {MIN_SPREAD} "
            "is needed. Check that the right file was given and that it is exposed."
        )


def _check_fundus(square: _Square) -> None:
    points = fundus_evidence(_features(square))
    odds = INTERCEPT + sum(points.values())
    if odds < MIN_LOG_ODDS:
        lowest = sorted(points, key=points.__getitem__)
        reasons = list(dict.fromkeys(EVIDENCE[name].reason for name in lowest[:3]))
        raise NotAFundusImageError(
            f"this does not look like a fundus photograph: {'; '.join(reasons)}. Its score is {odds:.1f} and at least "
            f"{MIN_LOG_ODDS} is needed. Give a photograph of the retina; if it is one, switch the check off with "
            'expected "any".'
        )


def quality_warnings(image: ArrayLike, fov: ArrayLike, box: FieldOfViewBox) -> list[str]:
    """Say what in a fundus photograph may make its results less reliable.

    Everything is measured on a square of :data:`WORKING_SIZE_PX`, so that photographs of any size are judged alike.

    Args:
        image: (3, S, S) uint8 RGB, the square around the field of view.
        fov: (1, S, S) or (S, S), non-zero inside the field of view.
        box: that square on the photograph.

    Returns:
        Whole sentences, none for most photographs.
    """
    return _quality_warnings(_square(image, fov), box)


def _quality_warnings(square: _Square, box: FieldOfViewBox) -> list[str]:
    brightness = float(np.median(square.filled.max(axis=0)[square.inner]))
    brightest = float(np.percentile(square.luminance[square.inner], 90))
    thin, wide = (np.percentile(square.lines[px][:, ::2], 97, axis=1) for px in (THIN_PX, WIDEST_PX))
    contrast, sharpness = float(wide[2]), float(thin[0] / max(wide[0], 1e-6))
    offset = _off_centre(square.fov, box)
    warnings = {
        "The photograph is grey: the network learned from colour, and its probabilities of diseases are less reliable "
        "for red-free photographs and angiograms.": _is_grey(square),
        f"The photograph is dark: its median brightness is {brightness:.0f} of 255 and at least {MIN_BRIGHTNESS} is "
        "usual.": brightness < MIN_BRIGHTNESS,
        f"The photograph is overexposed: a tenth of it is brighter than {brightest:.0f} of 255 and at most "
        f"{OVEREXPOSED_LEVEL} is usual.": brightest > OVEREXPOSED_LEVEL,
        f"The photograph is hazy: its contrast is {contrast:.1%} and at least {MIN_CONTRAST:.0%} is usual.": contrast
        < MIN_CONTRAST,
        f"The photograph is blurred: its thin lines have {sharpness:.0%} of the contrast of its wide ones and at least "
        f"{MIN_SHARPNESS:.0%} is usual.": contrast >= MIN_CONTRAST and sharpness < MIN_SHARPNESS,
        f"The field of view is off-centre by {offset:.0%} of its diameter and at most {MAX_OFF_CENTRE:.0%} is usual: "
        "part of the retina may be missing.": offset > MAX_OFF_CENTRE,
        f"The photograph is small: its field of view is {box.side_px} pixels wide and at least {USUAL_SIDE_PX} are "
        "needed to show thin vessels.": box.side_px < USUAL_SIDE_PX,
    }
    return [sentence for sentence, applies in warnings.items() if applies]


def _off_centre(fov: NDArray[np.bool_], box: FieldOfViewBox) -> float:
    """Distance of the disc's centre, also where the frame cuts it, from the frame's centre, in diameters.

    A photograph that was cropped inside the disc shows no centre, and counts as centred.
    """
    circle, _ = _fit_circle(fov)
    side = WORKING_SIZE_PX
    if circle is None or not 0.4 * side < circle.radius < 0.75 * side:
        return 0.0
    x, y = (np.asarray(circle.center) + 0.5) / side * box.side_px
    from_middle = np.hypot(box.left_px + x - box.width_px / 2, box.top_px + y - box.height_px / 2)
    return float(from_middle / (2 * circle.radius / side * box.side_px))


EXPECTED = ("fundus", "any")
"""What a picture is expected to be: a fundus photograph, or any picture that is large enough and not constant."""


class CheckFundusImaged(Transform):
    """Refuses pictures that are no fundus photographs, and writes down what is wrong with the quality of the others.

    It stands after :class:`~vmnet_monai.transforms.CropToFieldOfViewd`.

    Args:
        expected: one of :data:`EXPECTED`. With ``"any"``, for skin photographs and OCT slices, only size and contrast
            are checked, and nothing is said about quality.
        image_key: the square around the field of view, (3, S, S) uint8 RGB.
        fov_key: its mask, (1, S, S), non-zero inside.
        box_key: where the square lies, an int64 tensor (5,) in the order of :class:`FieldOfViewBox`.
        warnings_key: where the warnings are written: one string, a sentence per line, empty where there is none.

    Raises:
        NotAFundusImageError: if the picture is refused.
        ValueError: if ``expected`` is unknown.
    """

    def __init__(
        self,
        expected: str = "fundus",
        image_key: str = "image",
        fov_key: str = "fov",
        box_key: str = "fov_box",
        warnings_key: str = "warnings",
    ) -> None:
        if expected not in EXPECTED:
            raise ValueError(f"expected must be one of {', '.join(EXPECTED)}, got {expected!r}.")
        self.expected = expected
        self.image_key, self.fov_key, self.box_key = image_key, fov_key, box_key
        self.warnings_key = warnings_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        box = FieldOfViewBox(*item[self.box_key].tolist())
        square = _square(item[self.image_key], item[self.fov_key])
        _check_image(square, box.side_px)
        item[self.warnings_key] = ""
        if self.expected == "fundus":
            _check_fundus(square)
            item[self.warnings_key] = "\n".join(_quality_warnings(square, box))
        return item
