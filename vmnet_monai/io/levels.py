"""The 16-bit levels in which probabilities are written, compared with thresholds and scored."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["PROBABILITY_LEVELS", "probability_levels"]

PROBABILITY_LEVELS = 65536
"""Probabilities are scored at the 16-bit resolution in which they are written to disk."""

BLOCK_PIXELS = 2**20
"""Probabilities that are rounded at once."""


def probability_levels(probability: ArrayLike) -> NDArray[np.uint16]:
    """Round probabilities to the 16-bit levels in which they are written and scored.

    Args:
        probability: one value or an array of any shape, 0 to 1.

    Returns:
        ``round(65535 * probability)``, uint16, of the same shape.

    Raises:
        ValueError: when a value is outside 0 to 1 or NaN.
    """
    values = np.asarray(probability)
    # Written so that NaN fails it too.
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"probabilities and thresholds must lie within 0 to 1, got {values.min()} to {values.max()}: "
            "apply the sigmoid to logits, divide integer levels by their maximum"
        )
    flat = values.ravel()
    levels = np.empty(flat.size, dtype=np.uint16)
    for start in range(0, flat.size, BLOCK_PIXELS):  # in float64 60 megapixels would take gigabytes
        block = slice(start, start + BLOCK_PIXELS)
        levels[block] = np.rint(flat[block] * np.float64(PROBABILITY_LEVELS - 1))
    return levels.reshape(values.shape)
