"""Reader for FIVES: 800 photographs with vessels and one of four diagnoses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from vmnet_monai.datasets.item import DatasetError, Item, existing_dir, image_files, make_item, mask_of
from vmnet_monai.diseases import FIVES_LETTERS, group_labels

NAME = "fives"


def read(dataset_dir: str | Path, diseases: Sequence[str]) -> list[Item]:
    """Read FIVES in its official layout, with its official split (600 train, 200 test).

    Jin et al., Scientific Data 2022, doi:10.1038/s41597-022-01564-3. Patients are not published: each photograph
    counts as its own. With one diagnosis the three others of FIVES are absent; further diseases are absent in the
    normal group and unknown in the others.

    Raises:
        DatasetError: when a folder or a vessel mask is missing, or a file name has an unknown letter.
    """
    root = existing_dir(dataset_dir)
    items = []
    for split in ("train", "test"):
        vessels_dir = root / split / "Ground truth"
        vessels = image_files(vessels_dir)
        for stem, image in image_files(root / split / "Original").items():
            match = re.fullmatch(r"\d+_([A-Z])", stem)
            if match is None or match[1] not in FIVES_LETTERS:
                raise DatasetError(
                    f"{image} must be named by number and letter ({', '.join(f'1_{s}' for s in FIVES_LETTERS)}); "
                    "rename or remove it."
                )
            items.append(
                make_item(
                    reader=NAME,
                    name=f"{split}_{stem}",
                    image=image,
                    labels=group_labels(FIVES_LETTERS, match[1]),
                    diseases=diseases,
                    vessel=mask_of(image, vessels, stem, vessels_dir),
                    split=split,
                )
            )
    return items
