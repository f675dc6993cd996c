"""``vmnet export`` and ``vmnet log-model``: the bundle in other forms."""

from __future__ import annotations

import os

import rich_click as click

from vmnet_monai.cli.base import EXIT_CODES, NAMES, Command, model_options, print_table
from vmnet_monai.cli.checks import check_bundle, check_inputs, check_model, check_output, check_runtimes, loading
from vmnet_monai.io.tracking_store import TRACKING_VARIABLE, check_tracking_store

__all__ = ["export", "log_model"]


@click.command(cls=Command, stopped="Files that were finished stay.", epilog=EXIT_CODES)
@click.argument(
    "photographs",
    nargs=-1,
    metavar="[PHOTO...]",
    help="Photographs to compare on; the one that comes with scikit-image where none is given.",
)
@click.option("--output", metavar="DIR", help="Folder for the files [default: that of the weights].")
@click.option(
    "--runtimes",
    type=NAMES,
    metavar="NAMES",
    help="Comma-separated list out of torchscript, onnx, openvino [default: all that are installed].",
)
@model_options
def export(
    photographs: tuple[str, ...],
    output: str | None,
    runtimes: list[str] | None,
    bundle: str | None,
    model_dir: str | None,
) -> None:
    """The network as TorchScript, ONNX and OpenVINO, checked against PyTorch.

    Writes the network for other runtimes, compares each with PyTorch on photographs, and prints the largest
    differences, and sizes and times as ratios.
    """
    check_output(output)
    for photograph in photographs:
        check_inputs([photograph])
    check_runtimes(runtimes or ())
    check_model(check_bundle(bundle), model_dir)
    with loading("Exporting"):
        from vmnet_monai.export import export_models

    print_table(
        export_models(bundle, output_dir=output, model_dir=model_dir, runtimes=runtimes, images=list(photographs))
    )


@click.command(
    "log-model", cls=Command, stopped="A model that was not logged to its end is not listed.", epilog=EXIT_CODES
)
@click.option("--register", metavar="NAME", help="Register it in the model registry under this name.")
@click.option(
    "--tracking-uri",
    metavar="URI",
    help="MLflow's store [default: what MLFLOW_TRACKING_URI names, else sqlite:///output/vmnet/mlruns.db].",
)
@click.option("--experiment", default="vmnet", metavar="NAME", help="Experiment.")
@model_options
def log_model(
    register: str | None, tracking_uri: str | None, experiment: str, bundle: str | None, model_dir: str | None
) -> None:
    """The bundle as a model in MLflow, with signature and input example."""
    check_model(check_bundle(bundle), model_dir)
    store = tracking_uri or os.environ.get(TRACKING_VARIABLE)
    if store is not None and not store.startswith("sqlite:"):  # whose folder is made
        check_tracking_store(store)
    with loading("Logging the model"):
        from vmnet_monai import mlflow_model

    info = mlflow_model.log_model(
        bundle, model_dir=model_dir, tracking_uri=tracking_uri, experiment=experiment, register=register
    )
    print(f"Logged as {info.model_uri}")
    if register is not None:
        print(f"Registered as models:/{register}/{info.registered_model_version}")
