"""Tell whether a system learns at all within a few steps: its loss, its vessels, and the spread of its feature maps.

    python tests/benchmarks/papers/short_trial.py --overlays configs/networks/resformer.json --steps 40 \
        --layers levels.0,levels.1,levels.2,levels.3 --data_root data

A trial trains on crops of HRF and CHASE_DB1 (``vessels.json``) with the overlays' own loss, optimizer and schedule, and
prints one row of a table. It ranks no systems: it shows a network that draws nothing, or whose activations grow.
"""

from __future__ import annotations

import resource
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fire
import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.utils import set_determinism
from torch import nn

from vmnet_monai.calibration import best_dice_threshold
from vmnet_monai.metrics import histogram_scores
from vmnet_monai.metrics.comparison import markdown_table
from vmnet_monai.metrics.segmentation import probability_histogram

ROOT = Path(__file__).parents[3]
RECIPE = ("bundles/vmnet/configs/train.json", "configs/datasets/hrf_chasedb1.json", "configs/experiments/vessels.json")
AVERAGED_STEPS = 10
"""Steps over which the loss is averaged, at the beginning and at the end."""

VALIDATED_PHOTOGRAPHS = 4
"""Photographs of the validation part whose middle, of twice the crops' size, is scored."""


def short_trial(overlays: str, steps: int = 40, layers: str = "", seed: int = 0, **overrides: Any) -> str:
    """Return the trial as a Markdown table of one row.

    Args:
        overlays: the system's overlays in their order, joined by commas.
        steps: of training.
        layers: modules of the network, joined by commas, whose output's standard deviation on the validation
            photographs is given, in evaluation mode after the training.
        seed: of weights, crops and augmentation.
        overrides: of the config, such as ``--learning_rate 0.001``.
    """
    set_determinism(seed)
    with TemporaryDirectory() as folder:
        files = [*RECIPE, *overlays.split(",")]
        parser = ConfigParser(ConfigParser.load_config_files([str(ROOT / file) for file in files]))
        parser.update({"output_dir": folder, "device": "cpu", "seed": seed, "total_steps": steps, **overrides})
        losses = _train(parser, steps)
        names = layers.split(",") if layers else []
        scores, spreads = _validate(parser, names)
    row = {
        "loss, first and last steps": " -> ".join(
            f"{np.mean(part):.3f}" for part in (losses[:AVERAGED_STEPS], losses[-AVERAGED_STEPS:])
        ),
        "vessel AUC": f"{scores['auc']:.3f}",
        "best Dice": f"{scores['dice']:.3f}",
        "SD of the probability": f"{scores['spread']:.3f}",
        "SD of " + ", ".join(names): ", ".join(f"{spread:.2f}" for spread in spreads),
        "CPU seconds": f"{resource.getrusage(resource.RUSAGE_SELF).ru_utime:.0f}",
    }
    return markdown_table(list(row), [list(row.values())])


def _train(parser: ConfigParser, steps: int) -> list[float]:
    network, loss, optimizer, scheduler, loader, inferer, prepare = (
        parser.get_parsed_content(key)
        for key in (
            *("network", "loss", "optimizer", "lr_scheduler"),
            *("train#dataloader", "train#inferer", "prepare_batch"),
        )
    )
    network.train()
    losses = []
    for batch, _ in zip(loader, range(steps), strict=False):
        image, target = prepare(batch, parser["device"])
        optimizer.zero_grad()
        value = loss(inferer(image, network), target)
        value.backward()
        optimizer.step()
        scheduler.step()
        losses.append(value.item())
    return losses


def _validate(parser: ConfigParser, layers: Sequence[str]) -> tuple[dict[str, float], list[float]]:
    network, dataset, inferer = (
        parser.get_parsed_content(key) for key in ("network", "validate#dataset", "validate#inferer")
    )
    network.eval()
    outputs: dict[str, list[torch.Tensor]] = {name: [] for name in layers}
    hooks = [network.get_submodule(name).register_forward_hook(_keeper(kept)) for name, kept in outputs.items()]
    grid_size, crop_size = (parser.get_parsed_content(key) for key in ("grid_size", "crop_size"))
    middle = slice(grid_size // 2 - crop_size, grid_size // 2 + crop_size)
    histograms, probabilities = [], []
    for index in np.linspace(0, len(dataset) - 1, VALIDATED_PHOTOGRAPHS).astype(int):
        image, vessel, fov = (dataset[index][key][:, middle, middle] for key in ("image", "vessel", "fov"))
        with torch.no_grad():
            probability = inferer(image[None], network)["vessel"][0, 0].sigmoid().numpy()
        histograms.append(probability_histogram(probability, vessel[0].numpy() > 0.5, fov[0].numpy() > 0.5))
        probabilities.append(probability)
    for hook in hooks:
        hook.remove()
    histogram = np.sum(histograms, axis=0)
    scores = histogram_scores(histogram, best_dice_threshold(histogram)) | {"spread": float(np.std(probabilities))}
    return scores, [float(torch.cat(kept).std()) for kept in outputs.values()]


def _keeper(kept: list[torch.Tensor]) -> Any:
    def keep(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        kept.append(output.flatten())

    return keep


if __name__ == "__main__":
    fire.Fire(short_trial)
