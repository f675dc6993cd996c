"""What the commands share: exit codes, kinds of values, the options that name the weights, and tables."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CANNOT_RUN",
    "DEVICE",
    "EXIT_CODES",
    "INTERRUPTED",
    "NAMES",
    "NAMED_LIST",
    "OK",
    "SOME_BAD",
    "THRESHOLD",
    "Command",
    "Function",
    "bundle_option",
    "device_expression",
    "model_options",
    "print_table",
    "workers_option",
]

OK, SOME_BAD, CANNOT_RUN, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: all is done; some inputs were refused or are wrong; nothing could be done; stopped by Ctrl-C."""

EXIT_CODES = "Exit codes: 0 done, 2 could not be done, 130 stopped by Ctrl-C."
"""Last line of the help of a command that has no partial success."""

WIDE = 1000
"""Columns of a table that is not shown in a terminal, so that no cell is cut or wrapped."""

Function = TypeVar("Function", bound=Callable[..., Any])


class Command(click.RichCommand):
    """A command that tells how to go on after Ctrl-C.

    Args:
        stopped: what a run that was stopped leaves, and how to go on.
    """

    def __init__(self, *args: Any, stopped: str = "", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.stopped = stopped

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("\n" + f"Stopped. {self.stopped}".strip(), file=sys.stderr)
            ctx.exit(INTERRUPTED)


class _Parsed(click.ParamType):
    """A value that a function makes of the text; its ``ValueError`` is told as the option's error."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self.parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse a text; what is no text, such as a default, is left alone."""
        if not isinstance(value, str):
            return value
        try:
            return self.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _named_list(text: str) -> tuple[str, list[str]]:
    name, _, values = text.partition("=")
    if not name or not all(values.split(",")):
        raise ValueError(f"must be NAME=VALUE[,VALUE...], got {text!r}")
    return name, values.split(",")


def _threshold(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise ValueError(f"must be NAME=VALUE, such as glaucoma=0.3, got {text!r}") from None


def _device(text: str) -> str:
    if not re.fullmatch(r"[a-z]+(:\d+)?", text):
        raise ValueError(f"must be a device of PyTorch, such as cpu, cuda or cuda:1, got {text!r}")
    return text


NAMES = _Parsed("names", _names)
"""A comma-separated list."""

NAMED_LIST = _Parsed("named list", _named_list)
"""A name and its comma-separated values: ``NAME=VALUE[,VALUE...]``."""

THRESHOLD = _Parsed("threshold", _threshold)
"""A name and a number: ``NAME=VALUE``."""

DEVICE = _Parsed("device", _device)
"""The name of a torch device."""


def device_expression(device: str) -> str:
    """The value of a config's key ``device``."""
    return f"$torch.device({device!r})"


bundle_option = click.option(
    "--bundle", metavar="DIR", help="The bundle [default: the one that came with the package]."
)
"""Decorator: adds the option that names the bundle."""


def model_options(function: Function) -> Function:
    """Add the options that name the weights."""
    model_dir = click.option(
        "--model-dir", metavar="DIR", help="Weights and thresholds of a training [default: those of the bundle]."
    )
    return bundle_option(model_dir(function))


workers_option = click.option(
    "--workers",
    type=click.IntRange(0),
    metavar="N",
    help="Processes that read photographs, and as many that write results, beside the network's; 0 for none [default: "
    "one for two cores, up to 4].",
)
"""Decorator: adds the option that sets the number of processes beside the network's."""


def print_table(table: pd.DataFrame, title: str | None = None) -> None:
    """Print a table, fitted to the terminal, or at its own width where the output goes elsewhere."""
    from pandas.api.types import is_numeric_dtype

    shown = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for name, column in table.items():
        shown.add_column(Text(str(name)), justify="right" if is_numeric_dtype(column) else "left")
    for row in table.itertuples(index=False):
        shown.add_row(*map(_cell, row))
    Console(width=None if sys.stdout.isatty() else WIDE).print(shown)


def _cell(value: Any) -> Text:
    if value != value or value is None:
        return Text("")
    return Text(f"{value:.4g}" if isinstance(value, float) else str(value))
