"""Writes the network in the form that other runtimes read."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch
from monai.data import save_net_with_metadata
from monai.networks.utils import convert_to_onnx, convert_to_torchscript

from vmnet_monai.inference.runtimes import EXPORTED, INPUT_NAME, openvino_core, runtime_package
from vmnet_monai.io.weights import WEIGHTS_NAME, WEIGHTS_SHA256

__all__ = ["TOLERANCE", "export_files", "write_exports"]

TOLERANCE = 1e-4
"""Largest accepted difference of a probability to PyTorch, of a pixel or of a disease. On 15 photographs of
HRF, CHASE_DB1 and ODIR-5K the shipped weights differ by 0.00002 at most, see docs/how-to/export.md."""


def export_files(runtime: str) -> list[str]:
    """Return the names of the files of a runtime; the one that names the weights last.

    Args:
        runtime: one of :data:`~vmnet_monai.inference.runtimes.RUNTIMES`.
    """
    if runtime == "torch":
        return [WEIGHTS_NAME]
    return [*(["model.bin"] if runtime == "openvino" else []), EXPORTED[runtime]]


def write_exports(
    network: torch.nn.Module,
    size_px: int,
    extras: Mapping[str, str],
    folder: Path,
    runtimes: Iterable[str],
    advance: Callable[[], object] = lambda: None,
) -> None:
    """Write the files of some runtimes into a new folder, in several calls or in one.

    Args:
        network: the network, in evaluation mode, with its weights.
        size_px: S of its input (1, 3, S, S).
        extras: contents by name that the files carry; under ``weights_sha256`` the SHA-256 of the weights, for
            TorchScript under ``metadata.json`` a JSON object.
        folder: holds nothing but what was written of the same network.
        runtimes: out of :data:`~vmnet_monai.inference.runtimes.EXPORTED`.
        advance: called after each.

    Raises:
        ImportError: if the package of a runtime is not installed.
        Exception: of many classes, if an exporter cannot write the network.
    """
    onnx_path = folder / EXPORTED["onnx"]
    with _quiet():
        for runtime in runtimes:
            if runtime == "torchscript":
                _write_torchscript(network, size_px, extras, folder / EXPORTED[runtime])
            elif not onnx_path.exists():
                _write_onnx(network, size_px, extras, onnx_path)
            if runtime == "openvino":
                _write_openvino(onnx_path, extras[WEIGHTS_SHA256], folder / EXPORTED[runtime])
            advance()


def _write_torchscript(network: torch.nn.Module, size_px: int, extras: Mapping[str, str], path: Path) -> None:
    try:
        script = convert_to_torchscript(network)
    except Exception:  # TorchScript knows a part of Python; other code raises errors of many classes
        example = torch.zeros(1, 3, size_px, size_px)
        script = convert_to_torchscript(network, use_trace=True, inputs=[example], strict=False)
    others = {name: contents.encode() for name, contents in extras.items() if name != "metadata.json"}
    save_net_with_metadata(
        script,
        str(path),
        include_config_vals=False,
        meta_values=json.loads(extras["metadata.json"]),
        more_extra_files=others,
    )


def _write_onnx(network: torch.nn.Module, size_px: int, extras: Mapping[str, str], path: Path) -> None:
    example = torch.zeros(1, 3, size_px, size_px)
    with torch.no_grad():
        names = list(network(example))
    model = convert_to_onnx(
        _InOrder(network, names),
        [example],
        input_names=[INPUT_NAME],
        output_names=names,
        filename=str(path),
        dynamo=False,  # the other exporter takes ten times as long, and fails on MONAI's FlexibleUNet
    )
    onnx.helper.set_model_props(model, dict(extras))
    onnx.save(model, path)


def _write_openvino(onnx_path: Path, made_from: str, path: Path) -> None:
    openvino = runtime_package("openvino")
    model = openvino_core().read_model(onnx_path)
    model.set_rt_info(made_from, WEIGHTS_SHA256)
    openvino.save_model(model, path, compress_to_fp16=False)


class _InOrder(torch.nn.Module):
    """Returns the values of a network's dictionary in a fixed order."""

    def __init__(self, network: torch.nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.names = list(names)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = self.network(image)
        return tuple(outputs[name] for name in self.names)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings of PyTorch's exporters, which the comparison with PyTorch answers."""
    onnx_logger = logging.getLogger("torch.onnx")
    level = onnx_logger.level
    onnx_logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        onnx_logger.setLevel(level)
