"""The records of an output folder on disk, and the files that they name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from vmnet_monai.io.files import whole_file
from vmnet_monai.reports.record import Record

__all__ = ["RecordFolder", "refuse_links_out"]

FOLDER = "records"
"""Folder of the records inside the output folder."""

_WRITTEN = ("*", "report/*", "report/pictures/*", "dicom/*", "results/*")
"""Where the folders lie to which a prediction writes, and the files at the top."""


class RecordFolder:
    """Reads and writes ``records/<id>.json``, and looks after the files that the records name.

    Files are looked at and removed inside the output folder only: one that a symbolic link leads out of it counts as
    missing and stays.

    Args:
        output_dir: the output folder.
    """

    def __init__(self, output_dir: str | Path) -> None:
        self.output_dir = Path(output_dir)
        self._root = self.output_dir.resolve()

    def __iter__(self) -> Iterator[Record]:
        """Read all records that can be read, in the order of their names."""
        names = sorted(path.stem for path in (self.output_dir / FOLDER).glob("*.json"))
        return (record for record in map(self.read, names) if record is not None)

    def read(self, name: str) -> Record | None:
        """Read the record of an image; None where there is none, or it is damaged or was altered.

        Args:
            name: id of the image.
        """
        if not self._is_own_file(f"{FOLDER}/{name}.json"):
            return None
        try:
            stored = json.loads(self._path(name).read_text(encoding="utf-8"))
            record = Record.model_validate(stored, strict=True)
        except (OSError, ValueError, RecursionError):
            return None
        is_altered = record.sha256 not in ("", record.digest())  # versions before 0.6.0 wrote no digest
        return None if is_altered or record.id != name else record

    def write(self, record: Record) -> None:
        """Write a record, whole or not at all.

        Raises:
            OSError: if it cannot be written.
        """
        stored = record.model_dump() | {"sha256": record.digest()}
        with whole_file(self._path(record.id)) as temporary:
            temporary.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")

    def remove(self, record: Record) -> None:
        """Remove a record, and then its files."""
        self._path(record.id).unlink(missing_ok=True)
        self.remove_files(record.files)

    def has_files(self, record: Record) -> bool:
        """Tell whether all files of a record are there."""
        return all(map(self._is_own_file, record.files))

    def remove_files(self, files: Iterable[str]) -> None:
        """Remove files that a record named, where they are still there.

        Args:
            files: names relative to the output folder.
        """
        for file in filter(self._is_own_file, files):
            (self.output_dir / file).unlink()

    def _path(self, name: str) -> Path:
        return self.output_dir / FOLDER / f"{name}.json"

    def _is_own_file(self, file: str) -> bool:
        path = self.output_dir / file
        return os.path.isfile(path) and path.resolve().is_relative_to(self._root)


def refuse_links_out(output_dir: str | Path) -> None:
    """Refuse an output folder in which a symbolic link would lead what is written, read or removed out of it.

    Args:
        output_dir: the output folder, which itself may be a link. Looked at are the folders to which a prediction
            writes, and the hidden files that it reads.

    Raises:
        ValueError: naming the link.
    """
    folder = Path(output_dir)
    root = folder.resolve()
    linked = (path for depth in _WRITTEN for path in folder.glob(depth) if path.is_symlink())
    for path in linked:
        is_written = path.is_dir() or path.name.startswith(".")
        if is_written and not path.resolve().is_relative_to(root):
            raise ValueError(
                f"nothing outside the output folder may be written, and {path} is a symbolic link that leads out of "
                "it: remove the link, or choose another output folder."
            )
