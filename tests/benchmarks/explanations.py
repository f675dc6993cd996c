"""Whether heat maps lie on the lesions of phantoms, and whether they depend on what the network has learnt.

Where the lesions are (pointing game and share of energy); takes the overrides of the network that the training had:

    python tests/benchmarks/explanations.py lesions --model_dir output/vmnet/models --dataset_dir output/vmnet/phantom

How alike the maps of scikit-image's retina are before and after weights are made random, from the head backwards:

    python tests/benchmarks/explanations.py randomisation --model_dir bundles/vmnet/models
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fire
import numpy as np
import skimage.data
import skimage.io
import torch
from monai.bundle import ConfigParser
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import nn

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.datasets import load_datalists, read_datasets
from vmnet_monai.explain import METHODS, disease_heat_maps, energy_fraction, pointing_hit, widen
from vmnet_monai.io.weights import WEIGHTS_NAME
from vmnet_monai.metrics.comparison import markdown_table
from vmnet_monai.transforms import FieldOfViewBox, crop_to_box

INFERENCE = str(Path(__file__).absolute().parents[2] / "bundles/vmnet/configs/inference.json")

LOCAL_DISEASES = ("diabetic_retinopathy", "glaucoma", "amd")
"""Diseases of phantoms that are somewhere; the haze of a cataract is everywhere."""

TOLERANCE_SHARE = 0.03
"""Tolerance of the pointing game over the picture's width: Zhang et al. (2018) allow 15 pixels in photographs of
PASCAL VOC, which are 500 wide."""

CASCADE = (
    "classifier.head",
    "classifier.features",
    "classifier",
    "guidance",
    "guide_encoder",
    "disease_encoder",
    "structure_head",
    "decoder",
    "encoder",
)
"""Parts of V-MNet from the logits backwards; each step of the randomisation takes one more."""


def lesions(
    model_dir: str,
    dataset_dir: str,
    photographs: int = 24,
    methods: Sequence[str] = METHODS,
    layers: Sequence[str] = ("classifier.features",),
    split: str = "test",
    **override: Any,
) -> str:
    """Compare the heat maps of phantoms with the lesions that were drawn.

    Args:
        model_dir: folder of the weights and their operating point.
        dataset_dir: folder of the phantoms.
        photographs: of each disease, at most.
        methods: of :func:`vmnet_monai.explain.disease_heat_maps`.
        layers: target layers of the methods that have one.
        split: part of the phantoms that is used.
        **override: overrides of the inference's config, such as those of the network.

    Returns:
        A Markdown table with a row for each disease, method and layer: how often the map's maximum lies within the
        tolerance of a lesion; the share of the map's energy in the lesions; both for the lesions of the next phantom
        with the disease, which says how much comes from where lesions usually are; both by chance, which is the share
        of the field of view that is covered; and the energy of a map that knows the lesions, but not finer than the
        cells of the network's last feature map. In per cent.

    Raises:
        ValueError: if no phantom of the split has one of the diseases.
    """
    network, parser = load(model_dir, override)
    diseases: list[str] = parser.get_parsed_content("diseases")
    prepare = parser.get_parsed_content("preprocessing")
    items = load_datalists("phantom", dataset_dir, diseases, 0)[split]
    cells = parser.get_parsed_content("grid_size") // network.stride
    rows = []
    for disease in LOCAL_DISEASES:
        column = diseases.index(disease)
        ill = [item for item in items if item["disease"][column] == 1][:photographs]
        if not ill:
            raise ValueError(f"the {split} phantoms must show {disease}, and none does: write 25 phantoms or more.")
        phantoms = [prepare(item) for item in ill]
        names = [Path(item["image"]).stem for item in ill]
        masks = [
            lesion_mask(Path(dataset_dir) / "lesion" / f"{name}_{disease}.png", phantom)
            for name, phantom in zip(names, phantoms, strict=True)
        ]
        for method in methods:
            for layer in layers if method != "occlusion" else ("",):
                start = time.process_time()
                heat_maps = [
                    disease_heat_maps(network, phantom["image"][None], {disease: column}, layer, method, phantom["fov"])
                    for phantom in phantoms
                ]
                seconds = (time.process_time() - start) / len(phantoms)
                heat = [maps[disease][0].numpy() for maps in heat_maps]
                fields = [phantom["fov"][0].numpy() > 0 for phantom in phantoms]
                scores = localisation(heat, masks, fields, cells)
                percent = [f"{100 * value:.1f}" for value in scores.values()]
                rows.append([disease, method, layer, str(len(phantoms)), *percent, f"{seconds:.2f}"])
    header = ["disease", "method", "layer", "phantoms", *localisation([], [], [], cells), "CPU seconds"]
    return markdown_table(header, rows)


def localisation(
    heat: Sequence[NDArray[np.floating]],
    lesion: Sequence[NDArray[np.bool_]],
    field: Sequence[NDArray[np.bool_]],
    cells: int,
) -> dict[str, float]:
    """Mean scores of the heat maps of N eyes, by name; NaN of none.

    Args:
        heat: N maps (S, S).
        lesion: N masks (S, S).
        field: N fields of view (S, S).
        cells: width of the network's last feature map.
    """
    heat, lesion = list(heat), list(lesion)
    wide = [widen(mask, TOLERANCE_SHARE * mask.shape[1]) & inside for mask, inside in zip(lesion, field, strict=True)]

    def mean(values: Sequence[float]) -> float:
        return float(np.mean(values)) if values else math.nan

    return {
        "hits": mean([pointing_hit(*pair) for pair in zip(heat, wide, strict=True)]),
        "hits, other eye": mean([pointing_hit(*pair) for pair in zip(heat, wide[1:] + wide[:1], strict=True)]),
        "hits, chance": mean([mask[inside].mean() for mask, inside in zip(wide, field, strict=True)]),
        "energy": mean([energy_fraction(*pair) for pair in zip(heat, lesion, strict=True)]),
        "energy, other eye": mean([energy_fraction(*pair) for pair in zip(heat, lesion[1:] + lesion[:1], strict=True)]),
        "energy, chance": mean([mask[inside].mean() for mask, inside in zip(lesion, field, strict=True)]),
        "energy, ideal cells": mean([energy_fraction(in_cells(mask, cells), mask) for mask in lesion]),
    }


def in_cells(lesion: NDArray[np.bool_], cells: int) -> NDArray[np.float32]:
    """The map of a network that knows the lesions and has cells x cells values to show them, (S, S)."""
    mask = torch.from_numpy(lesion)[None, None].float()
    area = torch.nn.functional.adaptive_avg_pool2d(mask, cells)
    return torch.nn.functional.interpolate(area, lesion.shape, mode="bilinear")[0, 0].numpy()


def randomisation(
    model_dir: str,
    methods: Sequence[str] = METHODS,
    layer: str = "classifier.features",
    seeds: int = 5,
    **override: Any,
) -> str:
    """Compare the heat maps of one photograph before and after parts of the network are made random.

    Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018, arXiv 1810.03292.

    Args:
        model_dir: folder of the weights and their operating point.
        methods: of :func:`vmnet_monai.explain.disease_heat_maps`.
        layer: target layer of the methods that have one.
        seeds: number of random networks for each row.
        **override: overrides of the inference's config, such as those of the network.

    Returns:
        A Markdown table: which parts are random, and for each method the rank correlation of :func:`rank_correlation`,
        its mean over seeds with the lowest and the highest; the head says how many diseases have a map before.
    """
    network, parser = load(model_dir, override)
    image, field_of_view = retina(parser)
    diseases: list[str] = parser.get_parsed_content("diseases")
    rows = [[f"{part} and all above" if row else part] for row, part in enumerate(CASCADE)]
    header = ["random"]
    for method in methods:
        before = disease_heat_maps(network, image, diseases, layer, method, field_of_view)
        header.append(f"{method}, {sum(bool(heat.any()) for heat in before.values())} maps")
        for row, cells in enumerate(rows):
            correlations = []
            for seed in range(seeds):
                random = randomise(network, CASCADE[: row + 1], seed)
                after = disease_heat_maps(random, image, diseases, layer, method, field_of_view)
                correlations.append(rank_correlation(before, after, field_of_view))
            cells.append(f"{np.mean(correlations):.2f} [{min(correlations):.2f}, {max(correlations):.2f}]")
    return markdown_table(header, rows)


def load(model_dir: str, override: Mapping[str, Any]) -> tuple[nn.Module, ConfigParser]:
    """The network with its weights, and the config of the inference that it belongs to."""
    parser = ConfigParser()
    parser.read_config(INFERENCE)
    parser.update({"model_dir": str(model_dir), **override})
    point: OperatingPoint = parser.get_parsed_content("operating_point")
    device = parser.get_parsed_content("device")
    network = parser.get_parsed_content("network").eval()
    point.check_network(network)
    network.load_state_dict(torch.load(Path(model_dir) / WEIGHTS_NAME, map_location=device, weights_only=True))
    return network, parser


def retina(parser: ConfigParser) -> tuple[torch.Tensor, torch.Tensor]:
    """scikit-image's photograph and its field of view on the network's grid, (1, 3, S, S) and (1, S, S)."""
    with TemporaryDirectory() as folder:
        skimage.io.imsave(f"{folder}/retina.png", skimage.data.retina())
        diseases = parser.get_parsed_content("diseases")
        item = parser.get_parsed_content("preprocessing")(read_datasets("folder", folder, diseases)[0])
    return item["image"][None], item["fov"]


def randomise(network: nn.Module, parts: Sequence[str], seed: int) -> nn.Module:
    """A copy of a network in which every layer of some parts has the weights that it would start a training with."""
    network = copy.deepcopy(network)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for part in parts:
            for layer in network.get_submodule(part).modules():
                if hasattr(layer, "reset_parameters"):
                    layer.reset_parameters()
    return network


def rank_correlation(
    before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor], field_of_view: torch.Tensor
) -> float:
    """Mean of Spearman's correlation inside the field of view over the diseases that have a map before.

    A map that is the same everywhere afterwards, such as that of no evidence, has nothing in common and counts as 0.
    NaN where no disease has a map.
    """
    inside = field_of_view > 0
    values = []
    for disease in before:
        ranks = [rankdata(maps[disease][inside].numpy()) for maps in (before, after)]
        if np.ptp(ranks[0]) > 0:
            values.append(float(np.corrcoef(*ranks)[0, 1]) if np.ptp(ranks[1]) > 0 else 0.0)
    return float(np.mean(values)) if values else math.nan


def lesion_mask(path: Path, phantom: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Lesions on the network's grid, (S, S), inside the field of view; a pixel is one where half of it is covered."""
    drawn = torch.from_numpy(skimage.io.imread(path))[None]
    box = FieldOfViewBox(*phantom["fov_box"].tolist())
    covered = crop_to_box(drawn, box, phantom["image"].shape[-1])[0].numpy()
    return (covered >= 127.5) & (phantom["fov"][0].numpy() > 0)


if __name__ == "__main__":
    fire.Fire({"lesions": lesions, "randomisation": randomisation})
