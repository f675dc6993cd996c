"""The pages to print."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium
import pytest
from report_examples import (
    EVIL,
    calibrated,
    finding,
    heat,
    measured_record,
    photograph,
    record,
    vessels,
    withheld,
)
from reportlab.platypus import BaseDocTemplate

from vmnet_monai.reports.pdf import write_pdf
from vmnet_monai.reports.record import Record
from vmnet_monai.reports.wording import DISCLAIMER
from vmnet_monai.structures import STRUCTURE_LOOKS


def write(path: Path, made: Record, **heat_maps: np.ndarray) -> bytes:
    masks = {structure: vessels() for structure in made.structures}
    write_pdf(path, made, photograph(), masks, heat_maps or {disease: heat() for disease in made.heat_maps})
    return path.read_bytes()


def pages(pdf: bytes) -> list[str]:
    """What a reader of PDFs finds on each page, as one line."""
    with pypdfium2.PdfDocument(pdf) as document:
        return [" ".join(page.get_textpage().get_text_bounded().split()) for page in document]


def text(pdf: bytes) -> str:
    """What is written on the only page."""
    (page,) = pages(pdf)
    return page


def pictures(pdf: bytes) -> list[np.ndarray]:
    """The pictures of the first page, RGB."""
    with pypdfium2.PdfDocument(pdf) as document:
        found = document[0].get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE])
        return [np.array(picture.get_bitmap().to_pil().convert("RGB")) for picture in found]


def test_page_is_one_of_a4(tmp_path: Path) -> None:
    """210 mm x 297 mm are 595.3 x 841.9 points of 1/72 inch."""
    with pypdfium2.PdfDocument(write(tmp_path / "pdf/eye.pdf", record())) as document:
        (page,) = document
        assert page.get_size() == pytest.approx((595.28, 841.89), abs=0.01)


def test_text_is_text(tmp_path: Path) -> None:
    written = text(write(tmp_path / "eye.pdf", record(warnings=["The photograph is blurred."])))
    for words in (
        "eye",
        "90 × 60 pixels · /photographs/eye.jpg",
        "Model V-MNet 0.6.0, weights of 2026-12-01 (0a1b2c) · thresholds 7",
        "Glaucoma 0.800 – 0.500 ▲ at or above the threshold",
        "Age-related macular degeneration 0.250 – 0.500 below the threshold; this does not exclude the disease",
        "Mean vessel width (pixels of the photograph) Area of the vessels divided by their length. – –",
        "0.08125",
        "Part of the field of view that vessels cover.",
        "The photograph is blurred.",
        "Not a medical device. For research only; not for diagnosis, screening or treatment decisions.",
        "It does not outline a lesion",
        "Page 1 of 1",
    ):
        assert words in written


def test_a_score_without_decision_has_a_rank_and_no_threshold(tmp_path: Path) -> None:
    written = text(write(tmp_path / "eye.pdf", record(findings=[withheld("glaucoma", 0.985)])))
    assert "Glaucoma 0.985 95" in written
    assert "calibrated for photographs of ODIR-5K only" in written
    for word in ("threshold ", "decision ", "probability of a disease in this photograph. Probab", "▲"):
        assert word not in written[written.index("DISEASES") : written.index("A score is")]


def test_a_probability_stands_beside_its_score_with_the_name_of_its_calibration(tmp_path: Path) -> None:
    written = text(write(tmp_path / "eye.pdf", record(findings=[calibrated("glaucoma", 0.75)])))
    assert "Glaucoma 0.125 42 0.750 0.500 ▲ at or above the threshold" in written
    assert "calibrated for Clinic A" in written


def test_photograph_stands_beside_its_structures(tmp_path: Path) -> None:
    made = record(structures=["artery", "vein"])
    pdf = write(tmp_path / "eye.pdf", made)
    plain, drawn, heat_map, _scale = pictures(pdf)
    assert np.abs(plain.astype(int) - photograph()).mean() < 2, "JPEG"
    assert drawn[vessels()].mean(axis=0) == pytest.approx(STRUCTURE_LOOKS["vein"].colour, abs=25), "the last"
    assert heat_map.shape == photograph().shape
    assert "■ Arteries ■ Veins" in text(pdf)


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.pdf", record()), write(tmp_path / "b.pdf", record())
    assert first == second
    with pypdfium2.PdfDocument(first) as document:
        assert document.get_metadata_dict(skip_empty=True).keys() == {"Title", "Subject", "Producer"}, "no date"


@pytest.mark.parametrize(
    "name",
    [r"$\frac{1}{0}$", EVIL, "<b>bold", "&amp;", "(eye)", "José Łuksza", "Ελένη Παπαδοπούλου", "Жуков"],
)
def test_name_is_printed_as_it_is(name: str, tmp_path: Path) -> None:
    pdf = write(tmp_path / "eye.pdf", record(name, image=f"/{name}.jpg"))
    written = text(pdf)
    assert f"{name} 90 × 60 pixels · /{name}.jpg" in written
    with pypdfium2.PdfDocument(pdf) as document:
        assert document.get_metadata_dict()["Title"] == name


@pytest.mark.parametrize("name", ["患者甲", "日本のたろう", "홍길동", "Nguyễn Thị", "محمد علي", "שלום", "a患b<者>&c"])
def test_name_is_found_whatever_its_script(name: str, tmp_path: Path) -> None:
    pdf = write(tmp_path / "eye.pdf", record(name, image="/eye.jpg"))
    assert name in text(pdf)
    with pypdfium2.PdfDocument(pdf) as document:
        assert document.get_metadata_dict()["Title"] == name


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("\U0001f441 eye", r"\U0001f441 eye"),
        ("byte \udcff", r"byte \udcff"),
        ("nul \0 b", r"nul \x00 b"),
        ("\u202eeye", r"\u202eeye"),
        ("(eye)\n", "(eye)"),
    ],
)
def test_character_that_no_font_has_is_printed_as_its_code_point(name: str, printed: str, tmp_path: Path) -> None:
    written = text(write(tmp_path / "eye.pdf", record(name, image=name)))
    assert written.startswith(f"{printed} 90 × 60 pixels · {printed} Model")


def test_long_names_are_printed_whole(tmp_path: Path) -> None:
    name = "".join(f"{number:04d}" for number in range(50)) + "甲" * 30
    image = "".join(f"/{number:04d}" for number in range(800)) + "乙" * 100
    written = "".join(pages(write(tmp_path / "eye.pdf", record(name, image=image)))).replace(" ", "")
    assert name in written
    assert image in written


def test_what_does_not_fit_goes_on_overleaf(tmp_path: Path) -> None:
    findings = [finding(f"disease_{i}", i / 50) for i in range(50)]
    measures = {f"measure_{i}": i + 0.5 for i in range(80)}
    remarks = [f"Remark {i} on its quality." for i in range(40)]
    maps = {f"disease_{i}": heat() for i in range(20)}
    made = record("an_eye", findings=findings, measures=measures, warnings=remarks)
    written = pages(write(tmp_path / "a.pdf", made, **maps))
    assert len(written) > 1
    for number, page in enumerate(written, start=1):
        assert "an_eye" in page
        assert DISCLAIMER in page
        assert f"Page {number} of {len(written)}" in page
    whole = " ".join(written)
    assert all(remark in whole for remark in remarks)
    for i, disease in enumerate(findings):
        assert f"Disease {i} {disease.score:.3f} – 0.500" in whole
    assert all(f"Measure {i} {i}.5 –" in whole for i in range(80))


def test_networks_with_one_head_have_a_page(tmp_path: Path) -> None:
    vessels_only = text(write(tmp_path / "a.pdf", record(findings=[], heat_maps=[])))
    assert "This network gives no scores of diseases." in vessels_only
    assert "HEAT MAPS" not in vessels_only
    diseases_only = text(write(tmp_path / "b.pdf", record(structures=[], measures={})))
    assert "MEASURES" not in diseases_only
    assert "Vessels" not in diseases_only


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_disease_without_score_is_said_to_have_none(nothing: float | None, tmp_path: Path) -> None:
    missing = finding("amd", None).model_copy(update={"score": nothing})
    written = text(write(tmp_path / "a.pdf", record(findings=[finding("glaucoma", 0.5), missing])))
    assert "Age-related macular degeneration – – – no score" in written


def test_every_heat_map_is_printed(tmp_path: Path) -> None:
    maps = {f"disease_{i}": heat() * (i != 3) for i in range(9)}
    written = text(write(tmp_path / "a.pdf", record(), **maps))
    captions = written[written.index("HEAT MAPS") : written.index("REMARKS")]
    assert captions.startswith(
        "HEAT MAPS " + " ".join(f"Disease {i} · Grad-CAM" + " (empty)" * (i == 3) for i in range(9)) + " 0"
    )


def test_error_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(BaseDocTemplate, "build", full_disk)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / "a.pdf", record())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_cautions")
def test_measures_by_type_and_region_are_written_with_units_usual_ranges_and_notes(tmp_path: Path) -> None:
    written = " ".join(pages(write(tmp_path / "eye.pdf", measured_record())))
    for words in (
        "MEASURES OF A RIGHT EYE",
        "ARTERIES Whole field Zone B Zone C",
        "Mean width (µm) 81.25",
        "Arteriole to venule ratio (AVR), Knudtson 0.68751(0.512 to 0.724)",
        "1: 93% of the region lie in the field of view",
        "Microns rest on an assumption: disc diameter 1800 µm.",
        "disc diameters from the margin of the disc",
    ):
        assert words in written, words
    assert "MEASURES" not in " ".join(pages(write(tmp_path / "none.pdf", record(measures={}))))


def test_zones_are_drawn_around_the_disc(tmp_path: Path) -> None:
    """The disc of the example lies at column 40, row 30, and is 16 pixels wide: zone C ends 40 pixels from there."""
    _, plain, *_ = pictures(write(tmp_path / "plain.pdf", record(structures=["vessel"])))
    _, zoned, *_ = pictures(
        write(tmp_path / "zoned.pdf", measured_record().model_copy(update={"structures": ["vessel"]}))
    )
    for column in (40 - 16, 40 + 16, 40 + 24, 40 + 40):
        near = zoned[24:27, column - 3 : column + 4].astype(int) - plain[24:27, column - 3 : column + 4]
        assert near.max() > 60, column
