r"""What the network's errors cost the measures: those of its arteries, veins, disc and fovea beside those of experts.

    python tests/benchmarks/measure_agreement.py --dataset_dir data/HRF --landmarks data/landmarks.csv

``dataset_dir`` is HRF with its folder ``av``; the photographs are of its test part.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import fire
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from vmnet_monai import Predictor
from vmnet_monai.biomarkers.definitions import DISC_SIZES, VESSEL_TYPES, Key
from vmnet_monai.biomarkers.photograph import measure_photograph, measuring_grid
from vmnet_monai.biomarkers.tidy import Value
from vmnet_monai.datasets import hrf
from vmnet_monai.datasets.landmarks import add_landmarks
from vmnet_monai.io.images import read_mask
from vmnet_monai.metrics.comparison import markdown_table

NAMES = ("06_h", "07_h", "06_dr", "07_dr", "06_g", "07_g")
"""Two photographs of HRF's test part for each of its groups."""

MEASURES = (
    *("disc_diameter", "disc_fovea_distance", "disc_fovea_angle"),
    *("crae_knudtson", "crve_knudtson", "avr_knudtson", "vessels_found"),
    *("area_density", "length_density", "width_mean", "tortuosity_arc_chord"),
    *("branch_points", "branching_angle", "fractal_dimension_d0", "crossings"),
)

PLACES = {"": "the eye", "field": "field", "zone_b": "zone B", "zone_c": "zone C"}
"""Region -> its name in the tables; quadrants are left out."""

STRUCTURES = ("artery", "vein", "disc", "fovea_region")

WITHIN = 1.96
"""Standard deviations about the mean between which 95 % of a normal distribution lie."""


class Agreement(NamedTuple):
    """Limits of agreement by Bland and Altman (Lancet 1986, doi:10.1016/S0140-6736(86)90837-8).

    Attributes:
        count: photographs that both could measure.
        mean: of the experts' values.
        bias: mean of the differences, network less experts.
        lower: bias less 1.96 standard deviations of the differences; NaN for fewer than two photographs.
        upper: bias and 1.96 standard deviations.
    """

    count: int
    mean: float
    bias: float
    lower: float
    upper: float


def agreement(
    dataset_dir: str,
    landmarks: str,
    bundle: str | None = None,
    names: Sequence[str] = NAMES,
    measures: Sequence[str] = MEASURES,
    output: str | None = None,
) -> str:
    """Measure photographs by the experts' masks and by the network's, both on the same field of view.

    Args:
        dataset_dir: HRF with its folder ``av``.
        landmarks: table of discs and foveas.
        bundle: folder of the bundle; None for the one in the package.
        names: photographs, without suffix.
        measures: rows of the table.
        output: CSV file for the values of each photograph, of which ``results.py`` draws the agreement.

    Returns:
        A Markdown table with a row for each measure, vessel type and region: the photographs that both could measure,
        the experts' mean, bias and limits of agreement, and both in percent of the experts' mean.
    """
    predictor = Predictor(bundle, device="cpu", explain=[])
    items = add_landmarks(hrf.read(dataset_dir, []), landmarks, hrf.NAME)
    by_name = {Path(item["image"]).stem: item for item in items}
    pairs = []
    for item in (by_name[name] for name in names):
        prediction = predictor(item["image"])
        masks = {name: read_mask(item[name]) for name in STRUCTURES if name in item}
        experts = measure_photograph(masks, measuring_grid(prediction.field_of_view))
        pairs.append((experts.values, prediction.values))
    if output:
        agreement_values(pairs, names, measures).to_csv(output, index=False)
    return agreement_table(pairs, measures)


def agreement_values(
    pairs: Sequence[tuple[Iterable[Value], Iterable[Value]]], names: Sequence[str], measures: Sequence[str]
) -> pd.DataFrame:
    """One row per photograph and measure: its key and unit, and the values of ``experts`` and ``network``."""
    rows = []
    for name, (experts, network) in zip(names, pairs, strict=True):
        found = by_key(network, measures)
        rows += [
            {
                **{"photograph": name, **key._asdict(), "unit": value.unit, "experts": value.value},
                "network": found[key].value if key in found else None,
            }
            for key, value in by_key(experts, measures).items()
        ]
    return pd.DataFrame(rows)


def by_key(values: Iterable[Value], measures: Sequence[str]) -> dict[Key, Value]:
    """Return the values of measures, each in one unit.

    Lengths are in microns, what is per length in disc diameters, and sizes of the disc in pixels.
    """
    return {  # the last unit of each measure that is not left out
        Key(*value[:3]): value
        for value in values
        if value.measure in measures
        and not value.unit.startswith("1/um")
        and not (value.measure in DISC_SIZES and value.unit.startswith("um"))
    }


def bland_altman(experts: ArrayLike, network: ArrayLike) -> Agreement:
    """Compare values of the same photographs, (N,) each; NaN where there is none."""
    truth, found = np.asarray(experts, dtype=float), np.asarray(network, dtype=float)
    known = np.isfinite(truth) & np.isfinite(found)
    differences, count = (found - truth)[known], int(known.sum())
    if not count:
        return Agreement(0, math.nan, math.nan, math.nan, math.nan)
    bias = float(differences.mean())
    spread = WITHIN * float(differences.std(ddof=1)) if count > 1 else math.nan
    return Agreement(count, float(truth[known].mean()), bias, bias - spread, bias + spread)


def agreement_table(pairs: Sequence[tuple[Iterable[Value], Iterable[Value]]], measures: Sequence[str]) -> str:
    """Format the agreement of values, by experts and by the network, of the same photographs."""
    experts, network = ([by_key(values, measures) for values in side] for side in zip(*pairs, strict=True))
    rows = list(_rows(experts, network, measures))
    header = ["measure", "of", "in", "unit", "eyes", "experts' mean", "bias", "limits of agreement"]
    return markdown_table([*header, "bias, %", "limits, %"], rows)


def _rows(
    experts: Sequence[Mapping[Key, Value]], network: Sequence[Mapping[Key, Value]], measures: Sequence[str]
) -> Iterator[list[str]]:
    for key in sorted(experts[0], key=lambda key: measures.index(key.measure)):
        if key.vessel_type == "vessel" or key.region not in PLACES:  # the experts drew arteries and veins
            continue
        found = bland_altman(numbers(experts, key), numbers(network, key))
        percent = [f"{100 * value / found.mean:+z.0f}" for value in found[2:]] if found.mean else ["", "", ""]
        mean, (bias, lower, upper) = f"{_rounded(found.mean, 3):g}", (f"{_rounded(one, 2):+g}" for one in found[2:])
        yield [
            f"`{key.measure}`",
            *(VESSEL_TYPES[key.vessel_type] if key.vessel_type else "", PLACES[key.region]),
            *(experts[0][key].unit.split(" (")[0], str(found.count), mean, bias, f"{lower} to {upper}"),
            *(percent[0], f"{percent[1]} to {percent[2]}"),
        ]


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def numbers(photographs: Sequence[Mapping[Key, Value]], key: Key) -> list[float]:
    """Return a value of each photograph, NaN where it could not be measured."""
    values = (photograph[key].value if key in photograph else None for photograph in photographs)
    return [math.nan if value is None else value for value in values]


if __name__ == "__main__":
    fire.Fire(agreement)
