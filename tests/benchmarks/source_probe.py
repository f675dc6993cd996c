"""How well the features that a disease head sees tell which dataset a photograph came from.

Takes the config files and overrides of the training:

    python tests/benchmarks/source_probe.py \
        --config_file "['bundles/vmnet/configs/train.json','configs/datasets/hrf_chasedb1_odir5k.json']" \
        --sources "['odir-5k-400','odir-5k-256']" --data_root data --grid_size 576 --output_dir output/mixed
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fire
import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.data import DataLoader, Dataset
from monai.transforms import Compose, SelectItemsd
from numpy.typing import NDArray
from skimage.filters import window
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from vmnet_monai.io.weights import WEIGHTS_NAME
from vmnet_monai.metrics import patient_bootstrap_interval
from vmnet_monai.metrics.comparison import markdown_table
from vmnet_monai.metrics.disease import auc_of_rows

EVALUATE = str(Path(__file__).parents[2] / "bundles/vmnet/configs/evaluate.json")
"""Laid over the config files that are given, as in an evaluation."""

SEED = 0
"""Of the sample of training photographs and of the bootstrap: the same for every network that is probed."""

BOOTSTRAP_SAMPLES = 1000

SPECTRUM_BANDS = 16
"""Bands of equal width between 0 and half a cycle per pixel."""


def source_probe(
    config_file: str | Sequence[str],
    sources: Sequence[str],
    disease: str = "glaucoma",
    photographs: int = 400,
    **override: Any,
) -> str:
    """Probe a trained network for the source of the photographs.

    A logistic regression learns from training photographs to tell two datasets apart, and is scored on the test
    photographs: area under the ROC curve with its 95 % bootstrap interval by patient. It sees the input of the
    network's last linear layer; beside it, plain measures of the same photographs on the network's grid, which say how
    far apart the sources lie before any network. It is fitted once more among photographs with the disease alone, where
    a different mix of diseases cannot tell the sources apart.

    Args:
        config_file: config files of the training, in their order.
        sources: names of the two datasets.
        disease: key of the disease that both have.
        photographs: number of training photographs that are drawn, and of those with the disease.
        **override: overrides of the config, as for an evaluation of the run.

    Returns:
        A Markdown table.

    Raises:
        ValueError: when there are not two sources, when a part lacks one of them, or when the network has no linear
            layer.
        RuntimeError: when the config is another than the weights were trained with.
    """
    if len(sources) != 2:
        raise ValueError(f"a probe tells two sources apart, got {sources}: name two datasets")
    parser = ConfigParser()
    parser.read_config([*([config_file] if isinstance(config_file, str) else config_file), EVALUATE])
    parser.update(override)
    # Refused where the config is another than the weights were trained with.
    parser.get_parsed_content("operating_point")
    diseases, model_dir, device = (parser.get_parsed_content(key) for key in ("diseases", "model_dir", "device"))
    network = parser.get_parsed_content("network")
    network.load_state_dict(torch.load(Path(model_dir) / WEIGHTS_NAME, map_location=device, weights_only=True))

    datalists = parser.get_parsed_content("datalists")
    column = list(diseases).index(disease)
    train = [item for item in datalists["train"] if item["dataset"] in sources]
    test = [item for item in datalists["test"] if item["dataset"] in sources]
    draw = np.random.default_rng(SEED)
    drawn = draw.permutation(len(train))[:photographs]
    ill = draw.permutation([i for i, item in enumerate(train) if item["disease"][column] == 1])[:photographs]
    # Each photograph goes through the network once.
    used = np.union1d(drawn, ill)
    subsets = {
        "all photographs": (np.searchsorted(used, drawn), np.arange(len(test))),
        f"{disease} only": (
            np.searchsorted(used, ill),
            np.flatnonzero([item["disease"][column] == 1 for item in test]),
        ),
    }
    train = [train[i] for i in used]
    train_source, test_source = (np.array([item["dataset"] == sources[1] for item in part]) for part in (train, test))
    for name, (train_rows, test_rows) in subsets.items():
        for part, source in (("training", train_source[train_rows]), ("test", test_source[test_rows])):
            if source.all() or not source.any():
                raise ValueError(
                    f"a probe needs {part} photographs of both {' and '.join(sources)}, got {(~source).sum()} and "
                    f"{source.sum()} for {name}: give the names of two datasets of the config, or another disease"
                )

    transform = Compose([parser.get_parsed_content("validate#preprocessing"), SelectItemsd(["image", "fov"])])
    loading = {key: parser.get_parsed_content(key) for key in ("batch_size", "num_workers")}
    train_inputs, test_inputs = (
        probe_inputs(network, DataLoader(Dataset(part, transform), **loading), device) for part in (train, test)
    )
    patients = np.array([item["patient"] for item in test])
    rows = []
    for name in train_inputs:
        cells = [name, str(train_inputs[name].shape[1])]
        for train_rows, test_rows in subsets.values():
            auc, lower, upper = probe_auc(
                train_inputs[name][train_rows],
                train_source[train_rows],
                test_inputs[name][test_rows],
                test_source[test_rows],
                patients[test_rows].tolist(),
            )
            cells.append(f"{auc:.3f} [{lower:.3f}, {upper:.3f}]")
        rows.append(cells)
    rows.append(["photographs: train, test", "", *(f"{len(a)}, {len(b)}" for a, b in subsets.values())])
    return markdown_table([f"{sources[0]} or {sources[1]}?", "values", *subsets], rows)


def probe_inputs(network: nn.Module, loader: DataLoader, device: torch.device) -> Mapping[str, NDArray[np.float64]]:
    """Describe N photographs by the features of the network and by plain measures.

    Args:
        network: its last linear layer gives the disease logits.
        loader: batches of ``image`` (B, 3, S, S) float32 in [0, 1] and ``fov`` (B, 1, S, S), 0 and 1.
        device: of the network.

    Returns:
        Name -> (N, values).

    Raises:
        ValueError: when the network has no linear layer.
    """
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ValueError(f"a probe needs a linear layer before the logits, got {type(network).__name__} without any")
    features: list[NDArray[np.float32]] = []
    colours: list[NDArray[np.float64]] = []
    spectra: list[NDArray[np.float64]] = []
    hook = linear[-1].register_forward_pre_hook(lambda layer, inputs: features.append(inputs[0].cpu().numpy()))
    network.eval()
    with torch.no_grad():
        for batch in loader:
            network(batch["image"].to(device))
            for image, fov in zip(batch["image"].numpy(), batch["fov"].numpy(), strict=True):
                colours.append(colour_statistics(image, fov[0] > 0))
                spectra.append(power_spectrum(image))
    hook.remove()
    colour, spectrum = np.stack(colours), np.stack(spectra)
    return {
        "features of the network": np.concatenate(features),
        "mean and SD of the colours": colour,
        "power spectrum": spectrum,
        "colours and power spectrum": np.hstack([colour, spectrum]),
    }


def colour_statistics(image: NDArray[np.floating], fov: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return mean and standard deviation of each channel of (3, H, W) inside the field of view (H, W): 6 values."""
    inside = image[:, fov].astype(np.float64)
    return np.concatenate([inside.mean(axis=1), inside.std(axis=1)])


def power_spectrum(image: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the log of the mean power of (3, S, S) in bands of spatial frequency, from coarse to fine: 16 values.

    Of the mean of the channels, in the largest square inside the disc of the field of view, less its mean and under a
    Hann window, so that neither brightness nor the edge of the disc counts. Resizing and compression leave their
    marks in the fine bands.
    """
    side = int(image.shape[-1] / math.sqrt(2))
    start = (image.shape[-1] - side) // 2
    square = image[:, start : start + side, start : start + side].mean(axis=0, dtype=np.float64)
    power = np.abs(np.fft.fft2((square - square.mean()) * window("hann", square.shape))) ** 2
    frequency = np.fft.fftfreq(side)
    band = (np.hypot(frequency[:, np.newaxis], frequency) * 2 * SPECTRUM_BANDS).astype(int).ravel()
    mean_power = np.bincount(band, power.ravel())[:SPECTRUM_BANDS] / np.bincount(band)[:SPECTRUM_BANDS]
    return np.log(np.maximum(mean_power, np.finfo(np.float32).tiny))


def probe_auc(
    train: NDArray[np.floating],
    train_source: NDArray[np.bool_],
    test: NDArray[np.floating],
    test_source: NDArray[np.bool_],
    patients: Sequence[str],
) -> tuple[float, float, float]:
    """Fit a logistic regression on standardised values and score it.

    Args:
        train: (N, values) of the training photographs.
        train_source: (N,) whether they are of the second source.
        test: (M, values) of the test photographs.
        test_source: (M,) likewise.
        patients: M patient identifiers.

    Returns:
        Area under the ROC curve on the test photographs, and lower and upper bound of its 95 % interval.
    """
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train, train_source)
    auc = auc_of_rows(probe.decision_function(test), test_source.astype(float))
    interval = patient_bootstrap_interval(auc, patients, BOOTSTRAP_SAMPLES, SEED)
    return auc(np.arange(len(test))), *interval


if __name__ == "__main__":
    fire.Fire(source_probe)
