"""What is measured on a prediction, and the tables of a run's measures."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmnet_monai.biomarkers.photograph import (
    MeasuredPhotograph,
    MeasuringGrid,
    PhotographInfo,
    can_be_measured,
    measure_on_grid,
)
from vmnet_monai.biomarkers.tables import MeasuredEye, write_measures
from vmnet_monai.biomarkers.tidy import Value
from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.inference.record_folder import RecordFolder
from vmnet_monai.io.dicom import eye, frame_number, is_dicom, pixel_spacing, read_header
from vmnet_monai.io.slices import parse_slice_address
from vmnet_monai.reports.record import InputRecord, Record

__all__ = ["measure_prediction", "photograph_info", "write_run_measures"]


def photograph_info(item: Mapping[str, Any]) -> PhotographInfo:
    """Tell what is known of a photograph beside its pixels.

    Args:
        item: any of ``eye``, ``microns_per_px`` and ``field_angle_deg`` as a list named them, empty or NaN where it did
            not; ``image_path``, of which the header is read where it is a DICOM file on disk.
    """
    info = PhotographInfo(
        item.get("eye", ""), _known(item.get("microns_per_px")), None, _known(item.get("field_angle_deg"))
    )
    try:
        address = parse_slice_address(item.get("image_path", ""))
    except ValueError:
        return info
    path = item.get("image_path", "") if address is None else address.path
    if not os.path.isfile(path) or not is_dicom(path):
        return info
    header = read_header(path)
    return info._replace(eye=info.eye or eye(header, frame_number(address)), pixel_spacing_mm=pixel_spacing(header))


def measure_prediction(
    item: Mapping[str, Any],
    scaled: Mapping[str, NDArray[np.float32]],
    grid: MeasuringGrid,
    operating_point: OperatingPoint,
) -> MeasuredPhotograph:
    """Measure what the network drew on a photograph, each structure cut at its own threshold.

    Args:
        item: see :func:`photograph_info`.
        scaled: structure -> (S, S), probabilities 0 to 1 on the grid.
        grid: of the photograph.
        operating_point: has the thresholds.

    Returns:
        Where the scale that was told cannot be used, a remark says why, and microns rest on the disc.
    """
    info = photograph_info(item)
    try:
        scale, remarks = info.scale(grid.field_diameter_px), []
    except ValueError as error:
        scale, remarks = None, [f"The scale was not used: {error}"]
    thresholds = dict(zip(operating_point.structures, operating_point.structure_thresholds, strict=True))
    measured = measure_on_grid(scaled, grid, info.eye, scale, thresholds)
    return measured._replace(remarks=[*remarks, *measured.remarks])


def write_run_measures(
    output_dir: str | Path, records: Sequence[InputRecord], patients: Mapping[str, str]
) -> list[str]:
    """Write the measures of a run, see :func:`~vmnet_monai.biomarkers.tables.write_measures`.

    Args:
        output_dir: the output folder, with the records that hold the values.
        records: of all inputs, in the order of the rows.
        patients: id -> patient, empty where unknown.

    Returns:
        The names of the files; none where nothing was measured.

    Raises:
        OSError: if they cannot be written.
    """
    folder = RecordFolder(output_dir)
    eyes = [
        MeasuredEye(record.id, record.eye, _Stored(folder, record.id), patients.get(record.id, ""))
        for record in records
        if isinstance(record, Record) and can_be_measured(record.structures)
    ]
    return write_measures(output_dir, eyes) if eyes else []


class _Stored(Iterable[Value]):
    """The values in a record, which is read when they are asked for: those of a large run would fill the memory."""

    def __init__(self, folder: RecordFolder, name: str) -> None:
        self.folder, self.name = folder, name

    def __iter__(self) -> Iterator[Value]:
        record = self.folder.read(self.name)
        return iter([] if record is None else record.values)


def _known(value: Any) -> float | None:
    """A number; None where it is NaN or missing."""
    return None if value is None or math.isnan(value) else float(value)
