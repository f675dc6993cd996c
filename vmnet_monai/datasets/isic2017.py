"""Reader for ISIC 2017: 2750 dermoscopic photographs with the lesion's outline and one of three diagnoses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vmnet_monai.datasets.item import (
    DatasetError,
    Item,
    existing_dir,
    image_files,
    make_item,
    mask_of,
    read_rows,
    warn_counted,
)
from vmnet_monai.diseases import ISIC2017_DIAGNOSES

NAME = "isic2017"

_PARTS = {"train": "ISIC-2017_Training", "val": "ISIC-2017_Validation", "test": "ISIC-2017_Test_v2"}
_COLUMNS = ISIC2017_DIAGNOSES[:2]
_NEITHER = ISIC2017_DIAGNOSES[2]
_LABELS = {"0": False, "0.0": False, "1": True, "1.0": True}


def read(dataset_dir: str | Path, diseases: Sequence[str]) -> list[Item]:
    """Read ISIC 2017 in its official layout, with its official split (2000 train, 150 validate, 600 test).

    Codella et al., ISBI 2018, arXiv:1710.05006. ``lesion`` is the outline of the challenge's part 1. The table of part
    3 names melanoma, seborrheic keratosis or neither, which is a nevus: one of the three is present, the others are
    absent. Patients are not published: each photograph counts as its own. Parts without table, rows without photograph
    and photographs without row are left out with a warning. A folder may lie in another of its name, as some
    programs unpack the archives; the superpixels beside the photographs are not read.

    Diagnoses and the 2000 (374 melanoma, 254 seborrheic keratosis) are those of the challenge's pages; folders, tables
    and the other counts are those of public programs that read the download. The reader was not tried on the download
    itself.

    Raises:
        DatasetError: when a folder or an outline is missing, a table is unreadable or has an unknown or contradictory
            value, or when no table or no photograph is there at all.
    """
    root = existing_dir(dataset_dir)
    items: list[Item] = []
    parts_without_table: list[str] = []
    rows_without_image: list[str] = []
    images_without_row: list[str] = []
    for split, prefix in _PARTS.items():
        table = root / f"{prefix}_Part3_GroundTruth.csv"
        if not table.is_file():
            parts_without_table.append(split)
            continue
        diagnoses = _read_diagnoses(table)
        folder, masks_dir = _unpacked(root / f"{prefix}_Data"), _unpacked(root / f"{prefix}_Part1_GroundTruth")
        images = {stem: path for stem, path in image_files(folder).items() if not stem.endswith("_superpixels")}
        masks = image_files(masks_dir)
        for name, diagnosis in diagnoses.items():
            image = images.pop(name, None)
            if image is None:
                rows_without_image.append(f"{name} in {table.name}")
                continue
            items.append(
                make_item(
                    reader=NAME,
                    name=name,
                    image=image,
                    labels={key: key == diagnosis for key in ISIC2017_DIAGNOSES},
                    diseases=diseases,
                    lesion=mask_of(image, masks, f"{name}_segmentation", masks_dir),
                    split=split,
                )
            )
        images_without_row += map(str, images.values())
    if len(parts_without_table) == len(_PARTS):
        raise DatasetError(
            f"{root} holds no ISIC 2017 table such as {_PARTS['train']}_Part3_GroundTruth.csv; set dataset_dir to the "
            "folder that does."
        )
    if not items:
        raise DatasetError(
            f"{root} holds ISIC 2017's tables but none of their photographs; put them in {_PARTS['train']}_Data, and "
            "likewise for the other parts."
        )
    warn_counted(parts_without_table, "ISIC 2017 parts without table left out")
    warn_counted(rows_without_image, "ISIC 2017 rows without photograph left out")
    warn_counted(images_without_row, "ISIC 2017 photographs without row left out")
    return items


def _unpacked(folder: Path) -> Path:
    return folder / folder.name if (folder / folder.name).is_dir() else folder


def _read_diagnoses(path: Path) -> dict[str, str]:
    """The diagnosis by photograph."""
    rows = read_rows(path, required=("image_id", *_COLUMNS))
    diagnoses: dict[str, str] = {}
    for row in rows.to_dict("records"):
        name = row["image_id"]
        if name in diagnoses:
            raise DatasetError(f"{path}: each image_id must have one row, {name} has several; restore the table.")
        for column in _COLUMNS:
            if row[column] not in _LABELS:
                raise DatasetError(
                    f"{path}, {name}, column {column}: labels must be 0 or 1, got {row[column]!r}; restore the table."
                )
        present = [column for column in _COLUMNS if _LABELS[row[column]]]
        if len(present) > 1:
            raise DatasetError(
                f"{path}: a photograph must have one diagnosis, {name} has {' and '.join(present)}; restore the table."
            )
        diagnoses[name] = present[0] if present else _NEITHER
    return diagnoses
