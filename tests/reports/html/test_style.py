"""The colours of a report can be read in light and dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import vmnet_monai.reports.html

STYLE = (Path(vmnet_monai.reports.html.__file__).parent / "templates/style.css").read_text(encoding="utf-8")
LIGHT, DARK, PRINT = (
    dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
)


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(share * value for share, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first: str, second: str) -> float:
    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#fff", "#000000") == pytest.approx(21)


@pytest.mark.parametrize("colours", [LIGHT, DARK, PRINT], ids=["light", "dark", "print"])
@pytest.mark.parametrize("text", ["ink", "quiet", "accent", "caution"])
@pytest.mark.parametrize("ground", ["paper", "panel", "caution-tint"])
def test_text_stands_out(colours: dict[str, str], text: str, ground: str) -> None:
    """WCAG 2.2, success criterion 1.4.3."""
    assert contrast(colours[text], colours[ground]) >= 4.5


@pytest.mark.parametrize("colours", [LIGHT, DARK, PRINT], ids=["light", "dark", "print"])
@pytest.mark.parametrize("part", ["accent", "below", "ink"])
def test_bars_stand_out_from_their_track(colours: dict[str, str], part: str) -> None:
    """WCAG 2.2, success criterion 1.4.11."""
    assert contrast(colours[part], colours["track"]) >= 3
