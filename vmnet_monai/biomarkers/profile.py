"""How wide vessels are at which distance from the optic disc."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vmnet_monai.biomarkers.eye import Disc
from vmnet_monai.biomarkers.tree import VesselTree

__all__ = ["RING_DIAMETERS", "WidthAt", "width_profile"]

RING_DIAMETERS = 0.25
"""Width of a ring around the disc, in disc diameters."""

LEAST_DIAMETERS = 1.5 * RING_DIAMETERS
"""Length of all centre lines in a ring, in disc diameters, below which it has no width: a single vessel that runs
straight across it would say little."""


class WidthAt(NamedTuple):
    """A point of a profile."""

    distance: float
    """From the disc's margin to the middle of a ring, in disc diameters."""
    width_um: float
    """Mean width in the ring, in microns."""


def width_profile(tree: VesselTree, disc: Disc, microns_per_px: float) -> list[WidthAt]:
    """Return the mean width of vessels in rings around the disc, each :data:`RING_DIAMETERS` wide.

    It is the mean along the centre lines that ``width_mean`` of :func:`~vmnet_monai.biomarkers.tree_measures` is. Rings
    with little vessel are left out.

    Args:
        tree: of the vessels of one type.
        disc: the optic disc, in pixels of the tree's mask, seen whole.
        microns_per_px: side of such a pixel.

    Example:
        >>> from vmnet_monai.biomarkers.tree import vessel_tree
        >>> vessel = np.zeros((200, 200), dtype=bool)
        >>> vessel[96:104, 20:180] = True  # to both sides of the disc
        >>> profile = width_profile(vessel_tree(vessel, np.ones_like(vessel)), Disc(100, 100, 40), 10.0)
        >>> profile[1].distance, round(profile[1].width_um)
        (0.375, 81)
    """
    radius = np.hypot(tree.points[:, 1] - disc.x, tree.points[:, 0] - disc.y) / disc.diameter
    is_outside = radius >= 0.5
    ring = ((radius[is_outside] - 0.5) / RING_DIAMETERS).astype(int)
    length = tree.length[is_outside]
    lengths = np.bincount(ring, length)
    areas = np.bincount(ring, length * tree.width[is_outside])
    needed = 2 * LEAST_DIAMETERS * disc.diameter  # both orientations of the tree have each vessel
    return [
        WidthAt((place + 0.5) * RING_DIAMETERS, float(areas[place] / lengths[place] * microns_per_px))
        for place in np.flatnonzero(lengths >= needed).tolist()
    ]
