"""What the project says of itself in several places agrees with setup.cfg, where it stands first."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path

import pytest
import yaml
from lowest_versions import lowest, requirements
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).parents[1]
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")
VERSION = SETUP["metadata"]["version"]
METADATA = json.loads((ROOT / "bundles/vmnet/configs/metadata.json").read_text(encoding="utf-8"))
PYTHONS = re.findall(r"Python :: (3\.\d+)", SETUP["metadata"]["classifiers"])


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_packages_are_those_on_disk() -> None:
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "vmnet_monai").rglob("__init__.py")}
    assert set(SETUP["options"]["packages"].split()) == packages | {"vmnet_monai.bundle"}


def test_files_beside_the_code_are_package_data() -> None:
    patterns = SETUP["options.package_data"]
    for path in (ROOT / "vmnet_monai").rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            holding = next(parent for parent in path.parents if (parent / "__init__.py").exists())
            package = ".".join(holding.relative_to(ROOT).parts)
            globs = re.split(r",\s*", patterns.get(package, ""))
            assert any(path.relative_to(holding).match(glob) for glob in globs), f"{path} is not installed"


def test_the_bundle_has_the_version_of_the_package() -> None:
    assert METADATA["version"] == VERSION
    assert next(iter(METADATA["changelog"])) == VERSION
    assert METADATA["required_packages_version"]["vmnet_monai"] == VERSION


def test_the_citation_has_the_version() -> None:
    assert yaml.safe_load(read("CITATION.cff"))["version"] == VERSION


def test_the_changelog_tells_of_each_version_of_the_bundle() -> None:
    versions = re.findall(r"^## \[?(\d[\d.]*)\]?", read("CHANGELOG.md"), flags=re.MULTILINE)
    assert versions == list(METADATA["changelog"])


@pytest.mark.parametrize("requirement", list(requirements()), ids=str)
def test_requirements_have_a_lower_bound(requirement: Requirement) -> None:
    assert Version(lowest(requirement)) in SpecifierSet(str(requirement.specifier), prereleases=True)


def test_a_requirement_without_a_lower_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="pandas<3"):
        lowest(Requirement("pandas<3"))


def test_the_bundle_requires_the_lowest_versions() -> None:
    bounds = {requirement.name: Version(lowest(requirement)) for requirement in requirements(())}
    required = {name: Version(version) for name, version in METADATA["required_packages_version"].items()}
    del required["vmnet_monai"]
    assert required == {name: bounds.get(name) for name in required}
    for name in ("monai", "pytorch", "numpy"):
        (specifier,) = [r.specifier for r in requirements(()) if r.name == {"pytorch": "torch"}.get(name, name)]
        assert METADATA[f"{name}_version"] in specifier


def test_python_versions_agree() -> None:
    assert SETUP["options"]["python_requires"] == f">={PYTHONS[0]}"
    for page in ("README.md", "CONTRIBUTING.md", "vmnet_monai/deploy/README.md"):
        assert re.findall(r"Python (3\.\d+) or later", read(page)) == [PYTHONS[0]], page
    jobs = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]
    assert jobs["ci"]["strategy"]["matrix"]["python"] == PYTHONS
    (lowest_python,) = [
        s["with"]["python-version"] for s in jobs["lowest"]["steps"] if "setup-python" in s.get("uses", "")
    ]
    assert lowest_python == PYTHONS[0]


def test_the_workflow_runs_what_ci_runs() -> None:
    steps = [step.get("run") for step in yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]["ci"]["steps"]]
    assert "bash .ci/run" in steps


def test_hooks_and_templates_are_readable() -> None:
    hooks = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"][0]["hooks"]
    assert {hook["id"] for hook in hooks} == {"ruff", "ruff-format", "mypy", "imports"}
    for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8")), path
