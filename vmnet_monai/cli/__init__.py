"""The command line: ``vmnet`` and its commands, the one door to everything that is run by hand."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from importlib.metadata import version

import rich_click as click

from vmnet_monai.cli.base import CANNOT_RUN, INTERRUPTED, OK, SOME_BAD
from vmnet_monai.cli.calibrate import calibrate
from vmnet_monai.cli.compare import compare
from vmnet_monai.cli.datasets import datasets
from vmnet_monai.cli.measure import measure
from vmnet_monai.cli.models import export, log_model
from vmnet_monai.cli.predict import predict
from vmnet_monai.cli.workflows import evaluate, operating_point, train
from vmnet_monai.errors import error_line, tell_torchrun

__all__ = ["CANNOT_RUN", "INTERRUPTED", "OK", "SOME_BAD", "main", "vmnet"]

# PyTorch, MONAI and MLflow take seconds to import, which --help should not: each command imports what it needs.


@click.group(context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@click.version_option(version("vmnet_monai"), prog_name="vmnet", message="%(prog)s %(version)s")
def vmnet() -> None:
    """Retinal vessels and diseases from colour fundus photographs.

    Not a medical device: for research only, not for diagnosis, screening or treatment decisions.
    """


@vmnet.command("bundle-path")
def print_bundle_path() -> None:
    """Print the folder of the bundle that came with the package."""
    from vmnet_monai.io.bundle import bundle_path

    print(bundle_path())


for command in (predict, measure, calibrate, train, evaluate, operating_point, compare, export, log_model, datasets):
    vmnet.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: words after ``vmnet``; those of the process by default.

    Returns:
        Exit code, see :data:`~vmnet_monai.cli.base.OK` and the others. An error is told in one line on stderr.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may have letters that a terminal lacks
    try:
        return vmnet.main(None if arguments is None else list(arguments), "vmnet", standalone_mode=False) or OK
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "vmnet"
        return _refuse(f"{error.format_message().removesuffix('.')}. See `{command} --help`.")
    except click.Abort:
        return INTERRUPTED
    except Exception as error:
        tell_torchrun(error)
        print(error_line(error), file=sys.stderr)
        return CANNOT_RUN


def _refuse(reason: str) -> int:
    print(f"error: {' '.join(reason.split())}", file=sys.stderr)
    return CANNOT_RUN
