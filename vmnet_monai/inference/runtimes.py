"""The libraries that can run the network: PyTorch, and those for which it was exported."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from monai.utils import optional_import
from numpy.typing import NDArray

from vmnet_monai.errors import missing_package
from vmnet_monai.io.weights import TORCHSCRIPT_NAME, WEIGHTS_NAME, WEIGHTS_SHA256, torchscript_extra, weights_sha256

__all__ = ["EXPORTED", "INPUT_NAME", "PACKAGES", "RUNTIMES", "open_runtime", "openvino_core", "runtime_package"]

EXPORTED = {"torchscript": TORCHSCRIPT_NAME, "onnx": "model.onnx", "openvino": "model.xml"}
"""Runtimes that need an exported file -> its name beside the weights; OpenVINO's has a ``model.bin`` beside it."""

RUNTIMES = ("torch", *EXPORTED)
"""All runtimes; ``"torch"`` runs the network itself."""

PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}
"""Runtimes whose package is not required by this one."""

INPUT_NAME = "image"
"""Name of the input of the exported networks; their outputs are named like the keys of the network's dictionary."""

Run = Callable[[NDArray[np.float32]], dict[str, NDArray[np.float32]]]


class TorchScriptNetwork(torch.nn.Module):
    """A TorchScript file, in float32 also where the caller computes in bfloat16.

    Args:
        path: the file.
        device: where it runs.
    """

    def __init__(self, path: Path, device: str | torch.device = "cpu") -> None:
        super().__init__()
        self.network = torch.jit.load(path, map_location=device)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the logits of photographs (B, 3, S, S) float32."""
        with torch.autocast(image.device.type, enabled=False):
            logits: dict[str, torch.Tensor] = self.network(image)
        return logits


class ExportedNetwork(torch.nn.Module):
    """A network that another library runs on the CPU, one photograph after the other.

    Args:
        run: maps (1, 3, S, S) float32 to the dictionary of logits.
        size: (S, S).
    """

    def __init__(self, run: Run, size: tuple[int, ...]) -> None:
        super().__init__()
        self.run = run
        self.size = size

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the logits of photographs (B, 3, S, S) float32, on their device.

        Raises:
            ValueError: if S is not that of the exported file.
        """
        if tuple(image.shape[2:]) != self.size:
            raise ValueError(
                f"the exported network takes a grid of {self.size} pixels, got {tuple(image.shape[2:])}: use the grid "
                "of the operating point, or the runtime torch, which takes any."
            )
        arrays = image.detach().cpu().contiguous().numpy()
        logits = [self.run(arrays[index : index + 1]) for index in range(len(arrays))]
        return {
            name: torch.from_numpy(np.concatenate([one[name] for one in logits])).to(image.device) for name in logits[0]
        }


def open_runtime(
    runtime: str,
    model_dir: str | Path,
    network: torch.nn.Module,
    device: str | torch.device = "cpu",
    export_dir: str | Path | None = None,
) -> torch.nn.Module:
    """Return what runs the network: the network itself, or its export, which computes in float32.

    The threads of an exported network are as many as PyTorch's, :func:`torch.get_num_threads`. ONNX Runtime and
    OpenVINO run on the CPU.

    Args:
        runtime: one of :data:`RUNTIMES`.
        model_dir: folder of the weights.
        network: the PyTorch network; it is set to evaluation mode, because an engine that runs an export does not.
        device: where PyTorch and TorchScript run.
        export_dir: folder of the exported files; by default that of the weights.

    Returns:
        A module that maps photographs (B, 3, S, S) float32 in [0, 1] to the dictionary of logits.

    Raises:
        FileNotFoundError: if the network was not exported.
        ImportError: if the runtime's package is not installed.
        ValueError: if there is no such runtime, or the export was made from other weights.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"the runtime must be one of {', '.join(RUNTIMES)}, got {runtime!r}.")
    network.eval()
    if runtime == "torch":
        return network
    runtime_package(runtime)
    path = Path(model_dir if export_dir is None else export_dir) / EXPORTED[runtime]
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: write it with `vmnet export --runtimes {runtime}`.")
    opened: torch.nn.Module
    if runtime == "torchscript":
        opened, made_from = TorchScriptNetwork(path, device), torchscript_extra(path, WEIGHTS_SHA256).decode()
    else:
        opened, made_from = (_open_onnx if runtime == "onnx" else _open_openvino)(path)
    if made_from != weights_sha256(model_dir):
        raise ValueError(
            f"{path} was made from other weights than {Path(model_dir) / WEIGHTS_NAME}: write it anew with "
            f"`vmnet export --runtimes {runtime}`."
        )
    return opened.eval()


def runtime_package(runtime: str) -> ModuleType:
    """Import the package that a runtime needs.

    Args:
        runtime: one of :data:`RUNTIMES`.

    Raises:
        ImportError: if it is not installed.
    """
    package = PACKAGES.get(runtime, "torch")
    module, found = optional_import(package)
    if not found:
        raise missing_package(f"the runtime {runtime}", package, "runtimes")
    return module


@cache
def openvino_core() -> Any:
    """Return the one OpenVINO core of this process, which stays until it ends.

    OpenVINO unloads its plugins with the last core, and a thread that has used them crashes the process as it ends.

    Raises:
        ImportError: if OpenVINO is not installed.
    """
    return runtime_package("openvino").Core()


def _open_onnx(path: Path) -> tuple[ExportedNetwork, str]:
    """The network, and the SHA-256 of the weights that it was made from."""
    onnxruntime = runtime_package("onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    # Threads that wait in a loop take the cores of the processes that read and write.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(image: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        return dict(zip(names, session.run(names, {INPUT_NAME: image}), strict=True))

    size = tuple(session.get_inputs()[0].shape[2:])
    return ExportedNetwork(run, size), session.get_modelmeta().custom_metadata_map.get(WEIGHTS_SHA256, "")


def _open_openvino(path: Path) -> tuple[ExportedNetwork, str]:
    """The network, and the SHA-256 of the weights that it was made from."""
    core = openvino_core()
    model = core.read_model(path)
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # bfloat16 is the default of some CPUs
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "ENABLE_CPU_PINNING": False,  # else several processes would share the same cores
    }
    names = [output.any_name for output in model.outputs]  # those of the compiled model have names of inner nodes too
    compiled = core.compile_model(model, "CPU", settings)

    def run(image: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        return dict(zip(names, compiled({INPUT_NAME: image}).to_tuple(), strict=True))

    size = tuple(length.get_length() for length in list(model.inputs[0].partial_shape)[2:])
    made_from = model.get_rt_info(WEIGHTS_SHA256).astype(str) if model.has_rt_info(WEIGHTS_SHA256) else ""
    return ExportedNetwork(run, size), made_from
