"""The error that a user should read is found behind those that wrap it."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from monai.transforms import Compose, Lambda

from vmnet_monai.errors import ImageError, error_line, root_cause, tell_torchrun
from vmnet_monai.io.slices import volume_shape
from vmnet_monai.transforms import FieldOfViewError


def fail(_: object) -> None:
    try:
        raise KeyError("detail")
    except KeyError as error:
        raise FieldOfViewError("too dark") from error


def test_own_error_is_found_behind_transforms_and_before_its_causes() -> None:
    with pytest.raises(RuntimeError, match="applying transform") as caught:
        Compose([Lambda(fail)])(0)
    assert str(root_cause(caught.value)) == "too dark"


def test_error_that_nothing_wraps_is_its_own_cause() -> None:
    error = FieldOfViewError("too dark")
    assert root_cause(error) is error


def test_without_an_own_error_the_innermost_is_the_cause() -> None:
    inner, outer = ValueError("inner"), RuntimeError("outer")
    outer.__context__ = inner
    assert root_cause(outer) is inner
    outer.__suppress_context__ = True
    assert root_cause(outer) is outer


def test_an_error_that_the_package_raised_is_found_between_the_wrapper_and_its_causes() -> None:
    with pytest.raises(RuntimeError, match="applying transform") as caught:
        Compose([Lambda(volume_shape)])("gone.nii.gz")
    found = root_cause(caught.value)
    assert isinstance(found, FileNotFoundError)
    assert "complete the download" in str(found)


def test_circle_of_errors_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert root_cause(first) is second


def refuse(name: str) -> None:
    """Explain an error of this package by another one."""
    try:
        volume_shape(name)
    except FileNotFoundError as error:
        raise FieldOfViewError("the volume is missing") from error


def test_of_two_errors_of_the_package_the_outer_one_explains_the_inner() -> None:
    with pytest.raises(RuntimeError, match="applying transform") as caught:
        Compose([Lambda(refuse)])("gone.nii.gz")
    assert str(root_cause(caught.value)) == "the volume is missing"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ImageError("It is a cat.\nTake a photograph."), "error: It is a cat. Take a photograph."),
        (KeyError("no such key"), "error: KeyError: 'no such key'"),
        (ValueError(), "error: ValueError"),
        (
            OSError(errno.ENOSPC, "No space left on device", "models/model.pt", None, "/tmp/model.pt"),
            "error: /tmp/model.pt could not be written (No space left on device). What was finished before is kept: "
            "free space or mend the folder, and run the same command again.",
        ),
        (
            ImageError(
                "Caught ImageError in DataLoader worker process 0.\nOriginal Traceback: ...\n  raise x\nE: a: b\n"
            ),
            "error: a: b",
        ),
    ],
)
def test_an_error_is_told_in_a_line(error: Exception, line: str) -> None:
    assert error_line(error) == line


def test_torchrun_finds_the_line_where_it_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tell_torchrun(ValueError("x"))
    for path in (tmp_path / "error.json", tmp_path / "gone" / "error.json"):
        monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(path))
        tell_torchrun(ValueError("x must be positive, got 0: give another."))
    left = json.loads((tmp_path / "error.json").read_text())
    assert left["message"] == "error: x must be positive, got 0: give another."
    assert isinstance(left["timestamp"], int)
