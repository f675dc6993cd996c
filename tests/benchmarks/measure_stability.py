r"""How far rotation, another grid and mirroring move the measures of vessel trees, on masks by hand.

    python tests/benchmarks/measure_stability.py --data data --landmarks data/landmarks.csv

``data`` holds the folders ``HRF``, with ``av``, and ``CHASEDB1``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import fire
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from vmnet_monai.biomarkers.eye import Disc, Eye
from vmnet_monai.biomarkers.landmarks import Landmark, locate
from vmnet_monai.biomarkers.measures import field_of_view_diameter
from vmnet_monai.biomarkers.regions import find_regions
from vmnet_monai.biomarkers.tree import crossings, fractal_dimensions, tree_measures, vessel_tree
from vmnet_monai.datasets.catalogue import read_datasets
from vmnet_monai.metrics.comparison import markdown_table
from vmnet_monai.transforms.preprocessing import chain, load_and_crop

Mask = NDArray[np.bool_]
Row = tuple[str, str, str, str, str, float]
"""Photograph, vessels, region, measure, alteration and value."""

NAMES = ("01_dr", "03_g", "05_h", "08_dr", "12_h", "Image_01L", "Image_04R", "Image_08L", "Image_12R")
"""Those of docs/reference/measures.md."""

ANGLES = (7, 15, 30, 45, 61, 83)
LOADED_PX = 1800
"""Pixels across the field of view of the masks that are altered."""

GRID_PX, OTHER_GRID_PX = 900, 1080
LEVEL = 0.3
"""At which the altered smooth map is cut: the width of the vessels stays about the same."""

VESSELS = ("vessel", "artery", "vein")


def stability(data: str, landmarks: str, names: Sequence[str] = NAMES, angles: Sequence[int] = ANGLES) -> str:
    """Alter masks and measure them.

    Args:
        data: folder that holds HRF and CHASEDB1.
        landmarks: table of optic discs.
        names: photographs, without suffix.
        angles: of rotation, in degrees.

    Returns:
        A Markdown table with a row for each measure: the largest change, and in brackets its median over the masks, by
        rotation and by the other grid, in the whole field of view and in the zones and quadrants about the disc; and
        by mirroring, in the whole field of view.
    """
    photographs = _photographs(data, landmarks, names)
    return _table([row for name, masks in photographs for row in _measured(name, masks, angles)])


def _table(rows: list[Row]) -> str:
    table = pd.DataFrame(rows, columns=["photograph", "vessels", "region", "measure", "alteration", "value"])
    values = table.pivot_table(
        index=["measure", "region", "vessels", "photograph"], columns="alteration", values="value", sort=False
    )
    changes = 100 * (values.div(values["none"], axis=0) - 1).abs().drop(columns="none")
    changes = pd.DataFrame(
        {
            "rotation": changes.filter(like="degrees").max(axis=1),
            "grid": changes["grid"],
            "mirror": changes["mirror"],
        }
    ).replace(np.inf, np.nan)  # from none to some
    worst, usual = (getattr(changes.groupby(["measure", "region"], sort=False), how)() for how in ("max", "median"))
    regions = list(dict.fromkeys(worst.index.get_level_values("region")))
    header = ["measure", *(f"{region}: {kind}" for region in regions for kind in ("rotation", "grid")), "mirror"]
    body = []
    for measure in dict.fromkeys(worst.index.get_level_values("measure")):
        cells = [
            f"{worst.loc[(measure, region), kind]:.1f} ({usual.loc[(measure, region), kind]:.1f})"
            if (measure, region) in worst.index
            else ""
            for region in regions
            for kind in ("rotation", "grid")
        ]
        body.append([f"`{measure}`", *cells, f"{worst.loc[(measure, 'field'), 'mirror']:.1f}"])
    return markdown_table(header, body)


def _photographs(data: str, landmarks: str, names: Sequence[str]) -> Iterator[tuple[str, dict[str, Mask]]]:
    """Yield name and masks of each photograph, cropped to the field of view."""
    folders = [str(Path(data) / name) for name in ("HRF", "CHASEDB1")]
    items = read_datasets(["hrf", "chasedb1"], folders, diseases=[], landmarks=landmarks)
    for item in items:
        name = Path(item["image"]).stem
        if name in names:
            keys = [key for key in (*VESSELS, "disc") if key in item]
            loaded: Any = chain([load_and_crop(keys, LOADED_PX)])(dict(item))
            yield name, {key: np.asarray(loaded[key][0]) >= 128 for key in [*keys, "fov"]}


def _measured(name: str, masks: dict[str, Mask], angles: Sequence[int]) -> Iterator[Row]:
    diameter = field_of_view_diameter(masks["fov"])
    smooth = {key: ndimage.gaussian_filter(mask.astype(np.float32), diameter / GRID_PX) for key, mask in masks.items()}
    alterations = {"none": (0, GRID_PX)} | {f"{angle} degrees": (angle, GRID_PX) for angle in angles}
    for alteration, (angle, grid) in (alterations | {"grid": (0, OTHER_GRID_PX), "mirror": (0, GRID_PX)}).items():
        altered = {key: _turned(values, angle, grid / diameter) > LEVEL for key, values in smooth.items()}
        if alteration == "mirror":
            altered = {key: mask[:, ::-1] for key, mask in altered.items()}
        for vessels, region, measures in _measures(altered, grid):
            for measure, value in measures.items():
                if value is not None:
                    yield name, vessels, region, measure, alteration, value


def _turned(values: NDArray[np.float32], angle: float, scale: float) -> NDArray[np.float32]:
    turn = np.deg2rad(angle)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) / scale
    size = np.array(values.shape)
    new_size = np.ceil(np.abs(matrix) @ size * scale**2).astype(int) + 2
    origin = (size - 1) / 2 - matrix @ (new_size - 1) / 2
    return ndimage.affine_transform(values, matrix, origin, tuple(new_size), order=1)


def _measures(masks: dict[str, Mask], grid: float) -> Iterator[tuple[str, str, dict[str, float | None]]]:
    """Yield vessels, region and the measures, those with a unit of length in diameters of the field of view."""
    trees = {key: vessel_tree(masks[key], masks["fov"]) for key in VESSELS if key in masks}
    disc = locate(masks["disc"])
    for region, inside in _regions(masks["fov"], disc).items() if disc is not None else ():
        for key, tree in trees.items():
            measures = tree_measures(tree, inside) | (fractal_dimensions(tree) if region == "field" else {})
            powers = {"length_density": 1, "tortuosity_curvature": 1, "width_mean": -1, "width_largest": -1}
            yield (
                key,
                region,
                {
                    name: None if value is None else value * grid ** powers.get(name, 0)
                    for name, value in measures.items()
                },
            )
        if "artery" in trees:
            yield "", region, {"crossings": crossings(trees["artery"], trees["vein"], inside)}


def _regions(fov: Mask, disc: Landmark) -> dict[str, Mask]:
    """Return zones about the disc, and quadrants whose axis is the line from the disc to the middle of the field."""
    y, x = np.indices(fov.shape)
    middle_y, middle_x = ndimage.center_of_mass(fov)
    turn = np.arctan2(middle_y - disc.y, middle_x - disc.x)
    angle = np.mod(np.arctan2(y - disc.y, x - disc.x) - turn, 2 * np.pi)
    found = find_regions(Eye(Disc(disc.x, disc.y, disc.diameter), None), fov)
    return {
        **{name: found[name].mask for name in ("field", "zone_b", "zone_c")},
        "temporal_quadrant": fov & (angle < np.pi / 2),
        "other_temporal_quadrant": fov & (angle >= 3 * np.pi / 2),
    }


if __name__ == "__main__":
    fire.Fire(stability)
