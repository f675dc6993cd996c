"""What each measure is called, and where it lies in reference eyes: what a reader needs to judge a number."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from vmnet_monai.biomarkers.definitions import DEFINITIONS
from vmnet_monai.biomarkers.tables import column_name
from vmnet_monai.biomarkers.tidy import Value

__all__ = [
    "DRAWN_OTHERWISE",
    "MEASURES",
    "REFERENCE",
    "VALUE_PHOTOGRAPHS",
    "VALUE_REFERENCE",
    "Measure",
    "Reference",
    "implausible_measures",
    "implausible_values",
    "read_reference",
]


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


def read_reference(path: str | Path, part: str = "") -> tuple[dict[str, Reference], dict[str, int]]:
    """Read what ``python -m vmnet_monai.biomarkers.fit`` wrote.

    Args:
        path: the file.
        part: ``values`` for those of arteries, veins and optic disc; empty for those of vessels alone.

    Returns:
        Measure -> where it lies, and dataset -> number of its photographs.
    """
    stored = json.loads(Path(path).read_text(encoding="utf-8"))
    stored = stored[part] if part else stored
    return {name: Reference(*values) for name, values in stored["measures"].items()}, stored["photographs"]


_FILE = Path(__file__).parent / "reference.json"

REFERENCE, REFERENCE_PHOTOGRAPHS = read_reference(_FILE)
"""Measure -> where it lies in the vessels that experts drew in photographs of HRF and CHASE_DB1, and how many there are
of each. Measures in pixels depend on the camera and have none."""

VALUE_REFERENCE, VALUE_PHOTOGRAPHS = read_reference(_FILE, "values")
"""Column of the wide table -> where it lies in the arteries and veins that experts drew in photographs of HRF, by discs
and foveas that were marked by hand and an assumed disc diameter; and how many there are of each dataset."""

DRAWN_OTHERWISE = frozenset(
    ["length_density", "segments", "branch_points", "end_points", "width_mean", "width_largest", "crossings"]
)
"""Measures of which the network's maps give values 20 % and more from those of experts' masks on the same photographs
(docs/reference/measure-agreement.md): beside them the range of experts' masks would make every eye unusual."""

CHECKED = (
    *("area_density", "length_density", "width_mean", "tortuosity_arc_chord", "fractal_dimension_d0"),
    *("branch_points", "end_points"),
)
"""Measures of all vessels in the whole field by which a vessel map is judged, as by those of vessels alone."""


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
    return [
        sentence
        for name, reference in REFERENCE.items()
        if (sentence := _remark(MEASURES[name].name, measures.get(name), reference))
    ]


def implausible_values(values: Iterable[Value]) -> list[str]:
    """Say which values of all vessels no eye is likely to have.

    Args:
        values: from :func:`~vmnet_monai.biomarkers.measure`.

    Returns:
        Whole sentences, none for most photographs.

    Example:
        >>> implausible_values([Value("vessel", "field", "area_density", 0.978, "fraction")])[0].partition(" in the")[0]
        'Density by area, all vessels, is 0.978'
    """
    judged = [
        value
        for value in values
        if value[:2] == ("vessel", "field") and value.measure in CHECKED and "um" not in value.unit
    ]
    return [
        sentence
        for value in judged
        if (reference := VALUE_REFERENCE.get(column_name(value)))
        and (sentence := _remark(f"{DEFINITIONS[value.measure].name}, all vessels,", value.value, reference))
    ]


def _remark(name: str, value: float | None, reference: Reference) -> str:
    low, high = reference.plausible
    if value is None or low <= value <= high:
        return ""
    return (
        f"{name} is {value:.3g} in the network's vessel map, and {reference.low:.3g} to {reference.high:.3g} is usual "
        "in reference eyes: the vessel map may be wrong, look at it before any measure is used."
    )
