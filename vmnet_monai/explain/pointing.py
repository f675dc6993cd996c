"""Measures of whether a heat map lies where the lesions are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

__all__ = ["energy_fraction", "pointing_hit", "widen"]


def widen(mask: NDArray[np.bool_], tolerance_px: float) -> NDArray[np.bool_]:
    """Add to a mask every pixel whose centre is at most this far from one of the mask's.

    Args:
        mask: (H, W) bool.
        tolerance_px: not negative.

    Returns:
        (H, W) bool.
    """
    if not mask.any():
        return mask.copy()
    widened: NDArray[np.bool_] = distance_transform_edt(~mask) <= tolerance_px
    return widened


def pointing_hit(heat: NDArray[np.floating], lesions: NDArray[np.bool_]) -> float:
    """Tell whether the maximum of a heat map lies in a lesion: the pointing game.

    Zhang et al., IJCV 2018, doi 10.1007/s11263-017-1059-x. The game allows a tolerance around the object, see
    :func:`widen`. A map that is nowhere positive points nowhere, which is a miss.

    Args:
        heat: (H, W), not negative.
        lesions: (H, W) bool.

    Returns:
        1 for a hit, 0 for a miss; where several pixels have the maximum, the fraction of them that hits.
    """
    if not heat.any():
        return 0.0
    return float(lesions[heat == heat.max()].mean())


def energy_fraction(heat: NDArray[np.floating], lesions: NDArray[np.bool_]) -> float:
    """Compute the fraction of a heat map's sum that lies in lesions: the energy-based pointing game.

    ``sum(heat inside lesions) / sum(heat)``, Wang et al., "Score-CAM", CVPRW 2020, arXiv 1910.01279. A map that is
    spread evenly over a region gives the fraction of the region that the lesions cover; one that is nowhere positive
    gives 0.

    Args:
        heat: (H, W), not negative.
        lesions: (H, W) bool.

    Returns:
        A value in [0, 1].
    """
    total = heat.sum(dtype=np.float64)
    return float(heat[lesions].sum(dtype=np.float64) / total) if total > 0 else 0.0
