"""How keys, numbers and names are written in a report."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import Any, TypeGuard
from urllib.parse import quote

from vmnet_monai.biomarkers.reference import MEASURES, REFERENCE, REFERENCE_PHOTOGRAPHS
from vmnet_monai.diseases import VOCABULARY
from vmnet_monai.explain.overlay import HEAT_FROM
from vmnet_monai.reports.record import DiseaseFinding
from vmnet_monai.structures import STRUCTURE_LOOKS

__all__ = [
    "DISCLAIMER",
    "HEAT_MAP_NOTE",
    "HEAT_SCALE_NOTE",
    "MEASURES_NOTE",
    "decision_text",
    "disease_name",
    "file_url",
    "findings_note",
    "heat_map_title",
    "known",
    "made_from_text",
    "measure_definition",
    "measure_name",
    "measure_range",
    "method_name",
    "number",
    "percentile_text",
    "readable",
    "score_text",
    "source_names",
    "structure_name",
    "threshold_reached",
]

DISCLAIMER = "Not a medical device. For research only; not for diagnosis, screening or treatment decisions."
"""Stands on everything that is written here."""

HEAT_MAP_NOTE = (
    "A heat map shows where the network looked when it gave a score. It does not outline a lesion, and it can be "
    "bright where the score is low. It is empty where nothing spoke for the disease, and that a map is made is no "
    "decision."
)
"""Stands beside every heat map; each map is divided by its own maximum, so it says nothing about strength."""

HEAT_SCALE_NOTE = f"fraction of this map’s maximum; nothing is drawn below {HEAT_FROM:g}"
"""Stands beside the scale of heat maps."""

METHOD_NAMES = {
    "gradcam": "Grad-CAM",
    "gradcam++": "Grad-CAM++",
    "hirescam": "HiResCAM",
    "layercam": "LayerCAM",
    "occlusion": "occlusion",
}
"""Methods of heat maps, as they are written."""

DATASET_NAMES = {
    "avrdb": "AVRDB",
    "chasedb1": "CHASE_DB1",
    "drive": "DRIVE",
    "eyepacs_light": "EyePACS-light",
    "fives": "FIVES",
    "hrf": "HRF",
    "isic2017": "ISIC 2017",
    "odir5k": "ODIR-5K",
    "odir-5k-256": "ODIR-5K at 256 pixels",
    "odir-5k-400": "ODIR-5K at 400 pixels",
    "phantom": "generated phantoms",
    "rahimdr": "RahimDR",
    "retouch": "RETOUCH",
    "rfmid": "RFMiD",
    "stare": "STARE",
    "table": "the table of the training",
}
"""Datasets, as they are written; others by their own name, which is that of a folder."""

MEASURES_NOTE = (
    "Usual: 5th to 95th percentile of the vessels that experts drew in "
    + " and ".join(
        f"{count} photographs of {DATASET_NAMES.get(name, name)}" for name, count in REFERENCE_PHOTOGRAPHS.items()
    )
    + ". What the network draws in another camera’s photographs may lie elsewhere."
)
"""Stands beside the measures."""

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


def structure_name(key: str) -> str:
    """Write a structure by its plain name, or by its key's words."""
    look = STRUCTURE_LOOKS.get(key)
    return look.name if look is not None and look.name else readable(key)


def method_name(key: str) -> str:
    """Write a method of heat maps."""
    return METHOD_NAMES.get(key, key)


def heat_map_title(disease: str, method: str) -> str:
    """Write what a heat map shows into its picture: the disease, and how it was made."""
    return " · ".join(part for part in (disease_name(disease), method_name(method)) if part)


def source_names(sources: Iterable[str]) -> str:
    """Write datasets as a list of names."""
    return ", ".join(DATASET_NAMES.get(name, name) for name in sources)


def measure_name(key: str) -> str:
    """Write a measure by its plain name with its unit, or by its key's words."""
    measure = MEASURES.get(key)
    if measure is None:
        return readable(key)
    return f"{measure.name} ({measure.unit})" if measure.unit else measure.name


def measure_definition(key: str) -> str:
    """What a measure is, in a line; empty where it is not known by name."""
    return MEASURES[key].definition if key in MEASURES else ""


def measure_range(key: str) -> str:
    """Write where a measure lies in reference eyes; a dash where it is unknown, as for one in pixels."""
    reference = REFERENCE.get(key)
    return NOTHING if reference is None else f"{reference.low:.3g} to {reference.high:.3g}"


def score_text(value: float | None) -> str:
    """Write a score, probability or threshold with three decimals; a dash where there is none."""
    return f"{value:.3f}" if known(value) else NOTHING


def percentile_text(value: float | None) -> str:
    """Write a percentile as a whole number, 0 and 100 only where they are exact; a dash where there is none."""
    if not known(value):
        return NOTHING
    return f"{value:.0f}" if value in (0, 100) else f"{min(99, max(1, round(value)))}"


def threshold_reached(finding: DiseaseFinding) -> bool:
    """Whether a decision was told, and is positive."""
    return finding.decision == 1


def decision_text(finding: DiseaseFinding) -> str:
    """Write a decision in words, none of which excludes a disease."""
    if not known(finding.value):
        return "no score"
    if finding.decision is None:
        return "withheld"
    if finding.disease == "normal":
        if finding.decision:
            return "at or above the threshold; this does not exclude a disease"
        return "below the threshold; this does not show a disease"
    if finding.decision:
        return "at or above the threshold"
    return "below the threshold; this does not exclude the disease"


def findings_note(findings: Iterable[DiseaseFinding]) -> list[str]:
    """Say what the numbers of diseases are, and what they are not.

    Args:
        findings: of one photograph, or of several.

    Returns:
        Whole sentences.
    """
    scored = [finding for finding in findings if known(finding.score)]
    sentences = []
    names = sorted({finding.calibration for finding in scored if finding.probability is not None})
    if names:
        sentences.append(f"Probabilities are calibrated for {', '.join(names)}, and for no other photographs.")
    if any(finding.probability is None for finding in scored):
        sentences.append("A score is no probability of a disease in this photograph.")
        sentences.append(_sources_sentence([finding for finding in scored if finding.probability is None]))
        if any(finding.decision is None for finding in scored):
            sentences.append("No decision is made of a score unless it is asked for.")
        if any(finding.decision is not None and finding.probability is None for finding in scored):
            sentences.append("Thresholds of scores were chosen for those photographs, and may be wrong for this one.")
    if any(known(finding.percentile) for finding in scored):
        sentences.append(
            "The percentile is the percentage of reference eyes with a lower score: validation photographs of those "
            "sources, with the disease and without."
        )
    if scored:
        sentences.append("A low number does not exclude a disease.")
    return sentences


def _sources_sentence(findings: Iterable[DiseaseFinding]) -> str:
    """Say for which photographs scores are calibrated; those of several sources by disease."""
    groups: dict[str, dict[str, None]] = {}
    for finding in findings:
        name = VOCABULARY[finding.disease].name if finding.disease in VOCABULARY else finding.disease
        groups.setdefault(source_names(finding.sources) or "unknown sources", {})[name] = None
    if set(groups) == {"unknown sources"}:
        return "For which photographs scores are calibrated is not known."
    if len(groups) == 1:
        return f"Scores are calibrated for photographs of {', '.join(groups)} only."
    listed = "; ".join(f"{sources} ({', '.join(diseases)})" for sources, diseases in groups.items())
    return f"Scores are calibrated for photographs of these sources only: {listed}."


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
