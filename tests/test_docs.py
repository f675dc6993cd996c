"""The documentation's links, commands and config keys hold."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import json
import pydoc
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cli_commands import parse
from measures_page import PAGES as MEASURES_PAGES
from measures_page import REFERENCE, block_of
from monai.bundle import ConfigParser

from vmnet_monai.datasets import READERS

ROOT = Path(__file__).parents[1]
CONFIGS = "bundles/vmnet/configs"
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "bundles").rglob("*.md"),
        *(ROOT / "vmnet_monai").rglob("*.md"),
    )
)
CONFIG_KEYS = ROOT / "docs/reference/config-keys.md"
LAID_OVER = dict.fromkeys(["evaluate.json", "calibrate.json", "multi_gpu_train.json"], "train.json")


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """Anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: str) -> Iterator[list[str]]:
    """The commands of a page's sh blocks, as the shell would split them."""
    for block in re.findall(r"^```sh\n(.*?)^```", read(page), flags=re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").replace("$(vmnet bundle-path)", "bundles/vmnet").splitlines():
            words: list[str] = []
            for word in [*shlex.split(line), "&&"]:
                if word != "&&":
                    words.append(word)
                elif words:
                    yield words
                    words = []


def options(words: list[str]) -> dict[str, list[str]]:
    """Option name -> its values, a list in brackets taken apart."""
    found = {}
    for name, value in zip(words, words[1:], strict=False):
        if name.startswith("--"):
            found[name.removeprefix("--")] = ast.literal_eval(value) if value.startswith("[") else [value]
    return found


def config(*files: str) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config([str(ROOT / file) for file in files])
    return parser


def takes(parser: ConfigParser, key: str) -> bool:
    """Whether a key is in the config, or a parameter of the object in which it lies."""
    parent, _, parameter = key.rpartition("#")
    if key in parser or not parent:
        return key in parser
    target = pydoc.locate(str(parser.get(f"{parent}#_target_")))
    return callable(target) and parameter in inspect.signature(target).parameters


def test_every_module_has_its_page_of_the_api_in_the_navigation() -> None:
    """The site itself is built by CI."""
    modules = {path.stem for path in (ROOT / "vmnet_monai").iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}
    listed = re.findall(r"- api/(\w+)\.md", read("mkdocs.yml"))
    assert sorted(listed) == sorted(name for name in modules if not name.startswith("__"))


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_resolve(page: str) -> None:
    prose = re.sub(r"^```.*?^```", "", read(page), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (ROOT / page).parent / path if path else ROOT / page
        assert linked.exists(), f"{page} links to {target}, which does not exist"
        assert not anchor or anchor in anchors(linked), f"{page} links to {target}, which has no such heading"


@pytest.mark.parametrize("page", PAGES)
def test_bundle_commands_name_existing_files_workflows_and_keys(page: str) -> None:
    for words in commands(page):
        if "monai.bundle" not in words:
            continue
        task, *rest = words[words.index("monai.bundle") + 1 :]
        given = options(rest)
        files = [file for option in ("config_file", "meta_file") for file in given.get(option, [])]
        missing = [file for file in files if not (ROOT / file).is_file()]
        assert not missing, f"{page}: {shlex.join(words)} names {missing}"
        if task == "run":
            parser = config(*given.pop("config_file"))
            workflow = rest[0] if not rest[0].startswith("--") else "run"
            unknown = [key for key in (workflow, *given) if not takes(parser, key)]
            assert not unknown, f"{page}: {shlex.join(words)} overrides {unknown}, which no config has"


@pytest.mark.parametrize("page", PAGES)
def test_vmnet_commands_are_understood(page: str) -> None:
    for words in commands(page):
        if "vmnet" in words:  # also behind what starts it on a cluster
            parse(words[words.index("vmnet") + 1 :])


def test_the_job_for_kubernetes_is_one() -> None:
    """What the API server would look at is in the cluster; here: the command, and that what is named is there."""
    (block,) = re.findall(r"^```yaml\n(.*?)^```", read("docs/how-to/archive.md"), flags=re.MULTILINE | re.DOTALL)
    job = yaml.safe_load(block)
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    program, *words = shlex.split(job["spec"]["entrypoint"])
    assert program == "vmnet"
    parse(words)
    cluster = job["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    for group in (cluster["headGroupSpec"], workers):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert container["image"].endswith(f":{importlib.metadata.version('vmnet_monai')}")
        assert container["resources"]["limits"] == container["resources"]["requests"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}
        assert all(word.startswith(tuple(mounts.values())) for word in words if word.startswith("/"))


@pytest.mark.parametrize("page", PAGES)
def test_commands_name_known_datasets(page: str) -> None:
    for words in commands(page):
        names = options(words).get("dataset_name", []) + options(words).get("dataset", [])
        if words[:3] == ["vmnet", "datasets", "check"]:
            pairs = words[3 : next((i for i, word in enumerate(words) if word.startswith("--")), len(words))]
            names = pairs[::2]
        assert set(names) <= READERS.keys(), f"{page}: {shlex.join(words)}"


@pytest.mark.parametrize(
    "name", ["train.json", "evaluate.json", "calibrate.json", "inference.json", "multi_gpu_train.json"]
)
def test_documented_config_keys_are_those_of_the_configs(name: str) -> None:
    section = re.split(r"^## ", CONFIG_KEYS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (table,) = [part for part in section if part.startswith(f"{name}\n")]
    documented = set(re.findall(r"^\| `([\w#]+)` \|", table, flags=re.MULTILINE))
    own = json.loads((ROOT / CONFIGS / name).read_text(encoding="utf-8")).keys()
    assert own - documented == set(), "keys of the config without a row in the table"

    parser = config(*(f"{CONFIGS}/{file}" for file in (LAID_OVER.get(name), name) if file))
    overridden = set(re.findall(r"`--([\w#]+) ", table))
    assert {key for key in documented | overridden if not takes(parser, key)} == set(), "documented keys without config"


@pytest.mark.parametrize("page", MEASURES_PAGES)
def test_tables_of_measures_are_made_from_what_they_show(page: str) -> None:
    source, make = MEASURES_PAGES[page]
    (written,) = block_of(source).findall((REFERENCE / page).read_text(encoding="utf-8"))
    assert written == make(), "run `python tests/tools/measures_page.py --update`"


def test_reader_names_are_documented() -> None:
    assert [name for name in READERS if f"`{name}`" not in read("docs/reference/command-line.md")] == []


@pytest.mark.parametrize("overlay", sorted(str(path.relative_to(ROOT)) for path in (ROOT / "configs").rglob("*.json")))
def test_overlays_are_documented(overlay: str) -> None:
    assert any(overlay in read(page) for page in PAGES)


def test_licences_are_the_same() -> None:
    assert (ROOT / "LICENSE").read_text() == (ROOT / "bundles/vmnet/LICENSE").read_text()
