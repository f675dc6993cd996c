"""Measures of a drawn eye by VascX's published definitions and by those of this package.

    python tests/benchmarks/vascx_definitions.py

The definitions are those of Vargas Quiros et al., retinalysis-vascx, 2026, arXiv:2602.08580. They are applied to the
lines and widths that were drawn, without any mask between, so that what differs is the definition; this package
measures the mask.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import fire
import numpy as np
from numpy.typing import NDArray

from vmnet_monai.biomarkers.definitions import Key
from vmnet_monai.biomarkers.tidy import measure
from vmnet_monai.metrics.comparison import markdown_table

SIDE_PX, DISC_PX, FOVEA_PX = 900, 100, 250
"""Side of the picture, diameter of the disc in its middle, and distance of the fovea to the left of it."""

TRUNKS_PX = (14.0, 13.0, 12.0, 11.0, 10.0, 9.0, 8.0, 7.0)
"""Widths of the arteries that leave the disc to all sides, every second one on the side of the fovea."""

FORK_DEG = (28.0, -24.0)
"""Directions of the daughters of every second artery, from its own."""

VASCX_CIRCLES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Distances from the disc's margin in disc diameters."""

DELTA_PX = 20
"""Distance from a fork at which the directions of its daughters are taken."""


class Branch(NamedTuple):
    """A drawn segment.

    Attributes:
        line: (N, 2) rows and columns about the middle of the disc, from the disc on, at steps of a quarter pixel.
        width: in pixels.
        parent: index of the branch that it leaves; -1 for none.
    """

    line: NDArray[np.float64]
    width: float
    parent: int = -1

    @property
    def steps(self) -> NDArray[np.float64]:
        return np.hypot(*np.diff(self.line, axis=0).T)

    @property
    def tortuosity(self) -> float:
        """Arc over chord."""
        return float(self.steps.sum() / np.hypot(*(self.line[-1] - self.line[0])))

    @property
    def curvature(self) -> float:
        """Mean of 1 / radius: what the direction turns in all, per length."""
        directions = np.unwrap(np.arctan2(*np.diff(self.line, axis=0).T))
        return float(np.abs(np.diff(directions)).sum() / self.steps.sum())


def drawn_branches() -> list[Branch]:
    """Draw eight arteries: one half fork into straight daughters, the other half go on as an arc."""
    branches: list[Branch] = []
    for number, width in enumerate(TRUNKS_PX):
        angle = math.radians(10 + 360 * number / len(TRUNKS_PX))
        trunk = _straight(np.zeros(2), angle, 55, 200)
        if number % 2:
            branches.append(Branch(np.concatenate([trunk, _arc(trunk[-1], angle, 110, 1.4)]), width))
            continue
        branches.append(Branch(trunk, width))
        for turn, part in zip(FORK_DEG, (0.85, 0.7), strict=True):
            daughter = _straight(trunk[-1], angle + math.radians(turn), 0, 150)
            branches.append(Branch(daughter, part * width, len(branches) - 1 if part == 0.85 else len(branches) - 2))
    return branches


def _straight(start: NDArray[np.float64], angle: float, first: float, last: float) -> NDArray[np.float64]:
    along = np.arange(first, last + 0.125, 0.25)[:, None]
    return start + along * np.array([math.sin(angle), math.cos(angle)])


def _arc(start: NDArray[np.float64], angle: float, radius: float, turn: float) -> NDArray[np.float64]:
    """An arc that goes on from a line of this direction."""
    angles = angle + np.arange(0.25 / radius, turn, 0.25 / radius)
    directions = np.column_stack([np.sin(angles), np.cos(angles)])
    return start + 0.25 * np.cumsum(directions, axis=0)


def drawn_maps(branches: Sequence[Branch]) -> dict[str, NDArray[np.bool_]]:
    """Draw them as masks: a pixel is set where its middle lies within half a width of a line."""
    rows, columns = np.indices((SIDE_PX, SIDE_PX)) - SIDE_PX // 2
    artery = np.zeros((SIDE_PX, SIDE_PX), dtype=bool)
    for branch in branches:
        reach = math.ceil(branch.width / 2) + 1
        for row, column in branch.line[::2]:
            top, left = (int(round(one)) + SIDE_PX // 2 - reach for one in (row, column))
            window = np.s_[top : top + 2 * reach + 1, left : left + 2 * reach + 1]
            artery[window] |= np.hypot(rows[window] - row, columns[window] - column) <= branch.width / 2
    return {
        "artery": artery,
        "disc": np.hypot(rows, columns) <= DISC_PX / 2,
        "fovea_region": np.hypot(rows, columns + FOVEA_PX) <= 25,
        "fov": np.hypot(rows, columns) <= SIDE_PX / 2 - 2,
    }


def vascx_equivalent(branches: Sequence[Branch], constant: float = 0.88, is_temporal: bool = False) -> float:
    """CRE: the mean over six circles of zone B, each of up to six of the widest vessels that cross it.

    The narrowest is joined with the widest, and so on inwards, until one is left; the middle one of an odd number is
    kept as it is. Segments have their median diameter, one of them counts once on a circle.
    """
    equivalents = []
    for distance in VASCX_CIRCLES:
        radius = DISC_PX * (0.5 + distance)
        crossing = [
            branch.width
            for branch in branches
            for far in [np.hypot(*branch.line.T)]
            if far.min() <= radius <= far.max()
            and (not is_temporal or branch.line[np.abs(far - radius).argmin(), 1] < radius * math.sin(math.radians(10)))
        ]
        widths = sorted(crossing)[-6:]
        while len(widths) > 1:
            half = len(widths) // 2
            pairs = [constant * math.hypot(widths[k], widths[-1 - k]) for k in range(half)]
            widths = pairs + widths[half : len(widths) - half]
        equivalents.append(widths[0])
    return float(np.mean(equivalents))


def vascx_angles(branches: Sequence[Branch]) -> list[float]:
    """Angles between the two daughters of each fork, by the places 20 pixels away from it."""
    angles = []
    for number in range(len(branches)):
        daughters = [branch.line for branch in branches if branch.parent == number]
        if len(daughters) == 2:
            ends = [line[np.hypot(*(line - line[0]).T) >= DELTA_PX][0] - line[0] for line in daughters]
            cosine = np.dot(*ends) / np.prod([np.hypot(*end) for end in ends])
            angles.append(math.degrees(math.acos(cosine)))
    return angles


def compare() -> list[tuple[str, str, str, float, float]]:
    """Measure the drawn eye in both ways.

    Returns:
        Per measure: its name here, VascX's definition, this package's, and the two numbers.
    """
    branches = drawn_branches()
    maps = drawn_maps(branches)
    fov = maps.pop("fov")
    values = {(Key(*one[:3]), one.unit): one.value for one in measure(maps, fov)}

    def here(name: str, unit: str, region: str = "field") -> float:
        value = values[Key("artery", region, name), unit]
        return math.nan if value is None else value

    tortuosities = [branch.tortuosity for branch in branches]
    widths = [branch.width for branch in branches]
    curvature = float(np.mean([branch.curvature for branch in branches]))
    return [
        (
            "tortuosity_arc_chord_median",
            "median over the segments of arc / chord",
            "the same",
            float(np.median(tortuosities)),
            here("tortuosity_arc_chord_median", "ratio"),
        ),
        (
            "tortuosity_arc_chord",
            "mean over the segments of arc / chord",
            "sum of arcs / sum of chords: long segments count more",
            float(np.mean(tortuosities)),
            here("tortuosity_arc_chord", "ratio"),
        ),
        (
            "tortuosity_curvature",
            "mean over the segments of their mean curvature, times the distance from disc to fovea",
            "mean along all centre lines, here times the same distance; a straight line is not quite 0",
            curvature * FOVEA_PX,
            here("tortuosity_curvature", "1/px") * FOVEA_PX,
        ),
        (
            "width_mean",
            "mean over the segments of their median diameter, px",
            "mean along all centre lines: long segments count more",
            float(np.mean(widths)),
            here("width_mean", "px"),
        ),
        (
            "branching_angle",
            "mean angle between the two branches that lead away from the disc, 20 px from the fork, degrees",
            "mean of the smallest angle between two of the three, by chords that begin outside the fork",
            float(np.mean(vascx_angles(branches))),
            here("branching_angle", "deg"),
        ),
        (
            "area_density",
            "vessel pixels / pixels, in an ellipse about disc and fovea; here in the whole field",
            "the same, in field, zones and quadrants",
            float((maps["artery"] & fov).sum() / fov.sum()),
            here("area_density", "fraction"),
        ),
        (
            "crae_knudtson",
            "zone B: mean over six circles of the equivalents of the six widest vessels, px",
            "the same over nine circles, without the highest and the lowest quarter",
            vascx_equivalent(branches),
            here("crae_knudtson", "px", "zone_b"),
        ),
        (
            "crae_knudtson",
            "the same of the vessels on the side of the fovea, VascX's default; fewer than six give a value too",
            "vessels to all sides; none below six",
            vascx_equivalent(branches, is_temporal=True),
            here("crae_knudtson", "px", "zone_b"),
        ),
    ]


def table() -> str:
    """Return the comparison as a Markdown table."""
    rows = [[f"`{name}`", vascx, own, f"{one:.3g}", f"{other:.3g}"] for name, vascx, own, one, other in compare()]
    return markdown_table(["measure", "VascX's definition", "definition here", "VascX's", "here"], rows)


if __name__ == "__main__":
    fire.Fire(table)
