"""Generated fundus photographs with exact vessel and lesion masks, as arrays and as a dataset on disk."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from vmnet_monai.datasets import phantom_drawing as draw
from vmnet_monai.datasets.item import Item, make_item, read_rows
from vmnet_monai.io.files import whole_file, write_png
from vmnet_monai.io.tables import write_table

NAME = "phantom"

logger = logging.getLogger(__name__)

DISEASES = ("normal", "diabetic_retinopathy", "glaucoma", "cataract", "amd")
"""Labels of phantoms; each but ``normal`` means that its lesions are drawn."""

SECOND_DISEASE_PROBABILITY = 0.15
"""Fraction of the diseased phantoms that have a second disease."""

MIN_SIZE_PX = 64
"""Below this side length the optic disc has fewer than eight pixels."""

SPLIT_CYCLE = ("train", "val", "train", "test", "train")
"""60 % train, 20 % validation, 20 % test."""

INDEX_NAME = "phantoms.csv"
PARAMETERS_NAME = "phantoms.json"


@dataclass(frozen=True)
class Phantom:
    """One generated photograph with its exact masks and labels.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        vessel: (H, W) bool, the drawn vessels inside the field of view.
        fov: (H, W) bool, the field of view.
        lesions: per disease that is present, (H, W) bool: the lesions' pixels for diabetic retinopathy and AMD, the cup
            of the optic disc for glaucoma, the whole field of view for cataract.
        diseases: keys out of ``DISEASES`` that are present.
        eye: ``"left"`` or ``"right"``.
    """

    image: NDArray[np.uint8]
    vessel: NDArray[np.bool_]
    fov: NDArray[np.bool_]
    lesions: dict[str, NDArray[np.bool_]]
    diseases: frozenset[str]
    eye: str


def _draw_diseases(rng: np.random.Generator, first: str | None = None) -> frozenset[str]:
    """The given or a random first disease, all equally likely, and sometimes a second one; ``normal`` stays alone."""
    first = first or str(rng.choice(DISEASES))
    second = str(rng.choice([disease for disease in DISEASES[1:] if disease != first]))
    alone = first == "normal" or rng.uniform() >= SECOND_DISEASE_PROBABILITY
    return frozenset({first} if alone else {first, second})


def _check_diseases(diseases: Collection[str]) -> frozenset[str]:
    present = frozenset(diseases) or frozenset({"normal"})
    if unknown := present.difference(DISEASES):
        raise ValueError(f"A phantom's diseases must be among {DISEASES}, got {sorted(unknown)}: leave these out.")
    if "normal" in present and len(present) > 1:
        raise ValueError(f"'normal' excludes every disease, got {sorted(present)}: leave one or the other out.")
    return present


def generate_phantom(seed: int, size_px: int = 512, diseases: Collection[str] | None = None) -> Phantom:
    """Generate the fundus photograph that belongs to a seed, the same one on every call.

    Eye, vessels, lesions and camera depend on the seed only: another ``size_px`` shows the same scene in other pixels,
    and other ``diseases`` show the same eye with other lesions.

    Args:
        seed: not negative.
        size_px: width and height of the photograph, at least 64.
        diseases: keys out of ``DISEASES``; none or ``["normal"]`` for a healthy eye; ``None`` lets the seed choose.

    Raises:
        ValueError: when ``size_px`` is too small, a disease is unknown, or ``normal`` comes with another one.
    """
    if size_px < MIN_SIZE_PX:
        raise ValueError(f"A phantom's size_px must be at least {MIN_SIZE_PX}, got {size_px}: ask for a larger one.")
    # One stream per layer, so that drawing more in one of them does not change the others.
    choice, place, background, disc, vessels, dr, drusen, light, lens, camera = np.random.default_rng(seed).spawn(10)
    eye = str(choice.choice(("left", "right")))
    present = _draw_diseases(choice) if diseases is None else _check_diseases(diseases)

    canvas = draw.place_canvas(place, size_px)
    fov = draw.draw_field_of_view(place, canvas)
    anatomy = draw.place_anatomy(place, glaucoma="glaucoma" in present)
    lesions: dict[str, NDArray[np.bool_]] = {}
    scene = draw.draw_background(background, canvas, anatomy)
    if "amd" in present:
        lesions["amd"] = draw.draw_drusen(drusen, canvas, anatomy, scene)
    if "diabetic_retinopathy" in present:
        lesions["diabetic_retinopathy"] = draw.draw_diabetic_retinopathy(dr, canvas, anatomy, scene)
    cup = draw.draw_disc(disc, canvas, anatomy, scene)
    if "glaucoma" in present:
        lesions["glaucoma"] = cup
    veins = draw.grow_vessels(vessels, anatomy, draw.VEIN_RADIUS)
    arteries = draw.grow_vessels(vessels, anatomy, draw.VEIN_RADIUS * draw.ARTERY_TO_VEIN)
    vessel = draw.draw_vessels(canvas, arteries, veins, scene)
    scene = draw.illuminate(light, canvas, scene)
    if "cataract" in present:
        lesions["cataract"] = fov
        scene = draw.cloud(lens, canvas, scene)
    image = draw.take_image(camera, canvas, fov, scene)

    mirror = slice(None, None, -1 if eye == "left" else 1)
    return Phantom(
        image=np.ascontiguousarray(image[:, mirror]),
        vessel=np.ascontiguousarray((vessel & fov)[:, mirror]),
        fov=np.ascontiguousarray(fov[:, mirror]),
        lesions={name: np.ascontiguousarray((mask & fov)[:, mirror]) for name, mask in lesions.items()},
        diseases=present,
        eye=eye,
    )


def _write_image(path: Path, image: NDArray[Any]) -> str:
    write_png(path, image.astype(np.uint8) * 255 if image.dtype == bool else image)
    return f"{path.parent.name}/{path.name}"


def _write_phantom(directory: Path, index: int, size_px: int, seed: int) -> dict[str, str | int]:
    """Write one phantom's images; returns its row of the index. Diseases and splits take turns."""
    rng = np.random.default_rng([seed, index])
    number, name = divmod(index, len(DISEASES))
    diseases = _draw_diseases(rng, first=DISEASES[name])
    phantom = generate_phantom(int(rng.integers(2**32)), size_px, diseases)
    key = f"{index:04d}"
    for disease, mask in phantom.lesions.items():
        _write_image(directory / "lesion" / f"{key}_{disease}.png", mask)
    return {
        "id": key,
        "image": _write_image(directory / "images" / f"{key}.png", phantom.image),
        "vessel": _write_image(directory / "vessel" / f"{key}.png", phantom.vessel),
        "fov": _write_image(directory / "fov" / f"{key}.png", phantom.fov),
        "patient": key,
        "eye": phantom.eye,
        "split": SPLIT_CYCLE[(number + name) % len(SPLIT_CYCLE)],
        **{disease: int(disease in diseases) for disease in DISEASES},
    }


class _Drawing(Dataset[dict[str, str | int]]):
    """Writes the phantom of an index when it is asked for it; gives its row of the index file."""

    def __init__(self, directory: Path, count: int, size_px: int, seed: int) -> None:
        self.directory, self.count, self.size_px, self.seed = directory, count, size_px, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, str | int]:
        return _write_phantom(self.directory, index, self.size_px, self.seed)


def _rows(drawing: _Drawing) -> DataLoader[dict[str, str | int]]:
    """Draw in as many processes as there are cores, where these are forked; in this one elsewhere."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
    processes = min(cores, len(drawing)) if cores > 1 else 0
    return DataLoader(
        drawing,
        batch_size=None,
        num_workers=processes,
        multiprocessing_context="fork" if processes else None,
        generator=torch.Generator(),  # a seed for the processes is drawn, which must not move those of a training
    )


def write_phantoms(directory: str | Path, count: int = 160, size_px: int = 256, seed: int = 0) -> Path:
    """Write a dataset of phantoms, balanced over diseases in each of its splits, unless the folder holds it already.

    Writes ``images/``, ``vessel/``, ``fov/`` and ``lesion/`` (8 bit PNG, masks 0 or 255), then ``phantoms.csv``. Every
    file appears whole or not at all and ``phantoms.csv`` comes last, so a folder that has it is complete. On Linux all
    cores draw; the files are the same on any number of them.

    Args:
        directory: folder to create or complete.
        count: number of photographs, each of another patient.
        size_px: width and height of each.
        seed: same seed, same dataset.

    Returns:
        The path of ``phantoms.csv``.

    Raises:
        FileExistsError: when the folder holds phantoms written with other parameters.
        ValueError: when ``count`` is below 1 or ``size_px`` below 64.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}: ask for one phantom or more.")
    directory = Path(directory)
    index, parameters_file = directory / INDEX_NAME, directory / PARAMETERS_NAME
    parameters = {"count": count, "size_px": size_px, "seed": seed}
    if parameters_file.exists() or index.exists():
        found = json.loads(parameters_file.read_text()) if parameters_file.exists() else "unknown parameters"
        if found != parameters:
            raise FileExistsError(
                f"{directory} holds phantoms with {found}, not {parameters}: remove it or name another folder."
            )
        if index.exists():
            return index
    with whole_file(parameters_file) as temporary:
        temporary.write_text(json.dumps(parameters), encoding="utf-8")
    rows = _rows(_Drawing(directory, count, size_px, seed))
    write_table(index, pd.DataFrame(list(tqdm(rows, "Drawing phantoms", unit="photograph", delay=1))))
    return index


def read(dataset_dir: str | Path, diseases: Sequence[str]) -> list[Item]:
    """Read the phantoms of a folder, with their split; where there are none, the default ones are written first.

    Each of ``DISEASES`` is known to be present or absent; further diseases are absent in a normal eye, else unknown.

    Raises:
        DatasetError: when ``phantoms.csv`` cannot be read or lacks a column.
        FileExistsError: when the folder holds the unfinished work of ``write_phantoms`` with other parameters.
    """
    root = Path(dataset_dir)
    index = root / INDEX_NAME
    if not index.exists():
        logger.info("No %s in %s: writing the default phantoms there.", INDEX_NAME, root)
        write_phantoms(root)
    columns = ("id", "image", "vessel", "fov", "patient", "eye", "split", *DISEASES)
    return [
        make_item(
            reader=NAME,
            name=row["id"],
            image=root / row["image"],
            vessel=root / row["vessel"],
            fov=root / row["fov"],
            labels={disease: float(row[disease]) for disease in DISEASES},
            diseases=diseases,
            patient=row["patient"],
            eye=row["eye"],
            split=row["split"],
        )
        for row in read_rows(index, required=columns).to_dict("records")
    ]
