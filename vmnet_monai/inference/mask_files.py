"""Measures masks that lie in files, whoever drew them: a network, an annotator, or one who corrected the other."""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel

from vmnet_monai.biomarkers.measures import GRID_SIZE
from vmnet_monai.biomarkers.photograph import measure_photograph, measuring_grid
from vmnet_monai.biomarkers.tables import FLOAT_FORMAT, MeasuredEye, write_measures
from vmnet_monai.biomarkers.tidy import Value
from vmnet_monai.datasets.item import DatasetError, is_image_file, is_positive, read_rows, warn_counted
from vmnet_monai.datasets.names import unique_names, without_suffix
from vmnet_monai.errors import ImageError, error_reason
from vmnet_monai.inference.measuring import photograph_info
from vmnet_monai.inference.progress import Reporter
from vmnet_monai.io.dicom import is_dicom
from vmnet_monai.io.files import file_sha256, whole_file
from vmnet_monai.io.images import read_image, read_mask
from vmnet_monai.io.masks import parse_mask_address, split_colours
from vmnet_monai.io.slices import VOLUME_SUFFIXES, parse_slice_address, slice_address
from vmnet_monai.io.tables import write_table
from vmnet_monai.transforms.field_of_view import estimate_field_of_view

__all__ = ["MASKS", "PROVENANCE", "RECORDS", "STATUS", "TABLE_COLUMNS", "MaskError", "MeasuredFile", "measure_files"]

MASKS = ("vessel", "artery", "vein", "disc", "fovea")
"""What can be measured."""

STATUS, PROVENANCE = "measured.csv", "provenance.json"
"""Names of the table of all photographs with what became of them, and of the file that says what was measured."""

RECORDS = "measured"
"""Folder of the files that say what was measured on each photograph; not that of a prediction's records."""

TABLE_COLUMNS = ("id", "eye", "patient", "microns_per_px", "field_angle_deg")
"""Columns of the table of photographs; all but the first may be missing."""

_VESSELS = ("vessel", "artery", "vein")
_EYES = ("", "left", "right")


class MaskError(ImageError):
    """Raised when the masks of one photograph cannot be measured; others are not affected."""


class MeasuredFile(NamedTuple):
    """What became of one photograph's masks."""

    id: str
    status: Literal["ok", "refused", "failed"]
    reason: str = ""
    """Why it was refused or failed."""
    eye: str = ""
    """As the table or the DICOM photograph says, or else as disc and fovea tell; empty where unknown."""
    patient: str = ""
    remarks: str = ""
    """Whole sentences on what to look at."""
    microns_per_px: float | None = None
    """Of the photograph; None where unknown, which includes an assumed disc diameter."""
    masks: str = ""
    """``edited`` where the user says so."""
    values: Sequence[Value] = ()
    files: Mapping[str, Mapping[str, str]] = {}
    """Structure -> path and SHA-256 of its file."""


def measure_files(
    sources: Mapping[str, str],
    output_dir: str | Path,
    table: str | Path | None = None,
    edited: bool = False,
    progress: Reporter | None = None,
    resume: bool = True,
) -> list[MeasuredFile]:
    """Measure masks in files, and write the tables.

    Files of folders belong together by their names without suffix, which are the ids; with single files it is that of
    the first. A mask is an image of any kind that is read: what is above half of its highest value is inside. It may be
    a volume (NRRD, NIfTI, MetaImage) of one slice, and ``?colours=red,green`` behind a path takes these colours of
    label pictures (:mod:`vmnet_monai.io.masks`). All masks of a photograph have its size.

    Written are, in the folder :data:`RECORDS`, a file per photograph as soon as it is measured, by which a later run
    knows what is done; :data:`STATUS`, a row per photograph, also for those that cannot be measured;
    :data:`PROVENANCE`, the files with their SHA-256; and what
    :func:`~vmnet_monai.biomarkers.tables.write_measures` writes of the others.

    Args:
        sources: structure, one of :data:`MASKS`, ``fov`` or ``image`` -> a folder or a file. ``fov`` are masks of the
            field of view; where there are none it is estimated in the photographs, ``image``, and without these the
            whole picture is taken. Of DICOM photographs the PixelSpacing and the eye are used.
        output_dir: folder of the tables.
        table: CSV, XLSX or Parquet with :data:`TABLE_COLUMNS`: scale, eye and patient of the photographs.
        edited: whether masks were corrected by hand: ids end in ``-edited``, and the tables say it.
        progress: told how many photographs are done.
        resume: whether to keep what an earlier run measured on the same files with the same scale, eye and version of
            this package; otherwise all are measured anew.

    Returns:
        One per photograph, sorted by id.

    Raises:
        OSError: if a source is missing, or a table cannot be written.
        ValueError: if there is nothing to measure, files and folders are mixed, or the table cannot be used.
    """
    found = _find(sources)
    photographs = sorted({name for key in _named_by(sources) for name in found[key]})
    rows = {} if table is None else _read_table(Path(table), photographs)
    ids = unique_names([f"{name}-edited" if edited else name for name in photographs], photographs)
    measured = []
    for number, (name, photograph) in enumerate(zip(ids, photographs, strict=True)):
        if progress is not None:
            progress.update(number, len(ids))
        row = rows.get(photograph, {})
        one = MeasuredFile(name, "ok", masks="edited" if edited else "", patient=row.get("patient", ""))
        try:
            one = _measured_once(one, _paths_of(photograph, found, sources), row, Path(output_dir), resume)
        except ImageError as error:
            one = one._replace(status="refused", reason=" ".join(str(error).split()))
        except Exception as error:
            one = one._replace(status="failed", reason=error_reason(error))
        measured.append(one)
    if progress is not None:
        progress.update(len(ids), len(ids))
    _write(Path(output_dir), measured, sources, table)
    return measured


def _named_by(sources: Mapping[str, str]) -> list[str]:
    """The sources whose files say which photographs there are: those of vessels, or else of disc and fovea."""
    keys = [key for key in _VESSELS if key in sources] or [key for key in ("disc", "fovea") if key in sources]
    if not keys:
        raise ValueError(
            f"one of {', '.join(MASKS)} must be given, got {', '.join(sources) or 'none'}: name its masks."
        )
    return keys


def _find(sources: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The files of each source by photograph; of several of one name the path of none, which is refused later."""
    parts = {key: split_colours(source) for key, source in sources.items()}
    missing = [path for path, _ in parts.values() if not os.path.exists(path)]
    if missing:
        raise FileNotFoundError(f"{missing[0]}: no such file or folder. Give one that exists.")
    are_folders = {key: os.path.isdir(path) for key, (path, _) in parts.items()}
    if len(set(are_folders.values())) > 1:
        file, folder = (next(sources[key] for key, is_one in are_folders.items() if is_one == kind) for kind in (0, 1))
        raise ValueError(f"all masks must be files or all folders, got the file {file} and the folder {folder}.")
    first = next(iter(_named_by(sources)))
    if not any(are_folders.values()):
        name = _stem(os.path.basename(parts[first][0]))
        return {key: {name: _address(path, colours)} for key, (path, colours) in parts.items()}
    found: dict[str, dict[str, str]] = {}
    for key, (folder, colours) in parts.items():
        found[key] = {}
        for path in sorted(Path(folder).iterdir()):
            if not path.name.startswith(".") and _is_mask_file(path):
                name = _stem(path.name)
                found[key][name] = "" if name in found[key] else _address(str(path), colours)
    return found


def _is_mask_file(path: Path) -> bool:
    return is_image_file(path) or (path.is_file() and (_volume_suffix(path.name) != "" or is_dicom(path)))


def _volume_suffix(name: str) -> str:
    return max((suffix for suffix in VOLUME_SUFFIXES if name.lower().endswith(suffix)), key=len, default="")


def _stem(name: str) -> str:
    suffix = _volume_suffix(name)
    return name[: -len(suffix)] if suffix else without_suffix(name)


def _address(path: str, colours: str) -> str:
    return slice_address(path, 0) if _volume_suffix(path) else f"{path}{colours}"


def _paths_of(name: str, found: Mapping[str, Mapping[str, str]], sources: Mapping[str, str]) -> dict[str, str]:
    """The file of each source for one photograph.

    Raises:
        MaskError: if one is missing, or there are several.
    """
    for key, files in found.items():
        if name not in files:
            raise MaskError(
                f"{name}: every folder must have a file of this name, and {sources[key]} ({key}) has none: add it, an "
                "empty mask where the structure is not seen, or leave the folder out."
            )
        if not files[name]:
            raise MaskError(f"{name}: {sources[key]} has several files of this name: leave one.")
    return {key: files[name] for key, files in found.items()}


def _read_table(path: Path, photographs: Sequence[str]) -> dict[str, dict[str, str]]:
    rows = read_rows(path, required=("id",), numbers=("microns_per_px", "field_angle_deg"))
    rows = rows[[column for column in TABLE_COLUMNS if column in rows]]
    for number, row in rows.iterrows():
        place = f"{path}, row {number}"
        if row.get("eye", "").lower() not in _EYES:
            raise DatasetError(f"{place}: eye must be left, right or blank, got {row['eye']!r}; correct it.")
        for column in ("microns_per_px", "field_angle_deg"):
            if row.get(column) and not is_positive(row[column]):
                raise DatasetError(f"{place}: {column} must be a number above 0, got {row[column]!r}; correct it.")
    twice = rows["id"][rows["id"].duplicated()]
    if len(twice):
        raise DatasetError(f"{path}, row {twice.index[0]}: each id must have one row, got {twice.iloc[0]} again.")
    unknown = [name for name in rows["id"] if name not in photographs]
    warn_counted(unknown, f"rows of {path} without masks of that name")
    return {row["id"]: row | {"eye": row.get("eye", "").lower()} for row in rows.to_dict("records")}


class _Record(BaseModel):
    """What is kept of a photograph that was measured."""

    made_from: dict[str, Any]
    measured: MeasuredFile


def _measured_once(
    one: MeasuredFile, paths: Mapping[str, str], row: Mapping[str, str], folder: Path, resume: bool
) -> MeasuredFile:
    """Measure one photograph, and keep it; or take it from an earlier run that did the same."""
    files = {key: {"file": path, "sha256": _digest(path)} for key, path in paths.items()}
    told = {name: row[name] for name in TABLE_COLUMNS if row.get(name) and name not in ("id", "patient")}
    made_from = {"program": _program(), "grid_px": GRID_SIZE, "files": files, "told": told}
    path = folder / RECORDS / f"{one.id}.json"
    earlier = _read_record(path) if resume else None
    if earlier is not None and earlier.made_from == made_from:
        return earlier.measured._replace(id=one.id, patient=one.patient, masks=one.masks)
    one = one._replace(files=files, **_measure(paths, row))
    with whole_file(path) as temporary:
        text = _Record(made_from=made_from, measured=one).model_dump_json(indent=1)
        temporary.write_text(f"{text}\n", encoding="utf-8")
    return one


def _read_record(path: Path) -> _Record | None:
    """What an earlier run kept; None where there is nothing, or it is damaged."""
    try:
        return _Record.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None


def _program() -> str:
    return f"vmnet_monai {importlib.metadata.version('vmnet_monai')}"


def _measure(paths: Mapping[str, str], row: Mapping[str, str]) -> dict[str, Any]:
    """Measure one photograph; what a :class:`MeasuredFile` says of it."""
    masks = {key: read_mask(paths[key]) for key in (*MASKS, "fov") if key in paths}
    sizes = {key: mask.shape for key, mask in masks.items()}
    fov = masks.pop("fov", None)
    remarks = []
    image = read_image(paths["image"]) if fov is None and "image" in paths else None
    if image is not None:
        sizes["image"] = image.shape[:2]
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{key} {height} x {width}" for key, (height, width) in sizes.items())
        raise MaskError(
            f"all masks of a photograph must have its size, got {told}: save them in the photograph's size."
        )
    known = {name: float(row[name]) for name in ("microns_per_px", "field_angle_deg") if row.get(name)}
    info = photograph_info({"image_path": paths.get("image", ""), "eye": row.get("eye", ""), **known})
    if image is not None:
        fov = estimate_field_of_view(image.transpose(2, 0, 1))
    elif fov is None:
        if info.microns_per_px is None and info.field_angle_deg is not None:
            raise MaskError(
                "a field angle tells the scale by the diameter of the field of view, and the field is not known: give "
                "masks of it, or the photographs, or microns_per_px."
            )
        fov = np.ones(next(iter(sizes.values())), dtype=bool)
        remarks.append(
            "The whole picture was taken for the field of view, so that densities are too low where it has a dark "
            "frame: give masks of the field, or the photographs."
        )
    grid = measuring_grid(fov)
    try:
        scale = info.scale(grid.field_diameter_px)
    except ValueError as error:
        raise MaskError(str(error)) from error
    measured = measure_photograph(masks, grid, info.eye, scale)
    return {
        "eye": measured.eye,
        "remarks": " ".join([*remarks, *measured.remarks]),
        "microns_per_px": None if scale is None else scale.microns_per_px,
        "values": measured.values,
    }


def _digest(address: str) -> str:
    parsed = parse_mask_address(address) or parse_slice_address(address)
    return file_sha256(address if parsed is None else parsed.path)


def _write(
    folder: Path, measured: Sequence[MeasuredFile], sources: Mapping[str, str], table: str | Path | None
) -> None:
    columns = [name for name in MeasuredFile._fields if name not in ("values", "files")]
    rows = [{name: getattr(one, name) for name in columns} for one in measured]
    write_table(folder / STATUS, pd.DataFrame(rows, columns=columns), FLOAT_FORMAT)
    done = [MeasuredEye(one.id, one.eye, one.values, one.patient) for one in measured if one.status == "ok"]
    write_measures(folder, done)
    provenance = {
        "program": _program(),
        "grid_px": GRID_SIZE,
        "sources": dict(sources),
        "table": None if table is None else str(table),
        "photographs": {one.id: {"masks": one.masks, "files": one.files} for one in measured if one.status == "ok"},
    }
    with whole_file(folder / PROVENANCE) as temporary:
        temporary.write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")
