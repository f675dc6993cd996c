"""Reader for CHASE_DB1: both eyes of 14 children with vessels, without field of view or disease labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from vmnet_monai.datasets.item import DatasetError, Item, existing_dir, image_files, make_item, mask_of, warn_counted

NAME = "chasedb1"

LAST_TRAINING_PATIENT = 4
"""The usual split trains on the first 8 photographs (Galdran et al., Sci Rep 2022, doi:10.1038/s41598-022-09675-y)."""

_EYES = {"L": "left", "R": "right"}


def read(dataset_dir: str | Path, diseases: Sequence[str]) -> list[Item]:
    """Read CHASE_DB1 in its official flat layout, with the usual split (01L-04R train, the rest test).

    Fraz et al., IEEE TBME 2012, doi:10.1109/TBME.2012.2205687. The vessels are the first observer's (``_1stHO``).
    Vessel masks whose photograph is missing are left out with a warning.

    Raises:
        DatasetError: when the folder holds no photograph, or a photograph has no vessel mask.
    """
    root = existing_dir(dataset_dir)
    files = image_files(root)
    images = {stem: match for stem in files if (match := re.fullmatch(r"Image_(\d\d)([LR])", stem))}
    if not images:
        raise DatasetError(
            f"{root} holds no photograph named like Image_01L.jpg; set dataset_dir to the folder that does."
        )
    references = [stem.removesuffix("_1stHO") for stem in files if stem.endswith("_1stHO")]
    warn_counted([stem for stem in references if stem not in images], "CHASE_DB1 vessel masks without photograph")
    return [
        make_item(
            reader=NAME,
            name=match[1] + match[2],
            image=files[stem],
            labels={},
            diseases=diseases,
            vessel=mask_of(files[stem], files, f"{stem}_1stHO", root),
            patient=match[1],
            eye=_EYES[match[2]],
            split="train" if int(match[1]) <= LAST_TRAINING_PATIENT else "test",
        )
        for stem, match in images.items()
    ]
