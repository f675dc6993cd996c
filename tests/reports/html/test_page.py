"""The page of one photograph."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_examples import (
    EVIL,
    Page,
    calibrated,
    finding,
    heat,
    measured_record,
    photograph,
    record,
    vessels,
    withheld,
)

from vmnet_monai.reports.html import page, write_page
from vmnet_monai.reports.record import Record


def write(output_dir: Path, made: Record) -> Page:
    write_page(
        output_dir,
        made,
        photograph(),
        {structure: vessels() for structure in made.structures},
        {disease: heat() for disease in made.heat_maps},
    )
    return Page(output_dir / "report" / f"{made.id}.html")


def test_page_lies_beside_the_folder_of_its_pictures_and_shows_all_of_them(tmp_path: Path) -> None:
    shown = write(tmp_path, record("left eye"))
    files = {str(path.relative_to(tmp_path / "report")) for path in tmp_path.rglob("*") if path.is_file()}
    pictures = {f"pictures/left eye/{name}" for name in ("photograph.jpg", "vessel.png", "heat_glaucoma.png")}
    assert files == pictures | {"left eye.html", "pictures/left eye/thumbnail.jpg"}
    assert {source.replace("%20", " ") for source in shown.attributes("img", "src")} == pictures
    assert shown.attributes("a", "href") == ["#content", "../index.html"]


def test_pictures_are_scaled_down(tmp_path: Path) -> None:
    size = (1000, 2800)
    write_page(tmp_path, record(), photograph(*size), {"vessel": vessels(*size)}, {"glaucoma": heat(*size)})
    for name, expected in {
        "photograph.jpg": (1400, 500),
        "vessel.png": (1400, 500),
        "heat_glaucoma.png": (1400, 500),
        "thumbnail.jpg": (160, 57),
    }.items():
        with Image.open(tmp_path / "report/pictures/eye" / name) as image:
            assert image.size == expected, name


def test_findings_are_said_in_numbers_and_words(tmp_path: Path) -> None:
    texts = write(tmp_path, record()).texts
    below = "below the threshold; this does not exclude the disease"
    for text in ("Glaucoma", "0.800", "0.500", "at or above the threshold", "0.250", below):
        assert text in texts
    assert texts.count("▲") == 1, "the one that reaches its threshold is marked by more than a colour"


def test_a_score_is_called_one_and_bears_its_rank_and_no_decision(tmp_path: Path) -> None:
    shown = write(tmp_path, record(findings=[withheld("glaucoma", 0.985), withheld("normal", 0.576, 7.0)]))
    assert {"Score", "Percentile", "0.985", "95", "7"} <= set(shown.texts)
    assert not {"Probability", "Threshold", "Decision", "▲"} & set(shown.texts)
    assert "threshold:" not in "".join(shown.attributes("span", "style"))
    note = next(text for text in shown.texts if "A score is no probability" in text)
    assert "calibrated for photographs of ODIR-5K only" in note


def test_a_probability_stands_beside_its_score_with_the_name_of_its_calibration(tmp_path: Path) -> None:
    shown = write(tmp_path, record(findings=[calibrated("glaucoma", 0.75), withheld("amd", 0.9)]))
    assert {"Probability", "0.750", "0.125", "withheld", "at or above the threshold"} <= set(shown.texts)
    assert any("calibrated for Clinic A" in text for text in shown.texts)


def test_model_is_named_with_version_and_date(tmp_path: Path) -> None:
    assert "V-MNet 0.6.0, weights of 2026-12-01 (0a1b2c)" in write(tmp_path, record()).texts
    assert "0a1b2c" in write(tmp_path, record(model="")).texts


def test_every_structure_has_a_toggle_with_a_plain_name(tmp_path: Path) -> None:
    names = ["vessel", "artery", "vein", "disc", "fovea_region", "old_scar"]
    shown = write(tmp_path, record(structures=names))
    assert {"Vessels", "Arteries", "Veins", "Optic disc", "Fovea", "Old scar"} <= set(shown.texts)
    layers = [values for tag, values in shown.elements if tag == "input" and "data-layer" in values]
    on = [str(values["data-layer"]) for values in layers if "checked" in values]
    assert on == [f"structure-{i}" for i in range(1, 6)], (
        "vessels are hidden below the arteries and veins that they are"
    )
    colours = shown.attributes("span", "style")
    assert "background: rgb(255, 40, 40)" in colours
    assert len({colour for colour in colours if colour.startswith("background: rgb(")}) == 6


def test_structures_start_at_an_opacity_that_shows_what_lies_beneath(tmp_path: Path) -> None:
    shown = write(tmp_path, record())
    (start,) = [values["value"] for _, values in shown.elements if values.get("data-opacity") == "structure"]
    assert 30 <= int(str(start)) <= 60
    assert f"{start} %" in shown.texts
    assert f"--structure-opacity, .{start}" in shown.source


def test_a_heat_map_names_its_disease_and_method_over_the_picture(tmp_path: Path) -> None:
    assert "Glaucoma · Grad-CAM" in write(tmp_path, record()).texts


def test_measures_and_remarks_are_shown(tmp_path: Path) -> None:
    texts = write(tmp_path, record(warnings=["The photograph is blurred."])).texts
    measure = texts.index("Mean vessel width (pixels of the photograph)")
    assert "–" in texts[measure : measure + 4], "an undefined measure is a dash"
    assert "Part of the field of view that vessels cover." in texts
    assert any("5th to 95th percentile" in text and "HRF" in text for text in texts)
    assert {"The photograph is blurred.", "0.08125"} <= set(texts)
    assert "No remarks." in write(tmp_path, record()).texts


def test_page_says_what_it_is_not_for(tmp_path: Path) -> None:
    source = " ".join(write(tmp_path, record()).source.split())
    assert "Not a medical device. For research only; not for diagnosis, screening or treatment decisions." in source
    assert "It does not outline a lesion" in source


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_disease_without_score_has_no_bar(nothing: float | None, tmp_path: Path) -> None:
    missing = finding("amd", None).model_copy(update={"score": nothing})
    shown = write(tmp_path, record(findings=[missing]))
    assert "–" in shown.texts
    assert not any(name.startswith("bar") for name in shown.attributes("span", "class"))


def test_network_of_vessels_only_has_no_diseases(tmp_path: Path) -> None:
    shown = write(tmp_path, record(findings=[], heat_maps=[]))
    assert "This network gives no scores of diseases." in shown.texts
    assert shown.attributes("input", "name") == [], "no heat map to choose"


def test_network_of_diseases_only_has_no_structures(tmp_path: Path) -> None:
    shown = write(tmp_path, record(structures=[], measures={}))
    assert not {"Structures", "Measures"} & set(shown.texts)
    assert "Heat map (Grad-CAM)" in shown.texts


def test_empty_heat_map_is_said_to_be_empty(tmp_path: Path) -> None:
    write_page(tmp_path, record(), photograph(), {}, {"glaucoma": np.zeros((60, 90), np.float32), "amd": heat()})
    texts = Page(tmp_path / "report/eye.html").texts
    assert "Glaucoma (empty)" in texts
    assert "Age-related macular degeneration" in texts


def test_what_comes_from_outside_is_text_and_never_markup(tmp_path: Path) -> None:
    name = EVIL.replace("/", "|")
    evil = record(
        name,
        image=EVIL,
        findings=[finding(name, 0.9)],
        measures={EVIL: 1.0},
        warnings=[EVIL],
        structures=[name],
        heat_maps=[name],
        model_version=EVIL,
        thresholds_version=EVIL,
        made_from={EVIL: EVIL},
    )
    shown, plain = write(tmp_path, evil), write(tmp_path, record())
    assert [tag for tag, _ in shown.elements].count("script") == 1
    assert EVIL in shown.texts
    assert {key for _, values in shown.elements for key in values} == {
        key for _, values in plain.elements for key in values
    }, "no attribute that another page lacks, such as onerror"


@pytest.mark.parametrize("name", ["眼底 ü", "\u202egpj.exe", "100% #1?", "byte \udcff"])
def test_any_name_of_a_file_gives_a_page_that_finds_its_pictures(name: str, tmp_path: Path) -> None:
    shown = write(tmp_path, record(name))
    folder = tmp_path / "report"
    assert (folder / "pictures" / name / "photograph.jpg").exists()
    source = shown.attributes("img", "src")[0]
    assert re.fullmatch(r"pictures/[\w.~%-]+/photograph\.jpg", source, flags=re.ASCII)


def test_page_asks_for_nothing_from_outside_and_runs_its_own_script_only(tmp_path: Path) -> None:
    shown = write(tmp_path, record())
    assert not re.search(r"https?:|//[a-z]|@import|url\(", shown.source.replace("// a browser", ""))
    policy = shown.attributes("meta", "content")[0]
    (script,) = re.findall(r"<script>(.*?)</script>", shown.source, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_page_is_named_in_its_language(tmp_path: Path) -> None:
    shown = write(tmp_path, record())
    assert shown.source.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert shown.attributes("img", "alt")[0] == "Fundus photograph eye"
    assert all(shown.attributes("img", "alt"))
    assert "width=device-width, initial-scale=1" in shown.attributes("meta", "content")


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        write(folder, record())
        contents.append({p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()})
    assert contents[0] == contents[1]


def test_page_comes_last_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(page, "write_png", full_disk)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path, record())
    assert not (tmp_path / "report/eye.html").exists()
    assert {path.name for path in tmp_path.rglob("*.*")} == {"photograph.jpg", "thumbnail.jpg"}


def test_zones_are_drawn_around_the_disc_and_each_has_a_toggle(tmp_path: Path) -> None:
    shown = write(tmp_path, measured_record())
    layers = [str(values["data-layer"]) for tag, values in shown.elements if tag == "input" and "data-layer" in values]
    drawn = {values["id"]: values for tag, values in shown.elements if tag == "svg" and "id" in values}
    assert list(drawn) == ["zone-0", "zone-1", "zone-2", "quadrants"]
    assert set(drawn) <= set(layers), "a toggle for each"
    for values in drawn.values():
        assert (values["viewbox"], values["role"]) == ("0 0 90 60", "img") and values["aria-label"]
        assert "hidden" in values, "nothing covers the photograph at first"
    circles = [values for tag, values in shown.elements if tag == "circle" and values.get("class") == "edge"]
    assert {(values["cx"], values["cy"]) for values in circles} == {("40.0", "30.0")}
    assert [values["r"] for values in circles] == ["8.0", "16.0", "16.0", "24.0", "16.0", "40.0"]
    assert {"Zone B", "Zone C", "Quadrants"} <= set(shown.texts)


def test_measures_by_type_and_region_are_shown_with_their_units_and_notes(tmp_path: Path) -> None:
    shown = write(tmp_path, measured_record())
    texts = " ".join(shown.texts)
    assert "Measures of a right eye" in " ".join(texts.split())
    assert {"Arteries", "Whole field", "Zone B", "81.25", "µm", "0.6875"} <= set(shown.texts)
    assert {"93% of the region lie in the field of view", "4 arterioles found, 6 are needed"} <= set(shown.texts)
    targets = {values["href"] for tag, values in shown.elements if tag == "a" and "#note" in str(values.get("href"))}
    assert targets == {f"#{values['id']}" for tag, values in shown.elements if tag == "li" and "id" in values}
    assert "Microns rest on an assumption: disc diameter 1800 µm." in texts
    assert "CRAE / CRVE." in texts, "what the measures are"


def test_plot_of_widths_is_told_in_words_and_numbers_too(tmp_path: Path) -> None:
    shown = write(tmp_path, measured_record())
    assert "Arteries: 80 µm at 0.125 disc diameters from the disc, 70 µm at 0.375. Veins: 110 µm at" in " ".join(
        shown.texts
    )
    named = [
        values["aria-labelledby"] for tag, values in shown.elements if tag == "svg" and "aria-labelledby" in values
    ]
    assert named == ["plot-title plot-description"]
    assert len([tag for tag, _ in shown.elements if tag == "polyline"]) == 2
    assert {"The plot in numbers", "0.375", "110"} <= set(shown.texts)


def test_a_network_that_draws_vessels_alone_has_neither_zones_nor_plot(tmp_path: Path) -> None:
    shown = write(tmp_path, record())
    assert not [tag for tag, _ in shown.elements if tag in ("svg", "polyline")]
    assert "zones" not in " ".join(shown.texts).lower()
