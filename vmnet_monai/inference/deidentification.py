"""Hashed ids in place of file names, so that results can be handed on without them."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vmnet_monai.io.files import whole_file

__all__ = ["PRIVATE_REASON", "Pseudonyms", "private_folder"]

DIGITS = 16
"""Hexadecimal digits of a hashed id: 64 bits, of which a million photographs share one with probability 3e-8."""

KEY_BYTES = 32
"""Bytes of the secret key: the length of an HMAC-SHA-256 key that RFC 2104 recommends, the hash's own."""

PRIVATE_REASON = "The reason is in links.csv of the private folder beside the results, because it may name the file."
"""What results say in place of a reason, which may hold any name of the user's."""


def private_folder(output_dir: str | Path) -> Path:
    """The folder beside an output folder that holds what leads from hashed ids back to the photographs."""
    output = Path(os.path.abspath(output_dir))
    return output.with_name(f"{output.name}-private")


class Pseudonyms:
    """Gives photographs hashed ids, and keeps apart what leads back.

    An id is the beginning of the HMAC-SHA-256 (RFC 2104) of the photograph's absolute path under a secret key: without
    the key nobody can find the path by trying out names, and with it the next run gives the same ids. The key, as
    ``key``, and a table of ids, photographs and reasons, ``links.csv``, are kept in :func:`private_folder`, readable by
    its owner only; whoever deletes that folder cuts the way from results to names.

    Args:
        output_dir: folder of the predictions.

    Raises:
        OSError: if the key cannot be read or written.
        ValueError: if the key is damaged.
    """

    def __init__(self, output_dir: str | Path) -> None:
        self.folder = private_folder(output_dir)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.key = _key(self.folder / "key")

    def hashed(self, text: str) -> str:
        """The HMAC-SHA-256 of a text, 64 hexadecimal digits."""
        return hmac.new(self.key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()

    def rename(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Copy items with hashed ids, in the order of these, which says nothing.

        Args:
            items: each with ``image``.
        """
        renamed = [{**item, "id": self.hashed(os.path.abspath(item["image"]))[:DIGITS]} for item in items]
        return sorted(renamed, key=lambda item: item["id"])

    def note(self, images: Mapping[str, str], reasons: Mapping[str, str]) -> None:
        """Write the table of ids; the rows of earlier runs stay.

        Args:
            images: id -> photograph.
            reasons: id -> why it was refused or failed; those that are missing have none.
        """
        path = self.folder / "links.csv"
        rows = {name: (os.path.abspath(image), reasons.get(name, "")) for name, image in images.items()}
        if path.exists():
            earlier = pd.read_csv(path, dtype=str, keep_default_na=False)
            columns = (earlier["id"], earlier["image"], earlier["reason"])
            rows = {name: (image, reason) for name, image, reason in zip(*columns, strict=True)} | rows
        table = pd.DataFrame([(name, *rows[name]) for name in sorted(rows)], columns=["id", "image", "reason"])
        _write_private(path, table.to_csv(index=False))


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


def _write_private(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    path.chmod(0o600)
