"""Reads, predicts and writes photographs, one at a time."""

from __future__ import annotations

import json
import math
import shutil
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from pydicom import Dataset

from vmnet_monai.biomarkers.scale import scale_from_pixel_spacing
from vmnet_monai.deploy.objects import ManifestRow
from vmnet_monai.errors import ImageError
from vmnet_monai.inference.predictor import Predictor
from vmnet_monai.io.dicom import decode_frame, eye, frame_count, pixel_spacing, read_dataset
from vmnet_monai.io.files import whole_file
from vmnet_monai.reports.dicom.origin import ModelIdentity
from vmnet_monai.reports.dicom.results import FOLDER, result_images, write_dicom_results
from vmnet_monai.reports.prediction import Prediction

__all__ = ["Outcome", "place_of", "predict_images", "write_outcome"]


@dataclass(frozen=True)
class Outcome:
    """The prediction of one frame of one object, or the reason why there is none."""

    uid: str
    """SOP Instance UID of the object."""
    source: Dataset | None = None
    """The object, with pixels; None where it could not be read."""
    frame: int = 0
    """Number of the frame, from 0."""
    seconds: float = 0.0
    """Time that decoding and predicting took."""
    image: Image.Image | None = None
    """The photograph, RGB; None where nothing was predicted."""
    prediction: Prediction | None = None
    refusal: str = ""
    """Why the frame is no usable photograph."""
    failure: str = ""
    """What went wrong with a usable one."""

    @property
    def has_frames(self) -> bool:
        """Whether the object has several frames, so that its UID alone does not identify one."""
        return self.source is not None and frame_count(self.source) > 1

    @property
    def name(self) -> str:
        """SOP Instance UID, and the frame's number from 1 where there are several; names the files."""
        return f"{self.uid}-frame-{self.frame + 1}" if self.has_frames else self.uid


def predict_images(images: Mapping[str, Path], predictor: Predictor) -> Iterator[Outcome]:
    """Predict every frame of every photograph; each file is read, and each frame predicted, when the
    iterator reaches it.

    Args:
        images: SOP Instance UID -> file, see :func:`vmnet_monai.deploy.objects.find_objects`.
        predictor: the model.
    """
    for uid, path in images.items():
        try:
            source = read_dataset(path)
            frames = frame_count(source)
        except ImageError as error:
            yield Outcome(uid, refusal=str(error))
            continue
        for frame in range(frames):
            started = time.perf_counter()
            outcome = _predict(uid, source, frame, predictor)
            yield replace(outcome, seconds=time.perf_counter() - started)


def _predict(uid: str, source: Dataset, frame: int, predictor: Predictor) -> Outcome:
    try:
        image = decode_frame(source, frame).convert("RGB")
        microns_per_px, remarks = _scale(source)
        prediction = predictor({"image": image, "eye": eye(source, frame), "microns_per_px": microns_per_px})
        prediction = replace(prediction, warnings=[*prediction.warnings, *remarks])
        return Outcome(uid, source, frame, image=image, prediction=prediction)
    except ImageError as error:
        return Outcome(uid, source, frame, refusal=str(error))
    except Exception as error:
        return Outcome(uid, source, frame, failure=place_of(error))


def _scale(source: Dataset) -> tuple[float, list[str]]:
    """Microns per pixel by the PixelSpacing, NaN where they are unknown; and why a spacing was not used."""
    spacing = pixel_spacing(source)
    try:
        return (math.nan if spacing is None else scale_from_pixel_spacing(spacing).microns_per_px), []
    except ValueError as error:
        return math.nan, [f"The scale was not used: {error}"]


def write_outcome(outcome: Outcome, folder: Path, model: ModelIdentity) -> ManifestRow:
    """Write DICOM objects and record of one photograph, in place of those of an earlier run.

    - ``dicom/<name>/``: see :func:`vmnet_monai.reports.dicom.results.write_dicom_results`.
    - ``records/<name>.json``: findings, measures, warnings, versions; nothing of the patient.

    Args:
        outcome: from :func:`predict_images`.
        folder: the output folder.
        model: named in the objects and the record as their source.
    """
    row: ManifestRow = {"sop_instance_uid": outcome.uid}
    if outcome.has_frames:
        row["frame"] = outcome.frame + 1
    record = folder / f"records/{outcome.name}.json"
    objects = folder / FOLDER / outcome.name
    try:
        # A reader of the output folder must never meet results of this run beside those of another.
        record.unlink(missing_ok=True)
        shutil.rmtree(objects, ignore_errors=True)
        if outcome.source is None or outcome.prediction is None or outcome.image is None:
            status: Literal["refused", "failed"] = "refused" if outcome.refusal else "failed"
            return row | ManifestRow(status=status, reason=outcome.refusal or outcome.failure, files=[])
        images = result_images(np.asarray(outcome.image), outcome.prediction)
        prediction = replace(outcome.prediction, id=outcome.name)
        files, remarks = write_dicom_results(
            folder, outcome.name, outcome.source, outcome.frame, prediction, images, model
        )
        content = _record(row, outcome, prediction, remarks, model)
        with whole_file(record) as temporary:
            temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except Exception as error:
        shutil.rmtree(objects, ignore_errors=True)
        return row | ManifestRow(status="failed", reason=place_of(error), files=[])
    return row | ManifestRow(status="ok", reason=" ".join(remarks), files=[*files, f"records/{record.name}"])


def _record(
    row: ManifestRow, outcome: Outcome, prediction: Prediction, remarks: list[str], model: ModelIdentity
) -> dict[str, Any]:
    """The record of a photograph as ``vmnet predict`` writes it, with the object's UID in place of the path."""
    return {
        **row,
        "status": "ok",
        "reason": " ".join(remarks),
        "seconds": round(outcome.seconds, 3),
        "model": asdict(model),
        **prediction.description().model_dump(),
    }


def place_of(error: BaseException) -> str:
    """Name an error and the line of this package that raised it, without its text, which may quote the patient.

    Args:
        error: an error that was caught.
    """
    package = str(Path(__file__).parents[1])
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(package)]
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}: please report it."
