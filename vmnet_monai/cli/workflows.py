"""``vmnet train``, ``vmnet evaluate`` and ``vmnet operating-point``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import rich_click as click

from vmnet_monai.cli.base import DEVICE, EXIT_CODES, Command, Function, bundle_option, device_expression
from vmnet_monai.cli.checks import (
    check_bundle,
    check_datasets,
    check_keys,
    check_model,
    check_output,
    check_overlays,
    loading,
)
from vmnet_monai.io.bundle import literal
from vmnet_monai.io.tracking_store import TRACKING_VARIABLE, check_tracking_store

__all__ = ["evaluate", "operating_point", "train"]


def workflow_options(output: str) -> Any:
    """Add the options that all three commands have.

    Args:
        output: what is said of the output folder.
    """

    def add(function: Function) -> Function:
        options = [
            click.option(
                "--dataset",
                "datasets",
                multiple=True,
                metavar="NAME",
                help="Name of a dataset: key dataset_name; may be repeated [default: phantom, which is generated].",
            ),
            click.option(
                "--dataset-dir",
                "dataset_dirs",
                multiple=True,
                metavar="DIR",
                help="Its folder, or its CSV file where the dataset is table: key dataset_dir; repeated in the order "
                "of --dataset.",
            ),
            click.option("--output", metavar="DIR", help=f"{output}: key output_dir [default: output/vmnet]."),
            bundle_option,
            click.option(
                "--overlay",
                "overlays",
                multiple=True,
                metavar="FILE",
                help="Config file that is laid over train.json, such as configs/networks/venet.json; may be repeated.",
            ),
            click.option(
                "--set",
                "settings",
                multiple=True,
                metavar="KEY=VALUE",
                help="Any other key of the config, # leading into it, such as grid_size=576 or "
                "network_def#guidance=none; may be repeated. Values are read as those of `monai.bundle run`.",
            ),
            click.option(
                "--device",
                type=DEVICE,
                metavar="DEVICE",
                help="cpu, cuda or cuda:1 [default: the GPU if there is one].",
            ),
        ]
        for option in reversed(options):
            function = option(function)
        return function

    return add


@click.command(
    cls=Command, stopped="The same command with --resume goes on from the last checkpoint.", epilog=EXIT_CODES
)
@workflow_options("Folder for weights, checkpoints, validation images and tracking")
@click.option("--max-epochs", type=click.IntRange(1), metavar="N", help="Epochs: key max_epochs [default: 20].")
@click.option("--resume", is_flag=True, help="Go on from the newest checkpoint in the output folder: key resume.")
@click.option(
    "--tracking",
    metavar="URI",
    help="MLflow's store, or none to track nothing: key tracking_uri [default: what MLFLOW_TRACKING_URI names, else "
    "mlruns.db in the output folder].",
)
def train(max_epochs: int | None, resume: bool, tracking: str | None, **options: Any) -> None:
    """Train the network of a bundle: its train.json.

    The config as it is run is written to executed_config.json in the output folder.
    """
    own = {"max_epochs": max_epochs, "resume": resume or None, "tracking_uri": _text(tracking)}
    if not any(setting.startswith("tracking_uri=") for setting in options["settings"]):
        check_tracking_store(tracking or os.environ.get(TRACKING_VARIABLE))
    _run("train", own, **options)


@click.command(cls=Command, epilog=EXIT_CODES)
@workflow_options("Folder of the training, to which the scores are written")
@click.option(
    "--model-dir", metavar="DIR", help="Weights and operating point: key model_dir [default: models in --output]."
)
def evaluate(model_dir: str | None, **options: Any) -> None:
    """Score trained weights on the test part: train.json with evaluate.json.

    Give the same datasets, overlays and settings as for the training.
    """
    if model_dir is not None:
        check_model(Path(model_dir), model_dir)
    _run("evaluate", {"model_dir": _text(model_dir)}, **options)


@click.command("operating-point", cls=Command, epilog=EXIT_CODES)
@workflow_options("Folder for the weights with their new operating point")
@click.option(
    "--pretrained",
    metavar="FILE",
    help="Weights to calibrate: key pretrained [default: models/model.pt in --output].",
)
def operating_point(pretrained: str | None, **options: Any) -> None:
    """Choose the operating point of weights anew on the validation part: train.json with calibrate.json.

    It holds the calibration of the scores, the reference eyes and the thresholds of diseases and structures. For
    photographs of your own, `vmnet calibrate` is what you look for.
    """
    if pretrained is not None and not Path(pretrained).is_file():
        raise FileNotFoundError(f"the weights {pretrained} are missing: give a file of weights as `--pretrained`.")
    _run("calibrate", {"pretrained": _text(pretrained)}, **options)


def _run(
    name: str,
    own: dict[str, Any],
    datasets: tuple[str, ...],
    dataset_dirs: tuple[str, ...],
    output: str | None,
    bundle: str | None,
    overlays: tuple[str, ...],
    settings: tuple[str, ...],
    device: str | None,
) -> None:
    if datasets and dataset_dirs and len(datasets) != len(dataset_dirs):
        raise click.UsageError(
            f"Each --dataset needs its --dataset-dir, got {len(datasets)} and {len(dataset_dirs)} of them."
        )
    pairs = [setting.partition("=") for setting in settings]
    for setting, (key, equals, _) in zip(settings, pairs, strict=True):
        if not key or not equals:
            raise click.UsageError(f"--set must be KEY=VALUE, such as grid_size=576, got {setting!r}.")
    configs = ["train.json", *([] if name == "train" else [f"{name}.json"])]
    folder = check_bundle(bundle, f"configs/{configs[0]}") / "configs"
    check_overlays(overlays)
    check_keys([folder / config for config in configs], overlays, [key for key, _, _ in pairs])
    check_datasets(datasets, dataset_dirs)
    check_output(output)
    with loading({"train": "Training", "evaluate": "Evaluating", "calibrate": "Calibrating"}[name]):
        from fire.parser import DefaultParseValue

        from vmnet_monai.workflows import run_workflow

    given = own | {
        "dataset_name": _one_or_all(datasets),
        "dataset_dir": _one_or_all([_text(folder) for folder in dataset_dirs]),
        "output_dir": _text(output),
        "device": None if device is None else device_expression(device),
    }
    overrides = {key: value for key, value in given.items() if value is not None}
    overrides |= {key: DefaultParseValue(value) for key, _, value in pairs}
    run_workflow(name, bundle, overlays, overrides)


def _text(text: str | None) -> str | None:
    """A text of the command line as a config holds it."""
    return None if text is None else literal(text)


def _one_or_all(values: Any) -> Any:
    return values[0] if len(values) == 1 else list(values) or None
