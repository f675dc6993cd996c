"""Finds and identifies the weights in a folder: ``model.pt``, or the TorchScript file ``model.ts``."""

from __future__ import annotations

import zipfile
from pathlib import Path

from vmnet_monai.io.files import file_sha256

__all__ = [
    "OPERATING_POINT_NAME",
    "TORCHSCRIPT_NAME",
    "WEIGHTS_NAME",
    "WEIGHTS_SHA256",
    "torchscript_extra",
    "weights_path",
    "weights_sha256",
]

WEIGHTS_NAME = "model.pt"
"""Name of the weights."""

OPERATING_POINT_NAME = "operating_point.json"
"""Name of the operating point, which lies beside the weights."""

TORCHSCRIPT_NAME = "model.ts"
"""Name of the network as TorchScript, which holds the weights as well."""

WEIGHTS_SHA256 = "weights_sha256"
"""Name under which every exported file keeps the SHA-256 of the ``model.pt`` that it was made from."""


def torchscript_extra(path: str | Path, name: str) -> bytes:
    """Read an extra file of a TorchScript file, without loading the network.

    Args:
        path: the TorchScript file.
        name: name of the extra, such as ``"inference.json"``.

    Raises:
        ValueError: if the file is no TorchScript file, or lacks the extra; the message says how to write one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():  # <name of the archive>/extra/<name of the extra>
                if member.partition("/")[2] == f"extra/{name}":
                    return archive.read(member)
    except zipfile.BadZipFile:
        pass
    raise ValueError(
        f"{path} is no TorchScript file of `vmnet export`, it lacks {name}: write one with "
        "`vmnet export --runtimes torchscript`."
    )


def weights_sha256(folder: str | Path) -> str:
    """Return the SHA-256 of the weights in a folder: of ``model.pt``, or else the one that ``model.ts`` names.

    Args:
        folder: the folder of the weights.

    Raises:
        FileNotFoundError: if it has neither.
        ValueError: if it has only a ``model.ts`` that does not say which weights it holds.
    """
    path = weights_path(folder)
    if path.name == TORCHSCRIPT_NAME:
        return torchscript_extra(path, WEIGHTS_SHA256).decode()
    return file_sha256(path)


def weights_path(folder: str | Path) -> Path:
    """Return the path of ``model.pt`` in a folder, or that of ``model.ts`` where only this exists."""
    weights, torchscript = Path(folder) / WEIGHTS_NAME, Path(folder) / TORCHSCRIPT_NAME
    return torchscript if torchscript.is_file() and not weights.is_file() else weights
