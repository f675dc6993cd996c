"""AVRDB: arteries and veins out of one label picture, and a split by number."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from layouts import write_avrdb, write_image

from vmnet_monai.datasets import DatasetError, load_datalists
from vmnet_monai.datasets.avrdb import read
from vmnet_monai.io.images import open_image, read_image, to_mask

SHARED = Path(__file__).parents[2] / "../shared/data/AVRDB"


def test_crossings_are_artery_and_vein(tmp_path: Path) -> None:
    item = read(write_avrdb(tmp_path), [])[0]
    shown = {key: np.argwhere(np.asarray(open_image(item[key], to_mask))).tolist() for key in ("artery", "vein")}
    assert shown == {"artery": [[0, 0], [0, 2]], "vein": [[0, 1], [0, 2]]}
    assert "vessel" not in item


def test_photographs_are_divided_by_number(tmp_path: Path) -> None:
    items = read(write_avrdb(tmp_path), [])
    assert [item["split"] for item in items] == ["train"] * 70 + ["val"] * 10 + ["test"] * 20


def test_neighbours_in_number_are_one_patient_in_the_part_of_the_first(tmp_path: Path) -> None:
    numbers = [*range(0, 600, 100), 699, 700, 703, 707]
    items = {item["id"]: (item["patient"], item["split"]) for item in read(write_avrdb(tmp_path, numbers), [])}
    assert items["avrdb_IM000500"] == ("avrdb_IM000500", "train")
    for name in ("699", "700", "703"):  # the 7th, 8th and 9th of ten photographs
        assert items[f"avrdb_IM000{name}"] == ("avrdb_IM000699", "train")
    assert items["avrdb_IM000707"] == ("avrdb_IM000707", "test")


def test_missing_label_picture_and_unknown_name_are_refused(tmp_path: Path) -> None:
    write_avrdb(tmp_path)
    (tmp_path / "av/IM000010.png").unlink()
    with pytest.raises(DatasetError, match=r"IM000010.jpg has no mask .*av/IM000010"):
        read(tmp_path, [])
    write_image(tmp_path / "images/eye.jpg")
    with pytest.raises(DatasetError, match=r"eye\.jpg must be named by a number"):
        read(tmp_path, [])


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real AVRDB is not beside the repository")
def test_real_avrdb_is_complete() -> None:
    datalists = load_datalists("avrdb", SHARED, [], structures=["artery", "vein"])
    assert {part: len(own) for part, own in datalists.items()} == {"train": 70, "val": 10, "test": 20}
    patients = Counter(item["patient"] for own in datalists.values() for item in own)
    assert len(patients) == 61
    assert patients["avrdb_IM001031"] == 3
    # The pixels of two of the four colours each, counted in the file.
    item = datalists["train"][0]
    colours = [tuple(colour) for colour in read_image(item["artery"].partition("?")[0]).reshape(-1, 3).tolist()]
    count = Counter(colours)
    for key, colour in (("artery", (255, 0, 0)), ("vein", (0, 0, 255))):
        drawn = np.count_nonzero(np.asarray(open_image(item[key])))
        assert drawn == count[colour] + count[0, 255, 0] > 10_000
