"""The error that a user should read is found behind those that wrap it."""

from __future__ import annotations

import pytest
from monai.transforms import Compose, Lambda

from vmnet_monai.errors import root_cause
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
