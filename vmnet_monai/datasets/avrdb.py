"""Reader for AVRDB: 100 photographs of one camera with arteries and veins, without field of view or disease labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from vmnet_monai.datasets.item import DatasetError, Item, artery_and_vein, existing_dir, image_files, make_item, mask_of

NAME = "avrdb"

SAME_PATIENT_STEP = 3
"""Photographs whose numbers differ by at most this are taken for one patient's. Patients are not published; the
neighbours look like both eyes, or several views, of one patient, and IM001031 and IM001032 are nearly the same."""

_VAL_FROM, _TEST_FROM = 0.7, 0.8


def read(dataset_dir: str | Path, diseases: Sequence[str]) -> list[Item]:
    """Read AVRDB, with a split of our own: by number the first 70 % train, the next 10 % validate, the last 20 % test.

    Akbar et al. 2017, doi:10.17632/3csr652p9y.2. ``artery`` and ``vein`` are the colours of a label picture
    (:mod:`vmnet_monai.io.masks`); crossings belong to both. Items have no ``vessel``: AVRDB's vessels are drawn nearly
    twice as wide as those of other datasets, 17.7 % of the field of view against HRF's 9.9 %. Patients, see
    :data:`SAME_PATIENT_STEP`, are in the part of their first photograph.

    Raises:
        DatasetError: when a folder or a label picture is missing, or a file name is no number such as IM000001.
    """
    root = existing_dir(dataset_dir)
    images, pictures = image_files(root / "images"), image_files(root / "av")
    wrong = [path for stem, path in images.items() if not re.fullmatch(r"IM\d{6}", stem)]
    if wrong:
        raise DatasetError(f"{wrong[0]} must be named by a number such as IM000001.jpg; rename or remove it.")
    first_of = _first_photographs(list(images))
    position = {stem: number for number, stem in enumerate(images)}
    items = []
    for stem, image in images.items():
        items.append(
            make_item(
                reader=NAME,
                name=stem,
                image=image,
                labels={},
                diseases=diseases,
                patient=first_of[stem],
                split=_part(position[first_of[stem]] / len(images)),
                **artery_and_vein(mask_of(image, pictures, stem, root / "av")),
            )
        )
    return items


def _first_photographs(stems: Sequence[str]) -> dict[str, str]:
    """The first photograph of each photograph's patient, of names sorted by number."""
    first_of = {stems[0]: stems[0]}
    for before, stem in pairwise(stems):
        is_same = int(stem[2:]) - int(before[2:]) <= SAME_PATIENT_STEP
        first_of[stem] = first_of[before] if is_same else stem
    return first_of


def _part(place: float) -> str:
    """The part of a patient whose first photograph has this place among all, from 0 to below 1."""
    if place < _VAL_FROM:
        return "train"
    return "val" if place < _TEST_FROM else "test"
