"""Photographs of a study predicted and written, one at a time."""

from __future__ import annotations

import json
import shutil
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom import Dataset

from vmnet_monai.deploy.objects import Entry
from vmnet_monai.dicom.photograph import decode_frame, frame_count
from vmnet_monai.dicom.results import ModelIdentity, write_results
from vmnet_monai.errors import PhotographError
from vmnet_monai.explain import draw_heat_map, draw_structures
from vmnet_monai.files import whole_file
from vmnet_monai.predict import Predictor
from vmnet_monai.prediction import Prediction

__all__ = ["Outcome", "place_of", "predict_photographs", "write_outcome"]


@dataclass(frozen=True)
class Outcome:
    """What was predicted for one frame of one object, or why nothing was."""

    source: Dataset
    """The photograph's object, with pixels."""
    frame: int
    """Number of the frame, from 0."""
    seconds: float
    """Time that decoding and predicting took."""
    picture: Image.Image | None = None
    """The photograph, RGB; None where nothing was predicted."""
    prediction: Prediction | None = None
    refusal: str = ""
    """Why the frame is no usable photograph."""
    failure: str = ""
    """What went wrong with a usable one."""

    @property
    def name(self) -> str:
        """SOP Instance UID, and the frame's number from 1 where there are several; names the files."""
        uid = str(self.source.SOPInstanceUID)
        return uid if frame_count(self.source) == 1 else f"{uid}-frame-{self.frame + 1}"


def predict_photographs(sources: Iterable[Dataset], predictor: Predictor) -> Iterator[Outcome]:
    """Predict every frame of every object, each when it is asked for, so that one at a time is in memory.

    Args:
        sources: objects with pixels.
        predictor: the model.
    """
    for source in sources:
        for frame in range(frame_count(source)):
            started = time.perf_counter()
            outcome = _predict(source, frame, predictor)
            yield replace(outcome, seconds=time.perf_counter() - started)


def _predict(source: Dataset, frame: int, predictor: Predictor) -> Outcome:
    try:
        picture = decode_frame(source, frame).convert("RGB")
        return Outcome(source, frame, 0.0, picture, predictor(picture))
    except PhotographError as error:
        return Outcome(source, frame, 0.0, refusal=str(error))
    except Exception as error:
        return Outcome(source, frame, 0.0, failure=place_of(error))


def write_outcome(outcome: Outcome, folder: Path, model: ModelIdentity) -> Entry:
    """Write DICOM objects and record of one photograph, in place of those of an earlier run.

    - ``dicom/<name>/``: see :func:`vmnet_monai.dicom.results.write_results`.
    - ``records/<name>.json``: findings, measures, warnings, versions; nothing of the patient.

    Args:
        outcome: from :func:`predict_photographs`.
        folder: the output folder.
        model: what the objects and the record name as their maker.
    """
    record = folder / f"records/{outcome.name}.json"
    objects = folder / "dicom" / outcome.name
    # A reader of the output folder must never meet results of this run beside those of another.
    record.unlink(missing_ok=True)
    shutil.rmtree(objects, ignore_errors=True)
    entry: Entry = {"sop_instance_uid": str(outcome.source.SOPInstanceUID)}
    if frame_count(outcome.source) > 1:
        entry["frame"] = outcome.frame + 1
    if outcome.prediction is None or outcome.picture is None:
        if outcome.refusal:
            return entry | Entry(status="refused", reason=outcome.refusal, files=[])
        return entry | Entry(status="failed", reason=outcome.failure, files=[])
    try:
        files, remarks = _write_objects(outcome, outcome.prediction, outcome.picture, folder, model)
        content = _record(entry, outcome, outcome.prediction, remarks, model)
        with whole_file(record) as temporary:
            temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except Exception as error:
        shutil.rmtree(objects, ignore_errors=True)
        return entry | Entry(status="failed", reason=place_of(error), files=[])
    return entry | Entry(status="ok", reason=" ".join(remarks), files=[*files, f"records/{record.name}"])


def _write_objects(
    outcome: Outcome, prediction: Prediction, picture: Image.Image, folder: Path, model: ModelIdentity
) -> tuple[list[str], list[str]]:
    photograph = np.asarray(picture)
    pictures = {"overlay": draw_structures(photograph, list(prediction.structure_masks.values()))}
    for disease, heat in prediction.heat_maps.items():
        pictures[f"heat_{disease}"] = draw_heat_map(photograph, heat)
    prediction = replace(prediction, id=outcome.name)
    return write_results(folder, outcome.name, outcome.source, outcome.frame, prediction, pictures, model)


def _record(
    entry: Entry, outcome: Outcome, prediction: Prediction, remarks: list[str], model: ModelIdentity
) -> dict[str, Any]:
    """What the records of ``vmnet predict`` hold of a photograph, with the object's UID for its path."""
    height, width = prediction.field_of_view.shape
    return {
        **entry,
        "status": "ok",
        "reason": " ".join(remarks),
        "seconds": round(outcome.seconds, 3),
        "model": asdict(model),
        "width_px": width,
        "height_px": height,
        "findings": prediction.findings,
        "measures": prediction.measures,
        "warnings": prediction.warnings,
        "structures": list(prediction.structure_masks),
        "heat_maps": list(prediction.heat_maps),
    }


def place_of(error: BaseException) -> str:
    """Name an error and the innermost line of this package on its way, without its text, which may quote the patient.

    Args:
        error: one that was caught.
    """
    package = str(Path(__file__).parents[1])
    frame = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(package)][-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}: please report it."
