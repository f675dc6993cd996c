"""Writes one photograph's report as pages to print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import fromarray
from PIL.ImageDraw import Draw
from reportlab import rl_config
from reportlab.graphics.shapes import Circle, Drawing, Line, PolyLine, Rect, String
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_LEFT, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, HRFlowable, Image, PageTemplate, Paragraph, Table

from vmnet_monai.explain.overlay import heat_palette, scale_colours
from vmnet_monai.io.files import whole_file
from vmnet_monai.reports.fonts import BOLD, REGULAR, marked_up, one_line
from vmnet_monai.reports.images import (
    JPEG_QUALITY,
    lay_over,
    levels,
    shrink,
    structure_levels,
    structure_palette,
)
from vmnet_monai.reports.measures import Cell, Eye, Group, drawn_eye, measure_groups, values_notes
from vmnet_monai.reports.plot import HEIGHT as PLOT_HEIGHT
from vmnet_monai.reports.plot import WIDTH as PLOT_WIDTH
from vmnet_monai.reports.plot import Plot, width_plot
from vmnet_monai.reports.record import DiseaseFinding, Record
from vmnet_monai.reports.wording import (
    DISCLAIMER,
    HEAT_MAP_NOTE,
    HEAT_SCALE_NOTE,
    MEASURES_NOTE,
    decision_text,
    disease_name,
    findings_note,
    heat_map_title,
    known,
    measure_definition,
    measure_name,
    measure_range,
    number,
    percentile_text,
    score_text,
    structure_name,
)
from vmnet_monai.structures import structure_looks

__all__ = ["write_pdf"]

rl_config.useA85 = 0  # streams as bytes; as letters they take a quarter more

MARGIN = 15 * mm
"""Left, right, above and below what is printed."""

FOOT = 9 * mm
"""Baseline of the foot's first line, from the lower edge of the page."""

WIDTH = A4[0] - 2 * MARGIN
"""Width of what is printed."""

IMAGE_SIDE_PX = 1040
"""Longer side of the photograph: 64 mm at 400 dpi."""

HEAT_MAP_SIDE_PX = 360
"""Longer side of a heat map, which is smooth."""

HEAT_MAPS_PER_ROW = 6

INK, QUIET, LINE, TRACK, ACCENT, BELOW = map(
    HexColor, ("#1b2126", "#556069", "#d9dee1", "#e3e7ea", "#0b5f7c", "#6f7b83")
)
"""The colours of the web page on white."""

CURVES = {"artery": HexColor("#c62828"), "vein": HexColor("#1f5fd0")}
"""Colours of the plot."""

SIZE = 6.5
"""Points of most text."""


def write_pdf(
    path: Path,
    record: Record,
    image: NDArray[np.uint8],
    masks: Mapping[str, NDArray[np.bool_]],
    heat_maps: Mapping[str, NDArray[np.floating]],
) -> None:
    """Write the photograph, what was found on it and the numbers as A4 pages: one, and more where one is too small.

    Text is vector text in DejaVu Sans, of Chinese, Japanese and Korean in a viewer's own fonts; of a character that
    these lack the code point is printed, as in ``\\U0001f441``. The same input gives the same
    bytes; the file appears whole or not at all.

    Args:
        path: the final name.
        record: what is said about the photograph.
        image: (H, W, 3) uint8 RGB.
        masks: structure -> (H, W) bool.
        heat_maps: disease -> (H, W) float in [0, 1].
    """
    name = record.id
    origin = (
        f"{record.width_px} × {record.height_px} pixels · {record.image}",
        f"Model {record.model} ({record.model_version}) · thresholds {record.thresholds_version}"
        if record.model
        else f"Model {record.model_version} · thresholds {record.thresholds_version}",
    )
    story = [
        *_heading(name, origin),
        _images(image, masks, drawn_eye(record.values)),
        *_heat_maps(image, heat_maps, record.heat_map_method),
        *_remarks(record.warnings),
        *_findings(record.findings),
        *_measures(record.measures),
        *_values(record),
        _PageCount(),
    ]
    with whole_file(path) as temporary:
        document = BaseDocTemplate(
            str(temporary),
            pagesize=A4,
            title=one_line(name),
            author="",
            creator="",
            subject=DISCLAIMER,
            lang="en",
            invariant=1,
        )
        frame = Frame(MARGIN, MARGIN, WIDTH, A4[1] - 2 * MARGIN, 0, 0, 0, 0)
        document.addPageTemplates(PageTemplate(frames=frame, onPageEnd=lambda canvas, _: _draw_foot(canvas, name)))
        document.build(story)


def _text(
    text: str, colour: HexColor = INK, size: float = SIZE, bold: bool = False, right: bool = False, **spacing: float
) -> Paragraph:
    """Lines of text, as many as it takes."""
    font, side = BOLD if bold else REGULAR, TA_RIGHT if right else TA_LEFT
    look = {"fontName": font, "fontSize": size, "leading": 1.3 * size, "textColor": colour, "alignment": side}
    style = ParagraphStyle("", **look, **spacing)
    return Paragraph(marked_up(text), style)


def _section(title: str) -> Paragraph:
    return _text(title.upper(), QUIET, bold=True, keepWithNext=1, spaceBefore=4 * mm, spaceAfter=1 * mm)


def _picture(pixels: NDArray[np.uint8], width: float, height: float) -> Image:
    """A picture that is as large as fits into width and height."""
    packed = BytesIO()
    # colours at full resolution, or those of fine vessels fade
    fromarray(pixels).save(packed, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return Image(packed, width, height, kind="proportional", hAlign="LEFT")


def _table(rows: Sequence[Sequence[Any]], widths: Sequence[float], *styles: tuple[Any, ...], **settings: Any) -> Table:
    """A table flush left, whose rows go on overleaf."""
    plain = [(padding, (0, 0), (-1, -1), 0) for padding in ("LEFTPADDING", "RIGHTPADDING", "TOPPADDING")]
    return Table(rows, widths, style=[*plain, ("VALIGN", (0, 0), (-1, -1), "TOP"), *styles], hAlign="LEFT", **settings)


class _PageCount(Flowable):
    """Takes no room; as the last of a story it knows the number of pages, which every foot refers to."""

    def draw(self) -> None:
        self.canv.beginForm("pages")
        _draw_foot_line(self.canv, _text(str(self.canv.getPageNumber()), QUIET), A4[0] - MARGIN - 3 * mm, 5 * mm)
        self.canv.endForm()


def _draw_foot_line(canvas: Canvas, text: Paragraph, x: float, width: float) -> None:
    _, height = text.wrapOn(canvas, width, MARGIN)
    text.drawOn(canvas, x, FOOT + SIZE - height)


def _draw_foot(canvas: Canvas, name: str) -> None:
    """Write whose page it is, which of how many, and the disclaimer where the heading does not have it."""
    page = canvas.getPageNumber()
    owner = name if page == 1 else f"{name} · {DISCLAIMER}"
    _draw_foot_line(canvas, _text(owner, QUIET), MARGIN, WIDTH - 25 * mm)
    _draw_foot_line(canvas, _text(f"Page {page} of", QUIET, right=True), MARGIN, WIDTH - 4 * mm)
    canvas.doForm("pages")
    canvas.setDateFormatter(lambda *_: "")  # no date, rather than a constant one


def _heading(name: str, origin: Sequence[str]) -> list[Flowable]:
    lines = [_text(name, size=15, bold=True, spaceAfter=1.5 * mm)]
    lines += [_text(line, QUIET, 7.5) for line in origin]
    rule = HRFlowable("100%", 0.5, color=LINE, spaceBefore=1.5 * mm, spaceAfter=3 * mm)
    return [*lines, _text(DISCLAIMER, size=8, bold=True, spaceBefore=1.5 * mm), rule]


def _images(image: NDArray[np.uint8], masks: Mapping[str, NDArray[np.bool_]], eye: Eye | None) -> Table:
    """The photograph, and beside it the structures over it, with the zones around the disc."""
    size = 78 * mm, 64 * mm
    small = drawn = shrink(image, IMAGE_SIDE_PX)
    columns = [(_picture(small, *size), _text("Photograph", QUIET))]
    if masks:
        legend = []
        looks = structure_looks(list(masks))
        for structure in sorted(masks, key=lambda structure: looks[structure].outlined):
            look = looks[structure]
            drawn = lay_over(drawn, structure_levels(masks[structure], look, IMAGE_SIDE_PX), structure_palette(look))
            square = f'<font color="#{bytes(look.colour).hex()}">■</font>'
            legend.append(f"{square} {marked_up(structure_name(structure))}")
        if eye is not None:
            drawn = _with_zones(drawn, eye, drawn.shape[1] / image.shape[1])
            legend.append("Circles: zones B (inner two) and C (inner and outer)")
        caption = Paragraph(" &nbsp; ".join(legend), columns[0][1].style)
        columns.append((_picture(drawn, *size), caption))
    return _table(list(zip(*columns, strict=True)), [WIDTH / 2] * len(columns))


def _with_zones(picture: NDArray[np.uint8], eye: Eye, scale: float) -> NDArray[np.uint8]:
    """Draw the edges of zones B and C, which end where no other one begins."""
    drawn = fromarray(picture)
    pen = Draw(drawn)
    x, y, _ = eye.disc
    for radius in sorted({radius for zone in eye.zones[1:] for radius in (zone.inner_px, zone.outer_px)}):
        corners = (x - radius, y - radius, x + radius, y + radius)
        pen.ellipse([scale * corner for corner in corners], outline=(255, 255, 255), width=2)
    return np.asarray(drawn)


def _heat_maps(image: NDArray[np.uint8], heat_maps: Mapping[str, NDArray[np.floating]], method: str) -> list[Flowable]:
    """Heat maps side by side, with their scale and what they mean."""
    if not heat_maps:
        return []
    small = shrink(image, HEAT_MAP_SIDE_PX)
    in_row = min(len(heat_maps), HEAT_MAPS_PER_ROW)
    column = min(WIDTH / in_row, 46 * mm)
    cells = []
    for disease, heat in heat_maps.items():
        over = lay_over(small, shrink(levels(heat), HEAT_MAP_SIDE_PX), heat_palette())
        name = heat_map_title(disease, method) + ("" if heat.any() else " (empty)")
        cells.append([_picture(over, column - 3 * mm, 24 * mm), _text(name, spaceBefore=1 * mm)])
    rows = [cells[start : start + in_row] for start in range(0, len(cells), in_row)]
    scale = [
        _text("0"),
        _picture(np.tile(scale_colours(256), (20, 1, 1)), 25 * mm, 2 * mm),
        _text(f"1 · {HEAT_SCALE_NOTE}"),
    ]
    return [
        _table(
            [[_section("Heat maps")], *rows],
            [column] * in_row,
            ("SPAN", (0, 0), (-1, 0)),
            ("BOTTOMPADDING", (0, 1), (-1, -1), 2 * mm),
            repeatRows=1,
            spaceBefore=4 * mm,
        ),
        _table([scale], [3 * mm, 27 * mm, WIDTH - 30 * mm], ("VALIGN", (0, 0), (-1, -1), "MIDDLE")),
        _text(HEAT_MAP_NOTE, QUIET),
    ]


def _remarks(warnings: Sequence[str]) -> list[Flowable]:
    lines = [_text(warning, size=7.5) for warning in warnings or ["No remarks."]]
    return [_section("Remarks"), *lines]


def _finding_row(finding: DiseaseFinding) -> list[Flowable]:
    """Disease, bar with threshold, score, percentile, probability, threshold, decision."""
    value, threshold = finding.value, finding.threshold
    reached = finding.decision == 1
    return [
        _text(disease_name(finding.disease), bold=reached),
        _bar(value, threshold, ACCENT if reached else BELOW) if known(value) else "",
        _text(score_text(finding.score), bold=reached and finding.probability is None, right=True),
        _text(percentile_text(finding.percentile), right=True),
        _text(score_text(finding.probability), bold=reached, right=True),
        _text(score_text(threshold), right=True),
        _text(f"{'▲ ' if reached else ''}{decision_text(finding)}", ACCENT if reached else INK),
    ]


def _bar(value: float, threshold: float | None, colour: HexColor) -> Drawing:
    """A bar as long as the value, and a tick at the threshold of a decision."""
    width, height = 10 * mm, 2.6 * mm
    bar = Drawing(
        width,
        height,
        Rect(0, 0.4 * mm, width, 1.8 * mm, fillColor=TRACK, strokeColor=None),
        Rect(0, 0.4 * mm, width * value, 1.8 * mm, fillColor=colour, strokeColor=None),
    )
    if threshold is not None:
        bar.add(Rect(width * threshold - 0.2 * mm, 0, 0.4 * mm, height, fillColor=INK, strokeColor=None))
    return bar


def _findings(findings: Sequence[DiseaseFinding]) -> list[Flowable]:
    """What is said about the diseases; columns that have nothing to say are left out."""
    if not findings:
        text = _text("This network gives no scores of diseases.", size=7.5)
        return [_table([[_section("Diseases")], [text]], [WIDTH], repeatRows=1, spaceBefore=3 * mm)]
    told = {
        "": True,
        " ": True,
        "score": True,
        "percentile": True,
        "probability": any(known(finding.probability) for finding in findings),
        "threshold": any(finding.decision is not None for finding in findings),
        "decision": any(finding.decision is not None for finding in findings),
    }
    widths = dict(zip(told, (46, 12, 13, 15, 16, 15, 63), strict=True))
    columns = [place for place, is_told in enumerate(told.values()) if is_told]
    headings: list[Any] = [_section("Diseases"), ""]
    headings += [_text(name, QUIET, 6, right=name != "decision") for name, is_told in list(told.items())[2:] if is_told]
    rows: list[list[Any]] = [headings]
    for finding in findings:
        row = _finding_row(finding)
        rows.append([row[place] for place in columns])
    decision = len(columns) - 1 if told["decision"] else None
    table = _table(
        rows,
        [width * mm for (name, width) in widths.items() if told[name]],
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        *((padding, (0, 0), (-1, -1), 2.5) for padding in ("TOPPADDING", "BOTTOMPADDING")),
        *([] if decision is None else [("LEFTPADDING", (decision, 0), (decision, -1), 3 * mm)]),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
        repeatRows=1,
        spaceBefore=3 * mm,
    )
    return [table, _text(" ".join(findings_note(findings)), QUIET, spaceBefore=1 * mm)]


def _measures(measures: Mapping[str, float | None]) -> list[Flowable]:
    """The measures, what they are, and where they lie in reference eyes."""
    if not measures:
        return []
    headings = [_section("Measures"), "", *(_text(name, QUIET, 6, right=True) for name in ("value", "usual"))]
    rows = [
        [
            _text(measure_name(name)),
            _text(measure_definition(name), QUIET),
            _text(number(value), right=True),
            _text(measure_range(name), right=True),
        ]
        for name, value in measures.items()
    ]
    table = _table(
        [headings, *rows],
        [width * mm for width in (62, 76, 16, 26)],
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        *((padding, (0, 0), (-1, -1), 2) for padding in ("TOPPADDING", "BOTTOMPADDING")),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
        repeatRows=1,
        spaceBefore=3 * mm,
    )
    return [table, _text(MEASURES_NOTE, QUIET, spaceBefore=1 * mm)]


def _values(record: Record) -> list[Flowable]:
    """The measures by vessel type and region, and the widths around the disc."""
    groups = measure_groups(record.values)
    if not groups:
        return []
    plot = width_plot(record.width_profiles)
    title = f"Measures of a {record.eye} eye" if record.eye else "Measures"
    story: list[Flowable] = [_section(title)]
    if plot is not None:
        story += [_plot(plot), _text("Width by the distance from the disc: ● arteries, ■ veins.", QUIET)]
    for group in groups:
        story += _group(group)
    return [*story, _text(" ".join(values_notes(record.values)), QUIET, spaceBefore=1 * mm)]


def _group(group: Group) -> list[Flowable]:
    name_mm = 70
    widths = [name_mm * mm, *([(WIDTH - name_mm * mm) / len(group.regions)] * len(group.regions))]
    headings = [_section(group.title), *(_text(name, QUIET, 6, right=True) for name in group.regions)]
    rows: list[list[Any]] = [headings]
    for line in group.lines:
        name = f"{line.name} ({line.unit})" if line.unit else line.name
        rows.append([_text(name), *("" if cell is None else _cell(cell) for cell in line.cells)])
    table = _table(
        rows,
        widths,
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        *((padding, (0, 0), (-1, -1), 1.5) for padding in ("TOPPADDING", "BOTTOMPADDING")),
        ("FONTSIZE", (0, 0), (-1, -1), SIZE),  # empty cells are no higher than others
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
        repeatRows=1,
        spaceBefore=2 * mm,
    )
    notes = "; ".join(f"{number}: {note}" for number, note in enumerate(group.notes, start=1))
    return [table, *([_text(notes, QUIET, 6, spaceBefore=0.5 * mm)] if notes else [])]


def _cell(cell: Cell) -> Paragraph:
    note = f"<super>{', '.join(map(str, cell.notes))}</super>" if cell.notes else ""
    usual = f' <font color="#{QUIET.hexval()[2:]}" size="5.5">({marked_up(cell.usual)})</font>' if cell.usual else ""
    return Paragraph(f"{marked_up(cell.text)}{note}{usual}", _text("", right=True).style)


def _plot(plot: Plot) -> Drawing:
    """The widths of arteries and veins by the distance from the disc."""
    left, top, right, bottom = plot.frame
    drawing = Drawing(PLOT_WIDTH, PLOT_HEIGHT)

    def up(y: float) -> float:
        return PLOT_HEIGHT - y

    def write(x: float, y: float, text: str, anchor: str = "middle") -> None:
        drawing.add(String(x, up(y), text, fontName=REGULAR, fontSize=SIZE, fillColor=QUIET, textAnchor=anchor))

    start, end = plot.zone_b
    drawing.add(Rect(start, up(bottom), end - start, bottom - top, fillColor=TRACK, strokeColor=None))
    write(end + 3, bottom - 4, "Zone B", "start")
    for tick in plot.widths:
        drawing.add(Line(left, up(tick.at), right, up(tick.at), strokeColor=LINE, strokeWidth=0.5))
        write(left - 4, tick.at + 2, tick.text, "end")
    for tick in plot.distances:
        write(tick.at, bottom + 9, tick.text)
    write((left + right) / 2, bottom + 20, "disc diameters from the margin of the disc")
    write(left, top - 6, "mean width, µm", "start")
    for curve in plot.curves:
        colour = CURVES[curve.key]
        points = [(x, up(y)) for x, y in curve.points]
        flat = [number for point in points for number in point]
        drawing.add(PolyLine(flat, strokeColor=colour, strokeWidth=1.2))
        for x, y in points:
            mark = (
                Circle(x, y, 1.8, fillColor=colour, strokeColor=None)
                if curve.key == "artery"
                else Rect(x - 1.6, y - 1.6, 3.2, 3.2, fillColor=colour, strokeColor=None)
            )
            drawing.add(mark)
    return drawing
