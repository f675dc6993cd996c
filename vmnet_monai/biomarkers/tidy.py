"""All measures of an eye as one list of values, each with its region, unit and, where something is amiss, a flag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vmnet_monai.biomarkers.eye import Eye, find_eye
from vmnet_monai.biomarkers.regions import REGIONS, Region, find_regions
from vmnet_monai.biomarkers.scale import Scale, scale_from_disc

__all__ = ["DEFINITIONS", "VESSEL_TYPES", "Definition", "Grid", "Value", "data_dictionary", "measure", "units"]

WHOLE = 0.95
"""Fraction of a region inside the field of view below which its values are flagged."""

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

_DISC_SIZES = ("disc_diameter", "disc_diameter_longest", "disc_diameter_shortest", "disc_area")

_NO_DISC = "the optic disc is not seen"
_CUT_DISC = "the edge of the field of view cuts the optic disc"
_NO_FOVEA = "the fovea is not seen"
_NO_SIDE = "disc and fovea do not tell which eye it is"
_NO_SCALE = "the scale is unknown"


class Definition(NamedTuple):
    """What a measure is."""

    name: str
    """Its plain name."""
    definition: str
    source: str = ""
    """Paper with DOI; empty where none is needed."""
    power: int = 0
    """Of a length: 1 for lengths, 2 for areas, -1 for what is per length; 0 for what has a unit of its own."""
    unit: str = ""
    """That unit; empty for lengths and areas."""


DEFINITIONS: Mapping[str, Definition] = MappingProxyType(
    {
        "disc_x": Definition(
            "Optic disc, column", "Column of the disc's centre in the photograph; the first column is 0.", unit="px"
        ),
        "disc_y": Definition("Optic disc, row", "Row of the disc's centre in the photograph.", unit="px"),
        "disc_diameter": Definition(
            "Optic disc diameter", "Diameter of the circle with the area of the disc.", power=1
        ),
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
        "area_density": Definition("Density", "Part of the region that vessels cover.", unit="fraction"),
    }
)
"""Name of a measure in tables -> what it is."""


class Value(NamedTuple):
    """One value of one eye.

    Attributes:
        vessel_type: one of :data:`VESSEL_TYPES`.
        region: one of :data:`~vmnet_monai.biomarkers.REGIONS`; empty for the eye itself.
        measure: one of :data:`DEFINITIONS`.
        value: None where it cannot be computed; the flag says why.
        unit: such as ``um``; ``(assumed: ...)`` behind it where the scale is assumed.
        flag: empty, or what a reader has to know, in plain words.
    """

    vessel_type: str
    region: str
    measure: str
    value: float | None
    unit: str
    flag: str = ""


class Grid(NamedTuple):
    """Where the pixels of maps lie on the photograph.

    Attributes:
        pixel_px: side of a grid pixel in pixels of the photograph.
        left_px: column of the photograph at which the left edge of the grid lies; the edge of the photograph is 0.
        top_px: row of the photograph at which the upper edge of the grid lies.
    """

    pixel_px: float = 1.0
    left_px: float = 0.0
    top_px: float = 0.0

    def on_photograph(self, x: float, y: float) -> tuple[float, float]:
        """Return column and row in the photograph of a point of the grid; centres of pixels are whole numbers.

        >>> Grid(2.0, left_px=100).on_photograph(0, 0)
        (100.5, 0.5)
        """
        return self.left_px + (x + 0.5) * self.pixel_px - 0.5, self.top_px + (y + 0.5) * self.pixel_px - 0.5


OWN_PIXELS = Grid()
"""The grid of maps that have the photograph's own pixels."""


def measure(
    maps: Mapping[str, NDArray],
    fov: NDArray[np.bool_],
    eye: Eye | None = None,
    grid: Grid = OWN_PIXELS,
    scale: Scale | None = None,
) -> list[Value]:
    """Measure an eye: disc and fovea, and its vessels in each region.

    Every measure of every region gives its value in every unit, so that all eyes have the same rows: what cannot be
    computed is None, with the reason as flag. A region of which less than :data:`WHOLE` lies in the field of view has a
    flag too, and so has what is measured on a disc that the field's edge cuts.

    Args:
        maps: structure -> (H, W) bool or probabilities 0 to 1, cut at one half, about 900 pixels across the field of
            view: any of ``artery``, ``vein``, ``vessel``, ``disc`` and ``fovea_region``. Where ``vessel`` is not
            given, it is ``artery`` and ``vein`` together.
        fov: (H, W) bool, the field of view.
        eye: the landmarks in grid pixels; None to find them in ``disc`` and ``fovea_region``.
        grid: where the maps lie on the photograph, whose pixels are the unit ``px``.
        scale: of the photograph; None for that of an assumed disc diameter, where the disc is seen whole.

    Returns:
        The values: those of the eye itself first, then by vessel type and region.

    Raises:
        ValueError: if a map differs in shape from the field of view, or has values outside 0 to 1.

    Example:
        >>> rows, columns = np.mgrid[:300, :400]
        >>> disc = (columns - 300) ** 2 + (rows - 150) ** 2 <= 25**2
        >>> values = measure({"disc": disc}, np.ones((300, 400), dtype=bool))
        >>> [(value.measure, round(value.value), value.unit) for value in values if value.measure == "disc_diameter"]
        [('disc_diameter', 50, 'px'), ('disc_diameter', 1800, 'um (assumed: disc diameter 1800 um)')]
    """
    if eye is None:
        eye = find_eye(maps.get("disc"), maps.get("fovea_region"), fov)
    vessels = _vessel_maps(maps, fov)
    diameter = None if eye.disc is None or eye.disc.is_cut else eye.disc.diameter
    if scale is None and diameter is not None:
        scale = scale_from_disc(diameter * grid.pixel_px)
    lengths = _Lengths(grid.pixel_px, diameter, scale)
    values = list(_eye_values(eye, grid, lengths))
    px_per_mm = None if scale is None else 1000 / (scale.microns_per_px * grid.pixel_px)
    found = find_regions(eye, fov, px_per_mm)
    for vessel_type, vessel_map in vessels.items():
        for name in REGIONS:
            region = found.get(name)
            flag = _missing(name, eye, scale) if region is None else _partly(region)
            values += lengths.values(vessel_type, name, _vessel_measures(vessel_map, region), flag)
    return values


def data_dictionary() -> dict[str, dict]:
    """Return what the columns of the tables hold, as JSON can store it."""
    measures = {
        name: {
            "name": one.name,
            "definition": one.definition,
            "units": units(name),
            "source": one.source,
        }
        for name, one in DEFINITIONS.items()
    }
    return {"vessel_types": dict(VESSEL_TYPES), "regions": dict(REGIONS), "measures": measures}


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
    return [px, um] if measure in _DISC_SIZES else [px, diameters, um]


class _Lengths(NamedTuple):
    """What turns values in grid pixels into those of all units."""

    pixel_px: float
    disc_diameter: float | None
    scale: Scale | None

    def values(
        self, vessel_type: str, region: str, measures: Mapping[str, float | None], flag: str = ""
    ) -> Iterator[Value]:
        """The values of measures that are given in grid pixels."""
        for name, value in measures.items():
            power = DEFINITIONS[name].power
            for unit in units(name):
                factor, reason = self._factor(unit) if power else (1.0, "")
                if self.scale is not None and self.scale.assumed and "um" in unit:
                    unit = f"{unit} (assumed: {self.scale.assumed})"
                if value is None or factor is None:
                    yield Value(vessel_type, region, name, None, unit, flag or reason)
                else:
                    yield Value(vessel_type, region, name, value * factor**power, unit, flag)

    def _factor(self, unit: str) -> tuple[float | None, str]:
        """Side of a grid pixel in a unit of length, or None and why it is unknown."""
        if "px" in unit:
            return self.pixel_px, ""
        if "disc" in unit:
            return None if self.disc_diameter is None else 1 / self.disc_diameter, "the size of the disc is unknown"
        return None if self.scale is None else self.scale.microns_per_px * self.pixel_px, _NO_SCALE


def _eye_values(eye: Eye, grid: Grid, lengths: _Lengths) -> Iterator[Value]:
    disc, fovea = eye.disc, eye.fovea
    x, y = (None, None) if disc is None else grid.on_photograph(disc.x, disc.y)
    disc_flag = _NO_DISC if disc is None else _CUT_DISC if disc.is_cut else ""
    yield from lengths.values("", "", {"disc_x": x, "disc_y": y}, disc_flag)
    is_whole = disc is not None and not disc.is_cut
    sizes = {
        "disc_diameter": disc.diameter if disc is not None and is_whole else None,
        "disc_diameter_longest": disc.longest if disc is not None and is_whole else None,
        "disc_diameter_shortest": disc.shortest if disc is not None and is_whole else None,
        "disc_area": disc.area if disc is not None and is_whole else None,
    }
    yield from lengths.values("", "", sizes, disc_flag)
    x, y = (None, None) if fovea is None else grid.on_photograph(fovea.x, fovea.y)
    fovea_flag = _NO_FOVEA if fovea is None else ""
    yield from lengths.values("", "", {"fovea_x": x, "fovea_y": y}, fovea_flag)
    between = {"disc_fovea_distance": eye.disc_fovea_distance, "disc_fovea_angle": eye.disc_fovea_angle}
    yield from lengths.values("", "", between, "; ".join(filter(None, (disc_flag, fovea_flag))))


def _vessel_maps(maps: Mapping[str, NDArray], fov: NDArray[np.bool_]) -> dict[str, NDArray[np.float32]]:
    """The maps of vessels, 0 outside the field of view."""
    vessels = {}
    for name in ("artery", "vein", "vessel"):
        if name in maps:
            values = np.asarray(maps[name], dtype=np.float32)
            if values.shape != fov.shape or not np.all((values >= 0) & (values <= 1)):
                raise ValueError(
                    f"the map of the structure {name} must be (H, W) as the field of view, {fov.shape}, of values "
                    f"within 0 to 1, got {values.shape}: scale it to the same grid, and apply the sigmoid to logits."
                )
            vessels[name] = np.where(fov, values, 0)
    if "vessel" not in vessels and {"artery", "vein"} <= vessels.keys():
        vessels["vessel"] = np.maximum(vessels["artery"], vessels["vein"])
    return vessels


def _vessel_measures(vessel_map: NDArray[np.float32], region: Region | None) -> dict[str, float | None]:
    if region is None or not region.mask.any():
        return {"area_density": None}
    return {"area_density": float((vessel_map[region.mask] >= 0.5).mean())}


def _missing(region: str, eye: Eye, scale: Scale | None) -> str:
    """Why there is no such region."""
    if eye.disc is None:
        return _NO_DISC
    if region.startswith("zone"):
        return _CUT_DISC
    if eye.fovea is None:
        return _NO_FOVEA
    return _NO_SIDE if eye.side is None else _NO_SCALE


def _partly(region: Region) -> str:
    return "" if region.inside >= WHOLE else f"{region.inside:.0%} of the region lie in the field of view"
