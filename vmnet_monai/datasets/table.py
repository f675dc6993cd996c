"""Reader for a user's own table, CSV, XLSX or Parquet, one photograph per row."""

from __future__ import annotations

import math
import os
import unicodedata
import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vmnet_monai.datasets.item import (
    SEXES,
    DatasetError,
    DatasetWarning,
    Item,
    age_in_years,
    make_item,
    read_rows,
    warn_counted,
)
from vmnet_monai.datasets.names import MAX_NAME_BYTES, is_safe_id, names_from_paths
from vmnet_monai.diseases import VOCABULARY, near_matches
from vmnet_monai.io.masks import parse_mask_address
from vmnet_monai.io.slices import parse_slice_address
from vmnet_monai.io.tables import TABLE_SUFFIXES

NAME = "table"

RESERVED_COLUMNS = ("image", "vessel", "fov", "patient", "eye", "sex", "age", "split", "id", "dataset")
"""Columns that are no labels; only ``image`` is required."""

MASK_PREFIX = "mask_"
"""Columns of masks of other structures than vessels: ``mask_lesion`` is the mask of the structure ``lesion``."""

_EYES = ("", "left", "right")
_SEXES = {name: sex for sex in SEXES for name in (sex, sex[:1])}
_SPLITS = ("train", "val", "test")
_ABSENT, _PRESENT = ("0", "0.0", "0,0", "false"), ("1", "1.0", "1,0", "true")
_LABELS = {"": math.nan, **dict.fromkeys(_ABSENT, 0.0), **dict.fromkeys(_PRESENT, 1.0)}
_IGNORED_SHOWN = 20


def read(dataset_dir: str | Path, diseases: Sequence[str]) -> list[Item]:
    """Read a user's table, one photograph per row, see :data:`RESERVED_COLUMNS` and :data:`MASK_PREFIX`.

    Paths are relative to the table; a path may address a slice (:func:`vmnet_monai.io.slices.slice_address`), that of a
    mask also the colours of a label picture (:func:`vmnet_monai.io.masks.colour_address`). ``eye`` is left or right,
    ``sex`` female, male or other (or f, m, o), ``age`` in years, ``split`` is train, val or test, in every row or in
    none. Without ``patient``, each photograph counts as its own patient; without ``id``, it is made from the path.
    Label columns are those named by a vocabulary key or requested in ``diseases``: 1 or true, 0 or false, blank for
    unknown. Other columns are ignored, which a warning says. How the file may be written:
    :func:`vmnet_monai.io.tables.read_table`.

    Args:
        dataset_dir: the table, or a folder that holds exactly one.
        diseases: the requested columns of ``disease``.

    Raises:
        DatasetError: when the table is missing or unreadable, a value is not one of the above, a file is missing, or a
            patient is in two splits; it names the row as a spreadsheet counts it, with the header as row 1.
    """
    path = find_table(dataset_dir)
    rows = _rows(path)
    labels = [c for c in _label_columns(rows) if c in VOCABULARY or c in diseases]
    _warn_ignored(path, [c for c in _label_columns(rows) if c not in labels])
    _check_mask_names(path, rows)
    _check_splits(path, rows)
    _check_files(path, rows)
    paths = rows["image"].map(_relative)
    _check_repeated(path, paths)
    names = names_from_paths(paths.tolist())
    records: list[dict[str, str]] = rows.to_dict("records")  # type: ignore[assignment]
    items = []
    for row_number, row, from_path in zip(rows.index, records, names, strict=True):
        place = f"{path}, row {row_number}"
        name = row.get("id") or f"{NAME}_{from_path}"
        if row.get("id") and not is_safe_id(name):
            raise DatasetError(
                f"{place}: an id must be letters, digits, '.', '_' and '-', at most {MAX_NAME_BYTES} bytes in UTF-8 "
                f"and no device of Windows such as nul, got {name!r}; rename it."
            )
        eye = row.get("eye", "").lower()
        if eye not in _EYES:
            raise DatasetError(f"{place}: eye must be left, right or blank, got {row['eye']!r}; correct it.")
        sex = row.get("sex", "").lower()
        if sex not in _SEXES:
            raise DatasetError(f"{place}: sex must be female, male, other or blank, got {row['sex']!r}; correct it.")
        try:
            age = age_in_years(row.get("age", ""))
        except ValueError as error:
            raise DatasetError(f"{place}: {error}; correct it.") from error
        item = make_item(
            reader=NAME,
            name=name.removeprefix(f"{NAME}_"),
            image=path.parent / row["image"],
            labels={column: _label(row[column], column, place) for column in labels},
            diseases=diseases,
            patient=row.get("patient") or None,
            eye=eye,
            split=row.get("split") or None,
            **{
                column.removeprefix(MASK_PREFIX): path.parent / row[column] if row[column] else None
                for column in _mask_columns(rows)
            },
        )
        known = {"id": name, "dataset": row.get("dataset") or NAME, "sex": _SEXES[sex], "age": age}
        items.append(item | known)
    return items


def _check_repeated(path: Path, paths: pd.Series) -> None:
    """Refuse a photograph that two rows name: it would be trained on, or scored, twice."""
    repeated = paths[paths.duplicated(keep=False)]
    if len(repeated):
        first = repeated.iloc[0]
        numbers = ", ".join(str(row) for row in repeated.index[repeated == first])
        raise DatasetError(
            f"{path}, rows {numbers}: each photograph must have one row, got {first.as_posix()} in several; keep one."
        )


def label_columns(dataset_dir: str | Path) -> list[str]:
    """The columns of a table that can be requested as diseases: all that are not reserved.

    Raises:
        DatasetError: when the table is missing or unreadable.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DatasetWarning)  # whoever reads the items says it
        return _label_columns(_rows(find_table(dataset_dir)))


def find_table(dataset_dir: str | Path) -> Path:
    """The table at a path: the file itself, or the only table of a folder.

    Raises:
        DatasetError: when there is none or more than one.
    """
    path = Path(dataset_dir)
    if path.is_file():
        return path
    found = sorted(file for file in path.iterdir() if _is_table(file)) if path.is_dir() else []
    if len(found) != 1:
        raise DatasetError(
            f"A table must be a file or a folder with exactly one ({', '.join(sorted(TABLE_SUFFIXES))}), {path} has "
            f"{', '.join(file.name for file in found) or 'none'}; set dataset_dir to the file."
        )
    return found[0]


def _is_table(path: Path) -> bool:
    """Whether a file of a folder is a table; hidden ones, as spreadsheets leave them, are none."""
    return path.suffix.lower() in TABLE_SUFFIXES and not path.name.startswith((".", "~$"))


def _rows(path: Path) -> pd.DataFrame:
    rows = read_rows(path, required=("image",), numbers=("age",))
    # Systems differ in how they compose letters: one patient is one patient, an id one file.
    composed = {c: rows[c].map(lambda text: unicodedata.normalize("NFC", text)) for c in ("id", "patient") if c in rows}
    return rows.assign(**composed)


def _is_there(path: Path) -> bool:
    """Whether an image file exists, or the volume or picture of the slice or mask that a path addresses."""
    try:
        address = parse_mask_address(path) or parse_slice_address(path)
    except ValueError as error:
        raise DatasetError(str(error)) from error
    return os.path.isfile(path if address is None else address.path)


def _label_columns(rows: pd.DataFrame) -> list[str]:
    return [c for c in rows.columns if c not in RESERVED_COLUMNS and not c.startswith(MASK_PREFIX)]


def _mask_columns(rows: pd.DataFrame) -> list[str]:
    return [c for c in rows.columns if c in ("vessel", "fov") or c.startswith(MASK_PREFIX)]


def _relative(value: str) -> Path:
    path = Path(value)
    return path.relative_to(path.anchor)


def _label(value: str, column: str, place: str) -> float:
    if value.lower() not in _LABELS:
        raise DatasetError(f"{place}: {column} must be 0, 1, true, false or blank, got {value!r}; correct it.")
    return _LABELS[value.lower()]


def _warn_ignored(path: Path, ignored: Sequence[str]) -> None:
    told = []
    for column in ignored:
        near = near_matches(column)
        told.append(f"{column!r} (did you mean {near[0]!r}?)" if near else repr(column))
    what = "column" if len(told) == 1 else "columns"
    warn_counted(
        told, f"{what} of {path} ignored, neither known nor among the requested diseases", shown=_IGNORED_SHOWN
    )


def _check_mask_names(path: Path, rows: pd.DataFrame) -> None:
    taken = [f"{MASK_PREFIX}{name}" for name in (*RESERVED_COLUMNS, "disease")]
    wrong = [column for column in _mask_columns(rows) if column in taken]
    if wrong:
        raise DatasetError(
            f"{path}: a structure must have a name of its own, got the column {wrong[0]}; rename it (vessels and "
            "fields of view have the columns vessel and fov)."
        )


def _check_splits(path: Path, rows: pd.DataFrame) -> None:
    splits = rows.get("split")
    if splits is None or (splits == "").all():
        return
    wrong = rows[~splits.isin(_SPLITS)]
    if len(wrong):
        raise DatasetError(
            f"{path}, row {wrong.index[0]}: split must be train, val or test in every row or blank in every row, got "
            f"{wrong['split'].iloc[0]!r}; correct it."
        )
    if "patient" in rows.columns:
        splits_of = rows[rows["patient"] != ""].groupby("patient")["split"].unique()
        several = splits_of[splits_of.map(len) > 1]
        if len(several):
            parts = " and ".join(sorted(several.iloc[0]))
            raise DatasetError(
                f"{path}: a patient must be in one split, {several.index[0]!r} is in {parts} "
                f"({len(several)} such patients); move all of a patient's rows to one split."
            )


def _check_files(path: Path, rows: pd.DataFrame) -> None:
    blank = rows.index[rows["image"] == ""]
    if len(blank):
        raise DatasetError(f"{path}, row {blank[0]}: image is blank; fill it in or remove the row.")
    missing = [
        f"{value} (row {index}, {column})"
        for column in ("image", *_mask_columns(rows))
        for index, value in rows[column].items()
        if value and not _is_there(path.parent / value)
    ]
    if missing:
        raise DatasetError(
            f"{path} names missing files ({len(missing)}), first {missing[0]}; correct the paths, which are relative "
            "to the table, or remove the rows."
        )
