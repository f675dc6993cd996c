"""A folder of photographs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from layouts import write_image

from vmnet_monai.datasets import DatasetError
from vmnet_monai.datasets.folder import read


def test_every_picture_is_found_sorted_with_distinct_ids(tmp_path: Path) -> None:
    for name in ("b/1.png", "a/1.png", "a/1.tif", "0.JPG"):
        write_image(tmp_path / name)
    (tmp_path / "readme.txt").touch()
    items = read(tmp_path, ["amd"])
    assert [Path(item["image"]).relative_to(tmp_path).as_posix() for item in items] == [
        "0.JPG",
        "a/1.png",
        "a/1.tif",
        "b/1.png",
    ]
    assert (items[0]["id"], items[3]["id"]) == ("0", "b-1")
    assert len({item["id"] for item in items}) == 4
    assert all(math.isnan(item["disease"][0]) for item in items)


def test_folder_without_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no image, in subfolders neither"):
        read(tmp_path, [])
