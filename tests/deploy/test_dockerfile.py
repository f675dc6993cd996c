"""The Dockerfile and the packager's files, as far as they can be checked without a container engine."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "vmnet_monai/deploy"
TEXT = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE))
INSTRUCTIONS = [(line.split()[0], line.split(maxsplit=1)[1]) for line in TEXT.splitlines() if line.strip()]
"""(instruction, its arguments on one line), in their order."""


def arguments(instruction: str) -> list[str]:
    return [rest for name, rest in INSTRUCTIONS if name == instruction]


def environment() -> dict[str, str]:
    return dict(word.split("=", 1) for rest in arguments("ENV") for word in shlex.split(rest))


def copies() -> list[tuple[list[str], str]]:
    return [(shlex.split(rest)[:-1], shlex.split(rest)[-1]) for rest in arguments("COPY")]


def test_the_base_image_is_pinned() -> None:
    (base,) = arguments("FROM")
    image, _, tag = base.partition(":")
    assert image == "python"
    assert re.match(r"3\.1[0-4]\.\d+-", tag), "a patch release of a Python that the project and the SDK support"


def test_instructions_are_known_and_add_nothing_from_elsewhere() -> None:
    allowed = {"FROM", "LABEL", "ENV", "RUN", "COPY", "USER", "WORKDIR", "ENTRYPOINT"}
    assert {name for name, _ in INSTRUCTIONS} <= allowed
    assert INSTRUCTIONS[0][0] == "FROM"


def test_run_steps_leave_no_caches_and_need_no_root_at_the_end() -> None:
    for command in arguments("RUN"):
        assert ("pip install" in command) <= ("--no-cache-dir" in command), command
        assert ("apt-get install" in command) <= ("rm -rf /var/lib/apt/lists/*" in command), command
        assert "sudo" not in command
        assert "|" not in command, "the exit code of a pipe is that of its last command"


def test_it_runs_as_a_user_that_was_made_and_owns_the_output_folder() -> None:
    (user,) = arguments("USER")
    assert user not in ("root", "0")
    (making,) = [command for command in arguments("RUN") if "useradd" in command]
    assert making.split()[making.split().index("&&") - 1] == user
    assert f"--owner={user}" in making
    assert '"$HOLOSCAN_OUTPUT_PATH"' in making
    names = [name for name, _ in INSTRUCTIONS]
    assert names.index("USER") > max(index for index, name in enumerate(names) if name in ("RUN", "COPY"))


def test_the_entry_point_is_the_application_in_exec_form() -> None:
    assert [json.loads(rest) for rest in arguments("ENTRYPOINT")] == [["python", "-m", "vmnet_monai.deploy"]]


def test_what_is_copied_exists_and_is_not_ignored_by_git() -> None:
    for sources, _ in copies():
        for source in sources:
            assert (ROOT / source).exists(), source
            assert subprocess.run(["git", "check-ignore", "-q", source], cwd=ROOT).returncode != 0, source


def test_folders_are_those_that_the_sdk_reads_from_its_environment() -> None:
    variables = environment()
    assert {"HOLOSCAN_INPUT_PATH", "HOLOSCAN_OUTPUT_PATH"} <= variables.keys()
    assert "HOLOSCAN_MODEL_PATH" not in variables, "the model is a part of the package"


def test_torch_is_a_version_that_the_project_supports() -> None:
    (pinned,) = re.findall(r"torch==([\d.]+)", " ".join(arguments("RUN")))
    (supported,) = [line for line in requirements("install_requires") if line.startswith("torch>")]
    low, high = re.findall(r"[\d.]+", supported)
    assert numbers(low) <= numbers(pinned) < numbers(high)


@pytest.mark.slow
def test_its_copy_and_install_steps_give_a_package_that_starts(tmp_path: Path) -> None:
    """The steps that copy and install, without the dependencies, which are those of this environment."""
    for sources, target in copies():
        folder = tmp_path / target.lstrip("/")
        for source in sources:
            path = ROOT / source
            if path.is_dir():
                shutil.copytree(path, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, folder)
    (install,) = [shlex.split(command) for command in arguments("RUN") if "vmnet_monai[" in command]
    package = tmp_path / install[-1].split("[")[0].lstrip("/")
    pip = [sys.executable, "-m", *install[:-1], "--no-deps", "--no-build-isolation", "--target", "site", str(package)]
    subprocess.run(pip, cwd=tmp_path, check=True, capture_output=True)
    shutil.rmtree(package)
    site = tmp_path / "site"
    installed = {path.name for path in (site / "vmnet_monai/deploy").iterdir()}
    assert {"__main__.py", "app.py", "app.yaml", "requirements.txt"} <= installed
    code = (
        "import vmnet_monai.deploy.model as model, vmnet_monai.deploy.__main__, pathlib; "
        f"assert pathlib.Path(model.__file__).is_relative_to({str(site)!r}); "
        "print(model.find_model(None))"
    )
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == str(site / "vmnet_monai/bundle"), found.stderr[-2000:]


def requirements(option: str, section: str = "options") -> list[str]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return lines(setup[section][option])


def lines(text: str) -> list[str]:
    return [line.replace(" ", "") for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]


def numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def test_the_packager_installs_what_the_project_requires() -> None:
    required = requirements("install_requires")
    for extra in ("dicom", "deploy"):
        required += requirements(extra, "options.extras_require")
    assert lines((DEPLOY / "requirements.txt").read_text()) == [*required, "holoscan-cli==4.2.0"]


def test_the_packager_reads_a_title_and_the_projects_version() -> None:
    content = yaml.safe_load((DEPLOY / "app.yaml").read_text())
    assert content["application"]["title"]
    assert content["application"]["version"] == requirements("version", "metadata")[0]
    assert content["resources"]["gpu"] == 0
