"""The command as a whole: its doors, its help, its errors and its exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rich_click as click
from cli_commands import COMMANDS

import vmnet_monai
from vmnet_monai import cli
from vmnet_monai.cli.base import Command

HEAVY = ("torch", "monai", "pandas", "mlflow")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Add a command that raises an error."""

    def add(error: BaseException) -> None:
        @click.command("fail", cls=Command, stopped="Go on.")
        def fail() -> None:
            raise error

        monkeypatch.setitem(cli.vmnet.commands, "fail", fail)

    return add


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_help_and_bundle_path_import_nothing_that_takes_seconds() -> None:
    code = f"""
import sys
from vmnet_monai import cli
for words in {[[*names, "--help"] for names in COMMANDS]}:
    assert cli.main(words) == cli.OK
assert cli.main(["bundle-path"]) == cli.OK
print([name for name in {HEAVY} if name in sys.modules])
"""
    *_, path, imported = python(code).stdout.splitlines()
    assert path == str(vmnet_monai.bundle_path())
    assert imported == "[]"


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_option_has_help_and_kebab_case(names: tuple[str, ...]) -> None:
    for parameter in COMMANDS[names].params:
        assert getattr(parameter, "help", None), parameter.name
        if isinstance(parameter, click.Option):
            for name in (*parameter.opts, *parameter.secondary_opts):
                assert name == name.lower().replace("_", "-")


def test_help_shows_defaults_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["predict", "--help"]) == cli.OK
    shown = capsys.readouterr().out
    for word in ("PHOTO|FOLDER|LIST.csv", "--no-report", "[default: layercam]", "[default: 1]", "Exit codes: 0"):
        assert word in shown


def test_module_and_console_script_are_the_same() -> None:
    module = subprocess.run([sys.executable, "-m", "vmnet_monai", "--version"], capture_output=True, text=True)
    assert module.stdout.startswith("vmnet ")
    script = Path(sys.executable).with_name("vmnet")
    if not script.exists():
        pytest.skip("the package is not installed with its console script")
    assert subprocess.run([script, "--version"], capture_output=True, text=True).stdout == module.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["predct"], "'predict'"),
        (["predict"], "PHOTO|FOLDER|LIST.csv"),
        (["predict", "eye.png"], "--output"),
        (["predict", "eye.png", "--outptu", "out"], "--output"),
        (["datasets", "check"], "vmnet datasets check --help"),
        (["train", "--device", "GPU 1"], "such as cpu, cuda or cuda:1, got 'GPU 1'"),
    ],
)
def test_usage_errors_are_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == cli.CANNOT_RUN
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert printed.out == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("must be\n  positive, got 0"), "error: must be positive, got 0"),
        (FileNotFoundError("eye.png is missing"), "error: eye.png is missing"),
        (RuntimeError("out of\nmemory"), "error: RuntimeError: out of memory"),
    ],
)
def test_errors_are_one_line(error: Exception, line: str, failing: Any, capsys: pytest.CaptureFixture[str]) -> None:
    failing(error)
    assert cli.main(["fail"]) == cli.CANNOT_RUN
    assert capsys.readouterr().err == f"{line}\n"


def test_a_stopped_command_says_how_to_go_on(failing: Any, capsys: pytest.CaptureFixture[str]) -> None:
    failing(KeyboardInterrupt())
    assert cli.main(["fail"]) == cli.INTERRUPTED == 130
    assert capsys.readouterr().err.splitlines()[-1] == "Stopped. Go on."


def test_names_that_the_terminal_lacks_letters_for_are_escaped(tmp_path: Path) -> None:
    words = ["-m", "vmnet_monai", "datasets", "check", "hrf", f"{tmp_path}/眼\udcff"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    run = subprocess.run([sys.executable, *words], capture_output=True, env=environment, check=False)
    assert run.returncode == cli.SOME_BAD, run.stderr
    assert b"\\u773c\\udcff" in run.stdout
