"""The check command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import photograph_dataset, save
from layouts import picture, write_drive, write_hrf, write_isic2017, write_retouch, write_table, write_volume

from vmnet_monai.datasets.__main__ import main
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
    assert report.errors == report.warnings == []


def test_structures_are_counted_by_the_names_that_the_items_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_hrf(tmp_path / "h")
    write_isic2017(tmp_path / "i")
    assert main(["check", "hrf", str(tmp_path / "h"), "isic2017", str(tmp_path / "i"), "--diseases", "nevus"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0][3:8] == ["patients", "vessel", "lesion", "fov", "labels"]
    assert ["test", "hrf", "30", "30", "30", "0", "30", "0", "6x5", "6x5"] in lines
    assert ["test", "isic2017", "3", "3", "0", "3", "0", "3", "6x5", "6x5"] in lines


def test_slices_are_counted_and_measured(tmp_path: Path) -> None:
    report = check_datasets(["retouch"], [write_retouch(tmp_path)], ["subretinal_fluid"])
    first = report.counts.to_dict("records")[0]
    assert [first[key] for key in ("dataset", "photographs", "patients", "irf", "srf", "ped", "fov")] == [
        "retouch_cirrus",
        *(3, 1, 3, 3, 3, 0),
    ]
    assert (first["smallest"], first["largest"]) == ("6x5", "6x5")
    assert report.labels.to_dict("records")[0]["present"] == 1
    assert report.errors == report.warnings == []


def test_slice_of_another_size_than_its_mask_is_an_error(tmp_path: Path) -> None:
    write_volume(tmp_path / "v.mhd", np.zeros((1, 4, 6), dtype=np.uint8))
    write_volume(tmp_path / "m.mhd", np.zeros((1, 5, 6), dtype=np.uint8))
    errors: list[str] = []
    assert _size({"image": f"{tmp_path}/v.mhd?slice=0", "irf": f"{tmp_path}/m.mhd?slice=0&label=1"}, errors) == (6, 4)
    assert len(errors) == 1
    assert "label=1 is 6x5 and" in errors[0]


def test_command_prints_counts_and_warnings_and_succeeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_drive(tmp_path, test_manuals=False)
    assert main(["check", "drive", str(tmp_path), "--diseases", "amd"]) == 0
    out = capsys.readouterr().out
    assert "warning: 2 DRIVE test photographs without manual" in out
    assert "warning: No photograph has a label of amd." in out


def test_command_fails_on_a_dataset_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "hrf", str(tmp_path)]) == 1
    assert "error: The folder" in capsys.readouterr().out


def test_mask_of_another_size_and_broken_picture_are_errors(tmp_path: Path) -> None:
    picture(tmp_path / "small.png", size_px=(3, 3))
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
    assert report.errors == report.warnings == []
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


def test_odd_number_of_names_and_folders_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["check", "hrf"])
    assert "NAME DIR pairs" in capsys.readouterr().err


def test_phantom_command_writes_once_and_refuses_other_parameters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["phantom", str(tmp_path), "--size", "64", "--count"]
    assert main([*command, "2"]) == main([*command, "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "phantoms.csv")] * 2
    assert main([*command, "3"]) == 1
    assert "error: " in capsys.readouterr().err
