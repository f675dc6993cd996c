"""Prints the tables of measures of the documentation; ``--update`` puts them into their pages.

They are made from the definitions in ``vmnet_monai.biomarkers``, which the data dictionary of every run repeats, and
from what the programs beside the benchmarks measured of how the values repeat and keep still.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from generated_block import print_or_update

from vmnet_monai.biomarkers.definitions import DEFINITIONS, VESSEL_TYPES, Key, units
from vmnet_monai.biomarkers.reliability import CAUTIONS, LOW_ICC, REPEATABILITY, STABILITY, cautions
from vmnet_monai.biomarkers.tables import data_dictionary
from vmnet_monai.metrics.comparison import markdown_table

REFERENCE = Path(__file__).parents[2] / "docs/reference"

QUADRANTS = "quadrants"
SHORT = {"": "the eye", "field": "field", "zone_b": "zone B", "zone_c": "zone C"}
"""Region -> its name in tables; the others are quadrants."""

COLUMNS = (*SHORT.values(), QUADRANTS)

Numbers = TypeVar("Numbers")

DOI = re.compile(r"doi:(\S+)")
ARXIV = re.compile(r"arXiv:(\S+)")


def tables() -> str:
    """The table of regions and that of measures."""
    regions = [f"| `{name}` | {what} |" for name, what in data_dictionary()["regions"].items()]
    measures = []
    for name, one in DEFINITIONS.items():
        where = ", ".join(_short(one.regions)) or "the eye"
        types = ", ".join(VESSEL_TYPES[vessel_type] for vessel_type in one.vessel_types if vessel_type)
        types = types or ("arteries and veins together" if one.regions != ("",) else "-")
        cells = [f"`{name}`", one.name, one.definition, ", ".join(units(name)), types, where]
        cells += [_cautions(name), _linked(one.source)]
        measures.append(f"| {' | '.join(cells)} |")
    return "\n".join(
        [
            "| Region | It is |",
            "|---|---|",
            *regions,
            "",
            "| Measure | Plain name | Definition | Units | Of | In | Caution | Source |",
            "|---|---|---|---|---|---|---|---|",
            *measures,
            "",
        ]
    )


def repeatability() -> str:
    """The table of how values repeat: of the quadrants that one which repeats least."""
    rows = []
    for measure, one in DEFINITIONS.items():
        for vessel_type in one.vessel_types:
            cells = dict.fromkeys(COLUMNS, "")
            by_place = _by_place(vessel_type, measure, REPEATABILITY)
            for place, found in by_place.items():
                eyes, variation, icc = min(found, key=lambda one: -math.inf if one.icc is None else one.icc)
                low = "" if icc is not None and icc >= LOW_ICC else " **low**"
                numbers = ["–" if variation is None else f"{variation:.1%}", "–" if icc is None else f"{icc:.2f}"]
                cells[place] = f"{', '.join(numbers)}{low} ({eyes})"
            if by_place:
                rows.append([f"`{measure}`", VESSEL_TYPES[vessel_type] if vessel_type else "", *cells.values()])
    return f"{markdown_table(['measure', 'of', *COLUMNS], rows)}\n"


def stability() -> str:
    """The table of how far turns and another grid move values: the most of all vessel types, and the least median."""
    rows = []
    for measure, one in DEFINITIONS.items():
        cells = dict.fromkeys(COLUMNS, "")
        for place in COLUMNS:
            found = [
                stability
                for vessel_type in one.vessel_types
                for stability in _by_place(vessel_type, measure, STABILITY).get(place, [])
            ]
            if found:
                turned, usual_turned, grid, usual_grid, _ = (100 * max(numbers) for numbers in zip(*found, strict=True))
                cells[place] = f"{turned:.1f} ({usual_turned:.1f}), {grid:.1f} ({usual_grid:.1f})"
        if any(cells.values()):
            rows.append([f"`{measure}`", *cells.values()])
    return f"{markdown_table(['measure', *COLUMNS], rows)}\n"


PAGES: Mapping[str, tuple[str, Callable[[], str]]] = {
    "biomarkers.md": ("definitions", tables),
    "measure-agreement.md": ("repeatability", repeatability),
    "measures.md": ("stability", stability),
}
"""Page -> what its block is made from, and how."""


def block_of(source: str) -> re.Pattern[str]:
    """Match the block of a page."""
    return re.compile(rf"(?<=<!-- from the {source} -->\n).*?(?=<!-- end -->)", flags=re.DOTALL)


def _place(region: str) -> str:
    return SHORT.get(region, QUADRANTS)


def _by_place(vessel_type: str, measure: str, numbers: Mapping[Key, Numbers]) -> dict[str, list[Numbers]]:
    """Region, with the quadrants as one -> the numbers of a measure there."""
    found: dict[str, list[Numbers]] = {}
    for region in DEFINITIONS[measure].regions:
        key = Key(vessel_type, region, measure)
        if key in numbers:
            found.setdefault(_place(region), []).append(numbers[key])
    return found


def _cautions(measure: str) -> str:
    """Which cautions a measure needs, and of which vessels where."""
    one, sentences = DEFINITIONS[measure], []
    for caution in CAUTIONS:
        of = {
            vessel_type: list(
                dict.fromkeys(
                    _place(region) for region in one.regions if caution in cautions(Key(vessel_type, region, measure))
                )
            )
            for vessel_type in one.vessel_types
        }
        places = [
            " in ".join(filter(None, (VESSEL_TYPES[vessel_type] if vessel_type else "", ", ".join(where))))
            for vessel_type, where in of.items()
            if where
        ]
        if places:
            sentences.append(f"**{caution}**: {'; '.join(places)}")
    return ". ".join(sentences)


def _short(regions: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(region if region in SHORT else QUADRANTS for region in regions if region))


def _linked(source: str) -> str:
    linked = DOI.sub(lambda found: f"[doi:{found[1]}](https://doi.org/{_quoted(found[1])})", source)
    return ARXIV.sub(lambda found: f"[arXiv:{found[1]}](https://arxiv.org/abs/{found[1]})", linked)


def _quoted(doi: str) -> str:
    return doi.replace("(", "%28").replace(")", "%29")


if __name__ == "__main__":
    for page, (source, make) in PAGES.items():
        print_or_update(__doc__, REFERENCE / page, block_of(source), make())
