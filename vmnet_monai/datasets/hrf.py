"""Reader for HRF: 45 photographs with vessels, field of view and one of three diagnoses; arteries and veins beside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from vmnet_monai.datasets.item import DatasetError, Item, artery_and_vein, existing_dir, image_files, make_item, mask_of
from vmnet_monai.diseases import HRF_SUFFIXES, group_labels

NAME = "hrf"

LAST_TRAINING_NUMBER = 5
"""The usual split trains on 01 to 05 of each group (Orlando et al., IEEE TBME 2017, doi:10.1109/TBME.2016.2535311)."""


def read(dataset_dir: str | Path, diseases: Sequence[str]) -> list[Item]:
    """Read HRF in its official layout, with the usual split (01-05 of each group train, 06-15 test).

    Budai et al., Int J Biomed Imaging 2013, doi:10.1155/2013/154860. Each photograph is of another patient. With
    one diagnosis the two others of HRF are absent; further diseases are absent in the healthy group and unknown in the
    others.

    Where a folder ``av`` of label pictures lies beside ``manual1``, the photographs that have one there get ``artery``
    and ``vein`` (:mod:`vmnet_monai.io.masks`); green pixels, crossings and vessels of unsure kind, belong to both.

    Raises:
        DatasetError: when a folder (other than ``av``) or a mask is missing, or a file name has an unknown suffix.
    """
    root = existing_dir(dataset_dir)
    vessels, fovs = image_files(root / "manual1"), image_files(root / "mask")
    pictures = image_files(root / "av") if (root / "av").is_dir() else {}
    items = []
    for stem, image in image_files(root / "images").items():
        match = re.fullmatch(r"(\d\d)_([a-z]+)", stem)
        if match is None or match[2] not in HRF_SUFFIXES:
            raise DatasetError(
                f"{image} must be named by number and group ({', '.join(f'01_{s}' for s in HRF_SUFFIXES)}); "
                "rename or remove it."
            )
        items.append(
            make_item(
                reader=NAME,
                name=stem,
                image=image,
                labels=group_labels(HRF_SUFFIXES, match[2]),
                diseases=diseases,
                vessel=mask_of(image, vessels, stem, root / "manual1"),
                fov=mask_of(image, fovs, f"{stem}_mask", root / "mask"),
                split="train" if int(match[1]) <= LAST_TRAINING_NUMBER else "test",
                **(artery_and_vein(pictures[stem]) if stem in pictures else {}),
            )
        )
    return items
