"""Hashed ids in place of file names, so that results can be handed on without them."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vmnet_monai.files import whole_file

__all__ = ["deidentify", "is_deidentified", "private_folder", "shown_name", "without_paths"]

DIGITS = 16
"""Hexadecimal digits of a hashed id: 64 bits, of which a million photographs share one with probability 3e-8."""

KEY_BYTES = 32
"""Bytes of the secret key: the length of an HMAC-SHA-256 key that RFC 2104 recommends, the hash's own."""

_MARK = "deidentified"


def private_folder(output_dir: str | Path) -> Path:
    """The folder beside an output folder that holds what leads from hashed ids back to the photographs."""
    output = Path(os.path.abspath(output_dir))
    return output.with_name(f"{output.name}-private")


def deidentify(items: Sequence[Mapping[str, Any]], output_dir: str | Path) -> list[dict[str, Any]]:
    """Give photographs hashed ids, and order them by these.

    An id is the beginning of the HMAC-SHA-256 (RFC 2104) of the photograph's absolute path under a secret key: without
    the key nobody can find the path by trying out names, and with it the next run gives the same ids. The key, as
    ``key``, and a table of all ids and their photographs, ``links.csv``, are kept in :func:`private_folder`, readable
    by its owner only; whoever deletes that folder makes the results anonymous as far as names go.

    Args:
        items: each with ``id`` and ``image``.
        output_dir: folder of the predictions.

    Raises:
        OSError: if the key cannot be read or written.
        ValueError: if the key is damaged.
    """
    folder = private_folder(output_dir)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = _key(folder / "key")
    renamed = [{**item, "id": _hashed(item["image"], key), _MARK: True} for item in items]
    _note_links(folder / "links.csv", {item["id"]: os.path.abspath(item["image"]) for item in renamed})
    return sorted(renamed, key=lambda item: item["id"])


def is_deidentified(item: Mapping[str, Any]) -> bool:
    """Tell whether an item's path must not be shown."""
    return _MARK in item


def shown_name(item: Mapping[str, Any]) -> str:
    """What results say in place of ``image``: the path, or of a de-identified item the id."""
    return str(item["id"] if is_deidentified(item) else item["image"])


def without_paths(text: str, item: Mapping[str, Any]) -> str:
    """Put the id in place of a de-identified item's paths, and of the names in them, in a message."""
    if not is_deidentified(item):
        return text
    paths = [str(item[key]) for key in ("image", "fov") if key in item]
    names = {name for path in paths for name in (path, os.path.abspath(path), os.path.basename(path)) if name}
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", item["id"], text)
    return text


def _hashed(image: str, key: bytes) -> str:
    return hmac.new(key, os.path.abspath(image).encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:DIGITS]


def _key(path: Path) -> bytes:
    if not path.exists():
        _write_private(path, secrets.token_hex(KEY_BYTES) + "\n")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(
            f"{path} must hold {2 * KEY_BYTES} hexadecimal digits and does not: restore it, or remove its folder and "
            "predict into another output folder, with new ids."
        )
    return key


def _note_links(path: Path, links: Mapping[str, str]) -> None:
    """Add to the table of ids; those of earlier runs stay."""
    earlier = pd.read_csv(path, dtype=str, keep_default_na=False) if path.exists() else pd.DataFrame()
    known = dict(zip(earlier["id"], earlier["image"], strict=True)) if len(earlier) else {}
    table = pd.DataFrame(sorted({**known, **links}.items()), columns=["id", "image"])
    _write_private(path, table.to_csv(index=False))


def _write_private(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    path.chmod(0o600)
