"""Writes one photograph's report as a page to print."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from vmnet_monai.explain.overlay import HEAT_COLOURS
from vmnet_monai.io.files import whole_file
from vmnet_monai.reports.images import heat_palette, lay_over, levels, shrink, structure_palette
from vmnet_monai.reports.record import DiseaseFinding, Record
from vmnet_monai.reports.wording import (
    DISCLAIMER,
    HEAT_MAP_NOTE,
    decision_text,
    disease_name,
    known,
    number,
    probability_text,
    readable,
)

__all__ = ["write_pdf"]

PAGE_MM = (210.0, 297.0)
"""Width and height of A4 (ISO 216)."""

LEFT_MM, RIGHT_MM, BOTTOM_MM = 15.0, 195.0, 284.0
"""Edges of what is printed, from the page's upper left corner."""

PICTURE_SIDE_PX = 800
"""Longer side of the photograph: 88 mm at 230 dpi."""

HEAT_MAP_SIDE_PX = 360
"""Longer side of a heat map, which is smooth."""

PICTURE_HEIGHT_MM = 86.0
"""Greatest height of the photograph."""

MAX_HEAT_MAPS = 6
"""Heat maps that fit side by side; of more, those of the greatest probabilities are printed."""

MAX_WARNING_LINES = 6
"""Lines for remarks on quality; the web page has them all."""

INK, QUIET, LINE, TRACK, ACCENT, BELOW = "#1b2126", "#556069", "#d9dee1", "#e3e7ea", "#0b5f7c", "#6f7b83"
"""The colours of the web page on white."""

FONT = "DejaVu Sans"
"""Comes with Matplotlib, so that the page is the same everywhere."""

SETTINGS: dict[Any, Any] = {
    "font.family": FONT,
    "text.parse_math": False,  # a dollar in a file's name is no formula
    "text.usetex": False,
    "image.composite_image": False,
}


def write_pdf(
    path: Path,
    record: Record,
    image: NDArray[np.uint8],
    masks: Mapping[str, NDArray[np.bool_]],
    heat_maps: Mapping[str, NDArray[np.floating]],
) -> None:
    """Write one A4 page with the photograph, what was found on it, and the numbers.

    Text is vector text; a character that Matplotlib's font lacks, such as a Chinese one, is printed as U+FFFD. Long
    names are shortened in the middle. The same input gives the same bytes.

    Args:
        path: the final name.
        record: what is said about the photograph.
        photograph: (H, W, 3) uint8 RGB.
        masks: structure -> (H, W) bool.
        heat_maps: disease -> (H, W) float in [0, 1].
    """
    with rc_context(SETTINGS):
        figure = Figure(figsize=(PAGE_MM[0] / 25.4, PAGE_MM[1] / 25.4))
        page = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0, PAGE_MM[0]), ylim=(PAGE_MM[1], 0), autoscale_on=False)
        page.set_axis_off()
        y = _draw_heading(page, record)
        y = _draw_image(page, y, image, masks)
        y = _draw_heat_maps(page, y, image, heat_maps, record["findings"])
        y = _draw_warnings(page, y, record["warnings"])
        _draw_findings(page, y, record["findings"])
        _draw_measures(page, y, record)
        metadata = {"Title": _printable(record["id"]), "CreationDate": None}
        with whole_file(path) as temporary:
            figure.savefig(temporary, format="pdf", metadata=metadata)


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont(FONT)).get_charmap())


def _printable(text: str, characters: int = 1000) -> str:
    """One line of what the font has, shortened in the middle."""
    line = "".join(sign if ord(sign) in _glyphs() else "\ufffd" for sign in " ".join(text.split()))
    half = characters // 2
    return line if len(line) <= characters else f"{line[: half - 1]}…{line[-half:]}"


def _write(
    page: Axes,
    x: float,
    y: float,
    text: str,
    size: float = 8,
    colour: str = INK,
    bold: bool = False,
    right: bool = False,
) -> None:
    """Write one line whose baseline lies at y."""
    weight, side = "bold" if bold else "normal", "right" if right else "left"
    page.text(x, y, text, size=size, color=colour, weight=weight, ha=side, va="baseline")


def _title(page: Axes, x: float, y: float, text: str) -> None:
    _write(page, x, y, text.upper(), size=6.5, colour=QUIET, bold=True)


def _rule(page: Axes, x0: float, x1: float, y: float) -> None:
    page.plot([x0, x1], [y, y], color=LINE, linewidth=0.5)


def _box(page: Axes, x: float, y: float, width: float, height: float, colour: str) -> None:
    page.add_patch(Rectangle((x, y), width, height, facecolor=colour, edgecolor="none"))


def _image(page: Axes, x: float, y: float, width: float, height: float, pixels: NDArray[np.uint8]) -> None:
    page.imshow(pixels, extent=(x, x + width, y + height, y), aspect="auto", interpolation="none")


def _draw_heading(page: Axes, record: Record) -> float:
    _write(page, LEFT_MM, 20, _printable(record["id"], 44), size=15, bold=True)
    size = f"{record['width_px']} × {record['height_px']} pixels · "
    _write(page, LEFT_MM, 26, size + _printable(record["image"], 100), size=7.5, colour=QUIET)
    versions = f"Model {record['model_version']} · thresholds {record['thresholds_version']}"
    _write(page, LEFT_MM, 30.5, _printable(versions, 125), size=7.5, colour=QUIET)
    _write(page, LEFT_MM, 36, DISCLAIMER, size=8, bold=True)
    _rule(page, LEFT_MM, RIGHT_MM, 38.5)
    return 42.0


def _draw_image(page: Axes, y: float, image: NDArray[np.uint8], masks: Mapping[str, NDArray[np.bool_]]) -> float:
    """The photograph, and beside it the structures over it."""
    small = shrink(image, PICTURE_SIDE_PX)
    height = min(PICTURE_HEIGHT_MM, 88 * small.shape[0] / small.shape[1])
    width = height * small.shape[1] / small.shape[0]
    _image(page, LEFT_MM, y, width, height, small)
    if masks:
        drawn = small
        for position, mask in enumerate(masks.values()):
            drawn = lay_over(drawn, shrink(levels(mask), PICTURE_SIDE_PX), structure_palette(position))
        x = LEFT_MM + width + 4
        _image(page, x, y, width, height, drawn)
        names = ", ".join(readable(structure) for structure in masks)
        _write(page, x, y + height + 3.5, _printable(names, 60), size=7, colour=QUIET)
    _write(page, LEFT_MM, y + height + 3.5, "Photograph", size=7, colour=QUIET)
    return y + height + 10


def _draw_heat_maps(
    page: Axes,
    y: float,
    image: NDArray[np.uint8],
    heat_maps: Mapping[str, NDArray[np.floating]],
    findings: Sequence[DiseaseFinding],
) -> float:
    """Heat maps side by side, with their scale and what they mean."""
    if not heat_maps:
        return y
    shown = list(heat_maps)
    if len(shown) > MAX_HEAT_MAPS:
        probability = {finding["disease"]: finding["probability"] or 0 for finding in findings}
        shown = sorted(shown, key=lambda disease: -probability.get(disease, 0))[:MAX_HEAT_MAPS]
    small = shrink(image, HEAT_MAP_SIDE_PX)
    column = min(43.0, (RIGHT_MM - LEFT_MM + 3) / len(shown) - 3)
    height = min(30.0, column * small.shape[0] / small.shape[1])
    width = height * small.shape[1] / small.shape[0]
    _title(page, LEFT_MM, y, "Heat maps")
    for position, disease in enumerate(shown):
        x = LEFT_MM + position * (column + 3)
        heat = shrink(levels(heat_maps[disease]), HEAT_MAP_SIDE_PX)
        _image(page, x, y + 2, width, height, lay_over(small, heat, heat_palette()))
        name = disease_name(disease) + ("" if heat.any() else " (empty)")
        lines = textwrap.wrap(_printable(name), int(column / 1.3), max_lines=2, placeholder="…")
        for row, line in enumerate(lines):
            _write(page, x, y + height + 5.5 + 3 * row, line, size=6.5)
    y += height + 14
    ramp = (colormaps[HEAT_COLOURS](np.linspace(0, 1, 256))[None, :, :3] * 255).round().astype(np.uint8)
    _write(page, LEFT_MM, y, "0", size=6.5)
    _image(page, LEFT_MM + 3, y - 2, 25, 2, ramp)
    _write(page, LEFT_MM + 29.5, y, "1   share of this map’s maximum; the lower, the more transparent", size=6.5)
    if len(shown) < len(heat_maps):
        note = f"The {len(shown)} of the greatest probabilities of {len(heat_maps)}"
        _write(page, RIGHT_MM, y, note, size=6.5, colour=QUIET, right=True)
    for row, line in enumerate(textwrap.wrap(HEAT_MAP_NOTE, 130), start=1):
        _write(page, LEFT_MM, y + 1 + 3 * row, line, size=6.5, colour=QUIET)
    return y + 15


def _draw_warnings(page: Axes, y: float, warnings: Sequence[str]) -> float:
    _title(page, LEFT_MM, y, "Quality of the photograph")
    lines = [line for warning in warnings for line in textwrap.wrap(_printable(warning), 125)] or ["No remarks."]
    if len(lines) > MAX_WARNING_LINES:
        lines = [*lines[: MAX_WARNING_LINES - 1], "…"]
    for row, line in enumerate(lines, start=1):
        _write(page, LEFT_MM, y + 4.2 * row, line, size=7.5)
    return y + 4.2 * len(lines) + 8


def _row_height(y: float, rows: int) -> float:
    """Height of a row of a table, less than usual where the rows would not fit."""
    return min(6.0, (BOTTOM_MM - y) / max(rows, 1))


def _draw_findings(page: Axes, y: float, findings: Sequence[DiseaseFinding]) -> None:
    """A table on the left: disease, bar with threshold, probability, threshold, decision."""
    _title(page, LEFT_MM, y, "Diseases")
    if not findings:
        _write(page, LEFT_MM, y + 4.2, "This network gives no probabilities of diseases.", size=7.5)
        return
    for x, label in ((82.0, "probability"), (94.5, "threshold")):
        _write(page, x, y, label, size=6, colour=QUIET, right=True)
    bar_x, bar_width = 62.0, 10.0
    step = _row_height(y, len(findings))
    size = min(6.5, 2 * step)
    for row, finding in enumerate(findings, start=1):
        baseline = y + step * row
        reached = finding["decision"] == 1
        _write(page, LEFT_MM, baseline, _printable(disease_name(finding["disease"]), 33), size, bold=reached)
        probability = finding["probability"]
        if known(probability):
            thickness = 0.3 * step
            _box(page, bar_x, baseline - thickness, bar_width, thickness, TRACK)
            _box(page, bar_x, baseline - thickness, bar_width * probability, thickness, ACCENT if reached else BELOW)
            _box(page, bar_x + bar_width * finding["threshold"] - 0.2, baseline - 0.45 * step, 0.4, 0.6 * step, INK)
        _write(page, 82, baseline, probability_text(probability), size, bold=reached, right=True)
        _write(page, 94.5, baseline, probability_text(finding["threshold"]), size, right=True)
        decision = f"{'▲ ' if reached else ''}{decision_text(finding)}"
        _write(page, 97, baseline, decision, size, colour=ACCENT if reached else INK)


def _draw_measures(page: Axes, y: float, record: Record) -> None:
    """A table on the right: measures."""
    x = 131.0
    if not record["measures"]:
        return
    _title(page, x, y, "Measures")
    step = _row_height(y, len(record["measures"]))
    size = min(6.0, 2 * step)
    for row, (name, value) in enumerate(record["measures"].items(), start=1):
        baseline = y + step * row
        _write(page, x, baseline, _printable(readable(name), 46), size)
        _write(page, RIGHT_MM, baseline, number(value), size, right=True)
