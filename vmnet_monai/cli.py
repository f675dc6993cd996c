"""The command line: ``vmnet predict``, ``vmnet export`` and ``vmnet log-model``."""

from __future__ import annotations

import argparse
import importlib.metadata
import io
import logging
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

OK, SOME_BAD, CANNOT_RUN, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: all photographs were predicted; some were refused or failed; nothing could be done; stopped by Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        Exit code, see :data:`OK` and the others.
    """
    options = parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may have letters that a terminal lacks
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except KeyboardInterrupt:
        print(f"\nStopped. {options.stopped}", file=sys.stderr)
        return INTERRUPTED
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return CANNOT_RUN
    except Exception as error:
        print(f"error: {' '.join(f'{type(error).__name__}: {error}'.split())}", file=sys.stderr)
        return CANNOT_RUN


# PyTorch, MONAI and MLflow take seconds to import, which --help should not: each command imports what it needs.


def _predict(options: argparse.Namespace) -> int:
    from vmnet_monai.inference.bundle import literal
    from vmnet_monai.inference.run import predict_folder

    logging.getLogger("ignite").setLevel(logging.CRITICAL)  # it reports errors that are reported here
    overrides = _overrides(options)
    if options.model_dir is not None:
        overrides["model_dir"] = literal(options.model_dir)
    if isinstance(options.explain, list):
        overrides["explain"] = [literal(name) for name in options.explain]
    manifest = predict_folder(options.inputs, options.output, options.bundle, **overrides)
    return OK if all(record.status == "ok" for record in manifest.ordered()) else SOME_BAD


def _export(options: argparse.Namespace) -> int:
    from vmnet_monai.export import export_models

    table = export_models(
        options.bundle,
        output_dir=options.output,
        model_dir=options.model_dir,
        runtimes=options.runtimes,
        images=options.images,
    )
    print(table.to_string(index=False))
    return OK


def _log_model(options: argparse.Namespace) -> int:
    from vmnet_monai.mlflow_model import log_model

    info = log_model(
        options.bundle,
        model_dir=options.model_dir,
        tracking_uri=options.tracking_uri,
        experiment=options.experiment,
        register=options.register,
    )
    print(f"Logged as {info.model_uri}")
    if options.register is not None:
        print(f"Registered as models:/{options.register}/{info.registered_model_version}")
    return OK


def parser() -> argparse.ArgumentParser:
    """The parser of the command's arguments."""
    vmnet = argparse.ArgumentParser(
        prog="vmnet",
        description="Retinal vessels and diseases from colour fundus photographs. Not a medical device: for research "
        "only, not for diagnosis, screening or treatment decisions.",
    )
    vmnet.add_argument("--version", action="version", version=f"vmnet {importlib.metadata.version('vmnet_monai')}")
    commands = vmnet.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_predict(commands)
    _add_export(commands)
    _add_log_model(commands)
    return vmnet


def _add_predict(commands: Commands) -> None:
    predict = commands.add_parser(
        "predict",
        help="vessel maps, disease probabilities, heat maps and a report for photographs",
        description="Predicts photographs and writes tables, pictures and an HTML report. An input that cannot be used "
        "is noted in manifest.csv with the reason, and the others go on. The same command again does only what is "
        "missing.",
        epilog="Exit codes: 0 all predicted, 1 some refused or failed, 2 nothing could be done, 130 stopped by Ctrl-C.",
    )
    predict.set_defaults(run=_predict, stopped="The same command goes on where it stood.")
    predict.add_argument(
        "inputs",
        nargs="+",
        metavar="PHOTO|FOLDER|LIST.csv",
        help="photographs (DICOM too), folders (with their subfolders), or CSV lists with a column `image`",
    )
    predict.add_argument(
        "--expected",
        choices=("fundus", "any"),
        help="any: do not refuse what does not look like a fundus photograph (default: fundus)",
    )
    predict.add_argument("--output", required=True, metavar="OUT", help="folder for the results")

    model = _add_model(predict)
    model.add_argument(
        "--runtime",
        choices=("torch", "torchscript", "onnx", "openvino"),
        help="what runs the network; all but torch need the files of `vmnet export`, whose model.ts may also stand for "
        "the whole bundle (default: torch)",
    )
    model.add_argument("--flips", action="store_true", help="average over four mirror images, at four times the cost")
    model.add_argument(
        "--threshold",
        action="append",
        default=[],
        type=_threshold,
        metavar="NAME=VALUE",
        help="another threshold for a disease or structure, such as glaucoma=0.3; may be repeated",
    )

    results = predict.add_argument_group("results")
    results.add_argument(
        "--explain",
        default="positive",
        type=_diseases,
        metavar="DISEASES",
        help="heat maps of these diseases: positive (those at or above their threshold), all, none, or a comma-separated "
        "list (default: %(default)s)",
    )
    results.add_argument(
        "--method",
        default="gradcam",
        choices=("gradcam", "gradcam++", "occlusion"),
        help="how heat maps are made (default: %(default)s)",
    )
    results.add_argument(
        "--report", default=True, action=argparse.BooleanOptionalAction, help="HTML report: index.html (default: on)"
    )
    results.add_argument("--pdf", action="store_true", help="a PDF page per photograph too")
    results.add_argument(
        "--dicom",
        action="store_true",
        help="DICOM objects too (segmentation, structured report, secondary captures) of photographs that are DICOM",
    )
    results.add_argument(
        "--deidentify",
        action="store_true",
        help="hashed ids in place of file names; what leads back lies in the folder OUT-private",
    )
    results.add_argument(
        "--resume",
        default=True,
        action=argparse.BooleanOptionalAction,
        help="keep what an earlier run with the same settings finished (default: on)",
    )

    machine = predict.add_argument_group("machine")
    machine.add_argument("--device", metavar="DEVICE", help="cpu, cuda or cuda:1 (default: the GPU where there is one)")
    machine.add_argument(
        "--batch-size", type=_positive, default=1, metavar="N", help="photographs at once (default: %(default)s)"
    )
    machine.add_argument(
        "--workers", type=_not_negative, default=0, metavar="N", help="processes that read photographs (default: 0)"
    )


def _add_export(commands: Commands) -> None:
    export = commands.add_parser(
        "export",
        help="the network as TorchScript, ONNX and OpenVINO, checked against PyTorch",
        description="Writes the network for other runtimes, compares each with PyTorch on photographs, and prints the "
        "largest differences, and sizes and times as ratios.",
    )
    export.set_defaults(run=_export, stopped="Files that were finished stay.")
    export.add_argument(
        "images",
        nargs="*",
        metavar="PHOTO",
        help="photographs to compare on (default: the one that comes with scikit-image)",
    )
    export.add_argument("--output", metavar="DIR", help="folder for the files (default: that of the weights)")
    export.add_argument(
        "--runtimes",
        type=_names,
        metavar="NAMES",
        help="comma-separated list out of torchscript, onnx, openvino (default: all that are installed)",
    )
    _add_model(export)


def _add_log_model(commands: Commands) -> None:
    log_model = commands.add_parser(
        "log-model",
        help="the bundle as a model in MLflow",
        description="Logs the bundle as an MLflow pyfunc model with signature and input example.",
    )
    log_model.set_defaults(run=_log_model, stopped="A model that was not logged to its end is not listed.")
    log_model.add_argument("--register", metavar="NAME", help="register it in the model registry under this name")
    log_model.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow's store; MLFLOW_TRACKING_URI goes before it (default: sqlite:///output/vmnet/mlruns.db)",
    )
    log_model.add_argument("--experiment", default="vmnet", metavar="NAME", help="experiment (default: %(default)s)")
    _add_model(log_model)


def _add_model(command: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the options that name the weights."""
    model = command.add_argument_group("model")
    model.add_argument("--bundle", metavar="DIR", help="the bundle (default: the one that came with the package)")
    model.add_argument(
        "--model-dir", metavar="DIR", help="weights and thresholds of a training (default: the bundle's)"
    )
    return model


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    """The options as keys of inference.json."""
    overrides = {
        "resume": options.resume,
        "report": options.report,
        "pdf": options.pdf,
        "dicom": options.dicom,
        "deidentify": options.deidentify,
        "explain": options.explain,
        "cam_method": options.method,
        "flips": options.flips,
        "thresholds": dict(options.threshold),
        "batch_size": options.batch_size,
        "num_workers": options.workers,
    }
    if options.runtime is not None:
        overrides["runtime"] = options.runtime
    if options.device is not None:
        overrides["device"] = f"$torch.device({options.device!r})"
    if options.expected is not None:
        overrides["expected"] = options.expected
    return overrides


def _diseases(text: str) -> str | list[str]:
    if text in ("positive", "all"):
        return text
    return [] if text == "none" else _names(text)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _threshold(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, such as glaucoma=0.3, got {text!r}") from None


def _positive(text: str) -> int:
    return _count(text, 1)


def _not_negative(text: str) -> int:
    return _count(text, 0)


def _count(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, got {text!r}")
    return number
