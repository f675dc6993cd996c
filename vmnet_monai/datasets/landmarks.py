"""Adds optic disc and fovea, which a table gives for photographs of several datasets, to their items."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from vmnet_monai.datasets.item import DatasetError, Item, read_rows, warn_counted
from vmnet_monai.io.masks import ellipse_address

__all__ = ["add_landmarks"]

_SIZE = ("width", "height")
_DISC = ("disc_x", "disc_y", "disc_w", "disc_h")
_FOVEA = ("fovea_x", "fovea_y")
_COLUMNS = ("reading", "dataset", "image", *_SIZE, *_DISC, "disc_cut", *_FOVEA, "fovea_sure")

TRAINING_READING = "1"
"""The reading that is used; others repeat photographs to measure how well readers agree."""

_SHAPE_TOLERANCE = 0.01
"""Largest relative difference of the scales of width and height: photographs that were scaled have whole pixels."""


class _Marked(NamedTuple):
    """The landmarks of one photograph, in pixels of the size on which they were marked."""

    place: str
    size: list[float]
    disc: list[float]
    disc_cut: bool
    fovea: list[float] | None
    """None where the fovea lies outside the field of view."""
    fovea_sure: bool


def add_landmarks(items: Sequence[Item], path: str | Path, dataset: str) -> list[Item]:
    """Return the items of one dataset with the optic disc and the fovea that a table of landmarks gives them.

    The table has a row per photograph: ``dataset`` the reader's name, ``image`` the file's name (its suffix does not
    matter), ``width`` and ``height`` of the photograph on which the marks were set, ``disc_x``, ``disc_y``, ``disc_w``
    and ``disc_h`` the centre and the full axes of an upright ellipse, ``fovea_x`` and ``fovea_y`` (blank where the
    fovea lies outside the field of view), all in pixels from the upper left corner; ``disc_cut`` 1 where the edge of
    the field cuts the disc; ``fovea_sure`` 0 where the fovea was placed by geometry; ``reading`` 1, other readings
    are ignored. Marks are scaled where the photograph has another size of the same shape.

    A marked item gets

    - ``disc``: mask, the address of the ellipse (:mod:`vmnet_monai.io.masks`); of a disc that is cut the part inside
      the field of view counts in losses and scores, as of any mask;
    - ``fovea_region``: mask, a circle of one disc diameter (the geometric mean of the axes) around the fovea, about as
      wide as the anatomical fovea of 1.5 mm. Empty where the fovea lies outside the field of view; without the key
      where it was placed by geometry;
    - ``disc_cut``: bool;
    - ``fovea``: (x, y) in the photograph's own pixels, and ``fovea_sure``: bool; without these keys where the fovea
      lies outside the field of view.

    Transforms crop, flip and turn the two masks as they do all masks. The point is not transformed: it is metadata of
    the file, and :func:`vmnet_monai.datasets.load_datalists` drops it where ``structures`` are named.

    Args:
        items: the items of one dataset, as its reader returns them.
        path: the table, CSV, XLSX or Parquet.
        dataset: the reader's name.

    Returns:
        Copies of the items in their order; those without row are as they were. Rows of the dataset without photograph
        are counted in a warning.

    Raises:
        DatasetError: when the table cannot be read, lacks a column, has a photograph twice or a value that is no
            number, or a photograph has another shape than the one that was marked.
    """
    marked = _read_marked(Path(path), dataset)
    found = []
    for item in items:
        marks = marked.pop(_key(item["image"]), None)
        found.append(item if marks is None else {**item, **_landmarks(item["image"], marks)})
    warn_counted([marks.place for marks in marked.values()], f"rows of landmarks without photograph of {dataset}")
    return found


def _landmarks(image: str, marks: _Marked) -> dict[str, object]:
    scale_x, scale_y = _scales(image, marks)
    disc_x, disc_y, disc_w, disc_h = marks.disc
    disc_w, disc_h = disc_w * scale_x, disc_h * scale_y
    added: dict[str, object] = {
        "disc": ellipse_address(image, disc_x * scale_x, disc_y * scale_y, disc_w, disc_h),
        "disc_cut": marks.disc_cut,
    }
    if marks.fovea is None:
        return added | {"fovea_region": ellipse_address(image, 0, 0, 0, 0)}
    fovea = (marks.fovea[0] * scale_x, marks.fovea[1] * scale_y)
    if marks.fovea_sure:
        diameter = (disc_w * disc_h) ** 0.5
        added["fovea_region"] = ellipse_address(image, *fovea, diameter, diameter)
    return added | {"fovea": fovea, "fovea_sure": marks.fovea_sure}


def _scales(image: str, marks: _Marked) -> tuple[float, float]:
    """What the coordinates of a photograph are multiplied with, across and down."""
    try:
        with Image.open(image) as opened:
            width, height = opened.size
    except OSError as error:
        raise DatasetError(f"The image {image} cannot be opened ({error}); download or export it again.") from error
    scale_x, scale_y = width / marks.size[0], height / marks.size[1]
    if abs(scale_x / scale_y - 1) > _SHAPE_TOLERANCE:
        raise DatasetError(
            f"{marks.place}: a photograph must have the shape of the one that was marked, {image} has {width}x{height} "
            f"and the row {marks.size[0]:g}x{marks.size[1]:g}; restore the original, or remove the row."
        )
    return scale_x, scale_y


def _read_marked(path: Path, dataset: str) -> dict[str, _Marked]:
    """The landmarks of one dataset by photograph."""
    rows = read_rows(path, required=_COLUMNS, numbers=(*_SIZE, *_DISC, *_FOVEA))
    rows = rows[(rows["dataset"] == dataset) & (rows["reading"] == TRAINING_READING)]
    marked: dict[str, _Marked] = {}
    records: list[dict[str, str]] = rows.to_dict("records")  # type: ignore[assignment]
    for number, row in zip(rows.index, records, strict=True):
        place = f"{path}, row {number} ({row['image']})"
        if _key(row["image"]) in marked:
            raise DatasetError(f"{place}: a photograph must have one row per reading; remove one.")
        outside = all(row[column] == "" for column in (*_FOVEA, "fovea_sure"))
        marked[_key(row["image"])] = _Marked(
            place,
            size=_numbers(row, _SIZE, place),
            disc=_numbers(row, _DISC, place),
            disc_cut=_flag(row, "disc_cut", place),
            fovea=None if outside else _numbers(row, _FOVEA, place),
            fovea_sure=False if outside else _flag(row, "fovea_sure", place),
        )
    return marked


def _key(image: str) -> str:
    return Path(image).stem.casefold()


def _numbers(row: Mapping[str, str], columns: Sequence[str], place: str) -> list[float]:
    """The values of columns, of which sizes are above 0."""
    numbers = []
    for column in columns:
        try:
            number = float(row[column])
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or (column in (*_SIZE, "disc_w", "disc_h") and number <= 0):
            raise DatasetError(
                f"{place}: {column} must be a number of pixels, of a size above 0, got {row[column]!r}; correct it."
            )
        numbers.append(number)
    return numbers


def _flag(row: Mapping[str, str], column: str, place: str) -> bool:
    if row[column] not in ("0", "1"):
        raise DatasetError(f"{place}: {column} must be 0 or 1, got {row[column]!r}; correct it.")
    return row[column] == "1"
