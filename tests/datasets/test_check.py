"""What a check of datasets counts, and what it finds wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from dicom_files import photograph_dataset, save
from layouts import write_hrf, write_image, write_retouch, write_table, write_volume

from vmnet_monai.datasets.check import _size, check_datasets


def test_counts_and_labels_per_part(tmp_path: Path) -> None:
    report = check_datasets(["hrf"], [write_hrf(tmp_path)], ["glaucoma", "amd"])
    counts = {row["part"]: row for row in report.counts.to_dict("records")}
    assert {part: row["photographs"] for part, row in counts.items()} == {"train": 12, "val": 3, "test": 30}
    assert counts["test"] == {
        "part": "test",
        "dataset": "hrf",
        "photographs": 30,
        "patients": 30,
        "vessel": 30,
        "fov": 30,
        "labels": 30,
        "smallest": "6x5",
        "largest": "6x5",
    }
    # Only the healthy group says that there is no AMD.
    assert [row for row in report.labels.to_dict("records") if row["part"] == "test"] == [
        {"part": "test", "dataset": "hrf", "disease": "glaucoma", "present": 10, "absent": 20, "unknown": 0},
        {"part": "test", "dataset": "hrf", "disease": "amd", "present": 0, "absent": 10, "unknown": 20},
    ]
    assert report.errors == []
    assert [message for message in report.warnings if "part" not in message] == []


def test_slices_are_counted_and_measured(tmp_path: Path) -> None:
    report = check_datasets(["retouch"], [write_retouch(tmp_path)], ["subretinal_fluid"])
    first = report.counts.to_dict("records")[0]
    assert [first[key] for key in ("dataset", "photographs", "patients", "irf", "srf", "ped", "fov")] == [
        "retouch_cirrus",
        *(3, 1, 3, 3, 3, 0),
    ]
    assert (first["smallest"], first["largest"]) == ("6x5", "6x5")
    assert report.labels.to_dict("records")[0]["present"] == 1
    assert report.errors == []
    assert [message for message in report.warnings if "part" not in message] == []


def test_slice_of_another_size_than_its_mask_is_an_error(tmp_path: Path) -> None:
    write_volume(tmp_path / "v.mhd", np.zeros((1, 4, 6), dtype=np.uint8))
    write_volume(tmp_path / "m.mhd", np.zeros((1, 5, 6), dtype=np.uint8))
    errors: list[str] = []
    assert _size({"image": f"{tmp_path}/v.mhd?slice=0", "irf": f"{tmp_path}/m.mhd?slice=0&label=1"}, errors) == (6, 4)
    assert len(errors) == 1
    assert "label=1 is 6x5 and" in errors[0]


def test_mask_of_another_size_and_broken_picture_are_errors(tmp_path: Path) -> None:
    write_image(tmp_path / "small.png", size_px=(3, 3))
    (tmp_path / "b.png").write_text("no picture")
    path = write_table(tmp_path, ["image,vessel", "a.png,small.png", "b.png,"], images=["a.png"])
    errors = sorted(check_datasets(["table"], [path], []).errors)
    assert len(errors) == 2
    assert "small.png is 3x3 and" in errors[0]
    assert "b.png cannot be opened" in errors[1]


def test_dicom_photographs_and_their_frames_are_measured(tmp_path: Path) -> None:
    pixels = np.zeros((2, 5, 7, 3), dtype=np.uint8)
    save(photograph_dataset(pixels[0]), tmp_path / "a.dcm")
    save(photograph_dataset(pixels[:, :4]), tmp_path / "IM0001")
    path = write_table(tmp_path, ["image,glaucoma", "a.dcm,1", "IM0001?slice=1,0"])
    report = check_datasets(["table"], [path], ["glaucoma"])
    assert report.errors == []
    assert [message for message in report.warnings if "part" not in message] == []
    assert set(report.counts["smallest"]) | set(report.counts["largest"]) == {"7x4", "7x5"}


def test_dicom_object_that_cannot_be_read_is_an_error_of_its_own(tmp_path: Path) -> None:
    pixels = np.zeros((5, 7, 3), dtype=np.uint8)
    save(photograph_dataset(pixels), tmp_path / "a.dcm")
    save(photograph_dataset(pixels, Modality="CT"), tmp_path / "capture.dcm")
    rows = ["image,vessel", "a.dcm,a.dcm?slice=0&label=1", "a.dcm?slice=3,", "capture.dcm,"]
    errors = sorted(check_datasets(["table"], [write_table(tmp_path, rows)], []).errors)
    assert len(errors) == 3
    assert "label=1 cannot be read: a frame of a DICOM file has no labels" in errors[0]
    assert "a.dcm?slice=3 cannot be read: the DICOM file has the frames 0 to 0, got 3: address one" in errors[1]
    assert "capture.dcm cannot be read: the modality of a photograph must be OP" in errors[2]


def test_a_part_of_one_class_is_warned_of(tmp_path: Path) -> None:
    lines = ["image,patient,glaucoma", *(f"{i}.png,p{i},0" for i in range(12))]
    table = write_table(tmp_path, lines, images=[f"{i}.png" for i in range(12)])
    messages = check_datasets(["table"], [table], ["glaucoma"]).warnings
    assert any("validation part" in message and "last validation are kept" in message for message in messages)
    assert any("In the test part" in message for message in messages)
