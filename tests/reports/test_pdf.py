"""The page to print."""

from __future__ import annotations

import math
import re
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from report_examples import finding, heat, photograph, record, vessels

from vmnet_monai.reports.pdf import write_pdf
from vmnet_monai.reports.record import Record


def write(path: Path, made: Record, **heat_maps: np.ndarray) -> bytes:
    masks = {structure: vessels() for structure in made["structures"]}
    write_pdf(path, made, photograph(), masks, heat_maps or {disease: heat() for disease in made["heat_maps"]})
    return path.read_bytes()


def text(pdf: bytes) -> str:
    """What is written on the page: the strings of its content, in order and without their kerning."""
    (stream,) = [
        content
        for packed in re.findall(rb"/FlateDecode.{0,80}?>>\s*stream\r?\n(.*?)\r?\nendstream", pdf, flags=re.DOTALL)
        if b"BT\n" in (content := zlib.decompressobj().decompress(packed))
    ]
    lines = re.findall(rb"BT\n(.*?)ET\n", stream, flags=re.DOTALL)
    joined = (b"".join(re.findall(rb"\(((?:\\.|[^\\()])*)\)", line)) for line in lines)
    return "\n".join(re.sub(rb"\\([()\\])", rb"\1", line).decode("latin-1") for line in joined)


def test_page_is_one_of_a4(tmp_path: Path) -> None:
    """210 mm x 297 mm are 595.3 x 841.9 points of 1/72 inch."""
    pdf = write(tmp_path / "pdf/eye.pdf", record())
    assert re.findall(rb"/Count (\d+)", pdf) == [b"1"]
    (box,) = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", pdf)
    assert [float(side) for side in box] == pytest.approx([595.28, 841.89], abs=0.01)


def test_text_is_text(tmp_path: Path) -> None:
    written = text(write(tmp_path / "eye.pdf", record(warnings=["The photograph is blurred."])))
    for words in (
        "eye",
        "Glaucoma",
        "0.800",
        "at or above threshold",
        "below threshold",
        "Vessel width mean (px)",
        "0.08125",
        "The photograph is blurred.",
        "Not a medical device. For research only; not for diagnosis, screening or treatment decisions.",
        "It does not outline a lesion",
    ):
        assert words in written


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.pdf", record()), write(tmp_path / "b.pdf", record())
    assert first == second
    assert b"CreationDate" not in first


@pytest.mark.parametrize("name", [r"$\frac{1}{0}$", "眼底", "byte \udcff", "long " * 60, "(eye)\n"])
def test_any_name_can_be_printed(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Matplotlib warns of letters that its font lacks
        pdf = write(tmp_path / "eye.pdf", record(name, image=name))
    assert name[:2] != "$\\" or name in text(pdf), "a dollar begins no formula"


def test_networks_with_one_head_have_a_page(tmp_path: Path) -> None:
    vessels_only = text(write(tmp_path / "a.pdf", record(findings=[], heat_maps=[])))
    assert "This network gives no probabilities of diseases." in vessels_only
    assert "HEAT MAPS" not in vessels_only
    diseases_only = text(write(tmp_path / "b.pdf", record(structures=[], measures={})))
    assert "MEASURES" not in diseases_only
    assert "Vessel" not in diseases_only


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_disease_without_probability_is_said_to_have_none(nothing: float | None, tmp_path: Path) -> None:
    missing = {**finding("amd", None), "probability": nothing}
    assert "no probability" in text(write(tmp_path / "a.pdf", record(findings=[missing])))


def test_of_many_heat_maps_those_of_the_greatest_probabilities_are_printed(tmp_path: Path) -> None:
    findings = [finding(f"disease_{i}", i / 10) for i in range(9)]
    maps = {f"disease_{i}": heat() for i in range(9)}
    written = text(write(tmp_path / "a.pdf", record(findings=findings), **maps))
    captions = written[written.index("HEAT MAPS") : written.index("QUALITY")]
    assert re.findall(r"Disease (\d)", captions) == list("876543")
    assert "The 6 of the greatest probabilities of 9" in captions


def test_error_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", full_disk)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / "a.pdf", record())
    assert list(tmp_path.iterdir()) == []
