"""Files of weights: which one counts, its hash, and what a TorchScript file holds."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from vmnet_monai.io.weights import TORCHSCRIPT_NAME, WEIGHTS_NAME, WEIGHTS_SHA256, torchscript_extra, weights_sha256


def torchscript(folder: Path, **extras: str) -> Path:
    path = folder / TORCHSCRIPT_NAME
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in extras.items():
            archive.writestr(f"model/extra/{name}", content)
    return path


def test_hash_is_that_of_the_weights_file(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS_NAME).write_bytes(b"weights")
    torchscript(tmp_path, **{WEIGHTS_SHA256: "another"})
    assert weights_sha256(tmp_path) == hashlib.sha256(b"weights").hexdigest()


def test_without_weights_the_torchscript_file_says_whose_it_is(tmp_path: Path) -> None:
    torchscript(tmp_path, **{WEIGHTS_SHA256: "abc"})
    assert weights_sha256(tmp_path) == "abc"


def test_extra_is_read_whatever_the_archive_is_called(tmp_path: Path) -> None:
    assert torchscript_extra(torchscript(tmp_path, **{"inference.json": "{}"}), "inference.json") == b"{}"


@pytest.mark.parametrize("is_archive", [True, False])
def test_a_file_of_another_origin_is_refused_with_the_command_that_makes_one(is_archive: bool, tmp_path: Path) -> None:
    path = torchscript(tmp_path) if is_archive else tmp_path / "other.ts"
    if not is_archive:
        path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"lacks inference\.json.*vmnet export"):
        torchscript_extra(path, "inference.json")


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=WEIGHTS_NAME):
        weights_sha256(tmp_path)
