"""What each measure is called, and where it lies in reference eyes: what a reader needs to judge a number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["MEASURES", "REFERENCE", "Measure", "Reference", "implausible_measures", "read_reference"]


class Measure(NamedTuple):
    """How a measure is written."""

    name: str
    unit: str
    """Empty for a ratio without unit."""
    definition: str


class Reference(NamedTuple):
    """Where a measure lies in reference eyes."""

    low: float
    """5th percentile."""
    median: float
    high: float
    """95th percentile."""

    @property
    def plausible(self) -> tuple[float, float]:
        """Lowest and highest plausible value: as far beyond the usual range, in ratio, as it is wide.

        Measures are above 0 and spread by ratios; a difference would make 0 plausible. All values of the 73 reference
        eyes are plausible but the tortuosity of one.
        """
        ratio = self.high / self.low
        return self.low / ratio, self.high * ratio


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "vessel_density_fov_share": Measure(
            "Vessel density", "fraction of the field of view", "Part of the field of view that vessels cover."
        ),
        "skeleton_length_px": Measure(
            "Vessel length", "pixels of the photograph", "Length of all vessels together, along their centre lines."
        ),
        "skeleton_length_fov_diameters": Measure(
            "Vessel length", "field of view diameters", "Length of all vessels together, along their centre lines."
        ),
        "vessel_width_mean_px": Measure(
            "Mean vessel width", "pixels of the photograph", "Area of the vessels divided by their length."
        ),
        "vessel_width_mean_fov_diameter_share": Measure(
            "Mean vessel width",
            "field of view diameters",
            "Area of the vessels divided by their length.",
        ),
        "tortuosity_arc_chord_mean": Measure(
            "Tortuosity",
            "ratio, 1 is straight",
            "Length of a vessel segment over the distance of its ends, mean.",
        ),
        "fractal_dimension_box_count": Measure(
            "Fractal dimension", "", "How densely the vessels branch over all scales, by counting boxes; 1 is a line."
        ),
        "branch_points_count": Measure("Branch points", "count", "Places where a vessel divides or two cross."),
        "end_points_count": Measure("Vessel ends", "count", "Free ends, those at the rim of the photograph included."),
    }
)
"""Name of a measure in tables -> how it is written."""


def read_reference(path: str | Path) -> tuple[dict[str, Reference], dict[str, int]]:
    """Read what ``python -m vmnet_monai.biomarkers.fit`` wrote.

    Args:
        path: the file.

    Returns:
        Measure -> where it lies, and dataset -> number of its photographs.
    """
    stored = json.loads(Path(path).read_text(encoding="utf-8"))
    return {name: Reference(*values) for name, values in stored["measures"].items()}, stored["photographs"]


REFERENCE, REFERENCE_PHOTOGRAPHS = read_reference(Path(__file__).parent / "reference.json")
"""Measure -> where it lies in the vessels that experts drew in photographs of HRF and CHASE_DB1, and how many there are
of each. Measures in pixels depend on the camera and have none."""


def implausible_measures(measures: Mapping[str, float | None]) -> list[str]:
    """Say which measures of a vessel map no eye is likely to have.

    Args:
        measures: from :func:`~vmnet_monai.biomarkers.vessel_measures`.

    Returns:
        Whole sentences, none for most photographs.

    Example:
        >>> implausible_measures({"vessel_density_fov_share": 0.978})[0].partition(" in the")[0]
        'Vessel density is 0.978'
    """
    remarks = []
    for name, reference in REFERENCE.items():
        value = measures.get(name)
        low, high = reference.plausible
        if value is not None and not low <= value <= high:
            remarks.append(
                f"{MEASURES[name].name} is {value:.3g} in the network's vessel map, and {reference.low:.3g} to "
                f"{reference.high:.3g} is usual in reference eyes: the vessel map may be wrong, look at it before "
                "any measure is used."
            )
    return remarks
