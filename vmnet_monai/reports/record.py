"""What is known about one input of a run: the record from which every report is made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from vmnet_monai.biomarkers.profile import WidthAt
from vmnet_monai.biomarkers.tidy import Value

__all__ = ["Description", "DiseaseFinding", "InputRecord", "Record", "Status"]

Status = Literal["ok", "refused", "failed"]
"""``ok``; ``refused``, the input is not a usable photograph; ``failed``, something went wrong with a usable one."""

Fraction = Annotated[float, Field(ge=0, le=1)]


def _check_inside(file: str) -> str:
    if Path(file).is_absolute() or ".." in Path(file).parts or "\0" in file:
        raise ValueError("a record's files must lie in the output folder")
    return file


class _Checked(BaseModel):
    """What is read back from disk; a wrong value raises pydantic's ``ValidationError``, which is a ValueError."""

    model_config = ConfigDict(allow_inf_nan=False)


class DiseaseFinding(_Checked):
    """What is said about one disease.

    The number that the network gives is a *score*: a probability only for photographs like those of ``sources``. A
    decision is withheld unless it was asked for, or a calibration of one's own makes a probability of the score.

    >>> DiseaseFinding(disease="amd", score=0.7, percentile=96.0, sources=["odir5k"]).decision is None
    True
    """

    model_config = ConfigDict(frozen=True)

    disease: str
    """Key of the disease."""
    score: Fraction | None
    """In [0, 1], calibrated for photographs of ``sources`` only; None where the network gives none."""
    percentile: Annotated[float, Field(ge=0, le=100)] | None = None
    """Percentage of the reference eyes, photographs of ``sources``, with a lower score; None without reference."""
    probability: Fraction | None = None
    """Probability by the calibration of one's own; None where it has none for this disease."""
    threshold: Fraction | None = None
    """That of the decision, on the probability, or on the score where there is none; None without decision."""
    decision: Annotated[int, Field(ge=0, le=1)] | None = None
    """1 (positive) where the threshold is reached, else 0; None where it is withheld or there is no score."""
    sources: list[str] = []
    """Names of the datasets for which the score is calibrated."""
    calibration: str = ""
    """For what the probability is calibrated: the name in the calibration's file; empty without probability."""

    @property
    def value(self) -> float | None:
        """The probability, or the score where there is none."""
        return self.score if self.probability is None else self.probability


class InputRecord(_Checked):
    """What is known about every input, predicted or not; a row of ``manifest.csv``."""

    id: str
    """File-safe and unique within the run."""
    image: str
    """The input as it was named, such as a path; where the run is de-identified, the id."""
    status: Status
    reason: str = ""
    """Why the input was refused or failed; of a predicted one, what could not be written; empty otherwise."""
    seconds: float = 0.0
    """Wall-clock time spent on this input: reading, its part of the batch, and writing."""
    model: str = ""
    """Name and version of the model and the date of its weights, as it is read; empty where unknown."""
    model_version: str
    """Short name of the weights."""
    thresholds_version: str


class Description(_Checked):
    """What a record says about a predicted image."""

    width_px: int
    height_px: int
    findings: list[DiseaseFinding]
    measures: dict[str, float | None]
    """Of networks that draw vessels alone: name with unit -> value; None where it is undefined."""
    values: list[Value] = []
    """Of networks that draw arteries, veins and optic disc: the measures by vessel type and region."""
    width_profiles: dict[str, list[WidthAt]] = {}
    """``artery`` and ``vein`` -> width by the distance from the disc."""
    eye: str = ""
    """``right`` or ``left``: as the photograph was named, or else as disc and fovea tell; empty where unknown."""
    warnings: list[str]
    """Remarks on the quality of the image and on implausible measures, whole sentences."""
    structures: list[str]
    """Keys of the segmented structures."""
    heat_maps: list[str]
    """Keys of the diseases that have a heat map."""
    heat_map_method: str = ""
    """How the heat maps were made, see :data:`vmnet_monai.explain.METHODS`."""


class Record(Description, InputRecord):  # pydantic takes the fields of the last class first: the order of the files
    """What is known about one predicted image: the file ``records/<id>.json``."""

    status: Literal["ok"] = "ok"
    made_from: dict[str, Any]
    """The input's file and all settings that change the outputs; made with others, they are made anew."""
    files: list[Annotated[str, AfterValidator(_check_inside)]]
    """Every file written for this image, relative to the output folder and inside it."""
    sha256: str = ""
    """Of all the rest but ``seconds``, as :meth:`digest` gives it, where it is kept on disk; empty otherwise."""

    def digest(self) -> str:
        """SHA-256 of the record: what is not as the run said it, but for the time that it took, has another."""
        content = self.model_dump(exclude={"seconds", "sha256"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
