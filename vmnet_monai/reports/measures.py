"""The measures of an eye as reports show them: by vessel type and region, in one unit each, and what can be drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from vmnet_monai.biomarkers.definitions import DEFINITIONS, DISC_SIZES, Definition, Key
from vmnet_monai.biomarkers.reference import DRAWN_OTHERWISE, VALUE_PHOTOGRAPHS, VALUE_REFERENCE
from vmnet_monai.biomarkers.regions import REGIONS, ZONES
from vmnet_monai.biomarkers.reliability import CAUTIONS, cautions
from vmnet_monai.biomarkers.tables import column_name
from vmnet_monai.biomarkers.tidy import Value
from vmnet_monai.reports.wording import number, source_names

__all__ = [
    "Cell",
    "Eye",
    "Group",
    "Line",
    "Zone",
    "definitions",
    "drawn_eye",
    "measure_groups",
    "values_notes",
]

TITLES = {
    "": "Arteries and veins together",
    "artery": "Arteries",
    "vein": "Veins",
    "vessel": "All vessels",
}
"""Vessel type -> title of its measures, in the order of reports."""

EYE_TITLE = "Optic disc and fovea"

REGION_NAMES = {"field": "Whole field", "zone_b": "Zone B", "zone_c": "Zone C"} | {
    name: name.replace("_", " ").capitalize() for name in REGIONS if name.startswith(("superior", "inferior"))
}
"""Regions that are shown, by their short names."""

UNITS = {
    "um": "µm",
    "um2": "µm²",
    "px": "pixels",
    "px2": "square pixels",
    "deg": "degrees",
    "1/um": "per µm",
    "1/px": "per pixel",
    "1/disc diameter": "per disc diameter",
    "count": "",
    "ratio": "",
    "dimension": "",
}
"""Units of tables, as they are read; others as they are."""

PREFERRED = ("1/disc diameter", "um", "disc diameters", "px")
"""Of the units of a measure the first in which it is known is shown; per micron numbers have many zeros."""

LEFT_OUT = ("disc_x", "disc_y", "disc_area", "fovea_x", "fovea_y")
"""Measures for tables and pictures rather than for readers."""


class Cell(NamedTuple):
    """A value in a region."""

    text: str
    usual: str
    """Where it lies in reference eyes; empty where unknown."""
    notes: list[int]
    """Numbers of the notes that it has, from 1."""


class Line(NamedTuple):
    """A measure in all regions of a group."""

    name: str
    unit: str
    cells: list[Cell | None]
    """One per region; None where it is not measured."""


class Group(NamedTuple):
    """Measures of one vessel type, or of the eye itself."""

    key: str
    """Unique on a page."""
    title: str
    regions: list[str]
    """Names of the columns; a single empty one for the eye itself."""
    lines: list[Line]
    notes: list[str]
    """What a reader has to know of the values that have a note, in the order of their numbers."""
    is_detail: bool
    """Whether it may be folded at first."""


class Zone(NamedTuple):
    """A ring around the disc, in pixels of the photograph."""

    name: str
    reach: str
    """From where to where, in words."""
    inner_px: float
    outer_px: float


class Eye(NamedTuple):
    """What of an eye can be drawn over its photograph, in its pixels."""

    disc: tuple[float, float, float]
    """Column, row and diameter."""
    zones: list[Zone]
    axes: list[tuple[float, float, float, float]]
    """The two lines between the quadrants, each from column and row to column and row; none without a fovea."""


def measure_groups(values: Sequence[Value]) -> list[Group]:
    """Group values by vessel type and region for readers, each measure in one unit.

    Args:
        values: of one photograph, see :func:`~vmnet_monai.biomarkers.measure`.

    Returns:
        Groups that have a line; the quadrants of each vessel type are a group of their own.
    """
    found: dict[tuple[str, str, str], list[Value]] = {}
    for value in values:
        found.setdefault((value.vessel_type, value.region, value.measure), []).append(value)
    groups = [
        _group(found, vessel_type, f"{title}{': quadrants' if quadrants else ''}", regions, quadrants)
        for vessel_type, title in TITLES.items()
        for quadrants, regions in ((False, list(REGION_NAMES)[:3]), (True, list(REGION_NAMES)[3:]))
    ]
    groups.append(_group(found, "", EYE_TITLE, [""], False))
    return [group for group in groups if group.lines]


def _group(
    found: Mapping[tuple[str, str, str], list[Value]],
    vessel_type: str,
    title: str,
    regions: Sequence[str],
    is_detail: bool,
) -> Group:
    lines, notes = [], list[str]()
    for measure, definition in DEFINITIONS.items():
        by_region = [found.get((vessel_type, region, measure), []) for region in regions]
        if measure in LEFT_OUT or not any(by_region):
            continue
        unit = _unit(measure, [value for several in by_region for value in several])
        cells: list[Cell | None] = []
        for several in by_region:
            value = next((one for one in several if _plain(one.unit) == unit), None)
            cells.append(None if value is None else _cell(value, notes))
        lines.append(Line(definition.name, UNITS.get(unit, unit), cells))
    key = "-".join(filter(None, (vessel_type or "both", "quadrants" if is_detail else "", "" if regions[0] else "eye")))
    names = [REGION_NAMES.get(region, "") for region in regions]
    return Group(key, title, names, lines, notes, is_detail or vessel_type == "vessel")


def _cell(value: Value, notes: list[str]) -> Cell:
    """The cell of a value; notes of it that are new are added to those of the group."""
    is_comparable = value.value is not None and value.measure not in DRAWN_OTHERWISE
    reference = VALUE_REFERENCE.get(column_name(value)) if is_comparable else None
    usual = "" if reference is None else f"{reference.low:.3g} to {reference.high:.3g}"
    own = [value.flag] if value.flag else []
    if value.value is not None:
        own += [f"{caution}: {CAUTIONS[caution]}" for caution in cautions(Key(*value[:3]))]
    notes += [note for note in own if note not in notes]
    return Cell(number(value.value), usual, [notes.index(note) + 1 for note in own])


def _unit(measure: str, values: Sequence[Value]) -> str:
    """The unit in which a measure is shown."""
    known = [value for value in values if value.value is not None] or list(values)
    if measure in DISC_SIZES:  # by an assumed disc, whose size would be the assumption
        known = [value for value in known if "disc diameter" not in value.unit] or known
    units = [_plain(value.unit) for value in known]
    return next((unit for unit in PREFERRED if unit in units), units[0])


def _plain(unit: str) -> str:
    return unit.partition(" (")[0]


def definitions(values: Iterable[Value]) -> list[Definition]:
    """Return what the measures are that :func:`measure_groups` shows."""
    measured = {value.measure for value in values} - set(LEFT_OUT)
    return [definition for name, definition in DEFINITIONS.items() if name in measured]


def values_notes(values: Iterable[Value]) -> list[str]:
    """Say what the microns of values rest on, and where the usual ranges come from; whole sentences."""
    assumed = {value.unit.partition("assumed: ")[2].removesuffix(")") for value in values if "assumed" in value.unit}
    sentences = [f"Microns rest on an assumption: {one.replace('um', 'µm')}." for one in sorted(assumed)]
    if VALUE_REFERENCE:
        photographs = " and ".join(
            f"{count} photographs of {source_names([name])}" for name, count in VALUE_PHOTOGRAPHS.items()
        )
        sentences.append(
            f"Usual: 5th to 95th percentile of the vessels that experts drew in {photographs}, of healthy eyes and "
            "others, with an assumed disc of 1800 µm; none where the network draws otherwise than experts do. What it "
            "draws in another camera’s photographs may lie elsewhere."
        )
    sentences.append("All measures, in all units, are in measures.csv.")
    return sentences


def drawn_eye(values: Sequence[Value]) -> Eye | None:
    """Return zones and quadrants as they are drawn; None where the disc is not seen whole.

    Example:
        >>> eye = drawn_eye([Value("", "", name, 80.0, "px") for name in ("disc_x", "disc_y", "disc_diameter")])
        >>> [(zone.name, zone.inner_px, zone.outer_px) for zone in eye.zones]
        [('Zone A', 40.0, 80.0), ('Zone B', 80.0, 120.0), ('Zone C', 80.0, 200.0)]
    """
    px = {value.measure: value.value for value in values if value.unit == "px" and not value.vessel_type}
    x, y, diameter = (px.get(name) for name in ("disc_x", "disc_y", "disc_diameter"))
    if x is None or y is None or diameter is None:
        return None
    zones = [
        Zone(
            f"Zone {name[-1].upper()}",
            f"{start:g} to {end:g} disc diameters from the disc",
            (0.5 + start) * diameter,
            (0.5 + end) * diameter,
        )
        for name, (start, end) in ZONES.items()
    ]
    return Eye((x, y, diameter), zones, _axes(x, y, px.get("fovea_x"), px.get("fovea_y")))


def _axes(x: float, y: float, fovea_x: float | None, fovea_y: float | None) -> list[tuple[float, float, float, float]]:
    if fovea_x is None or fovea_y is None or (distance := math.hypot(fovea_x - x, fovea_y - y)) == 0:
        return []
    across, along = (fovea_x - x) / distance, (fovea_y - y) / distance
    far = 20 * distance  # beyond the field of view
    return [
        (x - far * right, y - far * down, x + far * right, y + far * down)
        for right, down in ((across, along), (-along, across))
    ]
