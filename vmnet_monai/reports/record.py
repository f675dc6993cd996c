"""What is known about one input of a run: the record from which every report is made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

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

    >>> DiseaseFinding(disease="amd", probability=0.7, threshold=0.2, decision=1).probability
    0.7
    """

    model_config = ConfigDict(frozen=True)

    disease: str
    """Key of the disease."""
    probability: Fraction | None
    """Calibrated probability in [0, 1]; None where the network gives none."""
    threshold: Fraction
    decision: Annotated[int, Field(ge=0, le=1)] | None
    """1 (positive) where the probability reaches the threshold, else 0; None without probability."""


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
    model_version: str
    thresholds_version: str


class Description(_Checked):
    """What a record says about a predicted image."""

    width_px: int
    height_px: int
    findings: list[DiseaseFinding]
    measures: dict[str, float | None]
    """Name with unit -> value; None where it is undefined."""
    warnings: list[str]
    """Remarks on the quality of the image, whole sentences."""
    structures: list[str]
    """Keys of the segmented structures."""
    heat_maps: list[str]
    """Keys of the diseases that have a heat map."""


class Record(Description, InputRecord):  # pydantic takes the fields of the last class first: the order of the files
    """What is known about one predicted image: the file ``records/<id>.json``."""

    status: Literal["ok"] = "ok"
    made_from: dict[str, Any]
    """The input's file and all settings that change the outputs; made with others, they are made anew."""
    files: list[Annotated[str, AfterValidator(_check_inside)]]
    """Every file written for this image, relative to the output folder and inside it."""
