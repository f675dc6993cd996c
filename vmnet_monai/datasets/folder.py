"""Reader for a folder of photographs without masks and labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vmnet_monai.datasets.item import DatasetError, Item, existing_dir, is_image_file, make_item
from vmnet_monai.datasets.names import names_from_paths

NAME = "folder"


def read(dataset_dir: str | Path, diseases: Sequence[str]) -> list[Item]:
    """Read every image of a folder and its subfolders, sorted by path; each counts as its own patient.

    The id is the file's name without suffix, with its subfolders before it.

    Raises:
        DatasetError: when the folder is missing or holds no image.
    """
    root = existing_dir(dataset_dir)
    paths = sorted(path.relative_to(root) for path in root.rglob("*") if is_image_file(path))
    if not paths:
        raise DatasetError(f"{root} holds no image, in subfolders neither; set dataset_dir to the photographs' folder.")
    return [
        make_item(reader=NAME, name=name, image=root / path, labels={}, diseases=diseases) | {"id": name}
        for path, name in zip(paths, names_from_paths(paths), strict=True)
    ]
