"""docs/reference/command-line.md lists the arguments of every command, with their defaults, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from cli_commands import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs/reference/command-line.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]}
ROW = re.compile(r"^\| (.+?) \| (.+?) \| (.*?) ?\|$", flags=re.MULTILINE)


def rows(section: str) -> dict[str, str]:
    """Argument -> what the page says of its default."""
    _, _, table = section.partition("| Argument | Meaning | Default |\n|---|---|---|\n")
    found = {}
    for names, _, default in ROW.findall(table.partition("\n\n")[0].replace("\\|", "¦")):
        found |= {name.replace("¦", "|"): default for name in re.findall(r"`([^`]+)`", names)}
    return found


def spellings(parameter: click.Parameter) -> list[str]:
    if isinstance(parameter, click.Argument):
        return [str(parameter.metavar)]
    assert isinstance(parameter, click.Option)
    value = parameter.metavar
    if isinstance(parameter.type, click.Choice):
        value = f"[{'|'.join(parameter.type.choices)}]"
    names = [*parameter.opts, *parameter.secondary_opts]
    return names if parameter.is_flag else [f"{name} {value}" for name in names]


def test_every_command_has_a_section_and_no_other_has() -> None:
    documented = [name.removeprefix("vmnet ") for name in SECTIONS if name.startswith("vmnet ")]
    assert sorted(documented) == sorted(map(" ".join, COMMANDS))
    overview = re.findall(r"^\| \[`vmnet (.+?)`\]", PAGE, flags=re.MULTILINE)
    assert overview == documented


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_arguments_are_those_of_the_command(names: tuple[str, ...]) -> None:
    documented = rows(SECTIONS[f"vmnet {' '.join(names)}"])
    own = {spelling: parameter for parameter in COMMANDS[names].params for spelling in spellings(parameter)}
    assert documented.keys() == own.keys()
    for spelling, parameter in own.items():
        if isinstance(parameter.default, (str, int)) and not isinstance(parameter.default, bool):
            assert f"{parameter.default}" in documented[spelling], spelling
