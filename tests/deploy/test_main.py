"""What is told when the application cannot run, with a stand-in for the application, without the SDK."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from vmnet_monai.deploy import __main__ as program


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """``prepare`` and ``run`` of the application; tests replace them."""
    sdk = ModuleType("holoscan")
    sdk.__spec__ = ModuleSpec("holoscan", None)
    functions = SimpleNamespace(prepare=list, run=len)
    monkeypatch.setitem(sys.modules, "holoscan", sdk)
    monkeypatch.setitem(sys.modules, "vmnet_monai.deploy.app", functions)  # type: ignore[misc]
    monkeypatch.setattr(program, "_load_cuda_runtime", lambda: None)
    return functions


def fail_with(error: Exception) -> Any:
    def fail(*arguments: object) -> None:
        raise error

    return fail


def test_the_exit_code_is_that_of_the_run(application: SimpleNamespace) -> None:
    assert program.main(["the program"]) == 1


@pytest.mark.parametrize("kind", [FileNotFoundError, NotADirectoryError, ValueError, ImportError])
def test_before_a_photograph_is_read_the_text_of_an_error_is_told(
    kind: type[Exception], application: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    application.prepare = fail_with(kind("the model must be one bundle"))
    assert program.main([]) == program.CANNOT_RUN
    assert capsys.readouterr().err == "error: the model must be one bundle\n"


@pytest.mark.parametrize("kind", [FileNotFoundError, NotADirectoryError, ValueError, ImportError, KeyError])
def test_afterwards_only_its_kind_and_place_are_told(
    kind: type[Exception], application: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    application.run = fail_with(kind("Doe^Jane"))
    assert program.main([]) == program.CANNOT_RUN
    told = capsys.readouterr().err
    assert told.startswith(f"error: {kind.__name__} in __main__.py, line ")
    assert "Doe" not in told
