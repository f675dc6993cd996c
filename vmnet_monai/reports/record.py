"""What is known about one image of a run: the record from which every report is made."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

__all__ = ["Description", "DiseaseFinding", "InputRecord", "Record", "Status"]

Status = Literal["ok", "refused", "failed"]
"""``ok``; ``refused``, the input is not a usable photograph; ``failed``, something went wrong with a usable one."""


class DiseaseFinding(TypedDict):
    """What is said about one disease."""

    disease: str
    """Key of the disease."""
    probability: float | None
    """Calibrated probability in [0, 1]; None where the network gives none."""
    threshold: float
    decision: int | None
    """1 where the probability reaches the threshold, else 0; None without probability."""


class InputRecord(TypedDict):
    """What is known about every input, usable or not; a row of ``manifest.csv``."""

    id: str
    """File-safe and unique within the run."""
    image: str
    """The input as it was named, such as a path; where the run is de-identified, the id."""
    status: Status
    reason: str
    """Why the input was refused or failed; of a predicted one, what could not be written; empty otherwise."""
    seconds: float
    """Wall-clock time spent on this input: reading, its part of the batch, and writing."""
    model_version: str
    thresholds_version: str


class Description(TypedDict, total=False):
    """What a record says about a predicted photograph."""

    width_px: int
    height_px: int
    findings: list[DiseaseFinding]
    measures: dict[str, float | None]
    """Name with unit -> value; None where it is undefined."""
    warnings: list[str]
    """Remarks on the quality of the photograph, whole sentences."""
    structures: list[str]
    """Keys of the segmented structures."""
    heat_maps: list[str]
    """Keys of the diseases that have a heat map."""


class Record(InputRecord, Description, total=False):
    """What is known about one input; of refused and failed ones only what an input has."""

    made_from: dict[str, Any]
    """The input's file and all settings that change the outputs; made with others, they are made anew."""
    files: list[str]
    """Every file written for this photograph, relative to the output folder."""
