"""What is measured of an image to tell a fundus photograph from other images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vmnet_monai.quality.colours import colour_freedom, line_redness
from vmnet_monai.quality.square import DARK_OFFSET, SCALES_PX, THIN_PX, WIDE_PX, WORKING_SIZE_PX, WorkingSquare
from vmnet_monai.quality.square import luminance as luminance_of

__all__ = ["FEATURES", "image_features"]

COLOUR_FEATURES = (
    *("blue_fraction", "red_green_spread", "green_blue_spread"),
    *("red_green_uneven", "green_blue_uneven"),
    *("colour_freedom", "line_redness"),
)
"""Features that a grey photograph, legal as any other, does not have."""

FEATURES: dict[str, str] = {
    "outline": "its outline is no disc",
    "rim": "its field of view does not end as sharply as a camera's aperture",
    "surround": "the surround of its disc is not black",
    **dict.fromkeys(("band_2px", "band_4px", "band_8px"), "its contrast is too strong or too weak"),
    **dict.fromkeys(
        ("skew_2px", "tail_2px", "skew_4px", "tail_4px", "skew_8px", "tail_8px"),
        "its bright and dark details are not those of a retina",
    ),
    **dict.fromkeys(
        (
            *("dark_lines_3px", "dark_to_bright_3px", "dark_to_step_3px", "bright_to_step_3px", "dark_tail_3px"),
            *("dark_lines_5px", "dark_to_bright_5px", "dark_to_step_5px", "bright_to_step_5px", "dark_tail_5px"),
        ),
        "it does not show dark vessels as a retina does",
    ),
    **dict.fromkeys(
        ("steps_3px", "steps_5px"), "it has sharp outlines as objects and letters have, or no details at all"
    ),
    **dict.fromkeys(("shading", "uneven_skew", "uneven_high", "uneven_low"), "its light does not fall as on a retina"),
    **dict.fromkeys(COLOUR_FEATURES, "its colours do not vary as those of a retina do"),
    "line_redness": "its dark lines are not those of a retina, which are darker in green than in red",
    **dict.fromkeys(("entropy", "flat_fraction"), "its brightness is not distributed as in a photograph of a retina"),
}
"""Each feature, and what is said of an image in which it speaks against a fundus photograph."""


def image_features(square: WorkingSquare) -> dict[str, float]:
    """Measure what tells a fundus photograph from other images.

    Args:
        square: the image, ``WorkingSquare.of(image, fov)``.

    Returns:
        A value per key of :data:`FEATURES`; those of :data:`COLOUR_FEATURES` are NaN where the image is grey.
    """
    return _outline(square) | _texture(square) | _lines(square) | _shading(square) | _colour(square) | _levels(square)


def _outline(square: WorkingSquare) -> dict[str, float]:
    """How well the field of view is a disc, cut by straight edges or not, and how abruptly it ends."""
    fov, depth, outline = square.fov, square.depth, square.outline.error
    away = ndimage.distance_transform_edt(~fov) if not fov.all() else np.zeros(fov.shape)
    if (away > 0).mean() < 0.02:
        return {"outline": outline, "rim": 1.0, "surround": 0.0}
    frame = np.ones_like(fov)
    frame[12:-12, 12:-12] = False
    luminance = np.where(frame & fov, np.nan, luminance_of(square.rgb))

    def level(ring: NDArray[np.bool_]) -> float:
        values = luminance[ring]
        values = values[np.isfinite(values)]
        return float(np.median(values)) if values.size else 0.0

    step = level((depth > 0) & (depth <= 3)) - level((away > 0) & (away <= 3))
    inside, outside = level((depth > 5) & (depth <= 10)), level((away > 4) & (away <= 9))
    rim = float(np.clip(step / (abs(inside - outside) + 3), -1, 2))
    return {"outline": outline, "rim": rim, "surround": float(np.clip(outside / (inside + 3), 0, 3))}


def _texture(square: WorkingSquare) -> dict[str, float]:
    """Strength, skewness and tails of the contrast in bands of an octave."""
    features: dict[str, float] = {}
    for fine, coarse, scale in zip(square.contrasts[:-1], square.contrasts[1:], SCALES_PX[1:], strict=True):
        band = (fine - coarse)[square.inner]
        spread = float(band.std()) + 1e-4
        typical, extreme = np.percentile(np.abs(band[::3]), [50, 99])
        features |= {
            f"band_{scale}px": float(np.log(spread)),
            f"skew_{scale}px": float(np.clip(((band - band.mean()) ** 3).mean() / spread**3, -4, 4)),
            f"tail_{scale}px": float(np.log((extreme + 2e-4) / (typical + 2e-4))),
        }
    return features


def _lines(square: WorkingSquare) -> dict[str, float]:
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


def _shading(square: WorkingSquare) -> dict[str, float]:
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


def _quadratic_residual(values: NDArray[np.floating], inner: NDArray[np.bool_]) -> NDArray[np.floating]:
    """What remains of every fourth inner pixel of (N, N) after the quadratic surface that fits best."""
    y, x = (np.argwhere(inner)[::4] / WORKING_SIZE_PX * 2 - 1).T
    terms = np.column_stack([np.ones_like(x), x, y, x * x, x * y, y * y])
    sample = values[inner][::4]
    residual: NDArray[np.floating] = sample - terms @ np.linalg.lstsq(terms, sample, rcond=None)[0]
    return residual


def _colour(square: WorkingSquare) -> dict[str, float]:
    """How the ratios of the channels vary, and how much of the image is blue; the hue itself is not judged."""
    if square.is_grey:
        return dict.fromkeys(COLOUR_FEATURES, float("nan"))
    red_green, green_blue = square.colour_ratios
    one, other = red_green[square.inner], green_blue[square.inner]
    return {
        "blue_fraction": float((one + other < -0.1).mean()),
        "red_green_spread": float(np.log(one.std() + 0.02)),
        "green_blue_spread": float(np.log(other.std() + 0.02)),
        "red_green_uneven": float(np.log(_quadratic_residual(red_green, square.inner).std() + 0.01)),
        "green_blue_uneven": float(np.log(_quadratic_residual(green_blue, square.inner).std() + 0.01)),
        "colour_freedom": colour_freedom(square),
        "line_redness": line_redness(square),
    }


def _levels(square: WorkingSquare) -> dict[str, float]:
    """How the brightness is distributed, as in drawings and printed pages or not."""
    values = square.luminance[square.inner]
    fraction = np.histogram(values, 64, (0, 256))[0] / values.size
    down = np.abs(np.diff(square.luminance, axis=0))[square.inner[1:]]
    return {
        "entropy": float(-(fraction * np.log(fraction + 1e-9)).sum()),
        "flat_fraction": float((down < 0.05).mean()),
    }
