"""``vmnet datasets check`` and ``vmnet datasets phantom``."""

from __future__ import annotations

import rich_click as click

from vmnet_monai.cli.base import EXIT_CODES, NAMES, OK, SOME_BAD, Command, print_table
from vmnet_monai.diseases import DEFAULT_DISEASES

__all__ = ["datasets"]


@click.group()
def datasets() -> None:
    """Check the datasets of a training, or generate one."""


@datasets.command(
    cls=Command,
    epilog="Exit codes: 0 no errors (there may be warnings), 1 errors were found, 2 could not be done, 130 stopped by "
    "Ctrl-C.",
)
@click.argument(
    "pairs",
    nargs=-1,
    required=True,
    metavar="NAME DIR [NAME DIR]...",
    help="Datasets and their folders in turn; table takes a CSV, XLSX or Parquet file as DIR.",
)
@click.option(
    "--diseases",
    type=NAMES,
    default=",".join(DEFAULT_DISEASES),
    metavar="NAMES",
    help="Comma-separated keys of the diseases.",
)
@click.option("--landmarks", metavar="FILE", help="Table of optic discs and foveas.")
def check(pairs: tuple[str, ...], diseases: list[str], landmarks: str | None) -> int:
    """Count what a training would see, and report what is wrong.

    Reads the headers of the pictures, no pixels.
    """
    if len(pairs) % 2:
        raise click.UsageError(f"NAME DIR pairs are needed, got an odd number of words: {' '.join(pairs)}.")
    from vmnet_monai.datasets.check import check_datasets

    report = check_datasets(pairs[::2], pairs[1::2], diseases, landmarks)
    if not report.counts.empty:
        print_table(report.counts)
    if not report.labels.empty:
        print_table(report.labels_by_part(), "present/absent/unknown")
    for message in report.warnings:
        print(f"warning: {message}")
    for message in report.errors:
        print(f"error: {message}")
    if not report.warnings and not report.errors:
        print("no warnings, no errors")
    return SOME_BAD if report.errors else OK


@datasets.command(cls=Command, stopped="The same command completes the folder.", epilog=EXIT_CODES)
@click.argument("directory", metavar="DIR", help="Folder to create or complete.")
@click.option("--count", type=click.IntRange(1), default=160, metavar="N", help="Number of photographs.")
@click.option("--size", type=click.IntRange(64), default=256, metavar="PIXELS", help="Width and height.")
@click.option("--seed", type=int, default=0, metavar="N", help="Same seed, same photographs.")
def phantom(directory: str, count: int, size: int, seed: int) -> None:
    """Write generated photographs with exact masks, and print the path of their table."""
    from vmnet_monai.datasets.phantom import write_phantoms

    print(write_phantoms(directory, count, size, seed))
