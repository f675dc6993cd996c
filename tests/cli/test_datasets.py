"""``vmnet datasets check`` and ``vmnet datasets phantom``."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from layouts import write_drive, write_hrf, write_isic2017, write_landmarks

from vmnet_monai import cli


def test_structures_are_counted_by_the_names_that_the_items_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_hrf(tmp_path / "h")
    write_isic2017(tmp_path / "i")
    pairs = ["hrf", str(tmp_path / "h"), "isic2017", str(tmp_path / "i")]
    assert cli.main(["datasets", "check", *pairs, "--diseases", "nevus"]) == cli.OK
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    columns = ["part", "dataset", "photographs", "patients", "vessel", "lesion", "fov", "labels", "smallest", "largest"]
    assert columns in lines
    assert ["test", "hrf", "30", "30", "30", "0", "30", "0", "6x5", "6x5"] in lines
    assert ["test", "isic2017", "3", "3", "0", "3", "0", "3", "6x5", "6x5"] in lines
    assert ["dataset", "disease", "train", "val", "test"] in lines


def test_landmarks_are_counted_as_structures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_hrf(tmp_path)
    marks = write_landmarks(tmp_path / "marks.csv", "1,hrf,06_h.JPG,6,5,3,2,2,2,0,1,1,1")
    assert cli.main(["datasets", "check", "hrf", str(tmp_path), "--landmarks", str(marks)]) == cli.OK
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    columns = ["patients", "vessel", "disc", "fovea_region", "fov", "labels", "smallest", "largest"]
    assert ["part", "dataset", "photographs", *columns] in lines
    assert ["test", "hrf", "30", "30", "30", "1", "1", "30", "30", "6x5", "6x5"] in lines


def test_command_prints_counts_and_warnings_and_succeeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_drive(tmp_path, test_manuals=False)
    assert cli.main(["datasets", "check", "drive", str(tmp_path), "--diseases", "amd"]) == cli.OK
    out = capsys.readouterr().out
    assert "warning: 2 DRIVE test photographs without manual" in out
    assert "warning: No photograph has a label of amd." in out


def test_command_fails_on_a_dataset_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["datasets", "check", "hrf", str(tmp_path)]) == cli.SOME_BAD
    assert "error: The folder" in capsys.readouterr().out


def test_odd_number_of_names_and_folders_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["datasets", "check", "hrf"]) == cli.CANNOT_RUN
    assert "NAME DIR pairs" in capsys.readouterr().err


def test_a_full_disk_is_told_with_the_file_and_the_next_call_completes_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, mode: str = "r", **_: Any) -> Any:
        if path.parent.name == "fov" and mode == "wb":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(path, mode, **_)

    opened = Path.open
    monkeypatch.setattr(Path, "open", full)
    command = ["datasets", "phantom", str(tmp_path), "--size", "64", "--count", "1"]
    assert cli.main(command) == cli.CANNOT_RUN
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"error: {tmp_path / 'fov/0000.png'} could not be written (No space left on device)" in last
    monkeypatch.undo()
    assert cli.main(command) == cli.OK


def test_phantom_command_writes_once_and_refuses_other_parameters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["datasets", "phantom", str(tmp_path), "--size", "64", "--count"]
    assert cli.main([*command, "2"]) == cli.main([*command, "2"]) == cli.OK
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "phantoms.csv")] * 2
    assert cli.main([*command, "3"]) == cli.CANNOT_RUN
    assert "error: " in capsys.readouterr().err
