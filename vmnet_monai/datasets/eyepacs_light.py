"""Reader for EyePACS-light-v2: photographs labelled referable glaucoma or not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vmnet_monai.datasets.item import DatasetError, Item, existing_dir, image_files, make_item
from vmnet_monai.datasets.names import slug
from vmnet_monai.diseases import EYEPACS_LIGHT_FOLDERS

NAME = "eyepacs_light"

_WRAPPER = "eyepac-light-v2-512-jpg"
_PARTS = {"train": "train", "validation": "val", "test": "test"}


def read(dataset_dir: str | Path, diseases: Sequence[str]) -> list[Item]:
    """Read EyePACS-light-v2, with its official split.

    De Vente et al., AIROGS, IEEE TMI 2024, doi:10.1109/TMI.2023.3313786 (the balanced subset by R. Kiefer). Patients
    are not published: each photograph counts as its own. No referable glaucoma does not mean normal.

    Raises:
        DatasetError: when a folder is missing or has an unknown name.
    """
    root = existing_dir(dataset_dir)
    root = root / _WRAPPER if (root / _WRAPPER).is_dir() else root
    items = []
    for part, split in _PARTS.items():
        folders = {folder.name: folder for folder in existing_dir(root / part).iterdir() if folder.is_dir()}
        if folders.keys() != EYEPACS_LIGHT_FOLDERS.keys():
            raise DatasetError(
                f"{root / part} must hold the folders {' and '.join(EYEPACS_LIGHT_FOLDERS)}, it holds "
                f"{', '.join(sorted(folders)) or 'none'}; unpack the dataset again."
            )
        for grade, labels in EYEPACS_LIGHT_FOLDERS.items():
            items += [
                make_item(
                    reader=NAME,
                    name=f"{split}_{grade}_{slug(stem)}",
                    image=image,
                    labels=labels,
                    diseases=diseases,
                    split=split,
                )
                for stem, image in image_files(folders[grade]).items()
            ]
    return items
