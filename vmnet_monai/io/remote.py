"""Files in a bucket, such as ``s3://archive/2024/0001.jpg``, which fsspec reads."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from vmnet_monai.errors import UnreadableImageError
from vmnet_monai.io.budget import MAX_FILE_BYTES

__all__ = ["State", "check_address", "fetched", "file_states", "is_folder", "is_remote", "list_files"]

State = list[int | str]
"""Address, bytes and what tells a later version of the file; the address alone where there is no file."""

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)

_VERSIONS = ("ETag", "etag", "mtime", "last_modified", "created")
"""What file systems call the tag of a version, or the time of change; the first that there is."""

_AT_ONCE = 32
"""Requests for the states of files that are under way at once: each takes tens of milliseconds, nearly all waiting."""


def is_remote(name: str | os.PathLike[str]) -> bool:
    """Tell whether a name is the address of a file in a bucket.

    Example:
        >>> is_remote("s3://archive/1.jpg"), is_remote("archive/1.jpg")
        (True, False)
    """
    return _ADDRESS.match(os.fspath(name)) is not None


def check_address(address: str) -> None:
    """Refuse an address that cannot be read here, without asking whether there is such a file.

    Raises:
        ImportError: if the package that reads it is not installed.
        ValueError: if there is none.
    """
    _opened(address)


def _opened(address: str) -> tuple[Any, str]:
    """fsspec's file system of an address, and the path within."""
    import fsspec  # here, because few have a bucket

    protocol = address.partition("://")[0].lower()
    if "::" in address or protocol not in fsspec.available_protocols():
        raise ValueError(
            f"an address must begin with a protocol that fsspec knows, such as s3://, gs:// or abfs://, and hold no "
            f"'::', got {address}: correct it."
        )
    try:
        system, path = fsspec.url_to_fs(address)
        return system, path
    except ImportError as error:
        raise ImportError(
            f"{protocol}:// needs a package that is not installed ({error}): install it with pip."
        ) from error


def is_folder(address: str) -> bool:
    """Tell whether there are files below an address.

    Raises:
        OSError: if that cannot be found out.
    """
    system, path = _opened(address)
    with _plain_errors(address):
        return bool(system.isdir(path))


def list_files(folder: str) -> dict[str, State]:
    """Find all files below a folder; an object store tells a thousand in one request.

    Returns:
        Path below the folder -> state, in the order of the paths.

    Raises:
        OSError: if the folder cannot be listed.
    """
    system, root = _opened(folder)
    with _plain_errors(folder):
        system.invalidate_cache()  # the files may have changed since
        found = system.find(root, detail=True)
    states = {}
    for path in sorted(found, key=lambda path: path.split("/")):
        inside = path.removeprefix(root).lstrip("/")
        states[inside] = _state(f"{folder.rstrip('/')}/{inside}", found[path])
    return states


def file_states(addresses: Sequence[str]) -> list[State]:
    """Ask for the states of files, each in a request of its own.

    Raises:
        OSError: if one cannot be found out, as where the access is denied.
    """

    def state(place: tuple[str, tuple[Any, str]]) -> State:
        address, (system, path) = place
        with _plain_errors(address):
            try:
                return _state(address, system.info(path))
            except FileNotFoundError:
                return [address]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        # Opened here: the file systems are kept for each thread that opens them.
        return list(pool.map(state, zip(addresses, map(_opened, addresses), strict=True)))


@contextmanager
def fetched(address: str, max_bytes: int = MAX_FILE_BYTES) -> Iterator[Path]:
    """Copy a file into a temporary folder, which is removed again.

    Args:
        address: of the file.
        max_bytes: most that it may have; told by the file system before anything is copied.

    Yields:
        The copy; its suffix is the file's.

    Raises:
        OSError: if it cannot be fetched.
        UnreadableImageError: if it does not exist, or has too many bytes.
    """
    system, path = _opened(address)
    with tempfile.TemporaryDirectory(prefix="vmnet-") as folder:
        copy = Path(folder, "file").with_suffix(os.path.splitext(address)[1])
        with _plain_errors(address):
            try:
                with system.open(path, "rb") as file, copy.open("wb") as local:
                    size = getattr(file, "size", None)
                    if size is None or size > max_bytes:
                        raise UnreadableImageError(
                            f"{address}: a file in a bucket must have a known size, of at most {max_bytes:,} bytes, "
                            f"got {size}: divide it."
                        )
                    shutil.copyfileobj(file, local)
            except FileNotFoundError as error:
                raise UnreadableImageError(f"{address}: the file does not exist: correct the address.") from error
        yield copy


@contextmanager
def _plain_errors(address: str) -> Iterator[None]:
    """Raise whatever the packages of object stores raise, which have classes of their own, as OSError."""
    try:
        yield
    except (FileNotFoundError, UnreadableImageError):
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise OSError(
            f"{address} cannot be reached ({reason}): check address, access and network, and run the same command "
            "again."
        ) from error


def _state(address: str, info: dict[str, Any]) -> State:
    version = next((info[key] for key in _VERSIONS if info.get(key)), "")
    if isinstance(version, datetime):  # some say the time as a number where they list, and as a date elsewhere
        version = version.timestamp()
    return [address, int(info["size"] or 0), str(version).strip('"')]
