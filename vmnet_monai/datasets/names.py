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

_RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3])(\..*)?", re.IGNORECASE)
"""Names of devices, which no file may have on Windows, with any suffix:
https://learn.microsoft.com/windows/win32/fileio/naming-a-file."""


def slug(text: str) -> str:
    """Replace every run of characters that is unsafe in a file name by one hyphen; Unicode's form NFC.

    Kept are letters, marks and numbers of every script, and ``.``, ``_`` and ``-`` inside. Spaces, punctuation and
    symbols are replaced: file systems forbid some, and URLs, shells, or spreadsheets give a meaning to others.

    Example:
        >>> slug("患者甲 (left)"), slug("Müller_OD"), slug("=1+1")
        ('患者甲-left', 'Müller_OD', '1-1')
    """
    composed = unicodedata.normalize("NFC", text)
    return re.sub("\0+", "-", "".join(sign if _is_kept(sign) else "\0" for sign in composed)).strip("-.")


def is_safe_id(name: str) -> bool:
    """Tell whether an id can name files on every system: see :func:`slug` and :data:`MAX_NAME_BYTES`.

    Example:
        >>> is_safe_id("患者甲"), is_safe_id("1/left"), is_safe_id("nul")
        (True, False, False)
    """
    return (
        name[:1] not in ("", "-", ".")
        and not name.endswith(".")
        and all(map(_is_kept, name))
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


def _is_kept(sign: str) -> bool:
    return sign in _KEPT if sign.isascii() else unicodedata.category(sign)[0] in "LMN"


def _is_short(name: str) -> bool:
    return len(name.encode("utf-8", "surrogatepass")) <= MAX_NAME_BYTES
