"""Files in a bucket are found, told apart when they change, and copied within limits; in fsspec's bucket in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import known_implementations

from vmnet_monai.errors import UnreadableImageError
from vmnet_monai.io.remote import check_address, fetched, file_states, is_folder, is_remote, list_files


@pytest.fixture
def bucket() -> Iterator[str]:
    """The address of an empty bucket."""
    yield "memory://remote"
    fsspec.filesystem("memory").store.clear()


def put(address: str, content: bytes) -> str:
    fsspec.filesystem("memory").pipe_file(address, content)
    return address


def test_addresses_are_told_from_paths() -> None:
    assert all(map(is_remote, ["s3://bucket/1.jpg", "gs://b", "memory://x"]))
    assert not any(map(is_remote, ["1.jpg", "/s3/1.jpg", "s3:/1.jpg", "C:\\1.jpg", "", Path("s3:") / "1.jpg"]))


def test_a_folder_is_listed_with_states_that_change_with_the_file(bucket: str) -> None:
    for name in ("b/2.jpg", "a.jpg", "b/10.jpg"):
        put(f"{bucket}/{name}", name.encode())
    states = list_files(f"{bucket}/")
    assert list(states) == ["a.jpg", "b/10.jpg", "b/2.jpg"]
    assert states["b/2.jpg"][:2] == [f"{bucket}/b/2.jpg", 7]
    assert file_states([f"{bucket}/a.jpg", f"{bucket}/gone.jpg"]) == [states["a.jpg"], [f"{bucket}/gone.jpg"]]
    put(f"{bucket}/a.jpg", b"A.jpg")
    assert list_files(bucket)["a.jpg"] != states["a.jpg"]
    assert (is_folder(f"{bucket}/b"), is_folder(f"{bucket}/a.jpg"), list_files(f"{bucket}/none")) == (True, False, {})


def test_a_copy_keeps_the_suffix_and_is_removed(bucket: str) -> None:
    with fetched(put(f"{bucket}/1.JPG", b"pixels")) as copy:
        assert (copy.read_bytes(), copy.suffix) == (b"pixels", ".JPG")
    assert not copy.parent.exists()


def test_a_file_that_is_too_large_is_not_copied(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.copyfileobj", lambda *_: pytest.fail("the file was copied"))
    with pytest.raises(UnreadableImageError, match=r"1\.jpg: .* at most 5 bytes, got 6: divide it"):  # noqa: SIM117
        with fetched(put(f"{bucket}/1.jpg", b"pixels"), max_bytes=5):
            pass


def test_a_missing_file_is_the_inputs_fault_and_a_broken_line_is_not(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with (
        pytest.raises(UnreadableImageError, match=r"gone\.jpg: the file does not exist"),
        fetched(f"{bucket}/gone.jpg"),
    ):
        pass

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("Unable to locate credentials")  # the packages of object stores have classes of their own

    for name in ("open", "info", "find"):
        monkeypatch.setattr(MemoryFileSystem, name, broken)
    for ask in (list_files, lambda address: file_states([address]), lambda address: fetched(address).__enter__()):
        with pytest.raises(OSError, match=r"remote.* cannot be reached \(Unable to locate credentials\): check"):
            ask(bucket)
    assert not list(tmp_path.iterdir())


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(known_implementations, "s3", {"class": "nos3.S3", "err": "Install s3fs to"})
    with pytest.raises(ImportError, match=r"s3:// needs a package that is not installed \(Install s3fs"):
        check_address("s3://archive/1.jpg")
    for address in ("nowhere://a/1.jpg", "memory://a::memory://b"):
        with pytest.raises(ValueError, match="a protocol that fsspec knows"):
            check_address(address)
