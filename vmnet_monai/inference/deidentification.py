"""De-identified results: hashed ids in place of file names, in a folder that holds no results with names."""

from __future__ import annotations

import hashlib
import hmac
import importlib.metadata
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from vmnet_monai.errors import unwritten
from vmnet_monai.inference.record_folder import RecordFolder
from vmnet_monai.io.files import whole_file
from vmnet_monai.io.remote import is_remote
from vmnet_monai.io.tables import read_table, table_text

__all__ = ["PRIVATE_REASON", "Pseudonyms", "check_private_folder", "mark_output_folder", "private_folder"]

DIGITS = 16
"""Hexadecimal digits of a hashed id: of a million ids of 64 bits, two are equal with probability 3e-8."""

KEY_BYTES = 32
"""Bytes of the secret key: the length of an HMAC-SHA-256 key that RFC 2104 recommends, the hash's own."""

PRIVATE_REASON = "The reason is in links.csv of the private folder beside the results, because it may name the file."
"""What results say in place of a reason, which may quote the name of a file."""

KEY_NAME, LINKS_NAME = "key", "links.csv"
"""Files in the private folder."""

MARKER = ".vmnet.json"
"""File in an output folder that says whether its results are de-identified."""


class _Marker(BaseModel):
    model_config = ConfigDict(strict=True)

    deidentify: bool
    version: str
    """Of the package that wrote it."""


def private_folder(output_dir: str | Path) -> Path:
    """Return the folder beside an output folder that holds what leads from hashed ids back to the images."""
    output = Path(os.path.abspath(output_dir))
    return output.with_name(f"{output.name}-private")


def check_private_folder(output_dir: str | Path) -> None:
    """Refuse a private folder that is a symbolic link or holds one, or is a file.

    Args:
        output_dir: folder of the predictions.

    Raises:
        NotADirectoryError: if it is a file.
        ValueError: naming the link.
    """
    folder = private_folder(output_dir)
    for path in (folder, folder / KEY_NAME, folder / LINKS_NAME):
        if path.is_symlink():
            raise ValueError(
                f"what leads back to the names must lie beside the output folder itself, and {path} is a symbolic "
                "link: remove the link, or choose another output folder."
            )
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(
            f"what leads back to the names needs a folder, and {folder} is a file: move it, or choose another output "
            "folder."
        )


def mark_output_folder(output_dir: Path, deidentify: bool) -> None:
    """Write into an output folder whether its results are de-identified, before any of them is written.

    A folder that holds anything but hidden files and has no marker counts as one of results with names, unless its
    records say otherwise: version 0.5 wrote no marker.

    Args:
        output_dir: folder of the predictions, to which no other run is writing.
        deidentify: whether the results of this run are de-identified.

    Raises:
        OSError: if the marker cannot be written.
        ValueError: if the folder holds results of the other kind, or its marker is damaged.
    """
    path = output_dir / MARKER
    has_results = any(not file.name.startswith(".") for file in output_dir.iterdir())
    if has_results and _is_deidentified(output_dir) != deidentify:
        raise ValueError(
            f"{output_dir} holds results {'with' if deidentify else 'without'} names, which must not lie beside "
            f"{'de-identified ones' if deidentify else 'others'}: choose another output folder."
        )
    marker = _Marker(deidentify=deidentify, version=importlib.metadata.version("vmnet_monai"))
    with whole_file(path) as temporary:
        temporary.write_text(marker.model_dump_json() + "\n", encoding="utf-8")


def _is_deidentified(output_dir: Path) -> bool:
    marker = output_dir / MARKER
    if not marker.exists():
        return any(record.made_from.get("deidentify") for record in RecordFolder(output_dir))
    try:
        return _Marker.model_validate_json(marker.read_bytes()).deidentify
    except ValueError:
        raise ValueError(
            f"{marker} must say whether the results are de-identified, and it is damaged: choose another output folder."
        ) from None


class Pseudonyms:
    """Gives images hashed ids, and keeps what leads back to them in a folder of its own.

    An id is the beginning of the HMAC-SHA-256 (RFC 2104) of the image's absolute path under a secret key: without the
    key nobody can find the path by trying out names, and with it the next run gives the same ids. The key, in the file
    ``key``, and the table of ids, images and reasons, ``links.csv``, are kept in :func:`private_folder`, readable by
    its owner only. Without that folder nothing leads from the results back to the names.

    Args:
        output_dir: folder of the predictions.

    Raises:
        OSError: if the key cannot be read or written.
        ValueError: if the key is damaged.
    """

    def __init__(self, output_dir: str | Path) -> None:
        self.folder = private_folder(output_dir)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise unwritten(self.folder, error) from error
        self.key = _key(self.folder / KEY_NAME)

    def hashed(self, text: str) -> str:
        """Return the HMAC-SHA-256 of a text, 64 hexadecimal digits."""
        return hmac.new(self.key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()

    def patient(self, name: str) -> str:
        """Return the pseudonym of a patient: the same in all runs with the same key, and never an image's id."""
        return self.hashed(f"patient {name}")[:DIGITS]

    def rename(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Copy items with hashed ids, sorted by these, so that the order of the names is lost too.

        Args:
            items: each with ``image``.
        """
        renamed = [{**item, "id": self.hashed(_absolute(item["image"]))[:DIGITS]} for item in items]
        return sorted(renamed, key=lambda item: item["id"])

    def write_links(self, images: Mapping[str, str], reasons: Mapping[str, str]) -> None:
        """Write ``links.csv``, the table of ids, images and reasons; the rows of earlier runs stay.

        Args:
            images: id -> image.
            reasons: id -> why it was refused or failed; those that are missing have none.
        """
        path = self.folder / LINKS_NAME
        rows = {name: (_absolute(image), reasons.get(name, "")) for name, image in images.items()}
        if path.exists():
            try:
                earlier = read_table(path, required=("id", "image", "reason")).rows
            except ValueError as error:
                raise ValueError(
                    f"{path} must be a table with the columns id, image and reason, and is damaged ({error}): restore "
                    "it, or move it away, and it lists the photographs of the later runs."
                ) from error
            columns = (earlier["id"], earlier["image"], earlier["reason"])
            rows = {name: (image, reason) for name, image, reason in zip(*columns, strict=True)} | rows
        table = pd.DataFrame([(name, *rows[name]) for name in sorted(rows)], columns=["id", "image", "reason"])
        _write_private(path, table_text(table))


def _absolute(image: str) -> str:
    return image if is_remote(image) else os.path.abspath(image)


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
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    path.chmod(0o600)
