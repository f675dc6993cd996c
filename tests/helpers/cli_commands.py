"""The commands of ``vmnet``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from vmnet_monai import cli


def _leaves(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _leaves(command, *names, name)
        else:
            yield (*names, name), command


COMMANDS = dict(_leaves(cli.vmnet))
"""The words that name a command, such as ``("datasets", "check")``, and the command."""


def parse(words: list[str]) -> None:
    """Parse the words after ``vmnet`` and run nothing.

    Raises:
        click.ClickException: if they are not understood.
    """
    command: click.Command | None = cli.vmnet
    name: str | None = "vmnet"
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(click.Context(command), words)
    assert command is not None
    command.make_context(name, words)
