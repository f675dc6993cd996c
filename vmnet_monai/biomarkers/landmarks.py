"""Optic disc and fovea as points, and which eye they tell."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from vmnet_monai.biomarkers.graph import EIGHT_NEIGHBOURS

__all__ = ["Landmark", "centre_scores", "laterality", "locate", "main_region"]


class Landmark(NamedTuple):
    """A point of the retina.

    Attributes:
        x: column in pixels; the centre of the upper left pixel is 0.
        y: row in pixels, likewise.
        confidence: the highest probability of the structure's map, 0 to 1.
        diameter: of the circle with the area of the region that the point is the centre of, in pixels.
    """

    x: float
    y: float
    confidence: float
    diameter: float


def locate(probabilities: ArrayLike) -> Landmark | None:
    """Find the centre of a structure that an eye has once, such as the optic disc, in its map.

    The centre is that of the probabilities (their first moments) in :func:`main_region`: other regions, far from it, do
    not move it.

    Args:
        probabilities: (H, W), 0 to 1; 0 outside the field of view.

    Returns:
        The centre; None where the map is zero.

    Raises:
        ValueError: if the map has not two dimensions, or a value outside 0 to 1.

    Example:
        >>> disc = np.zeros((20, 30))
        >>> disc[5:10, 12:17] = 0.75
        >>> landmark = locate(disc)
        >>> landmark.x, landmark.y, landmark.confidence
        (14.0, 7.0, 0.75)
    """
    values = np.asarray(probabilities, dtype=np.float64)
    if values.ndim != 2 or not np.all((values >= 0) & (values <= 1)):
        raise ValueError(
            f"probabilities must be a map (H, W) of values within 0 to 1, got shape {values.shape}: apply the sigmoid "
            "to logits, and give one structure."
        )
    highest = float(values.max(initial=0.0))
    if highest == 0:
        return None
    region = main_region(values)
    y, x = np.average(np.nonzero(region), axis=1, weights=values[region])
    return Landmark(float(x), float(y), highest, 2 * float(np.sqrt(region.sum() / np.pi)))


def main_region(probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the region around the highest probability where the map is at least half as high.

    Of several that are as high, such as the parts of a mask, it is the largest.

    Args:
        probabilities: (H, W), 0 to 1, not all 0.

    Returns:
        (H, W) bool.
    """
    highest = probabilities.max()
    is_high = probabilities >= highest / 2
    (box,) = ndimage.find_objects(is_high.view(np.uint8))
    regions, _ = ndimage.label(is_high[box], structure=EIGHT_NEIGHBOURS)
    sizes = np.bincount(regions.ravel())
    reached = np.unique(regions[probabilities[box] == highest])
    main = np.zeros_like(is_high)
    main[box] = regions == reached[sizes[reached].argmax()]
    return main


def centre_scores(probabilities: ArrayLike, reference: NDArray[np.bool_]) -> dict[str, float]:
    """Score how far the centre of a structure is found from where the reference has it.

    Args:
        probabilities: (H, W), 0 to 1, as for :func:`locate`.
        reference: mask (H, W), boolean; its centre is the mean of its pixels, its diameter that of the circle of its
            area.

    Returns:
        ``centre_distance_diameters``, in diameters of the reference, and ``centre_within_half_diameter``, 1 or 0, whose
        mean is the fraction of images where it is; NaN where the reference is empty. A centre that is not found has no
        distance, NaN, and is not within.

    Raises:
        ValueError: as :func:`locate`.
    """
    if not reference.any():
        return dict.fromkeys(("centre_distance_diameters", "centre_within_half_diameter"), float("nan"))
    y, x = (float(places.mean()) for places in np.nonzero(reference))
    found = locate(probabilities)
    distance = np.nan if found is None else np.hypot(found.x - x, found.y - y)
    diameters = float(distance / (2 * np.sqrt(reference.sum() / np.pi)))
    return {"centre_distance_diameters": diameters, "centre_within_half_diameter": float(diameters <= 0.5)}


def laterality(disc: Landmark | None, fovea: Landmark | None, min_confidence: float = 0.5) -> str | None:
    """Tell which eye a photograph shows, as it is seen from in front: the right eye's disc lies right of its fovea.

    Args:
        disc: centre of the optic disc.
        fovea: centre of the fovea.
        min_confidence: least confidence of both.

    Returns:
        ``"right"`` or ``"left"``; None where a landmark is missing or less sure, or the two are closer to each other
        than one disc diameter or lie more above each other than side by side: the fovea lies about two and a half disc
        diameters beside the disc and less than one below its centre.

    Example:
        >>> laterality(Landmark(700, 400, 0.9, 90), Landmark(450, 430, 0.8, 90))
        'right'
    """
    if disc is None or fovea is None or min(disc.confidence, fovea.confidence) < min_confidence:
        return None
    across, down = disc.x - fovea.x, disc.y - fovea.y
    if np.hypot(across, down) < disc.diameter or abs(across) <= abs(down):
        return None
    return "right" if across > 0 else "left"
