"""Command line of the datasets: ``python -m vmnet_monai.datasets check NAME DIR`` and ``... phantom DIR``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vmnet_monai.datasets.catalogue import READERS
from vmnet_monai.datasets.check import check_datasets
from vmnet_monai.datasets.phantom import write_phantoms
from vmnet_monai.diseases import DEFAULT_DISEASES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        Exit code: 0 when all is well (warnings included), 1 when the command reports errors.
    """
    parser = argparse.ArgumentParser(prog="python -m vmnet_monai.datasets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="count what a training would see, and report what is wrong")
    check.add_argument(
        "pairs", nargs="+", metavar="NAME DIR", help=f"datasets ({', '.join(READERS)}) and their folders in turn"
    )
    check.add_argument(
        "--diseases", default=",".join(DEFAULT_DISEASES), help="comma-separated disease keys (default: %(default)s)"
    )
    phantom = commands.add_parser("phantom", help="write generated photographs with exact masks")
    phantom.add_argument("directory", type=Path, help="folder to create or complete")
    phantom.add_argument("--count", type=int, default=160, help="number of photographs (default: %(default)s)")
    phantom.add_argument("--size", type=int, default=512, help="width and height in pixels (default: %(default)s)")
    phantom.add_argument("--seed", type=int, default=0, help="same seed, same photographs (default: %(default)s)")
    options = parser.parse_args(arguments)

    if options.command == "check":
        if len(options.pairs) % 2:
            parser.error(f"check takes NAME DIR pairs, got an odd number of arguments: {' '.join(options.pairs)}")
        diseases = [key.strip() for key in options.diseases.split(",") if key.strip()]
        report = check_datasets(options.pairs[::2], options.pairs[1::2], diseases)
        print(report)
        return 1 if report.errors else 0
    try:
        print(write_phantoms(options.directory, options.count, options.size, options.seed))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
