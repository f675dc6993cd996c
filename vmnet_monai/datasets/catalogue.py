"""Reads datasets by name and divides them into training, validation and test."""

from __future__ import annotations

import logging
import math
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from vmnet_monai.datasets import (
    avrdb,
    chasedb1,
    drive,
    eyepacs_light,
    fives,
    folder,
    hrf,
    isic2017,
    odir5k,
    phantom,
    rahimdr,
    retouch,
    rfmid,
    stare,
    table,
)
from vmnet_monai.datasets.image_files import find_images
from vmnet_monai.datasets.item import COMMON_KEYS, DatasetError, DatasetWarning, Item, mask_keys
from vmnet_monai.datasets.landmarks import add_landmarks
from vmnet_monai.datasets.names import same_file_key, slug
from vmnet_monai.datasets.selection import selection_warnings
from vmnet_monai.datasets.split import TEST_FRACTION, VAL_FRACTION, split_by_patient
from vmnet_monai.diseases import VOCABULARY, get_disease
from vmnet_monai.structures import check_structures

logger = logging.getLogger(__name__)

Reader = Callable[[str | Path, Sequence[str]], list[Item]]

READERS: Mapping[str, Reader] = {
    "avrdb": avrdb.read,
    "chasedb1": chasedb1.read,
    "drive": drive.read,
    "eyepacs_light": eyepacs_light.read,
    "fives": fives.read,
    "folder": folder.read,
    "hrf": hrf.read,
    "isic2017": isic2017.read,
    "odir5k": odir5k.read,
    "phantom": phantom.read,
    "rahimdr": rahimdr.read,
    "retouch": retouch.read,
    "rfmid": rfmid.read,
    "stare": stare.read,
    "table": table.read,
}
"""Every dataset that can be named in a config."""

_NAMED_BY_PLACE = frozenset({"folder", "phantom", "table"})
"""Readers whose photographs are named by their place: those of two folders may have the same name."""


def read_datasets(
    dataset: str | Sequence[str],
    dataset_dir: str | Path | Sequence[str | Path],
    diseases: Sequence[str],
    structures: Sequence[str] | None = None,
    landmarks: str | Path | None = None,
) -> list[Item]:
    """Read one or several datasets; the items come in the order given, without their split.

    Where a reader is named more than once, ``dataset`` and the prefix of ``id`` become the name of the folder
    (``ODIR-5K-400`` -> ``odir-5k-400``), while ``patient`` stays: an ODIR-5K patient in two folders is one patient.

    Args:
        dataset: name or names out of :data:`READERS`.
        dataset_dir: one folder per name (a table's may be the file).
        diseases: the columns of ``disease``: vocabulary keys or label columns of a table; none for masks alone.
        structures: the structures whose masks the items keep, so that they can be collated; None for all, and for the
            keys that only some datasets have, such as a grade.
        landmarks: a table of optic discs and foveas, see :func:`vmnet_monai.datasets.landmarks.add_landmarks`; None
            where there is none.

    Raises:
        DatasetError: when a name is unknown, names and folders do not match in number, an id comes twice, or a reader
            refuses its folder or ``landmarks`` is refused.
        ValueError: when a disease is unknown or requested twice.

    Example:
        >>> import tempfile
        >>> from vmnet_monai.datasets.phantom import write_phantoms
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = write_phantoms(folder, count=3, size_px=64)
        ...     items = read_datasets("phantom", folder, diseases=["glaucoma"])
        >>> [(item["id"], item["disease"]) for item in items]
        [('phantom_0000', [0.0]), ('phantom_0001', [0.0]), ('phantom_0002', [1.0])]
    """
    items = _keep_masks(_read(dataset, dataset_dir, diseases, landmarks), structures, diseases)
    # Batches are collated by key: none that only some items have.
    return [{key: value for key, value in item.items() if key != "split"} for item in items]


def inference_items(
    dataset_dir: str | Path | Sequence[str | Path],
    diseases: Sequence[str],
    structures: Sequence[str],
    dataset_name: str | Sequence[str] | None = None,
    exclude: str | Path | None = None,
) -> list[Item]:
    """Return the items to predict: those of files, folders and lists, or of datasets that are named.

    Args:
        dataset_dir: what is to be predicted, see :func:`vmnet_monai.datasets.find_images`; of datasets their folders.
        diseases: the columns of ``disease``.
        structures: the structures whose masks the items keep.
        dataset_name: name or names out of :data:`READERS`; None for files, folders and lists.
        exclude: a folder that is skipped, see :func:`vmnet_monai.datasets.find_images`.
    """
    if dataset_name is None:
        return find_images(dataset_dir, diseases, exclude=exclude)
    return read_datasets(dataset_name, dataset_dir, diseases, structures)


def load_datalists(
    dataset: str | Sequence[str],
    dataset_dir: str | Path | Sequence[str | Path],
    diseases: Sequence[str],
    split_seed: int = 0,
    val_fraction: float = VAL_FRACTION,
    test_fraction: float = TEST_FRACTION,
    structures: Sequence[str] | None = None,
    landmarks: str | Path | None = None,
) -> dict[str, list[Item]]:
    """Read one or several datasets and divide them into ``train``, ``val`` and ``test``.

    Arguments and errors are those of :func:`read_datasets` and :func:`vmnet_monai.datasets.split.split_by_patient`.
    A structure without any mask causes a warning, and so does a part that cannot tell what it is for, see
    :func:`vmnet_monai.datasets.selection.selection_warnings`.
    Patients are stratified by the whole vocabulary, so that the split does not depend on the requested ``diseases``
    (except for label columns of a table that are not in the vocabulary).
    """
    _check_distinct(diseases)
    columns = [*VOCABULARY, *sorted(set(diseases) - VOCABULARY.keys())]
    items = _keep_masks(_read(dataset, dataset_dir, columns, landmarks), structures, diseases)
    without = [key for key in structures or () if not any(key in item for item in items)]
    if without:
        warnings.warn(f"No photograph has a mask of {', '.join(without)}.", DatasetWarning, stacklevel=2)
    datalists = split_by_patient(items, split_seed, val_fraction, test_fraction)
    requested = [columns.index(key) for key in diseases]
    for part in datalists.values():
        for item in part:
            item["disease"] = [item["disease"][column] for column in requested]
    _warn_without_labels(diseases, [item for part in datalists.values() for item in part])
    for message in selection_warnings(datalists, diseases, structures):
        warnings.warn(message, DatasetWarning, stacklevel=2)
    counts = ", ".join(f"{len(part)} for {name}" for name, part in datalists.items())
    logger.info(f"Photographs: {counts}.")
    return datalists


def _read(
    dataset: str | Sequence[str],
    dataset_dir: str | Path | Sequence[str | Path],
    diseases: Sequence[str],
    landmarks: str | Path | None,
) -> list[Item]:
    names = [dataset] if isinstance(dataset, str) else list(dataset)
    logger.info(f"Reading {', '.join(names)}.")
    dirs = [Path(d) for d in ([dataset_dir] if isinstance(dataset_dir, str | Path) else dataset_dir)]
    if len(names) != len(dirs) or not names:
        raise DatasetError(
            f"There must be as many folders as datasets, at least one, got {len(dirs)} for {len(names)} "
            f"({', '.join(names)}); give two lists of the same length."
        )
    for name in names:
        if name not in READERS:
            near = get_close_matches(name.lower(), READERS)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise DatasetError(f"There is no dataset named {name!r}; {hint}Known: {', '.join(READERS)}.")
    _check_diseases(diseases, [directory for name, directory in zip(names, dirs, strict=True) if name == "table"])

    items: list[Item] = []
    for name, directory in zip(names, dirs, strict=True):
        read = READERS[name](directory, diseases)
        if landmarks is not None:
            read = add_landmarks(read, landmarks, name)
        if names.count(name) > 1:
            folder_name = _folder_name(directory, [d for n, d in zip(names, dirs, strict=True) if n == name])
            read = [_renamed(item, name, folder_name) for item in read]
        items += read
    _check_ids(items)
    return items


def _keep_masks(items: list[Item], structures: Sequence[str] | None, diseases: Sequence[str]) -> list[Item]:
    """The items with the masks of these structures and of the field of view, and without keys of some datasets only."""
    if structures is None:
        return items
    masks = {*check_structures(structures, diseases), "fov"}
    return [
        {key: item[key] for key in item if key in COMMON_KEYS.union(masks.intersection(mask_keys(item)))}
        for item in items
    ]


def _check_diseases(diseases: Sequence[str], tables: Sequence[Path]) -> None:
    _check_distinct(diseases)
    unknown = [key for key in diseases if key not in VOCABULARY]
    if unknown:
        columns = {column for path in tables for column in table.label_columns(path)}
        for key in unknown:
            if key not in columns:
                get_disease(key)


def _check_distinct(diseases: Sequence[str]) -> None:
    twice = [key for key, count in Counter(diseases).items() if count > 1]
    if twice:
        raise ValueError(f"Each disease must be requested once, got {', '.join(twice)} twice; remove one.")


def _folder_name(directory: Path, among: Sequence[Path]) -> str:
    """A file-safe name for a folder: its own name, with as many parents as tell it apart from the others."""
    parts = [(path.with_suffix("") if path.is_file() else path).absolute().parts for path in among]
    own = parts[list(among).index(directory)]
    for depth in range(1, len(own) + 1):
        name = slug("-".join(own[-depth:])).lower()
        if sum(slug("-".join(other[-depth:])).lower() == name for other in parts) == 1:
            return name
    raise DatasetError(f"{directory} is given twice for one dataset; give it once.")


def _renamed(item: Item, reader: str, folder_name: str) -> Item:
    """The item with the folder's name in place of the reader's."""
    name = item["id"].removeprefix(f"{reader}_")
    renamed = item | {"id": f"{folder_name}_{name}"}
    if item["dataset"] == reader:
        renamed["dataset"] = folder_name
    if reader in _NAMED_BY_PLACE and item["patient"] == f"{reader}_{name}":
        renamed["patient"] = f"{reader}_{folder_name}_{name}"
    return renamed


def _check_ids(items: Sequence[Item]) -> None:
    image_of: dict[str, str] = {}
    for item in items:
        key = same_file_key(item["id"])
        if key in image_of:
            raise DatasetError(
                f"Each photograph needs its own id, {image_of[key]} and {item['image']} are both {item['id']!r}; list "
                "each photograph and each folder once, and give tables distinct ids."
            )
        image_of[key] = item["image"]


def _warn_without_labels(diseases: Sequence[str], items: Sequence[Item]) -> None:
    without = [key for k, key in enumerate(diseases) if all(math.isnan(item["disease"][k]) for item in items)]
    if without:
        warnings.warn(f"No photograph has a label of {', '.join(without)}.", DatasetWarning, stacklevel=3)
