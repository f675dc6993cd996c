"""Central retinal equivalents of the same masks by this package and by PVBM (Fhima et al., 2022, arXiv:2208.00392).

PVBM's measures of calibre need none of its requirements that are not installed with this package:

    pip install --no-deps pvbm==3.0.1.8
    python tests/benchmarks/pvbm_calibres.py --dataset_dir data/HRF --landmarks data/landmarks.csv
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import NamedTuple

import fire
import numpy as np
import torch
from numpy.typing import NDArray
from PVBM.CentralRetinalAnalysis import CREVBMs
from scipy import ndimage
from skimage.morphology import skeletonize

from vmnet_monai.biomarkers.calibre import calibres, central_equivalent, zone_widths
from vmnet_monai.biomarkers.tree import vessel_tree
from vmnet_monai.datasets import hrf
from vmnet_monai.datasets.landmarks import add_landmarks
from vmnet_monai.io.images import read_mask
from vmnet_monai.metrics.comparison import markdown_table
from vmnet_monai.transforms.field_of_view import crop_to_box, field_of_view_box

GRID_PX = 900
"""Side of the grid on which this package measures."""

DRAWN_WIDTHS = {"artery": (9.0, 10.5, 11.2, 12.4, 13.3, 15.1), "vein": (12.2, 13.7, 14.5, 16.1, 17.4, 19.6)}
"""Of the straight vessels of the drawn eye, in pixels of the photograph."""

Mask = NDArray[np.bool_]


class Masks(NamedTuple):
    """The masks of a photograph, (H, W) bool."""

    artery: Mask
    vein: Mask
    fov: Mask
    disc: Mask


class Equivalents(NamedTuple):
    """Knudtson's equivalents in pixels of the photograph, and the vessels that were found; NaN where there is none."""

    artery: float
    vein: float
    arteries: int
    veins: int

    def cells(self) -> list[str]:
        ratio = self.artery / self.vein
        return [f"{self.artery:.2f}", f"{self.vein:.2f}", f"{ratio:.3f}", f"{self.arteries}, {self.veins}"]


def pvbm_calibres(dataset_dir: str, landmarks: str, every: int = 7) -> str:
    """Compare the equivalents in zone B, half to one disc diameter from the disc's margin.

    The first row is a drawn eye of six straight arteries and veins, for which the equivalents are known.

    Args:
        dataset_dir: HRF with its folder ``av``.
        landmarks: table of the optic discs.
        every: the first photograph is measured and each n-th after it.

    Returns:
        A Markdown table of CRAE and CRVE in pixels of the photograph, AVR, and how many arterioles and venules were
        found; the last row has the mean ratios, over the photographs, of this package's values to PVBM's.
    """
    sys.setrecursionlimit(10_000)  # PVBM calls itself once per pixel of a vessel
    artery = central_equivalent(DRAWN_WIDTHS["artery"], "artery", "knudtson")
    vein = central_equivalent(DRAWN_WIDTHS["vein"], "vein", "knudtson")
    rows = [["drawn: the truth", *Equivalents(artery or math.nan, vein or math.nan, 6, 6).cells(), *[""] * 4]]
    ratios = []
    for name, masks in _photographs(dataset_dir, landmarks, every):
        here, there = measured_here(masks), measured_by_pvbm(masks)
        rows.append([name, *here.cells(), *there.cells()])
        ratios.append([here.artery / there.artery, here.vein / there.vein])
    wider = np.array(ratios[1:])  # the photographs'
    means = [
        f"{np.nanmean(each):.3f} ({np.nanstd(each, ddof=1):.3f})" for each in (*wider.T, wider[:, 0] / wider[:, 1])
    ]
    rows.append(["photographs: ratio to PVBM's, mean (SD)", *means, *[""] * 5])
    names = ("CRAE", "CRVE", "AVR", "vessels")
    return markdown_table(["", *names, *(f"PVBM's {name}" for name in names)], rows)


def _photographs(dataset_dir: str, landmarks: str, every: int) -> Iterator[tuple[str, Masks]]:
    yield "drawn", drawn_eye()
    for item in add_landmarks(hrf.read(dataset_dir, []), landmarks, hrf.NAME)[::every]:
        masks = (read_mask(item[key]) for key in Masks._fields)
        yield item["id"], Masks(*masks)


def drawn_eye() -> Masks:
    """Draw vessels that leave a disc straight to all sides, arteries and veins by turns."""
    rows, columns = np.mgrid[:1200, :1200] - 600.3
    distance = np.hypot(rows, columns)
    vessels = {}
    for start, (kind, widths) in enumerate(DRAWN_WIDTHS.items()):
        vessel = np.zeros(rows.shape, dtype=bool)
        for turn, width in enumerate(widths):
            angle = math.radians(7 + 30 * (2 * turn + start))
            along = columns * math.cos(angle) + rows * math.sin(angle)
            across = rows * math.cos(angle) - columns * math.sin(angle)
            vessel |= (along > 100) & (np.abs(across) <= width / 2)
        vessels[kind] = vessel & (distance < 560)
    return Masks(vessels["artery"], vessels["vein"], distance < 590, distance < 90)


def _disc(mask: Mask) -> tuple[float, float, float]:
    """Centre, x and y, and diameter of the circle of the disc's area."""
    y, x = ndimage.center_of_mass(mask)
    return float(x), float(y), 2 * math.sqrt(mask.sum() / math.pi)


def measured_here(masks: Masks) -> Equivalents:
    """Measure on the grid, as the package does."""
    box = field_of_view_box(masks.fov)
    artery, vein, inside = (
        crop_to_box(torch.from_numpy(mask)[None], box, GRID_PX)[0].clamp(0, 1).numpy() for mask in masks[:3]
    )
    fov = inside >= 0.5
    scale = box.side_px / GRID_PX
    x, y, diameter = _disc(masks.disc)
    centre = (x + 0.5 - box.left_px) / scale - 0.5, (y + 0.5 - box.top_px) / scale - 0.5
    rows, columns = np.ogrid[:GRID_PX, :GRID_PX]
    radius = np.hypot(rows - centre[1], columns - centre[0]) / (diameter / scale)
    zone = (radius > 1) & (radius <= 1.5) & fov
    trees = ((soft, vessel_tree(soft >= 0.5, fov)) for soft in (artery, vein))
    arteries, veins = (
        [widths for turn in (0, 1) for widths in zone_widths(tree.paths(turn), soft, zone, centre)]
        for soft, tree in trees
    )
    found = calibres(arteries, veins, scale=scale)
    return Equivalents(found.crae or math.nan, found.crve or math.nan, found.arterioles, found.venules)


def measured_by_pvbm(masks: Masks) -> Equivalents:
    """Measure on the photograph's pixels, as PVBM's example does; what is beyond the zones is cut off to save time."""
    x, y, diameter = _disc(masks.disc)
    reach = int(1.5 * diameter) + 30
    top, left = max(0, round(y) - reach), max(0, round(x) - reach)
    window = np.s_[top : round(y) + reach, left : round(x) + reach]
    radius = round(diameter / 2)
    rows, columns = np.ogrid[window]
    distance = np.hypot(rows - y, columns - x)
    zones = np.dstack([255.0 * (distance <= times * radius) for times in (2, 1, 3)])
    measure = CREVBMs()
    equivalents, counts = [], []
    for mask, is_artery, key in ((masks.artery, True, "craek"), (masks.vein, False, "crvek")):
        # The skeleton is that of the whole mask: the window's edge would bend it.
        segmentation, skeleton = measure.apply_roi(1.0 * mask[window], 1.0 * skeletonize(mask)[window], zones)
        values, vessels = measure.compute_central_retinal_equivalents(
            segmentation, skeleton, round(x) - left, round(y) - top, radius, artery=is_artery
        )
        equivalents.append(float(values[key]) if vessels else math.nan)
        counts.append(len(vessels or []))
    return Equivalents(*equivalents, *counts)


if __name__ == "__main__":
    fire.Fire(pvbm_calibres)
