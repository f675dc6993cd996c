"""How keys, numbers and names are written in a report."""

from __future__ import annotations

import math
import os
from typing import Any, TypeGuard
from urllib.parse import quote

from vmnet_monai.diseases import VOCABULARY
from vmnet_monai.reports.record import DiseaseFinding

__all__ = [
    "DISCLAIMER",
    "HEAT_MAP_NOTE",
    "decision_text",
    "disease_name",
    "file_url",
    "known",
    "made_from_text",
    "number",
    "probability_text",
    "readable",
]

DISCLAIMER = "Not a medical device. For research only; not for diagnosis, screening or treatment decisions."
"""Stands on everything that is written here."""

HEAT_MAP_NOTE = (
    "A heat map shows where the network looked when it gave a probability. It does not outline a lesion, and it can "
    "be bright where the probability is low. It is empty where nothing spoke for the disease."
)
"""Stands beside every heat map; each map is divided by its own maximum, so it says nothing about strength."""

UNITS = {
    "fov_diameter_share": "fraction of the field of view's diameter",
    "fov_diameters": "field of view diameters",
    "fov_share": "fraction of the field of view",
    "px": "px",
    "percent": "percent",
    "degrees": "degrees",
}
"""Ends of a measure's name, and the unit that is written in brackets for them."""

NOTHING = "–"
"""Stands for what is undefined."""


def readable(key: str) -> str:
    """Write a snake-case key as words: ``mean_width_px`` becomes ``Mean width (px)``."""
    end = next((end for end in UNITS if key.endswith(f"_{end}")), None)
    words = key.removesuffix(f"_{end}").split("_")
    text = " ".join("field of view" if word == "fov" else word for word in words).strip()
    unit = f" ({UNITS[end]})" if end else ""
    return text[:1].upper() + text[1:] + unit


def disease_name(key: str) -> str:
    """Write a disease as the vocabulary names it, or as its key's words, with a capital."""
    return readable(VOCABULARY[key].name if key in VOCABULARY else key)


def known(value: float | None) -> TypeGuard[float]:
    """Tell whether there is a number: neither None nor NaN."""
    return value is not None and not math.isnan(value)


def number(value: float | None) -> str:
    """Write a measure with four significant digits, its whole part never rounded; a dash where it is undefined."""
    if not known(value):
        return NOTHING
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def probability_text(value: float | None) -> str:
    """Write a probability or threshold with three decimals; a dash where there is none."""
    return f"{value:.3f}" if known(value) else NOTHING


def decision_text(finding: DiseaseFinding) -> str:
    """Write a decision in words."""
    if finding.decision is None or not known(finding.probability):
        return "no probability"
    return "at or above threshold" if finding.decision else "below threshold"


def made_from_text(value: Any) -> str:
    """Write what a record was made from; of a file its name and size, not the time of its last change."""
    match value:
        case [str(name), int(size), int()]:
            return f"{name}, {size} bytes"
        case list():
            return ", ".join(map(str, value)) or NOTHING
    return NOTHING if value is None else str(value)


def file_url(name: str) -> str:
    """Write a file's name as a part of a URL, byte by byte as it is on disk."""
    return quote(os.fsencode(name), safe="")
