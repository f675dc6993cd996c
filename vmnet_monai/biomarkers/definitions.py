"""What each measure of the tables is: plain name, definition, source, units, and where it is measured."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from vmnet_monai.biomarkers.regions import REGIONS

__all__ = ["DEFINITIONS", "DISC_SIZES", "VESSEL_TYPES", "Definition", "Key", "measures_of", "units"]

VESSEL_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "artery": "arteries",
        "vein": "veins",
        "vessel": "all vessels",
        "": "the eye itself, or arteries and veins together",
    }
)
"""Vessel type -> what is measured."""

_UNITS = {
    -1: ("1/px", "1/disc diameter", "1/um"),
    1: ("px", "disc diameters", "um"),
    2: ("px2", "square disc diameters", "um2"),
}
"""Power of a length -> its units, by pixels of the photograph, disc diameters and microns."""

DISC_SIZES = ("disc_diameter", "disc_diameter_longest", "disc_diameter_shortest", "disc_area")
"""Measures of the disc's own size, which disc diameters and microns by an assumed disc say nothing of."""

_TREES = ("artery", "vein", "vessel")
_FIELD = ("field",)
_ZONES = ("zone_b", "zone_c")
_PARTS = (*_FIELD, *_ZONES, *(name for name in REGIONS if name.startswith(("superior", "inferior"))))


class Key(NamedTuple):
    """What is measured, whatever the unit: the first three fields of a :class:`~vmnet_monai.biomarkers.tidy.Value`."""

    vessel_type: str
    region: str
    measure: str


class Definition(NamedTuple):
    """What a measure is."""

    name: str
    """Its plain name."""
    definition: str
    source: str = ""
    """Paper with DOI; empty where none is needed."""
    power: int = 0
    """1 for lengths, 2 for areas, -1 for what is per length; 0 for what has a unit of its own."""
    unit: str = ""
    """That unit; empty for lengths and areas."""
    vessel_types: tuple[str, ...] = ("",)
    """Of :data:`VESSEL_TYPES`."""
    regions: tuple[str, ...] = ("",)
    """Of :data:`~vmnet_monai.biomarkers.REGIONS`; an empty one for the eye itself."""


_KNUDTSON = "Knudtson et al., Curr Eye Res 2003, doi:10.1076/ceyr.27.3.143.16049"
_HUBBARD = "Hubbard et al., Ophthalmology 1999, doi:10.1016/S0161-6420(99)90525-0"

_MEASURES = {
    "disc_x": Definition(
        "Optic disc, column", "Column of the disc's centre in the photograph; the first column is 0.", unit="px"
    ),
    "disc_y": Definition("Optic disc, row", "Row of the disc's centre in the photograph.", unit="px"),
    "disc_diameter": Definition("Optic disc diameter", "Diameter of the circle with the area of the disc.", power=1),
    "disc_diameter_longest": Definition(
        "Optic disc, longest diameter", "Major axis of the ellipse with the disc's second moments.", power=1
    ),
    "disc_diameter_shortest": Definition(
        "Optic disc, shortest diameter", "Minor axis of the ellipse with the disc's second moments.", power=1
    ),
    "disc_area": Definition("Optic disc area", "Area of the disc.", power=2),
    "fovea_x": Definition("Fovea, column", "Column of the fovea's centre in the photograph.", unit="px"),
    "fovea_y": Definition("Fovea, row", "Row of the fovea's centre in the photograph.", unit="px"),
    "disc_fovea_distance": Definition(
        "Distance from disc to fovea",
        "Distance of the centres of optic disc and fovea.",
        "Jonas et al., PLoS ONE 2015, doi:10.1371/journal.pone.0138701",
        power=1,
    ),
    "disc_fovea_angle": Definition(
        "Angle from disc to fovea",
        "Angle of the line from the disc's centre to the fovea's to the rows of the photograph; above 0 where the "
        "fovea lies lower, in right and left eyes alike. It turns with the photograph.",
        "Rohrschneider, Invest Ophthalmol Vis Sci 2004, doi:10.1167/iovs.03-1157",
        unit="deg",
    ),
    "area_density": Definition(
        "Density by area",
        "Part of the region that vessels cover.",
        unit="fraction",
        vessel_types=_TREES,
        regions=_PARTS,
    ),
    "length_density": Definition(
        "Density by length",
        "Length of the centre lines / area of the region.",
        power=-1,
        vessel_types=_TREES,
        regions=_PARTS,
    ),
    "segments": Definition(
        "Segments", "Vessels between two branch points or ends.", unit="count", vessel_types=_TREES, regions=_FIELD
    ),
    "branch_points": Definition(
        "Branch points",
        "Places where a vessel divides; where two cross counts twice.",
        unit="count",
        vessel_types=_TREES,
        regions=_FIELD,
    ),
    "end_points": Definition(
        "Vessel ends",
        "Free ends, those at the rim of the field included.",
        unit="count",
        vessel_types=_TREES,
        regions=_FIELD,
    ),
    "branching_angle": Definition(
        "Branching angle",
        "Mean over the branch points of three segments of the smallest angle between two of them, the daughters.",
        "Zamir et al., J Gen Physiol 1979, doi:10.1085/jgp.74.4.537",
        unit="deg",
        vessel_types=_TREES,
        regions=_FIELD,
    ),
    "asymmetry_ratio": Definition(
        "Asymmetry of branches",
        "Mean over the branch points of the width of the thinner daughter / that of the thicker; 1 is symmetric.",
        "Zamir et al., J Gen Physiol 1979, doi:10.1085/jgp.74.4.537",
        unit="ratio",
        vessel_types=_TREES,
        regions=_FIELD,
    ),
    "tortuosity_arc_chord": Definition(
        "Tortuosity, arc over chord",
        "Sum of the lengths of the segments / sum of the distances of their ends; 1 is straight.",
        "Hart et al., Int J Med Inform 1999, doi:10.1016/S1386-5056(98)00163-4",
        unit="ratio",
        vessel_types=_TREES,
        regions=_PARTS,
    ),
    "tortuosity_arc_chord_median": Definition(
        "Tortuosity, arc over chord, median",
        "Median over the segments of length / distance of the ends.",
        "Hart et al., Int J Med Inform 1999, doi:10.1016/S1386-5056(98)00163-4",
        unit="ratio",
        vessel_types=_TREES,
        regions=_PARTS,
    ),
    "tortuosity_curvature": Definition(
        "Tortuosity, curvature",
        "Mean along the centre lines of 1 / radius: total curvature / length.",
        "Hart et al., Int J Med Inform 1999, doi:10.1016/S1386-5056(98)00163-4",
        power=-1,
        vessel_types=_TREES,
        regions=_FIELD,
    ),
    "width_mean": Definition(
        "Mean width",
        "Mean along the centre lines of the width across them.",
        power=1,
        vessel_types=_TREES,
        regions=_PARTS,
    ),
    "width_largest": Definition(
        "Largest width",
        "Width that 95 % of the length, away from branch points, does not exceed.",
        power=1,
        vessel_types=_TREES,
        regions=_FIELD,
    ),
    "fractal_dimension_d0": Definition(
        "Fractal dimension D0, box counting",
        "How densely the centre lines branch over all scales; 1 is a line.",
        "Stosic & Stosic, IEEE Trans Med Imaging 2006, arXiv:physics/0410076",
        unit="dimension",
        vessel_types=_TREES,
        regions=_FIELD,
    ),
    "fractal_dimension_d1": Definition(
        "Fractal dimension D1, information",
        "The same, by the entropy of how the length is spread over the boxes.",
        "Stosic & Stosic, IEEE Trans Med Imaging 2006, arXiv:physics/0410076",
        unit="dimension",
        vessel_types=_TREES,
        regions=_FIELD,
    ),
    "fractal_dimension_d2": Definition(
        "Fractal dimension D2, correlation",
        "The same, by the sum of the squares of what lies in each box.",
        "Stosic & Stosic, IEEE Trans Med Imaging 2006, arXiv:physics/0410076",
        unit="dimension",
        vessel_types=_TREES,
        regions=_FIELD,
    ),
    "crossings": Definition(
        "Crossings",
        "Places where centre lines of arteries and veins cross at more than 30 degrees.",
        unit="count",
        regions=_FIELD,
    ),
    "vessels_found": Definition(
        "Vessels found",
        "Median, over nine circles in the zone, of the vessels that cross them.",
        unit="count",
        vessel_types=("artery", "vein"),
        regions=_ZONES,
    ),
    "crae_knudtson": Definition(
        "Central retinal arteriolar equivalent (CRAE), Knudtson",
        "Width of the trunk of the six widest arterioles, 0.88 sqrt(a^2 + b^2) for each pair.",
        _KNUDTSON,
        power=1,
        vessel_types=("artery",),
        regions=_ZONES,
    ),
    "crve_knudtson": Definition(
        "Central retinal venular equivalent (CRVE), Knudtson",
        "Width of the trunk of the six widest venules, 0.95 sqrt(a^2 + b^2) for each pair.",
        _KNUDTSON,
        power=1,
        vessel_types=("vein",),
        regions=_ZONES,
    ),
    "avr_knudtson": Definition(
        "Arteriole to venule ratio (AVR), Knudtson", "CRAE / CRVE.", _KNUDTSON, unit="ratio", regions=_ZONES
    ),
    "crae_hubbard": Definition(
        "Central retinal arteriolar equivalent (CRAE), Hubbard",
        "The same, sqrt(0.87 a^2 + 1.01 b^2 - 0.22 a b - 10.76) for each pair, which is for microns.",
        _HUBBARD,
        unit="um",
        vessel_types=("artery",),
        regions=_ZONES,
    ),
    "crve_hubbard": Definition(
        "Central retinal venular equivalent (CRVE), Hubbard",
        "The same, sqrt(0.72 a^2 + 0.91 b^2 + 450.02) for each pair, which is for microns.",
        _HUBBARD,
        unit="um",
        vessel_types=("vein",),
        regions=_ZONES,
    ),
    "avr_hubbard": Definition(
        "Arteriole to venule ratio (AVR), Hubbard", "CRAE / CRVE.", _HUBBARD, unit="ratio", regions=_ZONES
    ),
}

DEFINITIONS: Mapping[str, Definition] = MappingProxyType(_MEASURES)
"""Name of a measure in tables -> what it is."""


def measures_of(vessel_type: str, region: str) -> list[str]:
    """Return the measures of a vessel type in a region, in the order of :data:`DEFINITIONS`.

    >>> measures_of("", "zone_c")
    ['avr_knudtson', 'avr_hubbard']
    """
    return [name for name, one in DEFINITIONS.items() if vessel_type in one.vessel_types and region in one.regions]


def units(measure: str) -> list[str]:
    """Return all units in which a measure is given, without what is assumed.

    Sizes of the disc are not given in disc diameters.

    >>> units("disc_diameter"), units("disc_fovea_angle")
    (['px', 'um'], ['deg'])
    """
    definition = DEFINITIONS[measure]
    if definition.power == 0:
        return [definition.unit]
    px, diameters, um = _UNITS[definition.power]
    return [px, um] if measure in DISC_SIZES else [px, diameters, um]
