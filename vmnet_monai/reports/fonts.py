"""The fonts of printed pages, which have letters of many scripts: for names of patients and files."""

from __future__ import annotations

import unicodedata
from functools import cache
from itertools import groupby
from xml.sax.saxutils import escape

from matplotlib import get_data_path
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

__all__ = ["BOLD", "REGULAR", "marked_up", "one_line"]

REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
"""Come with Matplotlib, so that the page is the same everywhere: Latin, Greek, Cyrillic, Arabic, Hebrew and others."""

ASIAN = {"STSong-Light": "gbk", "HeiseiMin-W3": "cp932", "HYSMyeongJo-Medium": "cp949", "MSung-Light": "big5"}
"""Adobe's fonts of Chinese, Japanese and Korean, which every viewer has or replaces and no file holds, in the order of
preference, and the national encoding whose characters each has (ISO 32000-1, 9.7.5.2)."""

_RIGHT_TO_LEFT = ("R", "AL")


@cache
def _glyphs() -> frozenset[int]:
    """Register the fonts, and tell which characters both embedded ones have."""
    fonts = [TTFont(name, f"{get_data_path()}/fonts/ttf/{name}.ttf") for name in (REGULAR, BOLD)]
    for font in (*fonts, *map(UnicodeCIDFont, ASIAN)):
        pdfmetrics.registerFont(font)
    regular, bold = (font.face.charToGlyph for font in fonts)
    return frozenset(regular.keys() & bold.keys())


@cache
def _font_of(sign: str) -> str | None:
    """The Asian font of a character; blank where the embedded ones have it, None where no font does."""
    if not sign.isprintable():  # such as one that turns the rest of the line round
        return None
    if ord(sign) in _glyphs():
        return ""
    return next((font for font, encoding in ASIAN.items() if _has(encoding, sign)), None)


def _has(encoding: str, sign: str) -> bool:
    try:
        return bool(sign.encode(encoding))
    except UnicodeEncodeError:
        return False


def one_line(text: str) -> str:
    """Return a text as one line, in which an escape such as ``\\U0001f441`` stands for what no font has."""
    line = " ".join(text.split())
    return "".join(
        sign if _font_of(sign) is not None else sign.encode("unicode_escape").decode("ascii") for sign in line
    )


def marked_up(text: str) -> str:
    """Return a text as the markup of a reportlab paragraph, each run of characters in a font that has them.

    Runs of Arabic and Hebrew letters go from right to left; Arabic letters are not joined.
    """
    runs = groupby(_in_order_of_sight(one_line(text)), key=_font_of)
    parts = ((font, escape("".join(signs))) for font, signs in runs)
    return "".join(f'<font name="{font}">{run}</font>' if font else run for font, run in parts)


def _in_order_of_sight(line: str) -> str:
    """Turn round every run of letters that are read from right to left, with the marks on them and spaces between."""
    turned, run = "", ""
    for sign in line:
        if unicodedata.bidirectional(sign) in _RIGHT_TO_LEFT or (run and _goes_along(sign)):
            run += sign
        else:
            turned, run = turned + _turned(run) + sign, ""
    return turned + _turned(run)


def _goes_along(sign: str) -> bool:
    return sign == " " or unicodedata.bidirectional(sign) == "NSM"


def _turned(run: str) -> str:
    kept = run.rstrip(" ")
    return kept[::-1] + run[len(kept) :]
