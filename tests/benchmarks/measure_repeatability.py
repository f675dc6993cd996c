r"""How well the network's measures of an eye repeat when the same photograph comes with other pixels.

    python tests/benchmarks/measure_repeatability.py --dataset_dir data/RahimDR

The photographs are of RahimDR's validation part, one of each patient.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence

import fire
import numpy as np
from measure_agreement import PLACES, Key, by_key, numbers
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageEnhance
from robustness import jpeg, scaled
from tqdm import tqdm

from vmnet_monai import Predictor
from vmnet_monai.biomarkers.definitions import DEFINITIONS, DISC_SIZES, VESSEL_TYPES
from vmnet_monai.biomarkers.tidy import Value
from vmnet_monai.datasets import rahimdr
from vmnet_monai.io.images import read_image
from vmnet_monai.metrics.comparison import markdown_table

MEASURES = tuple(
    name
    for name in DEFINITIONS
    if name not in (*DISC_SIZES, "disc_x", "disc_y", "fovea_x", "fovea_y", "disc_fovea_angle")
)
"""All but those that are meant to follow the pixels of the photograph or its turn."""

LOW_ICC = 0.75
"""Below it reliability is not good (Koo & Li, J Chiropr Med 2016, doi:10.1016/j.jcm.2016.02.012)."""


def _brighter(photograph: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(photograph).enhance(factor)


def _turned(photograph: Image.Image, angle_deg: float) -> Image.Image:
    return photograph.rotate(angle_deg, Image.Resampling.BICUBIC, expand=True)


ALTERATIONS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "half the size": scaled(0.5),
    "1.5 times the size": scaled(1.5),
    "JPEG 70": jpeg(70),
    "15 % darker": functools.partial(_brighter, factor=0.85),
    "15 % brighter": functools.partial(_brighter, factor=1.15),
    "3 degrees to the right": functools.partial(_turned, angle_deg=-3),
    "3 degrees to the left": functools.partial(_turned, angle_deg=3),
}


def repeatability(
    dataset_dir: str, bundle: str | None = None, count: int = 20, measures: Sequence[str] = MEASURES
) -> str:
    """Measure photographs as they are and altered.

    Args:
        dataset_dir: RahimDR.
        bundle: folder of the bundle; None for the one in the package.
        count: of photographs, the first ones.
        measures: rows of the table.

    Returns:
        A Markdown table with a row for each measure and vessel type: coefficient of variation within an eye and
        intraclass correlation, in each region; ``low`` where the correlation lies below 0.75; in brackets the number
        of eyes, where some were left out because not all their pictures could be measured.
    """
    predictor = Predictor(bundle, device="cpu", explain=[])
    validation = [item for item in rahimdr.read(dataset_dir, []) if item["split"] == "val"]
    paths = list({item["patient"]: item["image"] for item in reversed(validation)}.values())[::-1][:count]
    eyes = []
    for path in tqdm(paths):
        photograph = Image.fromarray(read_image(path))
        pictures = [photograph, *(alter(photograph) for alter in ALTERATIONS.values())]
        eyes.append([by_key(predictor(picture).values, measures) for picture in pictures])
    return repeatability_table(eyes, measures)


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


def repeatability_table(eyes: Sequence[Sequence[Mapping[Key, Value]]], measures: Sequence[str]) -> str:
    """Format how values repeat over the pictures of each eye."""
    cells = {key: _cell(np.array([numbers(pictures, key) for pictures in eyes])) for key in eyes[0][0]}
    rows = [
        [f"`{measure}`", VESSEL_TYPES[vessel_type] if vessel_type else ""]
        + [cells.get(Key(measure, vessel_type, region), "") for region in PLACES]
        for measure in measures
        for vessel_type in DEFINITIONS[measure].vessel_types
    ]
    return markdown_table(["measure", "of", *PLACES.values()], rows)


def _cell(values: NDArray[np.float64]) -> str:
    """Format what is known of the (n, k) values of a measure."""
    whole = values[np.isfinite(values).all(axis=1)]
    correlation = intraclass_correlation(whole)
    low = " low" if correlation < LOW_ICC else ""
    left_out = f" ({len(whole)})" if len(whole) < len(values) else ""
    return f"{100 * coefficient_of_variation(whole):.1f} %, {correlation:.2f}{low}{left_out}"


if __name__ == "__main__":
    fire.Fire(repeatability)
