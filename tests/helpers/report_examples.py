"""Photographs, records and parsed pages for the tests of the report."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from vmnet_monai.biomarkers.profile import WidthAt
from vmnet_monai.biomarkers.tidy import Value
from vmnet_monai.reports.record import DiseaseFinding, InputRecord, Record, Status

EVIL = "<script>alert('x')</script>\"&{{ 7 * 7 }}"


def photograph(height: int = 60, width: int = 90) -> np.ndarray:
    """Red, with a bright disc."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.full((height, width, 3), (180, 70, 30), dtype=np.uint8)
    pixels[(rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (height / 8) ** 2] = (250, 220, 150)
    return pixels


def vessels(height: int = 60, width: int = 90) -> np.ndarray:
    mask = np.zeros((height, width), dtype=bool)
    mask[height // 2 : height // 2 + 3] = True
    return mask


def heat(height: int = 60, width: int = 90) -> np.ndarray:
    return np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1))


def finding(disease: str, score: float | None, threshold: float = 0.5) -> DiseaseFinding:
    """A score on which was decided."""
    decision = None if score is None else int(score >= threshold)
    return DiseaseFinding(
        disease=disease, score=score, threshold=None if score is None else threshold, decision=decision
    )


def withheld(disease: str, score: float, percentile: float | None = 95.0) -> DiseaseFinding:
    """A score on which nobody asked for a decision."""
    return DiseaseFinding(disease=disease, score=score, percentile=percentile, sources=["odir5k"])


def calibrated(disease: str, probability: float, threshold: float = 0.5) -> DiseaseFinding:
    """A score of 0.125 and the probability that a calibration of one's own makes of it."""
    return DiseaseFinding(
        disease=disease,
        score=0.125,
        percentile=42.0,
        probability=probability,
        threshold=threshold,
        decision=int(probability >= threshold),
        sources=["odir5k"],
        calibration="Clinic A",
    )


def record(name: str = "eye", **changes: Any) -> Record:
    """A photograph with glaucoma and without age-related macular degeneration."""
    made = {
        "id": name,
        "image": f"/photographs/{name}.jpg",
        "status": "ok",
        "reason": "",
        "seconds": 1.0,
        "model": "V-MNet 0.6.0, weights of 2026-12-01",
        "model_version": "0a1b2c",
        "thresholds_version": "7",
        "width_px": 90,
        "height_px": 60,
        "findings": [finding("glaucoma", 0.8), finding("amd", 0.25)],
        "measures": {"vessel_density_fov_share": 0.08125, "vessel_width_mean_px": None},
        "warnings": [],
        "structures": ["vessel"],
        "heat_maps": ["glaucoma"],
        "heat_map_method": "gradcam",
        "made_from": {"flips": False},
        "files": [],
    }
    return Record(**made | changes)


def measured_record(name: str = "eye") -> Record:
    """A right eye whose disc, at (40, 30), is 16 pixels wide, with some of its measures."""
    places = {"disc_x": 40.0, "disc_y": 30.0, "disc_diameter": 16.0, "fovea_x": 10.0, "fovea_y": 32.0}
    values = [Value("", "", name, value, "px") for name, value in places.items()]
    values.append(Value("", "zone_b", "avr_knudtson", 0.6875, "ratio", "93% of the region lie in the field of view"))
    values.append(Value("artery", "zone_c", "crae_knudtson", None, "um", "4 arterioles found, 6 are needed"))
    values.append(Value("artery", "field", "width_mean", 81.25, "um (assumed: disc diameter 1800 um)"))
    profiles = {
        "artery": [WidthAt(0.125, 80.0), WidthAt(0.375, 70.0)],
        "vein": [WidthAt(0.125, 110.0), WidthAt(0.375, 100.0)],
    }
    structures = ["vessel", "artery", "vein", "disc", "fovea_region"]
    return record(name, structures=structures, measures={}, values=values, width_profiles=profiles, eye="right")


def unusable(name: str, status: Status, reason: str) -> InputRecord:
    """A refused or failed input, of which only the first fields are known."""
    known = record(name).model_dump(include=set(InputRecord.model_fields))
    return InputRecord(**known | {"status": status, "reason": reason})


class Page(HTMLParser):
    """Elements of a page with their attributes, and the text between them that is no script and no style."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem is None:
            self.texts.append(data.strip())

    def attributes(self, tag: str, name: str) -> list[str]:
        """Values of an attribute, in the order of the page."""
        return [values[name] or "" for found, values in self.elements if found == tag and name in values]
