"""Reader for RahimDR: 394 photographs of one camera, graded for diabetic retinopathy and maculopathy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vmnet_monai.datasets.item import (
    DatasetError,
    Item,
    existing_dir,
    image_files,
    make_item,
    read_rows,
    warn_counted,
)
from vmnet_monai.datasets.split import draw_parts
from vmnet_monai.diseases import NORMAL

NAME = "rahimdr"

VAL_FRACTION = TEST_FRACTION = 0.15

_EYES = {"L": "left", "R": "right"}
_CLASSES = range(1, 10)


def read(dataset_dir: str | Path, diseases: Sequence[str]) -> list[Item]:
    """Read RahimDR, with a split of our own by patient: 70 % train, 15 % validate, 15 % test.

    Rahim, Retinal Fundus Image Dataset for Diabetic Retinopathy Detection, 2025. The class of ``labels.csv`` gives the
    diseases (class 1 is normal, any other diabetic retinopathy) and two keys of their own: ``grade``, see
    :func:`grade_of`, and ``maculopathy``, see :func:`has_maculopathy`. Both eyes of a patient are in one part. Patients
    are ordered by the worse grade of their eyes, then by number, and every n-th is taken, whatever ``split_seed`` is.
    Rows without photograph and photographs without row are left out with a warning.

    Raises:
        DatasetError: when a folder or the table is missing, no row has its photograph, a photograph has two rows, or an
            eye or a class is unknown.
    """
    root = existing_dir(dataset_dir)
    rows = _read_rows(root / "labels.csv")
    images = {path.name: path for path in image_files(root / "images").values()}
    found = rows[rows["image"].isin(images)]
    if found.empty:
        raise DatasetError(f"{root / 'images'} holds none of the photographs in labels.csv; unpack them there.")
    worst = found["class"].astype(int).map(grade_of).groupby(found["patient"]).max()
    part_of = draw_parts(
        sorted(worst.index, key=lambda patient: (worst[patient], patient)), VAL_FRACTION, TEST_FRACTION
    )
    items = []
    for image, patient, eye, number in found[["image", "patient", "eye", "class"]].itertuples(index=False):
        grade = grade_of(int(number))
        item = make_item(
            reader=NAME,
            name=Path(image).stem,
            image=images[image],
            labels={NORMAL: grade == 0, "diabetic_retinopathy": grade > 0},
            diseases=diseases,
            patient=patient,
            eye=_EYES[eye],
            split=part_of[patient],
        )
        items.append(item | {"grade": grade, "maculopathy": has_maculopathy(int(number))})
    warn_counted(sorted(set(rows["image"]) - images.keys()), "RahimDR rows without photograph left out")
    warn_counted(sorted(images.keys() - set(rows["image"])), "RahimDR photographs without row left out")
    return items


def grade_of(number: int) -> int:
    """Return the grade of diabetic retinopathy of a class, 1 to 9.

    Returns:
        0 none, 1 mild, 2 moderate, 3 severe, 4 proliferative, as the International Clinical Diabetic Retinopathy scale
        (Wilkinson et al., Ophthalmology 2003, doi:10.1016/S0161-6420(03)00475-5) counts them.

    Example:
        >>> [grade_of(number) for number in range(1, 10)]
        [0, 1, 1, 2, 2, 3, 3, 4, 4]
    """
    return number // 2


def has_maculopathy(number: int) -> bool:
    """Tell whether a class, 1 to 9, is one with diabetic maculopathy.

    Example:
        >>> [number for number in range(1, 10) if has_maculopathy(number)]
        [3, 5, 7, 9]
    """
    return number > 1 and number % 2 == 1


def _read_rows(path: Path) -> pd.DataFrame:
    rows = read_rows(path, required=("image", "patient", "eye", "class"))
    twice = rows["image"][rows["image"].duplicated()]
    if len(twice):
        raise DatasetError(
            f"{path}: each photograph must have one row, {twice.iloc[0]} has several; restore the table."
        )
    for column, known in (("eye", list(_EYES)), ("class", [str(number) for number in _CLASSES])):
        wrong = rows[~rows[column].isin(known)]
        if len(wrong):
            raise DatasetError(
                f"{path}, {wrong['image'].iloc[0]}: {column} must be one of {', '.join(known)}, got "
                f"{wrong[column].iloc[0]!r}; restore the table."
            )
    return rows
