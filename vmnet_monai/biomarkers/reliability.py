"""How well each measure repeats and keeps still, as programs measured it, and what a reader is warned of by that."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from vmnet_monai.biomarkers.definitions import DEFINITIONS, Key
from vmnet_monai.io.files import whole_file

__all__ = [
    "CAUTIONS",
    "COUNT_TOLERANCE",
    "LOW_ICC",
    "REPEATABILITY",
    "STABILITY",
    "TOLERANCE",
    "Repeatability",
    "Stability",
    "cautions",
    "write_reliability",
]

LOW_ICC = 0.75
"""Intraclass correlation below which reliability is not good (Koo & Li, J Chiropr Med 2016,
doi:10.1016/j.jcm.2016.02.012)."""

TOLERANCE, COUNT_TOLERANCE = 0.03, 0.05
"""Fraction of its value by which a turn, or another grid, may move a measure, and a count."""

UNREPEATED, MOVED = "repeats poorly", "moved by turns"

CAUTIONS: Mapping[str, str] = MappingProxyType(
    {
        UNREPEATED: f"The intraclass correlation (ICC) of the network's values over alterations of the same "
        f"photographs lies below {LOW_ICC}: it hardly tells one eye from another.",
        MOVED: f"Turning some photographs, or measuring on another grid, moves it by more than {100 * TOLERANCE:g} %, "
        f"counts by more than {100 * COUNT_TOLERANCE:g} %.",
    }
)
"""Caution -> what it says."""


class Repeatability(NamedTuple):
    """How a value repeats when the same photograph comes with other pixels.

    Attributes:
        eyes: those that could be measured on all their pictures.
        variation: coefficient of variation within an eye, a fraction; None where no eye has a mean but 0.
        icc: intraclass correlation, at most 1; None for fewer than two eyes, or where all values are the same.
    """

    eyes: int
    variation: float | None
    icc: float | None


class Stability(NamedTuple):
    """By which fraction of itself an alteration of the masks moves a value: the largest of all masks, and the median.

    Attributes:
        turned: by rotations.
        turned_median: the median over the masks of the largest one.
        other_grid: by a grid of 1.2 times the pixels.
        other_grid_median: likewise.
        mirrored: by mirroring, the largest.
    """

    turned: float
    turned_median: float
    other_grid: float
    other_grid_median: float
    mirrored: float


def write_reliability(
    path: str | Path, measured_on: Mapping[str, Any], values: Mapping[Key, Repeatability] | Mapping[Key, Stability]
) -> None:
    """Write what a program measured, one row per value.

    Args:
        path: the file.
        measured_on: on which photographs, and what else a reader has to know.
        values: what is measured -> how well.

    Raises:
        OSError: if it cannot be written.
    """
    head = "".join(f"  {json.dumps(name)}: {json.dumps(what)},\n" for name, what in measured_on.items())
    rows = ",\n".join(f"    {json.dumps([*key, *numbers])}" for key, numbers in values.items())
    with whole_file(Path(path)) as temporary:
        temporary.write_text(f'{{\n{head}  "values": [\n{rows}\n  ]\n}}\n', encoding="utf-8")


def _read(name: str) -> tuple[dict[Key, list[Any]], dict[str, Any]]:
    """What is measured -> its numbers; and on what they were measured."""
    stored = json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))
    return {Key(*row[:3]): row[3:] for row in stored.pop("values")}, stored


_REPEATED, REPEATED_ON = _read("repeatability")
_MOVED, MOVED_ON = _read("stability")

REPEATABILITY: Mapping[Key, Repeatability] = MappingProxyType(
    {key: Repeatability(*numbers) for key, numbers in _REPEATED.items()}
)
"""Of the values that the bundle's network gives, by ``tests/benchmarks/measure_repeatability.py``."""

STABILITY: Mapping[Key, Stability] = MappingProxyType({key: Stability(*numbers) for key, numbers in _MOVED.items()})
"""Of values by experts' masks, by ``tests/benchmarks/measure_stability.py``."""


def cautions(key: Key) -> list[str]:
    """Return which of :data:`CAUTIONS` a reader needs with a value; none for most.

    What was not measured, such as where a landmark lies in its photograph, has none.

    >>> cautions(Key("", "", "disc_x"))
    []
    """
    found = []
    repeated, moved = REPEATABILITY.get(key), STABILITY.get(key)
    if repeated is not None and not (repeated.icc or -math.inf) >= LOW_ICC:
        found.append(UNREPEATED)
    tolerance = COUNT_TOLERANCE if DEFINITIONS[key.measure].unit == "count" else TOLERANCE
    if moved is not None and max(moved.turned, moved.other_grid) > tolerance:
        found.append(MOVED)
    return found
