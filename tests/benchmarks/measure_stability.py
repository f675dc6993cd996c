r"""How far rotation, another grid and mirroring move the measures, on masks by hand.

    python tests/benchmarks/measure_stability.py --data data --landmarks data/landmarks.csv
    python tests/tools/measures_page.py --update

``data`` holds the folders ``HRF``, with ``av``, and ``CHASEDB1``. By the file that is written
``vmnet_monai.biomarkers.reliability`` cautions readers, and the second command makes the tables of the documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import fire
import numpy as np
import pandas as pd
from measure_repeatability import MEASURES
from numpy.typing import NDArray
from scipy import ndimage
from tqdm import tqdm

from vmnet_monai.biomarkers import reliability
from vmnet_monai.biomarkers.definitions import Key
from vmnet_monai.biomarkers.measures import field_of_view_diameter
from vmnet_monai.biomarkers.photograph import MAPS, centred
from vmnet_monai.biomarkers.reliability import Stability, write_reliability
from vmnet_monai.biomarkers.tidy import Grid, measure
from vmnet_monai.datasets.catalogue import read_datasets
from vmnet_monai.transforms.preprocessing import chain, load_and_crop

Mask = NDArray[np.bool_]
Row = tuple[Key, str, str, float]
"""What is measured, photograph, alteration and value."""

NAMES = ("01_dr", "03_g", "05_h", "08_dr", "12_h", "Image_01L", "Image_04R", "Image_08L", "Image_12R")

ANGLES = (7, 15, 30, 45, 61, 83)
"""Of rotation, in degrees. From 45 on disc and fovea do not tell the eye, and the quadrants are not measured."""

LOADED_PX = 1800
"""Pixels across the field of view of the masks that are altered."""

GRID_PX, OTHER_GRID_PX = 900, 1080
LEVEL = 0.3
"""At which the altered smooth map is cut: the width of the vessels stays about the same."""

OUTPUT = Path(reliability.__file__).parent / "stability.json"


def stability(
    data: str,
    landmarks: str,
    names: Sequence[str] = NAMES,
    angles: Sequence[int] = ANGLES,
    output: str | Path = OUTPUT,
) -> dict[str, Any]:
    """Alter masks, measure them, and write how far the values move.

    Args:
        data: folder that holds HRF and CHASEDB1.
        landmarks: table of optic discs and foveas.
        names: photographs, without suffix.
        angles: of rotation, in degrees.
        output: the file, see :func:`vmnet_monai.biomarkers.reliability.write_reliability`.

    Returns:
        On which photographs they were measured.
    """
    photographs = dict(_photographs(data, landmarks, names))
    rows = [row for name, masks in tqdm(photographs.items()) for row in measured(name, masks, angles)]
    measured_on = {"photographs": list(photographs), "angles": list(angles), "grids": [GRID_PX, OTHER_GRID_PX]}
    write_reliability(output, measured_on, moved(rows))
    return measured_on


def moved(rows: Sequence[Row]) -> dict[Key, Stability]:
    """Say how far the alterations move each value; what was not measured on a mask, or is 0 there, does not count.

    Args:
        rows: of :func:`measured`, of all photographs.
    """
    table = pd.DataFrame(rows, columns=["key", "photograph", "alteration", "value"])
    values = table.pivot(index=["key", "photograph"], columns="alteration", values="value")
    values = values[values["none"] != 0].dropna(subset="none")
    changes = values.div(values["none"], axis=0).sub(1).abs()
    turned = changes.filter(like="degrees").max(axis=1)
    by_kind = pd.DataFrame({"turned": turned, "other_grid": changes["grid"], "mirrored": changes["mirror"]})
    worst, usual = (getattr(by_kind.groupby(level="key"), how)() for how in ("max", "median"))
    found = {}
    for key in dict.fromkeys(table["key"]):  # in the order of the tables
        if key in worst.index and worst.loc[[key]].notna().all(axis=None):
            (largest,), (median,) = worst.loc[[key]].to_numpy(), usual.loc[[key]].to_numpy()
            numbers = largest[0], median[0], largest[1], median[1], largest[2]
            found[key] = Stability(*(float(f"{number:.3g}") for number in numbers))
    return found


def _photographs(data: str, landmarks: str, names: Sequence[str]) -> Iterator[tuple[str, dict[str, Mask]]]:
    """Yield name and masks of each photograph, cropped to the field of view."""
    folders = [str(Path(data) / name) for name in ("HRF", "CHASEDB1")]
    items = read_datasets(["hrf", "chasedb1"], folders, diseases=[], landmarks=landmarks)
    for item in items:
        name = Path(item["image"]).stem
        if name in names:
            keys = [key for key in MAPS if key in item]
            loaded: Any = chain([load_and_crop(keys, LOADED_PX)])(dict(item))
            yield name, {key: np.asarray(loaded[key][0]) >= 128 for key in [*keys, "fov"]}


def measured(name: str, masks: Mapping[str, Mask], angles: Sequence[int]) -> Iterator[Row]:
    """Measure altered masks; lengths are in diameters of the field of view.

    Args:
        name: of the photograph.
        masks: structure -> (H, W), ``fov`` among them.
        angles: of rotation, in degrees.
    """
    diameter = field_of_view_diameter(masks["fov"])
    smooth = {key: ndimage.gaussian_filter(mask.astype(np.float32), diameter / GRID_PX) for key, mask in masks.items()}
    alterations = {"none": (0, GRID_PX)} | {f"{angle} degrees": (angle, GRID_PX) for angle in angles}
    for alteration, (angle, grid) in (alterations | {"grid": (0, OTHER_GRID_PX), "mirror": (0, GRID_PX)}).items():
        maps = {key: centred(_turned(values, angle, grid / diameter), LEVEL) for key, values in smooth.items()}
        if alteration == "mirror":
            maps = {key: np.ascontiguousarray(values[:, ::-1]) for key, values in maps.items()}
        fov = maps.pop("fov") >= 0.5
        values = {Key(*value[:3]): value.value for value in reversed(measure(maps, fov, grid=Grid(1 / grid)))}
        for key, one in reversed(values.items()):  # in the first of the units of each
            if key.measure in MEASURES and one is not None:
                yield key, name, alteration, one


def _turned(values: NDArray[np.float32], angle: float, scale: float) -> NDArray[np.float32]:
    turn = np.deg2rad(angle)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) / scale
    size = np.array(values.shape)
    new_size = np.ceil(np.abs(matrix) @ size * scale**2).astype(int) + 2
    origin = (size - 1) / 2 - matrix @ (new_size - 1) / 2
    return ndimage.affine_transform(values, matrix, origin, tuple(new_size), order=1)


if __name__ == "__main__":
    fire.Fire(stability)
