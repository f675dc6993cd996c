"""Pictures of a validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from feeding import feed, photograph
from PIL import Image

from vmnet_monai.handlers import ValidationImages


def items(folder: Path, *names: str) -> list[dict]:
    folder.mkdir(exist_ok=True)
    result = []
    for name in names:
        path = folder / f"{name}.png"
        Image.fromarray(np.full((2, 3, 3), 50, dtype=np.uint8)).save(path)
        item = photograph(name, vessel=[[0.9, 0.1, 0.5], [0.1, 0.1, 0.1]])
        result.append({**item, "image_path": str(path)})
    return result


def test_the_image_stands_beside_itself_with_what_was_found(tmp_path: Path) -> None:
    feed([items(tmp_path / "in", "a")], ValidationImages(str(tmp_path / "out")))
    drawn = np.asarray(Image.open(tmp_path / "out/a.png"))
    assert drawn.shape == (2, 6, 3)
    changed = (drawn[:, 3:] != drawn[:, :3]).any(axis=2)
    assert changed.tolist() == [[True, False, True], [False, False, False]]


def test_each_validation_draws_the_first_ones_anew(tmp_path: Path) -> None:
    batch = items(tmp_path / "in", "a", "b", "c")
    feed([batch], ValidationImages(str(tmp_path / "out"), count=2), epochs=2)
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == ["a", "b"]


def test_a_network_without_structures_draws_nothing(tmp_path: Path) -> None:
    (item,) = items(tmp_path / "in", "a")
    del item["pred_vessel"]
    feed([[item]], ValidationImages(str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()
    assert torch.is_tensor(item["fov"])
