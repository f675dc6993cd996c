"""Checks datasets on disk: counts, labels and sizes as a training would read them, warnings and errors."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from PIL import Image
from tqdm import tqdm

from vmnet_monai.datasets.catalogue import load_datalists
from vmnet_monai.datasets.item import DatasetWarning, Item, mask_keys
from vmnet_monai.errors import UnreadableImageError
from vmnet_monai.io.dicom import HEADER_TAGS, check_image_object, frame_number, is_dicom, read_header
from vmnet_monai.io.masks import parse_mask_address
from vmnet_monai.io.slices import parse_slice_address, volume_shape


@dataclass
class CheckReport:
    """The outcome of :func:`check_datasets`.

    Attributes:
        counts: per part and dataset: photographs, patients, with a mask of each structure found, with that of the
            field of view, with labels, size range.
        labels: per part, dataset and disease: photographs in which it is present, absent, unknown.
        warnings: what is incomplete but usable.
        errors: what must be corrected.
    """

    counts: pd.DataFrame = field(default_factory=pd.DataFrame)
    labels: pd.DataFrame = field(default_factory=pd.DataFrame)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def labels_by_part(self) -> pd.DataFrame:
        """One row per dataset and disease, and per part a column ``present/absent/unknown``."""
        numbers = self.labels[["present", "absent", "unknown"]].astype(str).agg("/".join, axis=1)
        by_part = self.labels.assign(numbers=numbers).pivot_table(
            index=["dataset", "disease"], columns="part", values="numbers", aggfunc="first", sort=False
        )
        return by_part.fillna("").reset_index()


def check_datasets(
    dataset: Sequence[str],
    dataset_dir: Sequence[str | Path],
    diseases: Sequence[str],
    landmarks: str | Path | None = None,
) -> CheckReport:
    """Read datasets as a training does and count what it would get; reads the headers of the images, no pixels.

    Errors of the readers are not raised but reported, as are images that cannot be opened, DICOM objects that are no
    photographs, and masks whose size is not their photograph's.

    Args:
        dataset: names of datasets.
        dataset_dir: one folder per name.
        diseases: the requested diseases.
        landmarks: a table of optic discs and foveas, see :func:`vmnet_monai.datasets.landmarks.add_landmarks`.
    """
    report = CheckReport()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DatasetWarning)
        try:
            datalists = load_datalists(dataset, dataset_dir, diseases, landmarks=landmarks)
        except (ValueError, OSError) as error:
            datalists = {}
            report.errors.append(str(error))
    told = [str(one.message) for one in caught if issubclass(one.category, DatasetWarning)]
    report.warnings += dict.fromkeys(told)  # a table may be read more than once
    found = [item for items in datalists.values() for item in items]
    sizes = {
        item["id"]: _size(item, report.errors)
        for item in tqdm(found, "Reading headers", unit="photograph", delay=1, leave=False)
    }
    report.counts = _count(datalists, sizes)
    report.labels = _count_labels(datalists, diseases)
    return report


def _size(item: Item, errors: list[str]) -> tuple[int, int] | None:
    """Width and height of the photograph in pixels; a mask of another size is added to the errors."""
    sizes: dict[str, tuple[int, int]] = {}
    for key in ("image", *mask_keys(item)):
        try:
            sizes[key] = _header_size(item[key])
        except UnreadableImageError as error:  # which says what helps
            errors.append(f"The image {item[key]} cannot be read: {error}")
        except (OSError, ValueError) as error:
            errors.append(f"The image {item[key]} cannot be opened ({error}); download or export it again.")
    image = sizes.get("image")
    for key, size in sizes.items():
        if image is not None and size != image:
            errors.append(
                f"A mask must have its photograph's size, {item[key]} is {_text(size)} and {item['image']} is "
                f"{_text(image)}; restore the originals of both."
            )
    return image


def _header_size(path: str) -> tuple[int, int]:
    """Width and height of an image, of a frame of a DICOM file, of a slice, or of a mask made of these, in pixels."""
    mask = parse_mask_address(path)
    if mask is not None:
        return _header_size(mask.path)
    address = parse_slice_address(path)
    file = path if address is None else address.path
    if is_dicom(file):
        header = read_header(file, HEADER_TAGS)
        check_image_object(header, frame_number(address))
        return int(header.Columns), int(header.Rows)
    if address is None:
        with Image.open(path) as image:
            return image.size
    _, height, width = volume_shape(address.path)
    return width, height


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _by_dataset(items: Sequence[Item]) -> dict[str, list[Item]]:
    names = sorted({item["dataset"] for item in items})
    return {name: [item for item in items if item["dataset"] == name] for name in names}


def _count(datalists: Mapping[str, Sequence[Item]], sizes: Mapping[str, tuple[int, int] | None]) -> pd.DataFrame:
    found = dict.fromkeys(key for items in datalists.values() for item in items for key in mask_keys(item))
    masks = [*(key for key in found if key != "fov"), "fov"]
    rows = []
    for part, items in datalists.items():
        for name, own in _by_dataset(items).items():
            readable = sorted({size for item in own if (size := sizes[item["id"]]) is not None})
            rows.append(
                {
                    "part": part,
                    "dataset": name,
                    "photographs": len(own),
                    "patients": len({item["patient"] for item in own}),
                    **{key: sum(key in item for item in own) for key in masks},
                    "labels": sum(any(value == value for value in item["disease"]) for item in own),
                    "smallest": _text(readable[0]) if readable else "",
                    "largest": _text(readable[-1]) if readable else "",
                }
            )
    return pd.DataFrame(rows)


def _count_labels(datalists: Mapping[str, Sequence[Item]], diseases: Sequence[str]) -> pd.DataFrame:
    rows = []
    for part, items in datalists.items():
        for name, own in _by_dataset(items).items():
            for k, key in enumerate(diseases):
                values = [item["disease"][k] for item in own]
                present, absent = values.count(1.0), values.count(0.0)
                rows.append(
                    {
                        "part": part,
                        "dataset": name,
                        "disease": key,
                        "present": present,
                        "absent": absent,
                        "unknown": len(values) - present - absent,
                    }
                )
    return pd.DataFrame(rows)
