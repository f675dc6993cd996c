"""``vmnet measure``."""

from __future__ import annotations

import rich_click as click

from vmnet_monai.cli.base import OK, SOME_BAD, Command
from vmnet_monai.cli.checks import check_inputs, check_output, loading
from vmnet_monai.io.masks import split_colours

__all__ = ["measure"]

SHOWN = 10
"""Photographs with a reason that the summary names."""


@click.command(
    cls=Command,
    stopped="The same command goes on where it stood.",
    epilog="Exit codes: 0 all measured, 1 some refused or failed, 2 nothing could be done, 130 stopped by Ctrl-C.",
)
@click.option("--vessel", metavar="DIR|FILE", help="Masks of all vessels [default: arteries and veins together].")
@click.option("--artery", metavar="DIR|FILE", help="Masks of arteries.")
@click.option("--vein", metavar="DIR|FILE", help="Masks of veins.")
@click.option("--disc", metavar="DIR|FILE", help="Masks of the optic disc.")
@click.option("--fovea", metavar="DIR|FILE", help="Masks of the fovea: a region whose middle it is, or a point.")
@click.option("--fov", metavar="DIR|FILE", help="Masks of the field of view.")
@click.option(
    "--image",
    metavar="DIR|FILE",
    help="The photographs: where the field of view is found without --fov, and DICOM's pixel spacing and eye.",
)
@click.option(
    "--table",
    metavar="FILE",
    help="CSV, XLSX or Parquet with the column `id`, the masks' names, and any of `eye` (left, right), `patient`, "
    "`microns_per_px`, `field_angle_deg`.",
)
@click.option("--edited", is_flag=True, help="The masks were corrected by hand: ids and tables say it.")
@click.option("--output", required=True, metavar="DIR", help="Folder for the tables.")
@click.option("--resume/--no-resume", default=True, help="Keep what an earlier run measured on the same files.")
@click.option_panel("Masks", options=["--vessel", "--artery", "--vein", "--disc", "--fovea", "--edited"])
@click.option_panel("What else is known", options=["--fov", "--image", "--table"])
def measure(table: str | None, edited: bool, output: str, resume: bool, **sources: str | None) -> int:
    """Measure masks of vessels, optic disc and fovea, whoever drew them.

    Files of the folders belong together by their names without suffix. Writes measures.csv (a row per value),
    measures_wide.csv (a row per photograph), measures_per_patient.csv where patients are named, and measures.json,
    which says what each measure is. A photograph whose masks cannot be used is noted in measured.csv with the reason,
    and the others go on. The same command again does only what is missing.
    """
    given = {name: source for name, source in sources.items() if source is not None}
    if not given.keys() & {"vessel", "artery", "vein", "disc", "fovea"}:
        raise click.UsageError("there is nothing to measure: give --vessel, --artery, --vein, --disc or --fovea.")
    for source in given.values():
        check_inputs([split_colours(source)[0]])
    check_inputs([] if table is None else [table])
    check_output(output)
    with loading("Measuring"):
        from vmnet_monai.inference.mask_files import STATUS, measure_files
        from vmnet_monai.inference.progress import ProgressBar

    progress = ProgressBar()
    try:
        measured = measure_files(given, output, table, edited, progress, resume)
    finally:
        progress.close()
    bad = [one for one in measured if one.status != "ok"]
    print(f"{len(measured)} photographs: {len(measured) - len(bad)} measured, {len(bad)} refused or failed.")
    for one in bad[:SHOWN]:
        print(f"  {one.status}: {one.reason}")
    if len(bad) > SHOWN:
        print(f"  and {len(bad) - SHOWN} more, all in {STATUS}")
    print(f"Results: {output}")
    return SOME_BAD if bad else OK
