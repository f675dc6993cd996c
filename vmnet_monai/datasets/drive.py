"""Reader for DRIVE: 40 photographs with vessels and field of view, none with disease labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from vmnet_monai.datasets.item import DatasetError, Item, existing_dir, image_files, make_item, mask_of, warn_counted

NAME = "drive"

_PARTS = {"training": "train", "test": "test"}


def read(dataset_dir: str | Path, diseases: Sequence[str]) -> list[Item]:
    """Read DRIVE in its official layout, with its official split (21-40 train, 01-20 test).

    Staal et al., IEEE TMI 2004, doi:10.1109/TMI.2004.825627. The vessels are the first observer's. Some downloads
    lack the manuals of the test part: those items come without ``vessel``, with a warning.

    Raises:
        DatasetError: when a folder, a field of view or a training manual is missing, or a file name is unknown.
    """
    root = existing_dir(dataset_dir)
    items: list[Item] = []
    for folder, split in _PARTS.items():
        masks_dir, manuals_dir = root / folder / "mask", root / folder / "1st_manual"
        images, masks = image_files(root / folder / "images"), image_files(masks_dir)
        manuals = image_files(manuals_dir) if split == "train" or manuals_dir.is_dir() else {}
        for stem, image in images.items():
            match = re.fullmatch(rf"(\d\d)_{folder}", stem)
            if match is None:
                raise DatasetError(
                    f"{image} is not named like a DRIVE photograph (01_{folder}.tif); rename or remove it."
                )
            manual = f"{match[1]}_manual1"
            without = split == "test" and manual not in manuals
            items.append(
                make_item(
                    reader=NAME,
                    name=match[1],
                    image=image,
                    labels={},
                    diseases=diseases,
                    vessel=None if without else mask_of(image, manuals, manual, manuals_dir),
                    fov=mask_of(image, masks, f"{stem}_mask", masks_dir),
                    split=split,
                )
            )
    warn_counted([item["image"] for item in items if "vessel" not in item], "DRIVE test photographs without manual")
    return items
