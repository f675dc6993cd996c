"""The plot of the widths of vessels against the distance from the optic disc, laid out in units of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vmnet_monai.biomarkers.profile import WidthAt
from vmnet_monai.biomarkers.regions import ZONES
from vmnet_monai.reports.wording import number

__all__ = ["Curve", "Plot", "Tick", "width_plot"]

WIDTH, HEIGHT = 320.0, 170.0
"""Size of the plot."""

LEFT, RIGHT, TOP, BOTTOM = 38.0, 8.0, 10.0, 34.0
"""Margins, for what is written beside it."""

STEPS = (5, 10, 20, 25, 50, 100, 200)
"""Distances of the lines of widths, in microns, of which the first that needs no more than five lines is taken."""

NAMES = {"artery": "Arteries", "vein": "Veins"}


class Tick(NamedTuple):
    """A line of the grid."""

    at: float
    text: str


class Curve(NamedTuple):
    """The widths of one vessel type."""

    key: str
    name: str
    points: list[tuple[float, float]]
    """Where they are drawn: from the left and from the top."""
    numbers: list[tuple[str, str]]
    """The same in words: distance in disc diameters, width in microns."""


class Plot(NamedTuple):
    """What is drawn, in units of which the plot is :data:`WIDTH` wide and :data:`HEIGHT` high."""

    curves: list[Curve]
    distances: list[Tick]
    widths: list[Tick]
    zone_b: tuple[float, float]
    """From the left, where zone B begins and ends."""
    frame: tuple[float, float, float, float]
    """Left, top, right and bottom of what lies between the axes."""
    description: str
    """What it shows, in a sentence."""


def width_plot(profiles: Mapping[str, Sequence[WidthAt]]) -> Plot | None:
    """Lay out the plot.

    Args:
        profiles: ``artery`` and ``vein`` -> widths, see :func:`~vmnet_monai.biomarkers.profile.width_profile`.

    Returns:
        None where no type has two points, which make a line.

    Example:
        >>> plot = width_plot({"artery": [WidthAt(0.5, 80.0), WidthAt(1.5, 60.0)]})
        >>> plot.description, [tick.text for tick in plot.widths]
        ('Arteries: 80 µm at 0.5 disc diameters from the disc, 60 µm at 1.5.', ['0', '20', '40', '60', '80'])
    """
    shown = {name: list(profile) for name, profile in profiles.items() if name in NAMES and len(profile) > 1}
    if not shown:
        return None
    every = [point for profile in shown.values() for point in profile]
    farthest = max(1.0, math.ceil(max(point.distance for point in every)))
    highest = max(point.width_um for point in every)
    step = next((step for step in STEPS if highest <= 5 * step), STEPS[-1])
    lines = math.ceil(highest / step)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def across(distance: float) -> float:
        return round(LEFT + distance / farthest * (right - LEFT), 1)

    def down(width: float) -> float:
        return round(bottom - width / (lines * step) * (bottom - TOP), 1)

    curves = [
        Curve(
            name,
            NAMES[name],
            [(across(point.distance), down(point.width_um)) for point in profile],
            [(f"{point.distance:g}", number(round(point.width_um, 1))) for point in profile],
        )
        for name, profile in shown.items()
    ]
    every_other = 1 if farthest <= 6 else 2
    return Plot(
        curves,
        [Tick(across(value), f"{value}") for value in range(0, int(farthest) + 1, every_other)],
        [Tick(down(value), f"{value}") for value in range(0, lines * step + 1, step)],
        (across(ZONES["zone_b"][0]), across(ZONES["zone_b"][1])),
        (LEFT, TOP, right, bottom),
        " ".join(_sentence(curve) for curve in curves),
    )


def _sentence(curve: Curve) -> str:
    (near, first), (far, last) = curve.numbers[0], curve.numbers[-1]
    return f"{curve.name}: {first} µm at {near} disc diameters from the disc, {last} µm at {far}."
