"""Reader for RFMiD: 3200 photographs with 45 findings, without vessels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vmnet_monai.datasets.item import DatasetError, Item, existing_dir, image_files, make_item, read_rows, warn_counted
from vmnet_monai.diseases import NORMAL, RFMID_CODES

NAME = "rfmid"

_RISK = "Disease_Risk"
_CHALLENGE_OTHER = "OTHER"


@dataclass(frozen=True)
class _Part:
    """Where the downloads keep one part of the dataset, relative to dataset_dir."""

    split: str
    tables: tuple[str, ...]
    images: tuple[str, ...]


_PARTS = tuple(
    _Part(
        split,
        (f"{folder}/{table}", f"{folder}/{folder}/{table}", f"2. Groundtruths/{letter}. {table}"),
        (f"{folder}/{inner}", f"{folder}/{folder}/{inner}", f"1. Original Images/{letter}. {long_name}"),
    )
    for split, letter, folder, inner, long_name, table in (
        ("train", "a", "Training_Set", "Training", "Training Set", "RFMiD_Training_Labels.csv"),
        ("val", "b", "Evaluation_Set", "Validation", "Validation Set", "RFMiD_Validation_Labels.csv"),
        ("test", "c", "Test_Set", "Test", "Testing Set", "RFMiD_Testing_Labels.csv"),
    )
)


def read(dataset_dir: str | Path, diseases: Sequence[str]) -> list[Item]:
    """Read RFMiD in either of its two layouts, with its official split.

    Pachade et al., Data 2021, doi:10.3390/data6020014. Disease_Risk 0 is normal, and then every disease is absent.
    RFMiD's columns name neither glaucoma nor cataract: media haze and optic disc cupping are findings of their own.
    OTHER, which only the challenge's tables have, is ``other``. Patients are not published: each photograph counts as
    its own. Parts without table, rows without photograph and photographs without row are left out with a warning.

    Raises:
        DatasetError: when a table is unreadable or has an unknown code or value, or when no table or no photograph is
            there at all.
    """
    root = existing_dir(dataset_dir)
    items: list[Item] = []
    parts_without_table: list[str] = []
    rows_without_image: list[str] = []
    images_without_row: list[str] = []
    for part in _PARTS:
        table = next((root / name for name in part.tables if (root / name).is_file()), None)
        if table is None:
            parts_without_table.append(part.split)
            continue
        rows = _read_table(table)
        folder = next((root / name for name in part.images if (root / name).is_dir()), None)
        images = {} if folder is None else image_files(folder)
        for number, record in rows.to_dict("index").items():
            image = images.pop(str(number), None)
            if image is None:
                rows_without_image.append(f"{number} in {table.name}")
                continue
            # IDs restart in each part.
            name = f"{part.split}_{number}"
            items.append(
                make_item(
                    reader=NAME,
                    name=name,
                    image=image,
                    labels={str(key): value for key, value in record.items()},
                    diseases=diseases,
                    split=part.split,
                )
            )
        images_without_row += map(str, images.values())
    if len(parts_without_table) == len(_PARTS):
        raise DatasetError(
            f"{root} holds no RFMiD table such as {_PARTS[0].tables[0]}; set dataset_dir to its parent folder."
        )
    if not items:
        raise DatasetError(
            f"{root} holds RFMiD's tables but none of their photographs; put them in {_PARTS[0].images[0]}, "
            "and likewise for the other parts."
        )
    warn_counted(parts_without_table, "RFMiD parts without table left out")
    warn_counted(rows_without_image, "RFMiD rows without photograph left out")
    warn_counted(images_without_row, "RFMiD photographs without row left out")
    return items


def _read_table(path: Path) -> pd.DataFrame:
    """The labels as floats: one row per ID, one column per disease key."""
    rows = read_rows(path, required=("ID", _RISK))
    columns = {**RFMID_CODES, _CHALLENGE_OTHER: "other", _RISK: NORMAL}
    unknown = [column for column in rows.columns if column not in columns and column != "ID"]
    if unknown:
        raise DatasetError(
            f"{path} has unknown disease codes, {', '.join(unknown)}; RFMiD's are {', '.join(RFMID_CODES)}: "
            "restore the table."
        )
    labels = rows.drop(columns="ID")
    if not labels.isin(["0", "1"]).all(axis=None):
        column = labels.columns[~labels.isin(["0", "1"]).all()][0]
        raise DatasetError(f"{path}, column {column}: labels must be 0 or 1; restore the table.")
    labels = labels.astype(float).assign(**{_RISK: lambda table: 1.0 - table[_RISK]})
    twice = rows["ID"][rows["ID"].duplicated()]
    if len(twice):
        raise DatasetError(f"{path}: each ID must have one row, {twice.iloc[0]} has several; restore the table.")
    return labels.rename(columns=columns).set_axis(rows["ID"], axis=0)
