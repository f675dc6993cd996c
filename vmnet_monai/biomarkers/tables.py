"""The tables of measures: tidy, wide, per patient, and the data dictionary beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from vmnet_monai.biomarkers.definitions import DEFINITIONS, VESSEL_TYPES, Key, units
from vmnet_monai.biomarkers.regions import REGIONS
from vmnet_monai.biomarkers.reliability import CAUTIONS, REPEATABILITY, cautions
from vmnet_monai.biomarkers.tidy import Value, measure
from vmnet_monai.io.files import whole_file
from vmnet_monai.io.tables import table_text

__all__ = [
    "DICTIONARY",
    "FLOAT_FORMAT",
    "PATIENTS",
    "TIDY",
    "WIDE",
    "MeasuredEye",
    "column_name",
    "data_dictionary",
    "patient_table",
    "tidy_table",
    "wide_columns",
    "wide_row",
    "wide_table",
    "write_measures",
]

TIDY, WIDE, PATIENTS, DICTIONARY = (
    "measures.csv",
    "measures_wide.csv",
    "measures_per_patient.csv",
    "measures.json",
)
"""Names of the files."""

FLOAT_FORMAT = "%.6g"
"""Six significant digits: a millionth of a value is far below what any measure can tell."""

MICRONS_FROM = "microns_from"
"""Column of the wide table that says what its microns rest on: ``known``, or the assumption; empty without any."""

EYES_AT_ONCE = 256
"""Photographs whose values are in memory at a time."""

_KEY = ["vessel_type", "region", "measure", "unit"]
_PLACES = ("disc_x", "disc_y", "fovea_x", "fovea_y")
_SHORT_UNITS = {"1/px": "per_px", "1/disc diameter": "per_disc_diameter", "1/um": "per_um"}


Item = TypeVar("Item")


class MeasuredEye(NamedTuple):
    """The values of one photograph."""

    id: str
    eye: str
    """``right``, ``left``, or empty where unknown."""
    values: Iterable[Value]
    """May be read from elsewhere each time that they are asked for."""
    patient: str = ""
    """Empty where unknown."""


def tidy_table(eyes: Sequence[MeasuredEye]) -> pd.DataFrame:
    """Return one row per value: id, eye, the fields of :class:`~vmnet_monai.biomarkers.tidy.Value`, and cautions.

    The flag is the value's own; ``caution``, what :func:`~vmnet_monai.biomarkers.reliability.cautions` returns, holds
    for its measure in all eyes.

    Example:
        >>> eyes = [MeasuredEye("a", "left", [Value("", "", "disc_fovea_angle", 6.5, "deg")])]
        >>> list(tidy_table(eyes))
        ['id', 'eye', 'vessel_type', 'region', 'measure', 'value', 'unit', 'flag', 'caution']
    """
    rows = [(eye.id, eye.eye, *value, _caution(Key(*value[:3]))) for eye in eyes for value in eye.values]
    return pd.DataFrame(rows, columns=["id", "eye", *Value._fields, "caution"]).astype({"value": float})


def wide_row(values: Iterable[Value]) -> dict[str, str | float | None]:
    """Return the columns of one photograph in the wide table: :data:`MICRONS_FROM`, and one per value.

    A column is called ``<vessel type>_<region>_<measure>_<unit>``, what is empty left out, such as
    ``artery_zone_b_width_mean_um``.

    Example:
        >>> wide_row([Value("artery", "zone_b", "width_mean", 61.5, "um (assumed: disc diameter 1800 um)")])
        {'microns_from': 'assumed: disc diameter 1800 um', 'artery_zone_b_width_mean_um': 61.5}
    """
    values = list(values)
    microns_from = next((_assumed(one.unit) or "known" for one in values if _is_micron(one)), "")
    return {MICRONS_FROM: microns_from} | {column_name(value): value.value for value in values}


def wide_columns(structures: Iterable[str]) -> list[str]:
    """Return the columns of a photograph of which these structures are measured, see :func:`wide_row`."""
    nothing = np.zeros((8, 8), dtype=np.bool_)  # whose values have the same names
    return list(wide_row(measure(dict.fromkeys(structures, nothing), ~nothing)))


def wide_table(eyes: Sequence[MeasuredEye]) -> pd.DataFrame:
    """Return one row per photograph: ``id``, ``eye``, ``patient`` where one is named, and :func:`wide_row`.

    Flags are in the tidy table alone.
    """
    has_patient = any(eye.patient for eye in eyes)
    rows = [
        {"id": eye.id, "eye": eye.eye, **({"patient": eye.patient} if has_patient else {}), **wide_row(eye.values)}
        for eye in eyes
    ]
    return pd.DataFrame(rows, columns=None if rows else ["id", "eye"])


def patient_table(eyes: Sequence[MeasuredEye]) -> pd.DataFrame:
    """Return one row per patient and measure: both eyes, their mean and difference.

    Columns are ``patient``, ``vessel_type``, ``region``, ``measure``, ``unit``, ``right`` and ``left``, each the mean
    over the photographs of that eye (``photographs_right`` and ``photographs_left`` of them have a value), ``mean`` of
    the two eyes, and ``difference``, right less left. Both are empty where one eye has no value. Photographs without
    patient or eye are left out, and so are columns and rows of a landmark, which say where it lies in a photograph.
    """
    rows = tidy_table([eye for eye in eyes if eye.patient and eye.eye])
    rows["patient"] = rows["id"].map({eye.id: eye.patient for eye in eyes})
    rows = rows[~rows["measure"].isin(_PLACES)]
    columns = ["patient", *_KEY]
    grouped = rows.groupby([*columns, "eye"], sort=False)["value"].agg(["mean", "count"]).unstack("eye")
    table = pd.DataFrame(
        {side: grouped["mean"][side] if side in grouped["mean"] else float("nan") for side in ("right", "left")}
    )
    table["mean"] = (table["right"] + table["left"]) / 2
    table["difference"] = table["right"] - table["left"]
    for side in ("right", "left"):
        table[f"photographs_{side}"] = grouped["count"][side].fillna(0).astype(int) if side in grouped["count"] else 0
    return table.reset_index()


def write_measures(output_dir: str | Path, eyes: Sequence[MeasuredEye]) -> list[str]:
    """Write the tables and the data dictionary, each whole or not at all.

    The values of :data:`EYES_AT_ONCE` photographs are in memory at a time, where the others lie elsewhere.

    Args:
        output_dir: their folder; it is made if needed.
        eyes: the measured photographs, in the order of the rows.

    Returns:
        The names of the files: :data:`PATIENTS` only where a patient and an eye are named.

    Raises:
        OSError: if one cannot be written.
    """
    folder = Path(output_dir)
    with ExitStack() as stack:
        tidy, wide = (stack.enter_context(whole_file(folder / name)) for name in (TIDY, WIDE))
        columns: list[str] | None = None
        for several in _slices(eyes, EYES_AT_ONCE):
            part = [eye._replace(values=list(eye.values)) for eye in several]
            _append(tidy, tidy_table(part))
            table = wide_table(part)
            # Of all photographs the same: a photograph whose structure is not seen has the columns too, empty.
            columns = columns or _with_patient(list(map(str, table)), eyes)
            _append(wide, table.reindex(columns=columns))
    of_patients: dict[str, list[MeasuredEye]] = {}
    for eye in eyes:
        if eye.patient and eye.eye:
            of_patients.setdefault(eye.patient, []).append(eye)
    names = [TIDY, WIDE]
    if of_patients:
        names.append(PATIENTS)
        with whole_file(folder / PATIENTS) as patients:
            for own in _slices(list(of_patients.values()), EYES_AT_ONCE // 2):
                _append(patients, patient_table([eye for both in own for eye in both]))
    with whole_file(folder / DICTIONARY) as temporary:
        temporary.write_text(json.dumps(data_dictionary(), indent=2) + "\n", encoding="utf-8")
    return [*names, DICTIONARY]


def data_dictionary() -> dict[str, dict[str, Any]]:
    """Return what the columns of the tables hold, as JSON can store it."""
    measures = {
        name: {
            "name": one.name,
            "definition": one.definition,
            "units": units(name),
            "vessel_types": list(one.vessel_types),
            "regions": list(one.regions),
            "source": one.source,
            "repeatability": [
                {"vessel_type": key.vessel_type, "region": key.region, **REPEATABILITY[key]._asdict()}
                for key in _keys(name)
                if key in REPEATABILITY
            ],
            "cautions": [
                {"vessel_type": key.vessel_type, "region": key.region, "caution": caution}
                for key in _keys(name)
                for caution in cautions(key)
            ],
        }
        for name, one in DEFINITIONS.items()
    }
    measured = {region for one in DEFINITIONS.values() for region in one.regions}
    regions = {name: what for name, what in REGIONS.items() if name in measured}
    return {
        "vessel_types": dict(VESSEL_TYPES),
        "regions": regions,
        "cautions": dict(CAUTIONS),
        "measures": measures,
    }


def _keys(measure: str) -> list[Key]:
    one = DEFINITIONS[measure]
    return [Key(vessel_type, region, measure) for vessel_type in one.vessel_types for region in one.regions]


def _caution(key: Key) -> str:
    return "; ".join(cautions(key))


def _slices(sequence: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Slices of a sequence; an empty one where there is nothing, of which a table has a header."""
    return (sequence[start : start + size] for start in range(0, max(1, len(sequence)), size))


def _with_patient(columns: list[str], eyes: Sequence[MeasuredEye]) -> list[str]:
    own = [name for name in columns if name != "patient"]
    return [*own[:2], "patient", *own[2:]] if any(eye.patient for eye in eyes) else own


def _append(path: Path, table: pd.DataFrame) -> None:
    """Add rows to a table that is being written; the first have the header."""
    text = table_text(table, FLOAT_FORMAT)
    with path.open("ab") as file:
        if file.tell():
            text = text.partition("\n")[2]
        file.write(text.encode(errors="backslashreplace"))


def _assumed(unit: str) -> str:
    return unit.partition(" (")[2].removesuffix(")")


def _is_micron(value: Value) -> bool:
    return value.unit.startswith("um") and value.value is not None


def column_name(value: Value) -> str:
    """Return the name of a value's column in the wide table, see :func:`wide_row`."""
    unit = value.unit.partition(" (")[0]
    short = _SHORT_UNITS.get(unit, re.sub(r"\W", "_", unit))
    return "_".join(part for part in (value.vessel_type, value.region, value.measure, short) if part)
