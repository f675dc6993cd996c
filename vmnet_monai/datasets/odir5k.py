"""Reader for ODIR-5K: both eyes of 3500 patients with eight labels from diagnostic keywords, without vessels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vmnet_monai.datasets.item import (
    SEXES,
    DatasetError,
    Item,
    existing_dir,
    is_image_file,
    make_item,
    read_rows,
    warn_counted,
)
from vmnet_monai.diseases import ODIR_KEYWORD_RULES, ODIR_LETTERS, ODIR_NO_FUNDUS, ODIR_NOT_DECISIVE

NAME = "odir5k"

TABLES = (
    "full_df.csv",
    "ODIR-5K_Training_Annotations(Updated)_V2.xlsx",
    "data.xlsx",
    "ODIR-5K/ODIR-5K_Training_Annotations(Updated)_V2.xlsx",
    "ODIR-5K/data.xlsx",
)
"""Names of the label table in the public downloads, first found is read."""

PHOTOGRAPH_FOLDERS = (
    "preprocessed_images",
    "Training Images",
    "ODIR-5K_Training_Dataset",
    "ODIR-5K/Training Images",
    "ODIR-5K/ODIR-5K_Training_Dataset",
)
"""Names of the photographs' folder in the public downloads; the one that holds most of the table's files is read."""

_KEYWORD_SEPARATOR = re.compile("[\uff0c,]")
_SIDES = {"left": "Left", "right": "Right"}


def read(dataset_dir: str | Path, diseases: Sequence[str]) -> list[Item]:
    """Read ODIR-5K, labelled eye by eye; it has no official split.

    https://odir2019.grand-challenge.org. The table's own columns N to O are per patient, so the labels come from each
    eye's diagnostic keywords, see :func:`eye_letters`. Where these name a finding, all eight letters are known; where
    they describe the photograph only, none is. Sex and age are those of the table, where it has them. Left out with a
    warning: rows without photograph, images that show no fundus, and eyes whose keywords name both normal and a
    disease.

    Raises:
        DatasetError: when the table is missing, unreadable or contradicts itself, or no photograph is there.
    """
    root = existing_dir(dataset_dir)
    eyes = _read_eyes(root)
    images = _find_images(root, set(eyes["filename"]))
    items: list[Item] = []
    missing: list[str] = []
    no_fundus: list[str] = []
    contradictory: list[str] = []
    for patient, eye, filename, keywords, sex, age in eyes.itertuples(index=False):
        words = {word.strip() for word in _KEYWORD_SEPARATOR.split(keywords)} - {""}
        letters = eye_letters(words)
        if filename not in images:
            missing.append(filename)
        elif words & ODIR_NO_FUNDUS:
            no_fundus.append(filename)
        elif "N" in letters and len(letters) > 1:
            contradictory.append(f"{filename} ({keywords})")
        else:
            items.append(
                make_item(
                    reader=NAME,
                    name=f"{patient}_{eye}",
                    image=images[filename],
                    labels={key: letter in letters for letter, key in ODIR_LETTERS.items()} if letters else {},
                    diseases=diseases,
                    patient=patient,
                    eye=eye,
                )
                | {"sex": sex, "age": age}
            )
    warn_counted(missing, "ODIR-5K rows without photograph left out")
    warn_counted(no_fundus, "ODIR-5K images that show no fundus left out")
    warn_counted(contradictory, "ODIR-5K eyes both normal and diseased left out")
    return items


def eye_letters(keywords: set[str]) -> set[str]:
    """The ODIR letters that one eye's diagnostic keywords mean; empty where none of them is decisive.

    Example:
        >>> sorted(eye_letters({"mild nonproliferative retinopathy", "drusen", "lens dust"}))
        ['D', 'O']
    """
    decisive = {word.lower() for word in keywords} - ODIR_NOT_DECISIVE - ODIR_NO_FUNDUS
    return {next((letter for rule, letter in ODIR_KEYWORD_RULES if rule.search(word)), "O") for word in decisive}


def _read_eyes(root: Path) -> pd.DataFrame:
    """One row per eye: patient, eye, filename, keywords, sex, age."""
    path = next((root / name for name in TABLES if (root / name).is_file()), None)
    if path is None:
        raise DatasetError(f"{root} holds no ODIR-5K table ({', '.join(TABLES)}); set dataset_dir to its folder.")
    columns = [f"{side}-{column}" for side in _SIDES.values() for column in ("Fundus", "Diagnostic Keywords")]
    rows = read_rows(path, required=("ID", *columns))
    blank = pd.Series("", index=rows.index)
    sex = (rows["Patient Sex"] if "Patient Sex" in rows.columns else blank).str.lower()
    age = pd.to_numeric(rows["Patient Age"] if "Patient Age" in rows.columns else blank, errors="coerce")
    eyes = pd.concat(
        pd.DataFrame(
            {
                "patient": rows["ID"],
                "eye": eye,
                "filename": rows[f"{side}-Fundus"],
                "keywords": rows[f"{side}-Diagnostic Keywords"],
                "sex": sex.where(sex.isin(SEXES), ""),
                "age": age,
            }
        )
        for eye, side in _SIDES.items()
    )
    if "filename" in rows.columns:
        # full_df.csv has one row per eye, which repeats the patient's other eye.
        stray = ~((rows["filename"] == rows["Left-Fundus"]) | (rows["filename"] == rows["Right-Fundus"]))
        if stray.any():
            raise DatasetError(
                f"{path}: the filename {rows['filename'][stray].iloc[0]} is neither Left-Fundus nor Right-Fundus of "
                "its row; restore the table."
            )
        eyes = eyes[eyes["filename"] == rows["filename"].reindex(eyes.index)]
    return eyes.sort_index(kind="stable")


def _find_images(root: Path, filenames: set[str]) -> dict[str, Path]:
    """The listed photographs by file name, from the folder that holds most of them."""
    folders = [
        {path.name: path for path in (root / name).iterdir() if path.name in filenames and is_image_file(path)}
        for name in PHOTOGRAPH_FOLDERS
        if (root / name).is_dir()
    ]
    images = max(folders, key=len, default={})
    if not images:
        raise DatasetError(
            f"{root} holds none of the table's photographs in {', '.join(PHOTOGRAPH_FOLDERS[:3])}; unpack them there."
        )
    return images
