"""Prints the tables of docs/reference/biomarkers.md; ``--update`` puts them into the page.

They are made from the definitions in ``vmnet_monai.biomarkers``, which the data dictionary of every run repeats.
"""

from __future__ import annotations

import re
from pathlib import Path

from generated_block import print_or_update

from vmnet_monai.biomarkers.definitions import DEFINITIONS, VESSEL_TYPES, data_dictionary, units

PAGE = Path(__file__).parents[2] / "docs/reference/biomarkers.md"
BLOCK = re.compile(r"(?<=<!-- from the definitions -->\n).*?(?=<!-- end -->)", flags=re.DOTALL)

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
        cells = [f"`{name}`", one.name, one.definition, ", ".join(units(name)), types, where, _linked(one.source)]
        measures.append(f"| {' | '.join(cells)} |")
    return "\n".join(
        [
            "| Region | It is |",
            "|---|---|",
            *regions,
            "",
            "| Measure | Plain name | Definition | Units | Of | In | Source |",
            "|---|---|---|---|---|---|---|",
            *measures,
            "",
        ]
    )


def _short(regions: tuple[str, ...]) -> list[str]:
    quadrants = [name for name in regions if name.startswith(("superior", "inferior"))]
    return [name for name in regions if name and name not in quadrants] + (["quadrants"] if quadrants else [])


def _linked(source: str) -> str:
    linked = DOI.sub(lambda found: f"[doi:{found[1]}](https://doi.org/{_quoted(found[1])})", source)
    return ARXIV.sub(lambda found: f"[arXiv:{found[1]}](https://arxiv.org/abs/{found[1]})", linked)


def _quoted(doi: str) -> str:
    return doi.replace("(", "%28").replace(")", "%29")


if __name__ == "__main__":
    print_or_update(__doc__, PAGE, BLOCK, tables())
