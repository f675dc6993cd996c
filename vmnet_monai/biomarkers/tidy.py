"""All measures of an eye as one list of values, each with its region, unit and, where something is amiss, a flag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vmnet_monai.biomarkers.calibre import Formula, calibres, zone_widths
from vmnet_monai.biomarkers.definitions import DEFINITIONS, VESSEL_TYPES, measures_of, units
from vmnet_monai.biomarkers.eye import Disc, Eye, find_eye
from vmnet_monai.biomarkers.regions import REGIONS, ZONES, Region, find_regions
from vmnet_monai.biomarkers.scale import Scale, scale_from_disc
from vmnet_monai.biomarkers.tree import VesselTree, crossings, fractal_dimensions, tree_measures, vessel_tree

__all__ = ["Grid", "Value", "measure", "vessel_trees"]

WHOLE = 0.95
"""Fraction of a region inside the field of view below which its values are flagged."""

_NO_DISC = "the optic disc is not seen"
_CUT_DISC = "the edge of the field of view cuts the optic disc"
_NO_SIZE = "the size of the optic disc is unknown"
_NO_FOVEA = "the fovea is not seen"
_NO_SIDE = "disc and fovea do not tell which eye it is"
_NO_SCALE = "the scale is unknown"
_OUTSIDE = "the region lies outside the field of view"
_NO_VESSEL = "the region has no vessel to measure it on"


class Value(NamedTuple):
    """One value of one eye.

    Attributes:
        vessel_type: one of :data:`~vmnet_monai.biomarkers.definitions.VESSEL_TYPES`.
        region: one of :data:`~vmnet_monai.biomarkers.REGIONS`; empty for the eye itself.
        measure: one of :data:`~vmnet_monai.biomarkers.definitions.DEFINITIONS`.
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
    trees: Mapping[str, VesselTree] | None = None,
) -> list[Value]:
    """Measure an eye: disc and fovea, and its vessels in each region.

    Every measure of every region gives its value in every unit, so that all eyes have the same rows: what cannot be
    computed is None, with the reason as flag. A region of which less than :data:`WHOLE` lies in the field of view has a
    flag too, and so has what is measured on a disc that the field's edge cuts.

    Args:
        maps: structure -> (H, W) bool or probabilities 0 to 1, cut at one half, about 900 pixels across the field of
            view: any of ``artery``, ``vein``, ``vessel``, ``disc`` and ``fovea_region``. Where ``vessel`` is not
            given, it is ``artery`` and ``vein`` together. Calibres are best of maps that are not cut: the edges of
            vessels lie between the pixels.
        fov: (H, W) bool, the field of view.
        eye: the landmarks in grid pixels; None to find them in ``disc`` and ``fovea_region``.
        grid: where the maps lie on the photograph, whose pixels are the unit ``px``.
        scale: of the photograph; None for that of an assumed disc diameter, where the disc is seen whole.
        trees: of the same maps and field of view, where :func:`vessel_trees` has found them already.

    Returns:
        The values: those of the eye itself, then those of its vessels by type and region.

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
    found = find_regions(eye, fov)  # without the ETDRS grid, in which nothing is measured
    place = _Places(
        _Units(grid.pixel_px, diameter, scale),
        {name: region.mask for name, region in found.items() if region.mask.any()},
        {name: _flag(name, found.get(name), eye) for name in REGIONS},
    )
    trees = vessel_trees(maps, fov) if trees is None else trees
    return [*_eye_values(eye, grid, place.units), *_vessel_values(vessels, trees, eye.disc, fov, place)]


def vessel_trees(maps: Mapping[str, NDArray], fov: NDArray[np.bool_]) -> dict[str, VesselTree]:
    """Find the centre lines of each type of vessel, of which :func:`measure` says most.

    Args:
        maps: as for :func:`measure`; structures that are no vessels are left out.
        fov: (H, W) bool, the field of view.

    Returns:
        ``artery``, ``vein`` and ``vessel``, as far as there are maps of them.

    Raises:
        ValueError: as :func:`measure`.
    """
    return {name: vessel_tree(values >= 0.5, fov) for name, values in _vessel_maps(maps, fov).items()}


class _Units(NamedTuple):
    """What turns values in grid pixels into those of all units."""

    pixel_px: float
    disc_diameter: float | None
    scale: Scale | None

    def values(
        self,
        vessel_type: str,
        region: str,
        measures: Mapping[str, float | None],
        flag: str,
        reasons: Mapping[str, str] | None = None,
    ) -> Iterator[Value]:
        """The values of measures that are given in grid pixels.

        Args:
            vessel_type: of all of them.
            region: likewise.
            measures: measure -> value; None where it cannot be computed.
            flag: of all of them.
            reasons: measure -> why it is None, where the flag does not say it.
        """
        for name, value in measures.items():
            power = DEFINITIONS[name].power
            reason = flag or (reasons or {}).get(name) or _NO_VESSEL
            for unit in units(name):
                factor, no_factor = self._factor(unit) if power else (1.0, "")
                if "um" in unit and self.scale is not None:
                    unit = self.scale.unit(power or 1)
                if value is None:
                    yield Value(vessel_type, region, name, None, unit, reason)
                elif factor is None:
                    yield Value(vessel_type, region, name, None, unit, "; ".join(filter(None, (flag, no_factor))))
                else:
                    yield Value(vessel_type, region, name, value * factor**power, unit, flag)

    @property
    def microns(self) -> float | None:
        """Side of a grid pixel in microns."""
        return None if self.scale is None else self.scale.microns_per_px * self.pixel_px

    def _factor(self, unit: str) -> tuple[float | None, str]:
        """Side of a grid pixel in a unit, or None and why it is unknown."""
        if "px" in unit:
            return self.pixel_px, ""
        if "disc" in unit:
            return (None, _NO_SIZE) if self.disc_diameter is None else (1 / self.disc_diameter, "")
        return self.microns, _NO_SCALE


class _Places(NamedTuple):
    """Where vessels are measured."""

    units: _Units
    regions: Mapping[str, NDArray[np.bool_]]
    """Region -> its mask, of those that are seen."""
    flags: Mapping[str, str]
    """Region -> flag of its values, of all regions."""


def _eye_values(eye: Eye, grid: Grid, lengths: _Units) -> Iterator[Value]:
    disc, fovea = eye.disc, eye.fovea
    x, y = (None, None) if disc is None else grid.on_photograph(disc.x, disc.y)
    disc_flag = _NO_DISC if disc is None else _CUT_DISC if disc.is_cut else ""
    yield from lengths.values("", "", {"disc_x": x, "disc_y": y}, disc_flag)
    whole = None if disc is None or disc.is_cut else disc
    sizes = {
        "disc_diameter": whole and whole.diameter,
        "disc_diameter_longest": whole and whole.longest,
        "disc_diameter_shortest": whole and whole.shortest,
        "disc_area": whole and whole.area,
    }
    yield from lengths.values("", "", sizes, disc_flag, dict.fromkeys(sizes, "the outline of the disc is not known"))
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
            if values.shape != fov.shape or not (values.min(initial=0) >= 0 and values.max(initial=0) <= 1):
                raise ValueError(
                    f"the map of the structure {name} must be (H, W) as the field of view, {fov.shape}, of values "
                    f"within 0 to 1, got {values.shape}: scale it to the same grid, and apply the sigmoid to logits."
                )
            vessels[name] = np.where(fov, values, 0)
    if "vessel" not in vessels and {"artery", "vein"} <= vessels.keys():
        vessels["vessel"] = np.maximum(vessels["artery"], vessels["vein"])
    return vessels


def _vessel_values(
    vessels: Mapping[str, NDArray[np.float32]],
    trees: Mapping[str, VesselTree],
    disc: Disc | None,
    fov: NDArray[np.bool_],
    place: _Places,
) -> Iterator[Value]:
    found = {} if disc is None else _zone_calibres(vessels, trees, disc, fov, place)
    for vessel_type in (*trees, *([""] if {"artery", "vein"} <= trees.keys() else [])):
        for region in REGIONS:
            names, mask = measures_of(vessel_type, region), place.regions.get(region)
            measured: dict[str, float | None] = {}
            reasons: Mapping[str, str] = {}
            if mask is not None and names and vessel_type:
                measured = {**tree_measures(trees[vessel_type], mask), **fractal_dimensions(trees[vessel_type])}
            elif mask is not None and "crossings" in names:
                measured = {"crossings": crossings(trees["artery"], trees["vein"], mask)}
            if region in found:
                measured |= found[region].measures[vessel_type]
                reasons = found[region].reasons
            values = {name: measured.get(name) for name in names}
            yield from place.units.values(vessel_type, region, values, place.flags[region], reasons)


class _ZoneCalibres(NamedTuple):
    measures: Mapping[str, dict[str, float | None]]
    """Vessel type -> measure -> value, lengths in grid pixels but those in microns."""
    reasons: Mapping[str, str]
    """Measure -> why it is None."""


def _zone_calibres(
    vessels: Mapping[str, NDArray[np.float32]],
    trees: Mapping[str, VesselTree],
    disc: Disc,
    fov: NDArray[np.bool_],
    place: _Places,
) -> dict[str, _ZoneCalibres]:
    """The calibres of the zones that are seen; without arteries or veins there are none of them."""
    zones = [zone for zone in ("zone_b", "zone_c") if zone in place.regions]
    if not zones:
        return {}
    lines = {name: [trees[name].paths(0), trees[name].paths(1)] for name in ("artery", "vein") if name in vessels}
    known = {name: np.where(fov, vessels[name], np.nan) for name in lines}
    found = {}
    for zone in zones:
        widths: dict[str, list[NDArray[np.float64]]] = {"artery": [np.empty(0)], "vein": [np.empty(0)]}
        for name, orientations in lines.items():
            mask, centre = place.regions[zone], (disc.x, disc.y)
            widths[name] = [one for paths in orientations for one in zone_widths(paths, known[name], mask, centre)]
        measures: dict[str, dict[str, float | None]] = {name: {} for name in VESSEL_TYPES}
        reasons: dict[str, str] = {}
        formulas: dict[Formula, float | None] = {"knudtson": 1.0, "hubbard": place.units.microns}
        for formula, scale in formulas.items():
            names = {f"crae_{formula}": "artery", f"crve_{formula}": "vein", f"avr_{formula}": ""}
            if scale is None:
                reasons |= dict.fromkeys(names, _NO_SCALE)
                continue
            made = calibres(widths["artery"], widths["vein"], formula, scale)
            reasons |= dict.fromkeys(names, made.reason)
            for (measure, vessel_type), value in zip(names.items(), (made.crae, made.crve, made.avr), strict=True):
                measures[vessel_type][measure] = value
            measures["artery"]["vessels_found"] = float(made.arterioles)
            measures["vein"]["vessels_found"] = float(made.venules)
        found[zone] = _ZoneCalibres(measures, reasons)
    return found


def _flag(name: str, region: Region | None, eye: Eye) -> str:
    """What a reader has to know of a region, or why there is none."""
    if region is not None:
        if not region.mask.any():
            return _OUTSIDE
        return "" if region.inside >= WHOLE else f"{region.inside:.0%} of the region lie in the field of view"
    if eye.disc is None:
        return _NO_DISC
    if name in ZONES:
        return _CUT_DISC
    if eye.fovea is None:
        return _NO_FOVEA
    return _NO_SIDE if eye.side is None else _NO_SCALE
