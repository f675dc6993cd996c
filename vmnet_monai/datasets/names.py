"""Makes file-safe names for photographs from their paths, in the letters of every script."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

__all__ = [
    "MAX_NAME_BYTES",
    "is_safe_id",
    "names_from_paths",
    "same_file_key",
    "slug",
    "unique_names",
    "without_suffix",
]

MAX_NAME_BYTES = 150
"""Most bytes of a name in UTF-8: file systems allow 255, and a reader's name goes before it and a disease's behind."""

_KEPT = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
"""Of ASCII: what has no meaning in paths, URLs, shells and formulas of spreadsheets."""

_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Letters and marks that show nothing: those of Unicode's Default_Ignorable_Code_Point."""

_RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3])(\..*)?", re.IGNORECASE)
"""Names of devices, which no file may have on Windows, with any suffix:
https://learn.microsoft.com/windows/win32/fileio/naming-a-file."""


def slug(text: str) -> str:
    """Replace every run of characters that is unsafe in a file name by one hyphen; Unicode's form NFC.

    Kept are letters and numbers of every script with their marks, and ``.``, ``_`` and ``-`` inside. Spaces,
    punctuation and symbols are replaced: file systems forbid some, and URLs, shells, or spreadsheets give a meaning to
    others. So is what cannot be seen, such as variation selectors, and a mark without a letter or number before it. The
    result is empty where no letter or number remains.

    Example:
        >>> slug("患者甲 (left)"), slug("Müller_OD"), slug("=1+1")
        ('患者甲-left', 'Müller_OD', '1-1')
    """
    composed = unicodedata.normalize("NFC", text)
    kept = re.sub(
        "\0+", "-", "".join(sign if stays else "\0" for sign, stays in zip(composed, _kept(composed), strict=True))
    )
    return kept.strip("-.") if any(map(_is_visible, kept)) else ""


def is_safe_id(name: str) -> bool:
    """Tell whether an id can name files on every system: see :func:`slug` and :data:`MAX_NAME_BYTES`.

    Example:
        >>> is_safe_id("患者甲"), is_safe_id("1/left"), is_safe_id("nul")
        (True, False, False)
    """
    return (
        name[:1] not in ("", "-", ".")
        and not name.endswith(".")
        and all(_kept(name))
        and any(map(_is_visible, name))
        and unicodedata.is_normalized("NFC", name)
        and _is_short(name)
        and not _RESERVED.fullmatch(name)
    )


def same_file_key(name: str) -> str:
    """Return a text that two names share where some file system takes them for one: case and composition ignored.

    Unicode's canonical caseless match (The Unicode Standard, 3.13, D145).
    """
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def names_from_paths(relative_paths: Sequence[Path]) -> list[str]:
    """Make file-safe names for photographs from their paths without suffix, unique whatever folders and suffixes.

    See :func:`without_suffix` and :func:`unique_names`; the digits are those of the path's SHA-1.
    """
    return unique_names(
        ["-".join(Path(without_suffix(str(path))).parts) for path in relative_paths],
        [path.as_posix() for path in relative_paths],
    )


def without_suffix(path: str) -> str:
    """Return the path of an image, or of the file at an address, without suffix.

    A number is no suffix, as DICOM's identifiers end in one: ``1.2.840.113`` stays.
    """
    file = path.rpartition("?slice=")[0] or path
    stem, suffix = os.path.splitext(file)
    return file if suffix[1:].isdecimal() else stem


def unique_names(names: Sequence[str], *origins: Sequence[str]) -> list[str]:
    """Make names file-safe, of at most :data:`MAX_NAME_BYTES`, and different from each other on every file system.

    A name that stands for one photograph only stays. Names that would be the same (see :func:`same_file_key`), are too
    long, are those of a device, or have no safe character get eight digits of the SHA-1 of their origin. So a name
    depends on no order, and on other photographs only where they have the same name: then each gets digits, lest a
    name that stood for one photograph stand for another one later.

    Args:
        names: the names to start from.
        origins: for each name texts such as its path: the first of them that differ are hashed. Of the last, no two are
            the same.

    Raises:
        ValueError: if two of the last are.

    Example:
        >>> unique_names(["a.b", "a.b", "c"], ["a.b.jpg", "a.b.png", "c.png"])
        ['a.b-28f177c1', 'a.b-151c8788', 'c']
    """
    slugs = [slug(name) for name in names]
    twice = [text for text, number in Counter(origins[-1]).items() if number > 1]
    if twice:
        raise ValueError(f"each photograph must be named once, got {twice[0]} more than once: remove the others.")
    unique = [name if _is_short(name) and not _RESERVED.fullmatch(name) else "" for name in slugs]
    for origin, digits in _hashed(origins):
        seen = Counter(map(same_file_key, unique))
        clashes = [not name or seen[same_file_key(name)] > 1 for name in unique]
        if not any(clashes):
            break
        unique = [
            _with_digest(whole, text, digits) if clash else name
            for clash, name, whole, text in zip(clashes, unique, slugs, origin, strict=True)
        ]
    return unique


def _hashed(origins: Sequence[Sequence[str]]) -> Iterator[tuple[Sequence[str], int]]:
    """What to hash in turn, and to how many digits: a file may be called like the digits of another."""
    yield from ((origin, 8) for origin in origins)
    yield origins[-1], 40
    yield from (([f"{text}\0{number}" for text in origins[-1]], 40) for number in count(1))


def _with_digest(name: str, origin: str, digits: int) -> str:
    digest = hashlib.sha1(origin.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
    beginning = name.encode()[: MAX_NAME_BYTES - digits - 1].decode(errors="ignore")
    longer = f"{beginning}-{digest}".lstrip("-")
    return longer.replace(".", "-") if _RESERVED.fullmatch(longer) else longer


def _kept(text: str) -> list[bool]:
    """For each character whether it may stand in a name; a mark only behind a letter or number, or another mark."""
    kept, may_be_marked = [], False
    for sign in text:
        stays = may_be_marked if _is_mark(sign) else _is_visible(sign) or sign in _KEPT
        kept.append(stays)
        may_be_marked = stays and (_is_visible(sign) or _is_mark(sign))
    return kept


def _is_mark(sign: str) -> bool:
    return unicodedata.category(sign)[0] == "M" and not _INVISIBLE.match(sign)


def _is_visible(sign: str) -> bool:
    """Whether a character is a letter or number that is seen."""
    return unicodedata.category(sign)[0] in "LN" and not _INVISIBLE.match(sign)


def _is_short(name: str) -> bool:
    return len(name.encode("utf-8", "surrogatepass")) <= MAX_NAME_BYTES
