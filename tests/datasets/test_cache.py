"""The cache of a training: what is damaged is made anew, no code in it is run, and a full disk stops nothing."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.data import DataLoader
from monai.transforms import Compose, Lambda

from vmnet_monai.datasets.cache import DiskCachedDataset
from vmnet_monai.errors import ImageError, error_line


def prepare(item: dict[str, Any]) -> dict[str, Any]:
    if item["id"] == "cat":
        raise ImageError("cat.png: it is a cat. Leave it out.")
    return {"id": item["id"], "image": torch.full((2, 2), float(len(item["id"])))}


def dataset(folder: Path, *names: str) -> DiskCachedDataset:
    return DiskCachedDataset([{"id": name} for name in names], Compose([Lambda(prepare)]), cache_dir=folder)


class Evil:
    """Runs when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("evil",)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE: dict[str, Any] = {
    "empty": lambda path: path.write_bytes(b""),
    "half": half,
    "code": lambda path: path.write_bytes(pickle.dumps(Evil())),
    "code in an archive": lambda path: torch.save(Evil(), path),
    "text": lambda path: path.write_text("photograph"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_or_foreign_file_is_made_anew(damage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = dataset(tmp_path / "cache", "ab")[0]
    (path,) = (tmp_path / "cache").iterdir()
    damage(path)
    assert torch.equal(dataset(tmp_path / "cache", "ab")[0]["image"], first["image"])
    assert torch.load(path, weights_only=True)["id"] == "ab"
    assert not (tmp_path / "evil").exists()


def test_a_full_disk_is_told_once_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("vmnet_monai.datasets.cache.whole_file", full)
    photographs = dataset(tmp_path, "a", "b")
    assert [photographs[i]["id"] for i in (0, 1, 0)] == ["a", "b", "a"]
    (record,) = caplog.records
    assert "cannot be written" in record.getMessage()
    assert "cache_dir" in record.getMessage()


def test_an_error_is_told_without_wrappers_also_out_of_a_process(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        dataset(tmp_path, "cat")[0]
    assert str(caught.value) == "cat.png: it is a cat. Leave it out."
    with pytest.raises(ImageError) as caught:
        list(DataLoader(dataset(tmp_path, "cat"), num_workers=1))
    assert error_line(caught.value) == "error: cat.png: it is a cat. Leave it out."
