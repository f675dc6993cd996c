"""``vmnet predict``."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import rich_click as click

from vmnet_monai.cli.base import (
    DEVICE,
    NAMES,
    OK,
    SOME_BAD,
    THRESHOLD,
    Command,
    device_expression,
    model_options,
    workers_option,
)
from vmnet_monai.cli.checks import (
    check_bundle,
    check_inputs,
    check_model,
    check_names,
    check_output,
    check_runtimes,
    loading,
)
from vmnet_monai.errors import missing_package

__all__ = ["predict"]


@click.command(
    cls=Command,
    stopped="The same command goes on where it stood.",
    epilog="Exit codes: 0 all predicted, 1 some refused or failed, 2 nothing could be done, 130 stopped by Ctrl-C.",
)
@click.argument(
    "inputs",
    nargs=-1,
    required=True,
    metavar="PHOTO|FOLDER|LIST.csv...",
    help="Photographs (DICOM too), folders (with subfolders), or lists (CSV, XLSX, Parquet) with a column `image`; "
    "also in a bucket, such as s3://archive/2024.",
)
@click.option("--output", required=True, metavar="DIR", help="Folder for the results.")
@click.option(
    "--expected",
    type=click.Choice(["fundus", "any"]),
    help="any: do not refuse what does not look like a fundus photograph [default: fundus, unless the weights are for "
    "other pictures].",
)
@model_options
@click.option(
    "--runtime",
    type=click.Choice(["auto", "torch", "torchscript", "onnx", "openvino"]),
    help="What runs the network; auto is the fastest of torch, onnx and openvino that is installed and agrees with "
    "torch. Named ones but torch need the files of `vmnet export`, whose model.ts may also stand for the whole bundle "
    "[default: torch].",
)
@click.option("--flips", is_flag=True, help="Average over four mirror images, at four times the cost.")
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    type=THRESHOLD,
    metavar="NAME=VALUE",
    help="Another threshold for a disease or structure, such as glaucoma=0.3; may be repeated.",
)
@click.option(
    "--calibration",
    metavar="FILE",
    help="A file of `vmnet calibrate`: its diseases get probabilities and decisions for your own photographs.",
)
@click.option(
    "--decide",
    is_flag=True,
    help="Decide on scores too, by the thresholds of the weights. They are chosen for the photographs for which the "
    "scores are calibrated, and may be wrong for yours.",
)
@click.option(
    "--explain",
    default="positive",
    type=NAMES,
    metavar="DISEASES",
    help="Heat maps of these diseases: positive (those at or above their threshold, told or not), all, none, or a "
    "comma-separated list.",
)
@click.option(
    "--method",
    default="layercam",
    type=click.Choice(["gradcam", "gradcam++", "hirescam", "layercam", "occlusion"]),
    help="How heat maps are made.",
)
@click.option("--report/--no-report", default=True, help="HTML report: index.html.")
@click.option("--pdf", is_flag=True, help="A PDF page per photograph too.")
@click.option(
    "--dicom",
    is_flag=True,
    help="DICOM objects too (segmentation, structured report, secondary captures) of photographs that are DICOM.",
)
@click.option(
    "--deidentify",
    is_flag=True,
    help="Hashed ids in place of file names; what leads back lies in the folder DIR-private.",
)
@click.option("--resume/--no-resume", default=True, help="Keep what an earlier run with the same settings finished.")
@click.option("--device", type=DEVICE, metavar="DEVICE", help="cpu, cuda or cuda:1 [default: the GPU if there is one].")
@click.option("--batch-size", type=click.IntRange(1), default=1, metavar="N", help="Photographs at once.")
@workers_option
@click.option(
    "--engine",
    default="local",
    type=click.Choice(["local", "ray"]),
    help="ray: divide the photographs among processes, on this machine or a cluster.",
)
@click.option(
    "--ray-address", metavar="ADDRESS", help="A Ray cluster; auto for that of this machine [default: start one here]."
)
@click.option(
    "--actors",
    type=click.IntRange(1),
    metavar="N",
    help="Processes of the engine ray [default: one per GPU, or per core, as far as the memory goes].",
)
@click.option(
    "--results",
    default="files",
    type=click.Choice(["files", "table"]),
    help="table: with the engine ray, only the Parquet table of results, without images and reports.",
)
@click.option_panel(
    "Model", options=["--bundle", "--model-dir", "--runtime", "--flips", "--threshold", "--calibration", "--decide"]
)
@click.option_panel(
    "Results",
    options=["--explain", "--method", "--report", "--pdf", "--dicom", "--deidentify", "--resume", "--results"],
)
@click.option_panel(
    "Machine", options=["--device", "--batch-size", "--workers", "--engine", "--ray-address", "--actors"]
)
def predict(
    inputs: tuple[str, ...],
    output: str,
    bundle: str | None,
    model_dir: str | None,
    calibration: str | None,
    device: str | None,
    explain: list[str],
    method: str,
    thresholds: tuple[tuple[str, float], ...],
    workers: int | None,
    engine: str,
    ray_address: str | None,
    actors: int | None,
    results: str,
    **settings: Any,
) -> int:
    """Vessel maps, disease scores, heat maps and a report for photographs.

    Writes tables, pictures and an HTML report. An input that cannot be used is noted in manifest.csv with the reason,
    and the others go on. The same command again does only what is missing.
    """
    if settings["dicom"] and settings["deidentify"]:
        raise click.UsageError(
            "DICOM results bear the patient's name and cannot be de-identified: leave out --dicom or --deidentify."
        )
    _check_engine(engine, workers, ray_address, actors, results, settings)
    check_inputs(inputs)
    check_inputs([] if calibration is None else [calibration])
    check_output(output)
    folder = check_bundle(bundle, or_file=True)
    check_names(check_model(folder, model_dir), dict(thresholds), explain)
    runtime = settings["runtime"]
    if runtime not in (None, "auto", "torch") and folder.is_dir():
        check_runtimes([runtime], folder / "models" if model_dir is None else Path(model_dir))
    with loading("Predicting"):
        # OpenMP reads it when PyTorch is loaded: threads that wait in a loop, as by default, would take the cores of
        # the processes that read and write.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        from vmnet_monai.inference.run import predict_folder
        from vmnet_monai.io.bundle import literal

    logging.getLogger("ignite").setLevel(logging.CRITICAL)  # it reports errors that are reported here
    keywords: dict[tuple[str, ...], str | list[str]] = {("positive",): "positive", ("all",): "all", ("none",): []}
    overrides = {key: value for key, value in settings.items() if value is not None} | {
        "explain": keywords.get(tuple(explain), [literal(name) for name in explain]),
        "cam_method": method,
        "thresholds": dict(thresholds),
    }
    if workers is not None:
        overrides["num_workers"] = workers
    if model_dir is not None:
        overrides["model_dir"] = literal(model_dir)
    if calibration is not None:
        overrides["calibration"] = literal(calibration)
    if device is not None:
        overrides["device"] = device_expression(device)
    if engine == "ray":
        from vmnet_monai.inference.ray_engine import predict_on_ray

        manifest = predict_on_ray(inputs, output, bundle, ray_address, actors, results == "files", **overrides)
    else:
        manifest = predict_folder(inputs, output, bundle, **overrides)
    return OK if all(record.status == "ok" for record in manifest.ordered()) else SOME_BAD


def _check_engine(
    engine: str, workers: int | None, address: str | None, actors: int | None, results: str, settings: Mapping[str, Any]
) -> None:
    """Refuse options that do not go together, and the engine ray where it is not installed."""
    if engine == "local":
        if address is not None or actors is not None or results != "files":
            raise click.UsageError("--ray-address, --actors and --results table need --engine ray.")
        return
    if workers:
        raise click.UsageError(
            "with --engine ray every process reads its own photographs: --actors in place of --workers."
        )
    if settings["runtime"] == "auto":
        raise click.UsageError(
            "with --engine ray all processes need one runtime: name it in place of auto, after `vmnet export`."
        )
    if results == "table" and (settings["pdf"] or settings["dicom"]):
        raise click.UsageError("--results table writes no files: leave out --pdf and --dicom.")
    if find_spec("ray") is None:
        raise missing_package("the engine ray", "ray", "ray")
