"""What the colours of a retina tell without any fit: which channel is which, and whether they are its own.

Haemoglobin and melanin absorb blue light most and red light least, so a retina under white light is brightest in red
and darkest in blue, and its vessels stand out in green and hardly in red. Hairs are dark in every channel. A colour map
shows a grey image: its colours say nothing that its brightness does not.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from vmnet_monai.quality.square import DARK_OFFSET, NEIGHBOURHOOD_PX, WIDE_PX, WorkingSquare
from vmnet_monai.quality.square import luminance as luminance_of

__all__ = ["channel_medians", "channel_ratios", "colour_freedom", "line_redness"]

LEVELS = 40
"""Classes of brightness, each of as many pixels, within which the colours are compared."""

DARKER_FRACTION = 0.4
"""Fraction of the pixels, the darkest, whose colours are compared: a bright area that is no retina, as bare sclera or
opaque fibres, may cover a third of the field of view and has a colour of its own."""

DARKEST_LINES_PERCENTILE = 95
"""The darkest lines are those of a response above this percentile."""


def channel_medians(square: WorkingSquare) -> tuple[float, float, float]:
    """Medians of red, green and blue inside the rim, 0 to 255."""
    red, green, blue = (float(np.median(channel[square.inner])) for channel in square.filled)
    return red, green, blue


def channel_ratios(square: WorkingSquare) -> tuple[float, float]:
    """Logarithms of the medians' ratios, red over green and green over blue: above 0 for a retina under white light."""
    red, green, blue = np.log(np.array(channel_medians(square)) + DARK_OFFSET)
    return float(red - green), float(green - blue)


def colour_freedom(square: WorkingSquare) -> float:
    """How freely the colours vary where the brightness is the same: 0 for a colour map, 1 at most.

    The standard deviations of the logarithms of red over green and of green over blue within classes of the same
    brightness, both combined and divided by those of all classes together; of the darker pixels only.
    """
    smooth = ndimage.gaussian_filter(square.filled, (0, 2, 2), truncate=3)
    red, green, blue = np.log(smooth + DARK_OFFSET)[:, square.inner]
    order = np.argsort(luminance_of(smooth)[square.inner])
    each = max(1, int(DARKER_FRACTION * len(order)) // LEVELS)
    classes = order[: LEVELS * each].reshape(-1, each)
    ratios = (red - green, green - blue)
    within = np.hypot(*(ratio[classes].std(axis=1).mean() for ratio in ratios))
    overall = np.hypot(*(ratio[classes].std() for ratio in ratios))
    return float(within / max(overall, 1e-3))


def line_redness(square: WorkingSquare) -> float:
    """How dark the darkest lines are in red, relative to green: about a third for vessels, 1 for hairs; -0.5 to 1.5."""
    red_green = square.filled[:2]
    local = ndimage.gaussian_filter(red_green, (0, NEIGHBOURHOOD_PX, NEIGHBOURHOOD_PX), truncate=3)
    contrast = ndimage.gaussian_filter((red_green - local) / (local + DARK_OFFSET), (0, 1, 1), truncate=3)
    dark = square.lines[WIDE_PX][0]
    red, green = contrast[:, square.inner][:, dark >= np.percentile(dark, DARKEST_LINES_PERCENTILE)].mean(axis=1)
    return float(np.clip(red / min(green, -0.005), -0.5, 1.5))
