"""The item, one photograph as every reader returns it, and how readers build it from files."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vmnet_monai.diseases import label_vector
from vmnet_monai.io.masks import colour_address
from vmnet_monai.io.tables import TableError, read_table

Item = dict[str, Any]
"""``image`` str path, a mask per structure (such as ``vessel``) and ``fov`` str path or key absent, ``disease`` list of
floats (1 present, 0 absent, NaN unknown), ``dataset``, ``patient``, ``eye`` ("left", "right" or ""), ``sex``
("female", "male", "other" or ""), ``age`` (years, NaN unknown), ``id``, and ``split`` or key absent. What only some
datasets say (a grade, the fovea) has keys of its own, see their readers. A path may be the address of a slice
(:func:`vmnet_monai.io.slices.slice_address`), that of a mask also one of :mod:`vmnet_monai.io.masks`."""

COMMON_KEYS = frozenset({"image", "disease", "dataset", "patient", "eye", "sex", "age", "id", "split"})
"""Keys, besides the masks, of the items of all datasets."""

SEXES = ("", "female", "male", "other")
"""What an item says of the patient's sex; empty where unknown."""

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Suffixes of image files, in lower case; their formats are :data:`vmnet_monai.io.images.IMAGE_FORMATS`."""

_NAMES_SHOWN = 3
_OLDEST_YEARS = 150


class DatasetError(ValueError):
    """Raised when a dataset on disk is not what its reader expects; the message names the file and the remedy."""


class DatasetWarning(UserWarning):
    """Issued when a dataset is usable but incomplete; the message counts the files concerned and names the first."""


def make_item(
    *,
    reader: str,
    name: str,
    image: Path | str,
    labels: Mapping[str, bool | float],
    diseases: Sequence[str],
    patient: str | None = None,
    eye: str = "",
    split: str | None = None,
    **masks: Path | str | None,
) -> Item:
    """Build the item of one photograph, sex and age of the patient unknown: a reader that knows them puts them in.

    Args:
        reader: the reader's name; prefix of ``id`` and ``patient``, and the ``dataset``.
        name: the photograph's name, unique in the dataset.
        image: the photograph, or the address of a slice.
        labels: the known labels, see :func:`vmnet_monai.diseases.label_vector`.
        diseases: the requested columns of ``disease``.
        patient: the patient's name, unique in the dataset; None where unknown: each photograph is its own patient.
        eye: "left", "right" or "" where unknown.
        split: the official part "train", "val" or "test"; None where the dataset has none.
        masks: by structure the mask (or its slice), and as ``fov`` that of the field of view; None where there is none.

    Raises:
        DatasetError: when the labels contradict each other.
    """
    try:
        disease = label_vector(labels, diseases)
    except ValueError as error:
        raise DatasetError(f"{image}: {error}") from error
    item: Item = {"image": str(image)}
    item |= {key: str(path) for key, path in masks.items() if path is not None}
    item |= {
        "disease": disease,
        "dataset": reader,
        "patient": f"{reader}_{name if patient is None else patient}",
        "eye": eye,
        "sex": "",
        "age": math.nan,
        "id": f"{reader}_{name}",
    }
    return item if split is None else item | {"split": split}


def mask_keys(item: Item) -> list[str]:
    """The structures of which an item has a mask, and ``fov`` where it has one."""
    return [key for key, value in item.items() if key not in COMMON_KEYS and isinstance(value, str)]


def select_items(
    items: Sequence[Item], structures: Sequence[str], with_masks: bool, keep_labels: bool = True
) -> list[Item]:
    """Select the items that have a mask of at least one structure, or those that have none.

    Args:
        items: any items.
        structures: keys of the masks.
        with_masks: whether those with a mask are selected, or the others.
        keep_labels: whether the diseases stay known; otherwise they become NaN, on copies of the items.

    Example:
        >>> items = [{"vessel": "a.png", "disease": [1.0]}, {"disease": [0.0]}]
        >>> select_items(items, ["vessel"], with_masks=True, keep_labels=False)
        [{'vessel': 'a.png', 'disease': [nan]}]
    """
    selected = [item for item in items if item.keys().isdisjoint(structures) != with_masks]
    if keep_labels:
        return selected
    return [{**item, "disease": [math.nan] * len(item["disease"])} for item in selected]


def repeat_items(items: Sequence[Item], times: Mapping[str, int]) -> list[Item]:
    """Repeat the items of each dataset, so that an epoch offers some datasets more often than others.

    Args:
        items: any items.
        times: dataset -> how often; a dataset that is not named is left out.

    Raises:
        ValueError: if no item is left.

    Example:
        >>> [item["id"] for item in repeat_items([{"id": 1, "dataset": "a"}, {"id": 2, "dataset": "b"}], {"a": 2})]
        [1, 1]
    """
    repeated = [item for item in items for _ in range(times.get(item["dataset"], 0))]
    if not repeated:
        names = sorted({item["dataset"] for item in items})
        raise ValueError(f"times must name one of the datasets {', '.join(names)}, got {', '.join(times)}.")
    return repeated


def existing_dir(path: str | Path) -> Path:
    """Return the path of a folder that must exist.

    Raises:
        DatasetError: when it is missing or a file.
    """
    path = Path(path)
    if not path.is_dir():
        raise DatasetError(
            f"The folder {path} is missing; set dataset_dir to the folder that the dataset's download unpacks to, "
            "and keep the names inside it."
        )
    return path


def is_image_file(path: Path) -> bool:
    """Whether a path is a file with an image's suffix."""
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def image_files(directory: Path) -> dict[str, Path]:
    """Return the images of one folder by file name without suffix, sorted.

    Raises:
        DatasetError: when the folder is missing or holds no image, or two images differ in nothing but suffix.
    """
    found: dict[str, Path] = {}
    for path in sorted(filter(is_image_file, existing_dir(directory).iterdir())):
        if path.stem in found:
            raise DatasetError(f"{path} and {found[path.stem].name} are two files for one image; remove one of them.")
        found[path.stem] = path
    if not found:
        raise DatasetError(
            f"The folder {directory} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))}); unpack the dataset."
        )
    return found


def mask_of(image: Path, masks: Mapping[str, Path], stem: str, expected_dir: Path) -> Path:
    """Return the mask that belongs to a photograph.

    Raises:
        DatasetError: when there is none.
    """
    if stem not in masks:
        raise DatasetError(
            f"The photograph {image} has no mask {expected_dir / stem}.*; complete the download, or remove the "
            "photograph."
        )
    return masks[stem]


def artery_and_vein(picture: Path) -> dict[str, str]:
    """Return the masks of arteries and veins in a label picture: red arteries, blue veins, green crossings, in both.

    Example:
        >>> artery_and_vein(Path("av.png"))
        {'artery': 'av.png?colours=red,green', 'vein': 'av.png?colours=blue,green'}
    """
    return {
        "artery": colour_address(picture, ["red", "green"]),
        "vein": colour_address(picture, ["blue", "green"]),
    }


def read_rows(path: str | Path, required: Iterable[str], numbers: Iterable[str] = ()) -> pd.DataFrame:
    """Read a table as stripped text, blank where empty, see :func:`vmnet_monai.io.tables.read_table`.

    What was left out is said in warnings.

    Args:
        path: the table.
        required: columns that it must have.
        numbers: columns in which a decimal comma is turned to a point, where the table may have these.

    Returns:
        The rows; the index counts them as a spreadsheet does, with the header as row 1.

    Raises:
        DatasetError: when the table is missing, unreadable, without rows, or lacks a required column.
    """
    try:
        table = read_table(path, required)
    except TableError as error:
        raise DatasetError(str(error)) from error
    if table.rows.empty:
        raise DatasetError(f"The table {path} has no rows; download or export it again.")
    for remark in table.remarks:
        warnings.warn(remark, DatasetWarning, stacklevel=3)
    return table.with_decimal_points(numbers).apply(lambda column: column.str.strip())


def is_positive(text: str) -> bool:
    """Tell whether a cell of a table is a number above 0.

    >>> is_positive("6.1"), is_positive("0"), is_positive("inf"), is_positive("")
    (True, False, False, False)
    """
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False


def age_in_years(text: str) -> float:
    """Read an age in years, NaN of an empty cell.

    Raises:
        ValueError: when it is no number from 0 to 150.

    Example:
        >>> age_in_years("61"), age_in_years("")
        (61.0, nan)
    """
    if not text:
        return math.nan
    try:
        age = float(text)
    except ValueError:
        age = math.nan
    if not 0 <= age <= _OLDEST_YEARS:
        raise ValueError(f"age must be 0 to {_OLDEST_YEARS} years or blank, got {text!r}")
    return age


def warn_counted(names: Sequence[str], what: str, shown: int = _NAMES_SHOWN) -> None:
    """Issue one :class:`DatasetWarning` about all the named files, rows or columns; nothing when there are none.

    Args:
        names: the names, of which the first are told.
        what: what they are, and what became of them.
        shown: how many are told.
    """
    if names:
        more = f", and {len(names) - shown} more" if len(names) > shown else ""
        told = ", ".join(names[:shown])
        warnings.warn(f"{len(names)} {what}: {told}{more}.", DatasetWarning, stacklevel=3)
