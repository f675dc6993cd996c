"""``vmnet calibrate``."""

from __future__ import annotations

import logging
from typing import Any

import rich_click as click

from vmnet_monai.cli.base import (
    DEVICE,
    OK,
    SOME_BAD,
    Command,
    device_expression,
    model_options,
    print_table,
    workers_option,
)
from vmnet_monai.cli.checks import check_bundle, check_inputs, check_model, check_output, loading
from vmnet_monai.io.bundle import literal

__all__ = ["calibrate"]


@click.command(
    cls=Command,
    stopped="The same command goes on where it stood.",
    epilog="Exit codes: 0 done, 1 done without some photographs or diseases, 2 could not be done, 130 stopped by "
    "Ctrl-C.",
)
@click.argument(
    "labels",
    metavar="LABELS.csv",
    help="Table with the column `image`, one column per disease (1 present, 0 absent, blank unknown) and `patient`.",
)
@click.option("--output", required=True, metavar="DIR", help="Folder for calibration.json and the predictions.")
@click.option(
    "--name",
    default="",
    metavar="TEXT",
    help="For what it holds, such as camera and clinic; stands on every page [default: the table's name].",
)
@model_options
@click.option("--flips", is_flag=True, help="For predictions with --flips, which average over four mirror images.")
@click.option("--device", type=DEVICE, metavar="DEVICE", help="cpu, cuda or cuda:1 [default: the GPU if there is one].")
@click.option("--batch-size", type=click.IntRange(1), default=1, metavar="N", help="Photographs at once.")
@workers_option
@click.option_panel("Model", options=["--bundle", "--model-dir", "--flips"])
@click.option_panel("Machine", options=["--device", "--batch-size", "--workers"])
def calibrate(
    labels: str,
    output: str,
    name: str,
    bundle: str | None,
    model_dir: str | None,
    flips: bool,
    device: str | None,
    workers: int | None,
    batch_size: int,
) -> int:
    """Calibrate the diseases for your own camera and patients, on photographs that you have labelled.

    Each disease needs at least 20 photographs with it and 20 without; one with fewer stays a score, and so does one
    whose scores do not tell your photographs apart. The file that is written, calibration.json, is for `vmnet predict
    --calibration`. It holds for these weights only, with --flips or without, as it was made. Sensitivity and
    specificity are those on the same photographs: measure them on other patients before you rely on them.
    """
    check_inputs([labels])
    check_output(output)
    check_model(check_bundle(bundle, or_file=True), model_dir)
    with loading("Calibrating"):
        from vmnet_monai.inference.own_calibration import calibrate_on_own, calibration_table

    logging.getLogger("ignite").setLevel(logging.CRITICAL)  # it reports errors that are reported here
    overrides: dict[str, Any] = {"batch_size": batch_size, "flips": flips}
    if workers is not None:
        overrides["num_workers"] = workers
    if model_dir is not None:
        overrides["model_dir"] = literal(model_dir)
    if device is not None:
        overrides["device"] = device_expression(device)
    run = calibrate_on_own(labels, output, name, bundle, **overrides)
    print_table(calibration_table(run.calibration), f"Calibrated for {run.calibration.name}")
    for disease, reason in run.calibration.uncalibrated.items():
        print(f"Not calibrated: {disease}: {reason}.")
    print(f"Written: {run.path}. Use it with `vmnet predict --calibration {run.path}`.")
    return SOME_BAD if run.unused or run.calibration.uncalibrated else OK
