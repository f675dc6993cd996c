"""The error that a user can act on is the last line, whatever door it came through."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bundle_configs import INFERENCE, ROOT, TRAIN

from vmnet_monai import excepthook


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the hook of the tests."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)


def told(error: BaseException, capsys: pytest.CaptureFixture[str]) -> list[str]:
    excepthook.tell_last(type(error), error, error.__traceback__)
    return capsys.readouterr().err.splitlines()


def wrapped(inner: BaseException) -> BaseException:
    outer = RuntimeError("Failed to instantiate component")
    outer.__cause__ = inner
    return outer


def test_the_wrapped_error_is_told_last_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(wrapped(ValueError("size must be positive, got 0:\ngive another.")), capsys)
    assert lines[-1] == "error: size must be positive, got 0: give another."
    assert "RuntimeError: Failed to instantiate component" in lines


@pytest.mark.parametrize("error", [ValueError("plain"), KeyboardInterrupt()])
def test_an_error_that_nothing_wraps_is_told_as_ever(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    assert not any(line.startswith("error: ") for line in told(error, capsys))


def test_the_hook_is_installed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    excepthook.install()
    excepthook.install()
    assert sys.excepthook is excepthook.tell_last


@pytest.mark.parametrize("config", [TRAIN, INFERENCE])
def test_the_configs_install_the_hook(config: str) -> None:
    assert "$import vmnet_monai.excepthook" in json.loads((ROOT / config).read_text())["imports"]


def test_the_package_does_not_install_the_hook() -> None:
    code = "import sys, vmnet_monai, vmnet_monai.cli; assert sys.excepthook is sys.__excepthook__"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.slow
@pytest.mark.parametrize(
    "door",
    [
        ["-m", "monai.bundle", "run", "training", "--config_file", TRAIN],
        [
            *("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=1"),
            *("-m", "monai.bundle", "run", "training", "--config_file", TRAIN),
        ],
    ],
    ids=["monai", "torchrun"],
)
def test_every_door_ends_with_the_rule_the_value_and_the_remedy(door: list[str], tmp_path: Path) -> None:
    words = ["--dataset_name", "hrff", "--output_dir", str(tmp_path)]
    run = subprocess.run([sys.executable, *door, *words], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode != 0
    last = [line for line in run.stderr.splitlines() if line.strip(" =")][-1]
    assert "There is no dataset named 'hrff'; did you mean 'hrf'?" in last
