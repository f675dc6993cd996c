"""Chooses what runs the network: the fastest runtime that is installed and agrees with PyTorch."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import skimage.data
import torch
from filelock import FileLock

from vmnet_monai.calibration.operating_point import network_settings, weights_version
from vmnet_monai.errors import error_reason
from vmnet_monai.explain import Explainer
from vmnet_monai.inference.exports import TOLERANCE, export_files, write_exports
from vmnet_monai.inference.record_folder import RecordFolder
from vmnet_monai.inference.runtimes import PACKAGES, RUNTIMES, open_runtime
from vmnet_monai.inference.weights import WeightsLoader
from vmnet_monai.io.files import whole_file
from vmnet_monai.io.weights import WEIGHTS_SHA256, weights_sha256

__all__ = ["AUTO", "RuntimeChoice", "choose_runtime"]

AUTO = "auto"
"""The runtime that leaves the choice to :func:`choose_runtime`."""

WARM_UP, REPEATS = 1, 3
"""Photographs that each runtime predicts before it is timed, and while it is."""

Measured = Mapping[str, Mapping[str, Any]]
"""Runtime -> ``seconds`` of a photograph and largest ``difference`` of a probability, or the ``problem``."""


class RuntimeChoice(NamedTuple):
    """What runs the network."""

    runtime: str
    """One of :data:`~vmnet_monai.inference.runtimes.RUNTIMES`."""
    export_dir: Path
    """Folder of its exported files, where it needs any."""


def choose_runtime(
    runtime: str,
    model_dir: str | Path,
    network: torch.nn.Module,
    inferer: Callable[..., dict[str, torch.Tensor]],
    explainer: Explainer,
    grid_size: int,
    disease_size: int | None = None,
    device: str | torch.device = "cpu",
    begun_in: str | Path | None = None,
) -> RuntimeChoice:
    """Return the runtime, chosen where it is ``"auto"``, and where its exported files lie.

    The choice is between PyTorch and, on the CPU, OpenVINO and ONNX Runtime, as far as they are installed. At the first
    time the network is exported into ``$XDG_CACHE_HOME/vmnet_monai/runtimes`` (``~/.cache`` by default), in a folder of
    its own for each network and its weights. On each machine, for as many threads and with heat maps or without, one
    photograph is predicted by all: those that differ from PyTorch by more than
    :data:`~vmnet_monai.inference.exports.TOLERANCE` in a probability of the grid, before calibration, are out, and of
    the others the fastest is taken. What was measured is kept in a file beside the exports, which may be removed at any
    time; a second process waits for the first. A line on standard error says what was taken, and why.

    Args:
        runtime: ``"auto"``, or one of :data:`~vmnet_monai.inference.runtimes.RUNTIMES`, which is returned as it is.
        model_dir: folder of the weights, and of the exports of a runtime that is named.
        network: the PyTorch network; where a choice is made it gets the weights, and is set to evaluation mode.
        inferer: runs a network on images, such as :class:`vmnet_monai.handlers.MultiTaskInferer`.
        explainer: makes the heat maps, by PyTorch in every runtime.
        grid_size: S of the network's input (1, 3, S, S).
        disease_size: what the disease head reads.
        device: where PyTorch runs.
        begun_in: output folder; if it has results of the same weights, their runtime is taken.

    Raises:
        FileNotFoundError: if there are no weights.
        ValueError: if results were begun with a runtime that cannot go on here, as it is not installed.
    """
    if runtime != AUTO:
        return RuntimeChoice(runtime, Path(model_dir))
    begun = None if begun_in is None else _begun_runtime(begun_in, weights_version(model_dir))
    on_cpu = torch.device(device).type == "cpu"
    candidates = [name for name, package in PACKAGES.items() if on_cpu and find_spec(package) is not None]
    if begun in PACKAGES and begun not in candidates:
        raise ValueError(
            f"the results in {begun_in} were begun with the runtime {begun}, which needs the package "
            f'{PACKAGES[begun]} (`pip install "vmnet_monai[runtimes]"`) and the CPU (`--device cpu`): give both, or '
            "make the results anew (`--no-resume`)."
        )
    choice = RuntimeChoice(begun or "torch", Path(model_dir))
    if begun is not None and begun not in PACKAGES:
        reason = f"the results in {begun_in} were begun with it"
    elif not candidates:
        reason = f"neither {' nor '.join(PACKAGES.values())} is installed" if on_cpu else f"the device is {device}"
    else:
        WeightsLoader(network, model_dir, device)()
        comparison = _Comparison(network.eval(), inferer, explainer, grid_size, disease_size, Path(model_dir))
        try:
            measured = comparison.remembered(candidates)
        except OSError as error:
            measured = {name: {"problem": error_reason(error)} for name in candidates}
        usable = {name: of["seconds"] for name, of in measured.items() if "problem" not in of}
        if begun is not None and begun not in usable:
            raise ValueError(
                f"the results in {begun_in} were begun with the runtime {begun}, which cannot go on here "
                f"({measured[begun]['problem']}): go on where they were begun, or make them anew (`--no-resume`)."
            )
        choice = RuntimeChoice(begun or min(usable, key=usable.__getitem__, default="torch"), comparison.folder)
        reason = _reason(measured) if begun is None else f"the results in {begun_in} were begun with it"
    print(f"Runtime {choice.runtime}: {reason}.", file=sys.stderr, flush=True)
    return choice


class _Comparison:
    """Exports of a network, compared with PyTorch on one photograph."""

    def __init__(
        self,
        network: torch.nn.Module,
        inferer: Callable[..., dict[str, torch.Tensor]],
        explainer: Explainer,
        grid_size: int,
        disease_size: int | None,
        model_dir: Path,
    ) -> None:
        self.network = network
        self.inferer = inferer
        self.explainer = explainer
        self.grid_size = grid_size
        self.model_dir = model_dir
        self.weights = weights_sha256(model_dir)
        version = importlib.metadata.version("vmnet_monai")
        self.folder = _cache_dir() / _digest(
            [self.weights, network_settings(network), grid_size, disease_size, version]
        )

    def remembered(self, candidates: Sequence[str]) -> Measured:
        """Return what was measured for the same on this machine, or measure it."""
        asked = {
            "machine": platform.node(),
            "threads": torch.get_num_threads(),
            "versions": {name: importlib.metadata.version(PACKAGES.get(name, name)) for name in ("torch", *candidates)},
            "heat_maps": bool(self.explainer.explain) and [self.explainer.method, self.explainer.layer],
            "inferer": {name: value for name, value in vars(self.inferer).items() if isinstance(value, bool)},
        }
        path = self.folder / f"measured-{_digest(asked)}.json"
        if (found := self._read(path)) is not None:
            return found
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            if (found := self._read(path)) is not None:
                return found
            print("Comparing the runtimes, once for these weights on this machine ...", file=sys.stderr, flush=True)
            measured = self._measure(candidates)
            with whole_file(path) as temporary:
                temporary.write_text(json.dumps({**asked, "runtimes": measured}, indent=1) + "\n", encoding="utf-8")
        return measured

    def _read(self, path: Path) -> Measured | None:
        """What was measured; None where it was not, or files of a runtime that can be used are gone."""
        try:
            measured: Measured = json.loads(path.read_text(encoding="utf-8"))["runtimes"]
        except FileNotFoundError:
            return None
        usable = [name for name, of in measured.items() if name in PACKAGES and "problem" not in of]
        return measured if all(map(self._is_exported, usable)) else None

    def _is_exported(self, runtime: str) -> bool:
        return all((self.folder / name).is_file() for name in export_files(runtime))

    def _measure(self, candidates: Sequence[str]) -> Measured:
        measured: dict[str, dict[str, Any]] = {}
        networks = {"torch": self.network}
        pixels = torch.from_numpy(skimage.data.retina()).movedim(-1, 0)[None] / 255
        image = torch.nn.functional.interpolate(pixels, (self.grid_size, self.grid_size), mode="area")
        with torch.no_grad(), tempfile.TemporaryDirectory(prefix="vmnet-export-") as temporary:
            reference = self.network(image)
            for name in candidates:
                try:
                    self._export(name, Path(temporary))
                    opened = open_runtime(name, self.model_dir, self.network, export_dir=self.folder)
                    difference = _largest_difference(opened(image), reference)
                except OSError:
                    raise
                except Exception as error:  # exporters and runtimes raise errors of many classes
                    measured[name] = {"problem": error_reason(error)}
                    continue
                measured[name] = {"difference": difference}
                if difference <= TOLERANCE:
                    networks[name] = opened
                else:
                    measured[name]["problem"] = f"differs from PyTorch by {difference:.0e} in a probability"
        times: dict[str, list[float]] = {name: [] for name in networks}
        for _ in range(WARM_UP + REPEATS):  # in turn, so that a busy machine slows all alike
            for name, network in networks.items():
                started = time.perf_counter()
                self._predict(network, image)
                times[name].append(time.perf_counter() - started)
        for name, seconds in times.items():
            measured.setdefault(name, {})["seconds"] = statistics.median(seconds[WARM_UP:])
        return measured

    def _export(self, runtime: str, temporary: Path) -> None:
        if self._is_exported(runtime):
            return
        write_exports(self.network, self.grid_size, {WEIGHTS_SHA256: self.weights}, temporary, [runtime])
        for name in export_files(runtime):
            with whole_file(self.folder / name) as path:
                shutil.copyfile(temporary / name, path)

    def _predict(self, network: torch.nn.Module, image: torch.Tensor) -> None:
        """Predict the photograph, with heat maps if they are asked for, one disease being positive."""
        with torch.no_grad():
            outputs = self.explainer.infer(self.inferer, image, network)
        if "disease" in outputs:
            fov = torch.ones_like(image[0, :1])
            evidence = outputs["evidence"][0] if "evidence" in outputs else None
            self.explainer.heat_maps(image[0], fov, self.explainer.diseases[:1], evidence)


def _largest_difference(logits: Mapping[str, torch.Tensor], reference: Mapping[str, torch.Tensor]) -> float:
    """Of the probabilities of all pixels and diseases; NaN where one of two is NaN."""
    differences = [(logits[name].sigmoid() - of.sigmoid()).abs().max() for name, of in reference.items()]
    return float(torch.stack(differences).max())


def _reason(measured: Measured) -> str:
    """Why the fastest is taken."""
    unit = measured.get("torch", {}).get("seconds", math.nan)
    others = [
        f"{name} {of['seconds'] / unit:.2f}" if "problem" not in of else f"{name} cannot be used, {of['problem']}"
        for name, of in measured.items()
        if name != "torch"
    ]
    return f"the fastest that agrees with PyTorch ({'; '.join(others)}, as measured once on this machine)"


def _begun_runtime(output_dir: str | Path, version: str) -> str | None:
    """The runtime of the first record in an output folder that is of these weights; None where there is none."""
    for record in RecordFolder(output_dir):
        runtime = record.made_from.get("runtime")
        if record.made_from.get("model_version") == version and runtime in RUNTIMES:
            return str(runtime)
    return None


def _cache_dir() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vmnet_monai/runtimes"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
