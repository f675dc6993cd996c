r"""How well the network's measures of an eye repeat when the same photograph comes with other pixels.

    python tests/benchmarks/measure_repeatability.py --dataset_dir data/RahimDR
    python tests/tools/measures_page.py --update

The photographs are of RahimDR's validation part, one of each patient. By the file that is written
``vmnet_monai.biomarkers.reliability`` cautions readers, and the second command makes the tables of the documentation.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import fire
import numpy as np
from measure_agreement import by_key
from numpy.typing import ArrayLike
from PIL import Image, ImageEnhance
from robustness import jpeg, scaled
from tqdm import tqdm

from vmnet_monai import Predictor
from vmnet_monai.biomarkers import reliability
from vmnet_monai.biomarkers.definitions import DEFINITIONS, DISC_SIZES, Key
from vmnet_monai.biomarkers.reliability import Repeatability, write_reliability
from vmnet_monai.biomarkers.tidy import Value
from vmnet_monai.calibration.operating_point import weights_version
from vmnet_monai.datasets import rahimdr
from vmnet_monai.io.bundle import bundle_path
from vmnet_monai.io.images import read_image

MEASURES = tuple(
    name for name in DEFINITIONS if name not in ("disc_x", "disc_y", "fovea_x", "fovea_y", "disc_fovea_angle")
)
"""All but those that are meant to follow where the eye lies in the photograph, and its turn."""

OUTPUT = Path(reliability.__file__).parent / "repeatability.json"


def _brighter(photograph: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(photograph).enhance(factor)


def _turned(photograph: Image.Image, angle_deg: float) -> Image.Image:
    return photograph.rotate(angle_deg, Image.Resampling.BICUBIC, expand=True)


SIZES = {"half the size": 0.5, "1.5 times the size": 1.5}

ALTERATIONS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "none": lambda photograph: photograph,
    **{name: scaled(factor) for name, factor in SIZES.items()},
    "JPEG 70": jpeg(70),
    "15 % darker": functools.partial(_brighter, factor=0.85),
    "15 % brighter": functools.partial(_brighter, factor=1.15),
    "3 degrees to the right": functools.partial(_turned, angle_deg=-3),
    "3 degrees to the left": functools.partial(_turned, angle_deg=3),
}


def repeatability(
    dataset_dir: str, bundle: str | None = None, count: int = 20, output: str | Path = OUTPUT
) -> dict[str, Any]:
    """Measure photographs as they are and altered, and write how the values repeat.

    Args:
        dataset_dir: RahimDR.
        bundle: folder of the bundle; None for the one in the package.
        count: of photographs, the first ones.
        output: the file, of which :func:`vmnet_monai.biomarkers.reliability.read_reliability` says what it holds.

    Returns:
        What they were measured on: weights, photographs, and pictures of each.
    """
    predictor = Predictor(bundle, device="cpu", explain=[])
    validation = [item for item in rahimdr.read(dataset_dir, []) if item["split"] == "val"]
    paths = list({item["patient"]: item["image"] for item in reversed(validation)}.values())[::-1][:count]
    eyes = []
    for path in tqdm(paths):
        photograph = Image.fromarray(read_image(path))
        eyes.append(
            [
                comparable(predictor(alter(photograph)).values, SIZES.get(name, 1.0))
                for name, alter in ALTERATIONS.items()
            ]
        )
    weights = weights_version(Path(bundle or bundle_path()) / "models")
    measured_on = {"weights": weights, "photographs": {rahimdr.NAME: len(paths)}, "pictures": len(ALTERATIONS)}
    write_reliability(output, measured_on, repeated(eyes))
    return measured_on


def comparable(values: Iterable[Value], size: float) -> dict[Key, float | None]:
    """Return the values of a picture in units in which those of all pictures of an eye should be the same.

    These are microns by the disc, and, for sizes of the disc, pixels of the photograph.

    Args:
        values: of the picture.
        size: of the picture / size of the photograph.
    """
    return {
        key: value.value / size ** DEFINITIONS[key.measure].power
        if key.measure in DISC_SIZES and value.value is not None
        else value.value
        for key, value in by_key(values, MEASURES).items()
    }


def repeated(eyes: Sequence[Sequence[Mapping[Key, float | None]]]) -> dict[Key, Repeatability]:
    """Say how values repeat over the pictures of each eye.

    Args:
        eyes: the values of each picture of each eye.
    """
    found = {}
    for key in eyes[0][0]:
        values = np.array([[picture.get(key) for picture in pictures] for pictures in eyes], dtype=float)
        whole = values[np.isfinite(values).all(axis=1)]
        numbers = coefficient_of_variation(whole), intraclass_correlation(whole)
        found[key] = Repeatability(len(whole), *(None if math.isnan(one) else float(f"{one:.3g}") for one in numbers))
    return found


def intraclass_correlation(values: ArrayLike) -> float:
    """Return ICC(2,1), the two-way random effects model for single measurements.

    (BMS - EMS) / (BMS + (k - 1) EMS + k (JMS - EMS) / n), where BMS, JMS and EMS are the mean squares between eyes,
    between pictures and of the rest: Shrout & Fleiss, Psychol Bull 1979, doi:10.1037/0033-2909.86.2.420.

    Args:
        values: (n, k), n eyes of k pictures each.

    Returns:
        At most 1; NaN for fewer than two eyes, or where all values are the same.
    """
    table = np.asarray(values, dtype=float)
    n, k = table.shape
    if n < 2 or np.ptp(table) == 0:
        return math.nan
    eyes, pictures, mean = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True), table.mean()
    bms = k * ((eyes - mean) ** 2).sum() / (n - 1)
    jms = n * ((pictures - mean) ** 2).sum() / (k - 1)
    ems = ((table - eyes - pictures + mean) ** 2).sum() / ((n - 1) * (k - 1))
    return float((bms - ems) / (bms + (k - 1) * ems + k * (jms - ems) / n))


def coefficient_of_variation(values: ArrayLike) -> float:
    """Return the root mean square over the eyes of standard deviation / mean of an eye's pictures.

    Args:
        values: (n, k), n eyes of k pictures each.

    Returns:
        At least 0; eyes whose mean is 0 do not count, NaN where none does.
    """
    table = np.asarray(values, dtype=float)
    table = table[table.mean(axis=1) != 0]
    ratios = table.std(axis=1, ddof=1) / table.mean(axis=1)
    return float(np.sqrt((ratios**2).mean())) if len(ratios) else math.nan


if __name__ == "__main__":
    fire.Fire(repeatability)
