"""Writes files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vmnet_monai.errors import unwritten
from vmnet_monai.io.png import png_parts

__all__ = ["file_sha256", "remove_partial_files", "whole_file", "write_png"]

PARTIAL_PREFIX = ".vmnet-partial-"
"""Prefix of the name of every file that is still being written."""


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to, which takes the final name when the block ends without an error.

    A reader of the final name sees the earlier file or the new one, never half of one. The folder is made if needed;
    the temporary file keeps the suffix, which some writers look at, and is removed on an error.

    Args:
        path: the final name.

    Raises:
        IsADirectoryError: if a folder has that name; what is in it is not removed.
        OSError: if the file cannot be written, as on a full disk; see :func:`~vmnet_monai.errors.unwritten`.
    """
    final = Path(path)
    if final.is_dir():
        raise IsADirectoryError(
            f"{final} must be a file, and a folder has that name: move it away, and run the same command again."
        )
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        # Without the final stem: names may already be as long as a file system allows.
        handle, name = tempfile.mkstemp(prefix=PARTIAL_PREFIX, suffix=final.suffix, dir=final.parent)
    except OSError as error:
        raise unwritten(final, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(final)
    except OSError as error:
        is_of_another = error.filename is not None and name not in (str(error.filename), str(error.filename2))
        if error.errno is None or is_of_another:
            raise
        raise unwritten(final, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def remove_partial_files(folder: str | os.PathLike[str]) -> None:
    """Remove the unfinished files that a killed prediction left in its output folder.

    Args:
        folder: an output folder to which no other process is writing; of its subfolders only those are searched to
            which a prediction writes.
    """
    for depth in ("", "*/", "report/pictures/*/", "dicom/*/", "results/*/"):
        for path in Path(folder).glob(f"{depth}{PARTIAL_PREFIX}*"):
            if path.is_file():
                path.unlink(missing_ok=True)


def write_png(
    path: str | os.PathLike[str], pixels: NDArray[np.uint8 | np.uint16], palette: NDArray[np.uint8] | None = None
) -> None:
    """Write a PNG, whole or not at all.

    Args:
        path: the final name.
        pixels: see :func:`vmnet_monai.io.png.png_parts`.
        palette: likewise.
    """
    with whole_file(path) as temporary, temporary.open("wb") as file:
        file.writelines(png_parts(pixels, palette))


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits.

    Raises:
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
