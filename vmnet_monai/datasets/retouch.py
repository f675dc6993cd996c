"""Reader for RETOUCH: the slices of OCT volumes from three makers of devices, with three kinds of fluid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vmnet_monai.datasets.item import DatasetError, Item, existing_dir, make_item, warn_counted
from vmnet_monai.diseases import RETOUCH_FLUIDS
from vmnet_monai.io.slices import read_volume, slice_address, volume_shape

NAME = "retouch"

LABELS = {"irf": 1, "srf": 2, "ped": 3}
"""Label in a reference volume by structure: intraretinal fluid, subretinal fluid, pigment epithelial detachment."""

_VENDORS = ("Cirrus", "Spectralis", "Topcon")
_PARTS = {"train": "RETOUCH-TrainingSet", "test": "RETOUCH-TestSet"}
_FILES = ("oct.mhd", "oct.raw", "reference.mhd", "reference.raw")


def read(dataset_dir: str | Path, diseases: Sequence[str]) -> list[Item]:
    """Read RETOUCH in its official layout, one per slice (B-scan) of a volume; it has no official split.

    Bogunovic et al., IEEE TMI 2019, doi:10.1109/TMI.2019.2901398. ``dataset`` is ``retouch_cirrus``,
    ``retouch_spectralis`` or ``retouch_topcon``, so that each maker is divided and scored on its own. A volume counts
    as a patient: its slices stay in one part. Paths are addresses of slices
    (:func:`vmnet_monai.io.slices.slice_address`). Every slice has the masks ``irf``, ``srf`` and ``ped``; a
    fluid is present in the slices that have a pixel of it and absent in all others. Every reference volume is read.

    ``dataset_dir`` holds RETOUCH-TrainingSet-Cirrus and so on, themselves or within one folder each, as the archives
    unpack (TrainingCirrus/RETOUCH-TrainingSet-Cirrus). The challenge keeps the references of its test volumes, so
    these are not read; where volumes of RETOUCH-TestSet-* have one, they are the official test part, and that maker's
    other volumes train. Missing makers and training volumes without reference are left out with a warning.

    Format, labels and order of the axes are those of the challenge's page (retouch.grand-challenge.org/Details). That
    the makers have 24, 24 and 22 training volumes, Spectralis of 16 bits and the others of 8, and the names of the
    folders are taken from public programs that read the download. The reader was not tried on the download itself.

    Raises:
        DatasetError: when no training volume is there, a file of a volume is missing or damaged, its reference has
            another size, or a label is unknown.
    """
    root = existing_dir(dataset_dir)
    items: list[Item] = []
    missing: list[str] = []
    without_reference: list[str] = []
    for vendor in _VENDORS:
        volumes = {part: _volumes(root, f"{prefix}-{vendor}") for part, prefix in _PARTS.items()}
        if not volumes["train"]:
            missing.append(f"{_PARTS['train']}-{vendor}")
            continue
        labelled = {part: [folder for folder in own if _has_reference(folder)] for part, own in volumes.items()}
        without_reference += [str(folder) for folder in volumes["train"] if folder not in labelled["train"]]
        for part, folders in labelled.items():
            for folder in folders:
                items += _slices(folder, f"{NAME}_{vendor.lower()}", diseases, part if labelled["test"] else None)
    if not items:
        raise DatasetError(
            f"{root} holds no RETOUCH volume with reference such as {_PARTS['train']}-Cirrus/TRAIN001/reference.mhd; "
            "set dataset_dir to the folder that holds the makers' folders."
        )
    warn_counted(missing, "RETOUCH folders missing")
    warn_counted(without_reference, "RETOUCH training volumes without reference left out")
    return items


def _volumes(root: Path, name: str) -> list[Path]:
    """The folders of the volumes of one maker, sorted; none where the maker's folder is missing."""
    folder = next((path for path in (root / name, *sorted(root.glob(f"*/{name}"))) if path.is_dir()), None)
    return [] if folder is None else sorted(path for path in folder.iterdir() if path.is_dir())


def _has_reference(folder: Path) -> bool:
    return (folder / "reference.mhd").is_file()


def _slices(folder: Path, dataset: str, diseases: Sequence[str], split: str | None) -> list[Item]:
    absent = [name for name in _FILES if not (folder / name).is_file()]
    if absent:
        raise DatasetError(f"The volume {folder} lacks {', '.join(absent)}; complete the download.")
    image, reference = folder / "oct.mhd", folder / "reference.mhd"
    try:
        labels, shape = read_volume(reference), volume_shape(image)
    except (ValueError, OSError) as error:
        raise DatasetError(str(error)) from error
    if labels.shape != shape:
        raise DatasetError(
            f"A reference must have its volume's size, {reference} has {labels.shape} and {image} has {shape} (slices, "
            "rows, columns); restore the originals of both."
        )
    if labels.max() > max(LABELS.values()) or labels.min() < 0:
        raise DatasetError(
            f"{reference} has labels from {labels.min()} to {labels.max()}, RETOUCH's are 0 to {max(LABELS.values())}; "
            "restore the original."
        )
    shown = {fluid: (labels == label).any(axis=(1, 2)) for fluid, label in LABELS.items()}
    return [
        make_item(
            reader=dataset,
            name=f"{folder.name}_{index:03d}",
            image=slice_address(image, index),
            labels={RETOUCH_FLUIDS[fluid]: bool(present[index]) for fluid, present in shown.items()},
            diseases=diseases,
            patient=folder.name,
            split=split,
            **{fluid: slice_address(reference, index, label) for fluid, label in LABELS.items()},
        )
        for index in range(len(labels))
    ]
