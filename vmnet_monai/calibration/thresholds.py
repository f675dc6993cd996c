"""How thresholds are chosen on validation images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from vmnet_monai.metrics.disease import check_table
from vmnet_monai.metrics.segmentation import PROBABILITY_LEVELS, check_histogram

__all__ = ["DEFAULT_THRESHOLD", "best_dice_threshold", "best_threshold", "best_thresholds"]

DEFAULT_THRESHOLD = 0.5
"""Used where the labels give no reason for another."""


def best_threshold(probabilities: NDArray[np.floating], labels: NDArray[np.floating]) -> float:
    """Find the threshold with the highest Youden's J = sensitivity + specificity - 1.

    Youden, Cancer 1950, doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3. Candidates lie midway between
    neighbouring scores; of equals the lowest, the most sensitive, is taken. Choose it on validation photographs.

    Args:
        probabilities: (N,), 0 to 1.
        labels: (N,), 1 present, 0 absent, NaN unknown.

    Returns:
        A probability; 0.5 when a class is missing or no threshold separates the classes better than chance (J > 0).

    Raises:
        ValueError: when shapes differ, a probability is outside 0 to 1, or a label is not 1, 0 or NaN.
    """
    probabilities, labels = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    check_table(probabilities[:, np.newaxis], labels[:, np.newaxis])
    known = ~np.isnan(labels)
    probabilities, labels = probabilities[known], labels[known]
    pairs = (labels == 1).sum() * (labels == 0).sum()
    if not pairs:
        return DEFAULT_THRESHOLD
    false_positive_rate, sensitivity, scores = roc_curve(labels, probabilities, drop_intermediate=False)
    # Times the number of pairs, J is a whole number, so that equals are equal. Scores descend.
    youden = np.rint((sensitivity - false_positive_rate) * pairs)
    cut = int(np.flatnonzero(youden == youden.max())[-1])
    return float((scores[cut] + scores[cut + 1]) / 2) if youden[cut] > 0 else DEFAULT_THRESHOLD


def best_thresholds(probabilities: NDArray[np.floating], labels: NDArray[np.floating]) -> list[float]:
    """Find the :func:`best_threshold` of each column of (N, K) probabilities and labels."""
    check_table(np.asarray(probabilities), np.asarray(labels))
    return [best_threshold(p, y) for p, y in zip(np.transpose(probabilities), np.transpose(labels), strict=True)]


def best_dice_threshold(histogram: NDArray[np.int64]) -> float:
    """Find the threshold with the highest Dice over the pixels of a histogram, pooled as the histogram is.

    Where a range of thresholds gives the same highest Dice, the middle of the (lowest such) range, farthest from where
    it would fall. Choose it on training or validation photographs, never on those that are scored with it.

    Args:
        histogram: counts (2, 65536) of background and structure.

    Returns:
        A probability, 0 to 1, that falls on a 16-bit level.

    Raises:
        ValueError: when the histogram has another shape or holds no pixel of the structure.
    """
    check_histogram(histogram)
    structure_pixels = histogram[1].sum()
    if structure_pixels == 0:
        raise ValueError("a Dice threshold needs pixels of the structure, got none: add an image whose mask has some")
    fp, tp = np.cumsum(histogram[:, ::-1], axis=1)[:, ::-1]
    dice = 2 * tp / (tp + fp + structure_pixels)
    first = int(dice.argmax())
    lower = np.flatnonzero(dice[first:] < dice[first])
    last = first + int(lower[0]) - 1 if lower.size else PROBABILITY_LEVELS - 1
    return (first + last) // 2 / (PROBABILITY_LEVELS - 1)
