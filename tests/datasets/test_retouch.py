"""RETOUCH in its official layout."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from layouts import write_retouch, write_volume

from vmnet_monai.datasets import DatasetError, DatasetWarning, load_datalists, read_datasets
from vmnet_monai.datasets.retouch import read
from vmnet_monai.io.images import FundusImageReader, read_image, to_mask

FLUIDS = ["intraretinal_fluid", "subretinal_fluid", "pigment_epithelial_detachment"]
CIRRUS = "RETOUCH-TrainingSet-Cirrus"


def test_each_slice_is_an_item_and_each_volume_a_patient(tmp_path: Path) -> None:
    items = read(write_retouch(tmp_path), [])
    assert [(item["id"], item["patient"], item["dataset"]) for item in items] == [
        (f"retouch_{vendor}_{volume}_{index:03d}", f"retouch_{vendor}_{volume}", f"retouch_{vendor}")
        for vendor, volume in (("cirrus", "TRAIN001"), ("spectralis", "TRAIN025"), ("topcon", "TRAIN049"))
        for index in range(3)
    ]
    folder = tmp_path / CIRRUS / "TRAIN001"
    assert {key: items[1][key] for key in ("image", "irf", "srf", "ped")} == {
        "image": f"{folder / 'oct.mhd'}?slice=1",
        "irf": f"{folder / 'reference.mhd'}?slice=1&label=1",
        "srf": f"{folder / 'reference.mhd'}?slice=1&label=2",
        "ped": f"{folder / 'reference.mhd'}?slice=1&label=3",
    }
    assert {"vessel", "fov", "split"}.isdisjoint(items[1])


def test_fluid_is_present_in_the_slices_that_show_it(tmp_path: Path) -> None:
    items = read(write_retouch(tmp_path), FLUIDS)
    assert [item["disease"] for item in items[:3]] == [[0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]


def test_slice_without_fluid_is_not_called_normal(tmp_path: Path) -> None:
    dry, wet, _ = read(write_retouch(tmp_path), ["normal"])[:3]
    assert math.isnan(dry["disease"][0])
    assert wet["disease"] == [0.0]


def test_addresses_lead_to_the_pixels(tmp_path: Path) -> None:
    """Spectralis: 200 of 65535 has no upper eight bits. The written slice 1 has IRF at row 2, column 3."""
    cirrus, spectralis = (read(write_retouch(tmp_path), [])[index] for index in (1, 4))
    assert read_image(cirrus["image"]).tolist() == [[[200] * 3] * 6] * 5
    assert not read_image(spectralis["image"]).any()
    reader = FundusImageReader(to_mask)
    for item in (cirrus, spectralis):
        shown = {key: np.argwhere(np.asarray(reader.read(item[key]))).tolist() for key in ("irf", "srf", "ped")}
        assert shown == {"irf": [[2, 3]], "srf": [], "ped": [[4, 0]]}


def test_folders_may_lie_within_those_of_the_archives(tmp_path: Path) -> None:
    for vendor in ("Cirrus", "Spectralis", "Topcon"):
        write_retouch(tmp_path / f"Training{vendor}", {vendor: 1})
    assert len(read(tmp_path, [])) == 9


def test_volumes_are_drawn_whole_and_for_each_maker_on_its_own(tmp_path: Path) -> None:
    """Of 5 volumes 1 validates and 1 tests, of 3 likewise, whatever the other makers have."""
    write_retouch(tmp_path, {"Cirrus": 5, "Spectralis": 3, "Topcon": 3})
    datalists = load_datalists("retouch", tmp_path, FLUIDS)
    volumes = {part: Counter(item["patient"] for item in own) for part, own in datalists.items()}
    assert all(count == 3 for own in volumes.values() for count in own.values()), "all slices of a volume"
    makers = {part: Counter(patient.split("_")[1] for patient in own) for part, own in volumes.items()}
    assert makers == {
        "train": {"cirrus": 3, "spectralis": 1, "topcon": 1},
        "val": {"cirrus": 1, "spectralis": 1, "topcon": 1},
        "test": {"cirrus": 1, "spectralis": 1, "topcon": 1},
    }


def test_test_volumes_count_only_with_reference_and_then_as_the_test_part(tmp_path: Path) -> None:
    write_retouch(tmp_path)
    write_retouch(tmp_path, {"Cirrus": 2, "Topcon": 1}, part="TestSet")
    for folder in ("RETOUCH-TestSet-Cirrus/TEST002", "RETOUCH-TestSet-Topcon/TEST049"):
        (tmp_path / folder / "reference.mhd").unlink()
    assert {item["patient"]: item.get("split") for item in read(tmp_path, [])} == {
        "retouch_cirrus_TRAIN001": "train",
        "retouch_cirrus_TEST001": "test",
        "retouch_spectralis_TRAIN025": None,
        "retouch_topcon_TRAIN049": None,
    }


def test_same_volume_in_two_folders_is_one_patient(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_retouch(tmp_path / name)
    items = read_datasets(["retouch", "retouch"], [tmp_path / "one", tmp_path / "two"], [])
    assert [items[index]["id"] for index in (0, 9)] == ["one_cirrus_TRAIN001_000", "two_cirrus_TRAIN001_000"]
    assert items[0]["patient"] == items[9]["patient"] == "retouch_cirrus_TRAIN001"


def test_missing_makers_and_volumes_without_reference_are_counted(tmp_path: Path) -> None:
    write_retouch(tmp_path, {"Cirrus": 2})
    (tmp_path / CIRRUS / "TRAIN002/reference.mhd").unlink()
    with pytest.warns(DatasetWarning) as caught:
        assert len(read(tmp_path, [])) == 3
    messages = [str(entry.message) for entry in caught]
    assert messages[0] == "2 RETOUCH folders missing: RETOUCH-TrainingSet-Spectralis, RETOUCH-TrainingSet-Topcon."
    assert messages[1].startswith("1 RETOUCH training volumes without reference left out: ")
    assert messages[1].endswith("TRAIN002.")


def test_folder_without_any_volume_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=rf"no .*{CIRRUS}/TRAIN001"):
        read(write_retouch(tmp_path) / CIRRUS, [])


@pytest.mark.parametrize("name", ["oct.mhd", "oct.raw", "reference.raw"])
def test_missing_file_of_a_volume_is_refused(tmp_path: Path, name: str) -> None:
    (write_retouch(tmp_path) / CIRRUS / "TRAIN001" / name).unlink()
    with pytest.raises(DatasetError, match=rf"TRAIN001.*{name}.*download"):
        read(tmp_path, [])


@pytest.mark.parametrize("name", ["oct.mhd", "reference.raw"])
def test_damaged_file_of_a_volume_is_refused(tmp_path: Path, name: str) -> None:
    (write_retouch(tmp_path) / CIRRUS / "TRAIN001" / name).write_text("short")
    with pytest.raises(DatasetError, match=r"TRAIN001/\w+\.mhd"):
        read(tmp_path, [])


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (np.zeros((3, 6, 5), dtype=np.uint8), r"\(3, 6, 5\).*oct\.mhd.*\(3, 5, 6\)"),
        (np.full((3, 5, 6), 4, dtype=np.uint8), "4 to 4.*0 to 3"),
        (np.full((3, 5, 6), -1, dtype=np.int16), "-1 to -1"),
    ],
)
def test_reference_of_another_size_or_with_other_labels_is_refused(
    tmp_path: Path, reference: np.ndarray, message: str
) -> None:
    folder = write_retouch(tmp_path) / CIRRUS / "TRAIN001"
    shutil.rmtree(folder)
    write_volume(folder / "oct.mhd", np.zeros((3, 5, 6), dtype=np.uint8))
    write_volume(folder / "reference.mhd", reference)
    with pytest.raises(DatasetError, match=rf"reference\.mhd.*{message}"):
        read(tmp_path, [])
