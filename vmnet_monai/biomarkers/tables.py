"""The tables of measures: tidy, wide, per patient, and the data dictionary beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from vmnet_monai.biomarkers.definitions import data_dictionary
from vmnet_monai.biomarkers.tidy import Value
from vmnet_monai.io.files import whole_file
from vmnet_monai.io.tables import write_table

__all__ = [
    "DICTIONARY",
    "FLOAT_FORMAT",
    "PATIENTS",
    "TIDY",
    "WIDE",
    "MeasuredEye",
    "patient_table",
    "tidy_table",
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

_KEY = ["vessel_type", "region", "measure", "unit"]
_PLACES = ("disc_x", "disc_y", "fovea_x", "fovea_y")
_SHORT_UNITS = {"1/px": "per_px", "1/disc diameter": "per_disc_diameter", "1/um": "per_um"}


class MeasuredEye(NamedTuple):
    """The values of one photograph."""

    id: str
    eye: str
    """``right``, ``left``, or empty where unknown."""
    values: Sequence[Value]
    patient: str = ""
    """Empty where unknown."""


def tidy_table(eyes: Sequence[MeasuredEye]) -> pd.DataFrame:
    """Return one row per value: ``id``, ``eye``, and the fields of :class:`~vmnet_monai.biomarkers.tidy.Value`.

    Example:
        >>> eyes = [MeasuredEye("a", "left", [Value("", "", "disc_fovea_angle", 6.5, "deg")])]
        >>> list(tidy_table(eyes))
        ['id', 'eye', 'vessel_type', 'region', 'measure', 'value', 'unit', 'flag']
    """
    rows = [(eye.id, eye.eye, *value) for eye in eyes for value in eye.values]
    return pd.DataFrame(rows, columns=["id", "eye", *Value._fields]).astype({"value": float})


def wide_table(eyes: Sequence[MeasuredEye]) -> pd.DataFrame:
    """Return one row per photograph: ``id``, ``eye``, ``patient`` where one is named, and a column per value.

    A column is called ``<vessel type>_<region>_<measure>_<unit>``, what is empty left out, such as
    ``artery_zone_b_width_mean_um``. Flags are in the tidy table alone. ``microns_from`` says what the microns of the
    row rest on: ``known``, or the assumption.
    """
    rows = []
    for eye in eyes:
        row: dict[str, str | float | None] = {"id": eye.id, "eye": eye.eye}
        if any(other.patient for other in eyes):
            row["patient"] = eye.patient
        row["microns_from"] = next((_assumed(one.unit) or "known" for one in eye.values if _is_micron(one)), "")
        row |= {_column(value): value.value for value in eye.values}
        rows.append(row)
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

    Args:
        output_dir: their folder; it is made if needed.
        eyes: the measured photographs, in the order of the rows.

    Returns:
        The names of the files: :data:`PATIENTS` only where a patient and an eye are named.

    Raises:
        OSError: if one cannot be written.
    """
    folder = Path(output_dir)
    tables = {TIDY: tidy_table(eyes), WIDE: wide_table(eyes)}
    if any(eye.patient and eye.eye for eye in eyes):
        tables[PATIENTS] = patient_table(eyes)
    for name, table in tables.items():
        write_table(folder / name, table, FLOAT_FORMAT)
    with whole_file(folder / DICTIONARY) as temporary:
        temporary.write_text(json.dumps(data_dictionary(), indent=2) + "\n", encoding="utf-8")
    return [*tables, DICTIONARY]


def _assumed(unit: str) -> str:
    return unit.partition(" (")[2].removesuffix(")")


def _is_micron(value: Value) -> bool:
    return value.unit.startswith("um") and value.value is not None


def _column(value: Value) -> str:
    unit = value.unit.partition(" (")[0]
    short = _SHORT_UNITS.get(unit, re.sub(r"\W", "_", unit))
    return "_".join(part for part in (value.vessel_type, value.region, value.measure, short) if part)
