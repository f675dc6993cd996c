"""What networks cost beside V-MNet: parameters, multiply-adds, time and memory, measured in one run on the CPU.

    python tests/benchmarks/papers/cost.py --systems configs/networks/venet.json configs/networks/resnet18.json
        [--size 512] [--crop 128] [--batch_size 16] [--repeats 5] [--output cost.csv]

A system is an overlay over V-MNet's config, or several joined by commas; a name may stand in front, NAME=FILE,FILE. It
is built with its own loss, optimizer and precision and fed random pictures, on whose content no cost depends.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from monai.bundle import ConfigParser
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vmnet_monai.datasets.phantom import write_phantoms
from vmnet_monai.io.tables import write_table
from vmnet_monai.metrics.comparison import markdown_table

REFERENCE = "V-MNet"
"""Name of the base, the first row."""

BASE = ("bundles/vmnet/configs/train.json",)
"""V-MNet's own config."""

MEMORY_STEPS = 3
"""Training steps whose memory is measured: the first makes the optimizer's moments, the second runs beside them."""

MEMORY_PROGRAM = """
import contextlib, json, os, sys
sys.path.insert(0, sys.argv[1])
import cost
for arguments in json.loads(sys.argv[2]):
    # Forked, for a program would begin with the peak of the process that started it.
    child = os.fork()
    if not child:
        with contextlib.redirect_stdout(sys.stderr):
            growth = cost.memory_growth_mib(**arguments)
        print(growth)
        sys.exit()
    if os.waitpid(child, 0)[1]:
        sys.exit(1)
"""
"""Prints the memory growth of each system, measured in a process of its own."""


@dataclass(frozen=True)
class System:
    """A network and what is measured of it.

    Args:
        network: as its config builds it.
        autocast: whether its config computes in bfloat16.
        image: (1, 3, size, size).
        train: one training step on a batch of crops.
        predict: the forward pass of the photograph.
    """

    network: nn.Module
    autocast: bool
    image: torch.Tensor
    train: Callable[[], None]
    predict: Callable[[], None]


def rows(
    systems: Mapping[str, Sequence[str]],
    size: int = 512,
    crop: int = 128,
    batch_size: int = 16,
    repeats: int = 5,
    base: Sequence[str] = BASE,
) -> pd.DataFrame:
    """Measure V-MNet and other systems.

    Args:
        systems: name -> config files that are laid over the base.
        size: side in pixels of a photograph, and the ``grid_size`` of the configs.
        crop: side in pixels of the crops of a training step.
        batch_size: crops of a training step.
        repeats: pairs of V-MNet and system that are timed, after one pair to warm up.
        base: config files of V-MNet.

    Returns:
        One row per system, V-MNet first:

        - ``system``; ``parameters``; ``bfloat16``, whether its config computes so on this machine.
        - ``multiply_adds`` of one photograph: half of what PyTorch's ``FlopCounterMode`` counts, which are
          convolutions, linear layers and matrix products. Not counted are normalisation, activation, pooling,
          interpolation, softmax, and attention in one fused call (``scaled_dot_product_attention``), which it does not
          know on the CPU.
        - ``train_seconds`` of a training step (forward pass, loss, backward pass, optimizer) and ``inference_seconds``
          of the forward pass of one photograph: medians. ``train_seconds_ratio`` and ``inference_seconds_ratio`` to
          V-MNet: medians over pairs that were timed one right after the other, since seconds depend on what else the
          machine does.
        - ``peak_memory_mib``: growth of the peak resident memory of a fresh process over three training steps, which
          are activations, gradients and the optimizer's moments, but not the weights; ``peak_memory_ratio`` to V-MNet.

    Raises:
        ValueError: if a system has V-MNet's name.
        subprocess.CalledProcessError: if a process that measures the memory fails.
    """
    if REFERENCE in systems:
        raise ValueError(f"{REFERENCE} is the base, got a system of the same name: give it another one.")
    configs = {REFERENCE: [*base]} | {name: [*base, *files] for name, files in systems.items()}
    table, train_pairs, inference_pairs = [], [], []
    with TemporaryDirectory() as folder:
        write_phantoms(folder, count=12, size_px=64)
        settings = {"size": size, "crop": crop, "batch_size": batch_size, "dataset_dir": folder}
        reference = build(configs[REFERENCE], **settings)
        for name, config_files in configs.items():
            system = reference if name == REFERENCE else build(config_files, **settings)
            train_pairs.append(_turns(reference.train, system.train, repeats))
            inference_pairs.append(_turns(reference.predict, system.predict, repeats))
            table.append(
                {
                    "system": name,
                    "parameters": sum(parameter.numel() for parameter in system.network.parameters()),
                    "bfloat16": system.autocast,
                    "multiply_adds": multiply_adds(system.network, system.image),
                }
            )
        memory = _memory_growths_mib([{"config_files": files, **settings} for files in configs.values()])
    frame = pd.DataFrame(table)
    frame["train_seconds"], frame["train_seconds_ratio"] = _summary(train_pairs)
    frame["inference_seconds"], frame["inference_seconds_ratio"] = _summary(inference_pairs)
    frame["peak_memory_mib"] = memory
    frame["peak_memory_ratio"] = frame["peak_memory_mib"] / frame["peak_memory_mib"][0]
    return frame


def build(config_files: Sequence[str], size: int, crop: int, batch_size: int, dataset_dir: str) -> System:
    """Build a system from its config files.

    Args:
        config_files: later ones override earlier ones.
        size: side in pixels of a photograph, and the config's ``grid_size``.
        crop: side in pixels of the crops of a training step.
        batch_size: crops of a training step.
        dataset_dir: a folder with phantoms, whose labels a loss may weigh its classes by.
    """
    parser = ConfigParser()
    parser.read_config([*config_files])
    parser.update({"device": "cpu", "dataset_name": "phantom", "dataset_dir": dataset_dir, "grid_size": size})
    torch.manual_seed(0)
    network, loss, optimizer, train_inferer, inferer = (
        parser.get_parsed_content(key) for key in ("network", "loss", "optimizer", "train#inferer", "validate#inferer")
    )
    structures, diseases = parser.get_parsed_content("structures"), parser.get_parsed_content("diseases")
    crops, image = torch.rand(batch_size, 3, crop, crop), torch.rand(1, 3, size, size)
    # One structure or background at a pixel and one disease in a crop, which suits a softmax as well.
    shown = torch.randint(len(structures) + 1, (batch_size, 1, crop, crop))
    target = {
        "fov": torch.ones(batch_size, 1, crop, crop),
        "disease": torch.eye(len(diseases))[torch.arange(batch_size) % len(diseases)],
        **{key: (shown == index).float() for index, key in enumerate(structures)},
        **{f"has_{key}": torch.ones(batch_size, dtype=torch.bool) for key in structures},
    }

    def train() -> None:
        network.train()
        optimizer.zero_grad()
        loss(train_inferer(crops, network), target).backward()
        optimizer.step()

    def predict() -> None:
        network.eval()
        with torch.no_grad():
            inferer(image, network)

    return System(network, parser.get_parsed_content("amp"), image, train, predict)


def multiply_adds(network: nn.Module, image: torch.Tensor) -> int:
    """Count the multiply-adds of a network's convolutions, linear layers and matrix products.

    Args:
        network: any network.
        image: its input (1, 3, H, W).
    """
    network.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    return counter.get_total_flops() // 2


def memory_growth_mib(config_files: Sequence[str], **settings: Any) -> float:
    """Return by how much the first training steps raise the peak resident memory of this process, in MiB.

    Means something in a fresh process only.

    Args:
        config_files: the system's, as for :func:`build`, whose other arguments follow.
    """
    system = build(config_files, **settings)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(MEMORY_STEPS):
        system.train()
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return growth / 2**20 if sys.platform == "darwin" else growth / 2**10  # bytes there, KiB on Linux


def cost_table(frame: pd.DataFrame) -> str:
    """Format the result of :func:`rows` as a Markdown table; V-MNet's ratios are followed by what they stand for."""
    first = frame.iloc[0]
    units = {
        "train_seconds_ratio": f"{first['train_seconds']:.2f} s",
        "inference_seconds_ratio": f"{first['inference_seconds']:.2f} s",
        "peak_memory_ratio": f"{first['peak_memory_mib']:.0f} MiB",
    }
    cells = [
        [
            row["system"],
            f"{row['parameters'] / 1e6:.2f}",
            f"{row['multiply_adds'] / 1e9:.2f}",
            *(f"{row[key]:.2f}" + (f" ({unit})" if index == 0 else "") for key, unit in units.items()),
        ]
        for index, row in frame.iterrows()
    ]
    header = ["system", "million parameters", "thousand million multiply-adds", "training step", "inference", "memory"]
    return markdown_table(header, cells)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and write it to a file where asked for.

    Returns:
        Exit code: 0.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", required=True, type=_system, metavar="[NAME=]FILE[,FILE...]")
    parser.add_argument("--base", nargs="+", default=BASE, metavar="FILE", help="V-MNet's config (default: train.json)")
    for name, default, meaning in (
        ("size", 512, "side of a photograph in pixels"),
        ("crop", 128, "side of a training crop in pixels"),
        ("batch_size", 16, "crops of a training step"),
        ("repeats", 5, "pairs that are timed"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{meaning} (default: %(default)s)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="a CSV file to write")
    options = parser.parse_args(arguments)
    names = [REFERENCE, *(name for name, _ in options.systems)]
    if len(set(names)) < len(names):
        parser.error(f"each system needs a name of its own, got {', '.join(names)}")
    frame = rows(dict(options.systems), options.size, options.crop, options.batch_size, options.repeats, options.base)
    print(
        f"{torch.get_num_threads()} threads, {'bfloat16' if frame['bfloat16'][0] else 'float32'}\n\n{cost_table(frame)}"
    )
    if options.output:
        write_table(options.output, frame)
    return 0


def _system(text: str) -> tuple[str, list[str]]:
    name, _, given = text.rpartition("=")
    files = given.split(",")
    missing = [file for file in files if not Path(file).is_file()]
    if missing:
        raise argparse.ArgumentTypeError(f"there is no file {missing[0]!r} in {text!r}")
    return name or "+".join(Path(file).stem for file in files), files


def _turns(reference: Callable[[], None], call: Callable[[], None], repeats: int) -> NDArray[np.float64]:
    """Time two calls in turns; their seconds (repeats, 2)."""
    return np.array([(_time(reference), _time(call)) for _ in range(repeats + 1)])[1:]


def _summary(pairs: Sequence[NDArray[np.float64]]) -> tuple[list[float], list[float]]:
    """Return the median seconds of V-MNet, from all its turns, and of each system; and the median ratios."""
    seconds = [np.median(np.concatenate(pairs)[:, 0]), *(np.median(turns[:, 1]) for turns in pairs[1:])]
    return seconds, [1.0, *(np.median(turns[:, 1] / turns[:, 0]) for turns in pairs[1:])]


def _time(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _memory_growths_mib(arguments: Sequence[Mapping[str, Any]]) -> list[float]:
    command = [sys.executable, "-c", MEMORY_PROGRAM, str(Path(__file__).parent), json.dumps(arguments)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [float(line) for line in output.splitlines()]


if __name__ == "__main__":
    sys.exit(main())
