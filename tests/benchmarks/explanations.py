"""Whether heat maps point at what a disease is recognised by, and depend on what the network has learnt.

On the lesions of phantoms (pointing game and energy); takes the overrides of the network that the training had:

    python tests/benchmarks/explanations.py lesions --model_dir output/vmnet/models --dataset_dir output/vmnet/phantom

On the disc of real photographs with glaucoma, marked in landmarks.csv or drawn by the network:

    python tests/benchmarks/explanations.py disc --model_dir bundles/vmnet/models --data_root data

How soon the score rises and falls where the hottest pixels of real photographs are put in and taken out:

    python tests/benchmarks/explanations.py curves --model_dir bundles/vmnet/models --data_root data

How alike the maps of scikit-image's retina are before and after weights are made random, from the head backwards:

    python tests/benchmarks/explanations.py randomisation --model_dir bundles/vmnet/models
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

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
from vmnet_monai.datasets.item import Item
from vmnet_monai.explain import (
    METHODS,
    DiseaseView,
    disease_heat_maps,
    disease_input,
    drawn_guide,
    energy_fraction,
    insertion_and_deletion,
    pointing_hit,
    recorded_pass,
    widen,
)
from vmnet_monai.io.weights import WEIGHTS_NAME
from vmnet_monai.metrics import patient_bootstrap_interval
from vmnet_monai.metrics.comparison import markdown_table
from vmnet_monai.transforms import FieldOfViewBox, crop_to_box

ROOT = Path(__file__).absolute().parents[2]
INFERENCE = str(ROOT / "bundles/vmnet/configs/inference.json")
REAL = str(ROOT / "configs/datasets/all.json")
"""Where the real photographs and their marks lie in ``data_root``."""

LAYERS = ("classifier.features", "disease_encoder.stages.4", "disease_encoder.stages.2", "disease_encoder.stages.1")
"""Layers of the bundle's network with cells of 1/8, 1/16, 1/32 and 1/64 of what the disease head reads."""

BOOTSTRAP_SAMPLES = 1000

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


class Eye(NamedTuple):
    """A photograph as the disease head reads it, S pixels across, and what guides that head, drawn on the grid."""

    image: torch.Tensor
    """(1, 3, S, S)."""
    field_of_view: torch.Tensor
    """(1, S, S), 0 or 1."""
    guide: torch.Tensor | None
    """(1, structures, S, S)."""


class Maps(NamedTuple):
    """The heat maps of several eyes by one method at one layer."""

    method: str
    layer: str
    cells: int
    heat: list[torch.Tensor]
    """(1, S, S) each."""
    seconds: float
    """CPU-seconds per map, a pass of the disease head with it."""

    @property
    def name(self) -> list[str]:
        """Cells of a table."""
        return [self.method, self.layer, f"{self.cells} x {self.cells}" if self.cells else ""]


def lesions(
    model_dir: str,
    dataset_dir: str,
    photographs: int = 24,
    methods: Sequence[str] = METHODS,
    layers: Sequence[str] = LAYERS,
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
        split: part of the phantoms that is used; ``all`` of those that the network has never seen.
        **override: overrides of the inference's config, such as those of the network.

    Returns:
        A Markdown table with a row for each disease, method and layer, of the scores of :func:`localisation` in per
        cent, and CPU seconds per map, a pass of the disease head with it.

    Raises:
        ValueError: if no phantom of the split has one of the diseases.
    """
    network, parser = load(model_dir, override)
    diseases: list[str] = parser.get_parsed_content("diseases")
    prepare = parser.get_parsed_content("preprocessing")
    datalists = load_datalists("phantom", dataset_dir, diseases, 0)
    items = [item for part in datalists.values() for item in part] if split == "all" else datalists[split]
    rows = []
    for disease in LOCAL_DISEASES:
        column = diseases.index(disease)
        ill = sorted((item for item in items if item["disease"][column] == 1), key=itemgetter("id"))[:photographs]
        if not ill:
            raise ValueError(f"the {split} phantoms must show {disease}, and none does: write 25 phantoms or more.")
        eyes, masks = [], []
        for item in ill:
            phantom = prepare(item)
            eyes.append(as_read(network, phantom))
            path = Path(dataset_dir) / "lesion" / f"{Path(item['image']).stem}_{disease}.png"
            masks.append(at_size(lesion_mask(path, phantom), eyes[-1]))
        rows += localisation_rows(disease, network, column, eyes, masks, methods, layers)
    return markdown_table(["disease", *LOCALISATION_HEADER], rows)


def disc(
    model_dir: str,
    data_root: str = "data",
    photographs: int = 30,
    methods: Sequence[str] = METHODS,
    layers: Sequence[str] = LAYERS,
    split: str = "test",
    **override: Any,
) -> str:
    """Compare the heat maps of photographs with glaucoma with their optic disc.

    The disc is the marked one, or, in a dataset without marks, the one that the network draws. A photograph without
    either is left out.

    Args:
        model_dir: folder of the weights and their operating point.
        data_root: folder of the datasets of ``configs/datasets/all.json``.
        photographs: of each dataset, at most.
        methods: of :func:`vmnet_monai.explain.disease_heat_maps`.
        layers: target layers of the methods that have one.
        split: part of the photographs that is used.
        **override: overrides of the inference's config.

    Returns:
        A Markdown table with a row for each dataset, method and layer, as of :func:`lesions`.
    """
    network, parser = load(model_dir, override)
    prepare = parser.get_parsed_content("preprocessing")
    column = parser.get_parsed_content("diseases").index("glaucoma")
    structures: list[str] = parser.get_parsed_content("structures")
    threshold = parser.get_parsed_content("operating_point").structure_thresholds[structures.index("disc")]
    ill = [item for item in real_items(data_root, parser, split) if item["disease"][column] == 1]
    rows = []
    for dataset in sorted({item["dataset"] for item in ill}):
        of_dataset = [item for item in ill if item["dataset"] == dataset]
        marked = [item for item in of_dataset if "disc" in item]
        eyes, masks = [], []
        for item in (marked or of_dataset)[:photographs]:
            prepared = prepare(item)
            eye = as_read(network, prepared)
            if not marked:
                assert eye.guide is not None, "the network draws a disc"
                prepared["disc"] = eye.guide[0, structures.index("disc")][None] >= threshold
            mask = at_size(prepared["disc"][0].numpy() > 0.5, eye)
            if mask.any():
                eyes.append(eye)
                masks.append(mask)
        rows += localisation_rows(
            f"{dataset}, {'marked' if marked else 'drawn'}", network, column, eyes, masks, methods, layers
        )
    return markdown_table(["dataset, disc", *LOCALISATION_HEADER], rows)


def curves(
    model_dir: str,
    data_root: str = "data",
    photographs: int = 30,
    methods: Sequence[str] = METHODS,
    layers: Sequence[str] = LAYERS,
    split: str = "test",
    steps: int = 16,
    **override: Any,
) -> str:
    """Put the hottest pixels into a blurred photograph, and take them out of it, and follow the disease's score.

    RahimDR and HRF, each disease in the photographs that have it. The score is the network's probability; the
    structures that guide stay those of the whole photograph. See :func:`vmnet_monai.explain.insertion_and_deletion`.

    Args:
        model_dir: folder of the weights and their operating point.
        data_root: folder of the datasets of ``configs/datasets/all.json``.
        photographs: of each dataset and disease, at most.
        methods: of :func:`vmnet_monai.explain.disease_heat_maps`.
        layers: target layers of the methods that have one.
        split: part of the photographs that is used.
        steps: of each curve.
        **override: overrides of the inference's config.

    Returns:
        A Markdown table with a row for each dataset, disease, method and layer: the mean areas under the curves of
        insertion (large is good) and deletion (small is good), their difference, and by how much this is larger than
        that of a map of as many random cells, with its 95 % interval by patient.
    """
    network, parser = load(model_dir, override)
    diseases: list[str] = parser.get_parsed_content("diseases")
    prepare = parser.get_parsed_content("preprocessing")
    items = [item for item in real_items(data_root, parser, split) if item["dataset"] in ("hrf", "rahimdr")]
    rows = []
    for dataset in sorted({item["dataset"] for item in items}):
        for column, disease in enumerate(diseases):
            ill = [item for item in items if item["dataset"] == dataset and item["disease"][column] == 1][:photographs]
            if disease == "normal" or not ill:
                continue
            patients = [item["patient"] for item in ill]
            eyes = [as_read(network, prepare(item)) for item in ill]
            random: dict[int, NDArray[np.float64]] = {}
            for maps in all_maps(network, column, eyes, methods, layers):
                if maps.cells not in random:
                    random[maps.cells] = areas(network, column, eyes, random_maps(eyes, maps.cells), steps)
                rows.append(
                    [dataset, disease, str(len(eyes)), *maps.name]
                    + curve_cells(areas(network, column, eyes, maps.heat, steps), random[maps.cells], patients)
                )
    header = [
        "dataset",
        "disease",
        "n",
        "method",
        "layer",
        "cells",
        "insertion",
        "deletion",
        "difference",
        "above random",
    ]
    return markdown_table(header, rows)


def curve_cells(found: NDArray[np.float64], random: NDArray[np.float64], patients: Sequence[str]) -> list[str]:
    """Mean insertion and deletion of (N, 2) areas, their difference, and how far that is above random maps'."""
    above = (found[:, 0] - found[:, 1]) - (random[:, 0] - random[:, 1])
    interval = patient_bootstrap_interval(lambda index: float(above[index].mean()), patients, BOOTSTRAP_SAMPLES, seed=0)
    insertion, deletion = found.mean(axis=0)
    return [
        f"{insertion:.3f}",
        f"{deletion:.3f}",
        f"{insertion - deletion:+.3f}",
        f"{above.mean():+.3f} [{interval[0]:+.3f}, {interval[1]:+.3f}]",
    ]


def areas(
    network: nn.Module, column: int, eyes: Sequence[Eye], heat: Sequence[torch.Tensor], steps: int
) -> NDArray[np.float64]:
    """The areas of insertion and deletion of the heat maps of N eyes, (N, 2)."""

    def both(eye: Eye, one: torch.Tensor) -> tuple[float, float]:
        view = DiseaseView(network, guide=eye.guide)
        return insertion_and_deletion(
            lambda images: torch.sigmoid(view(images)[:, column]), eye.image[0], one, eye.field_of_view, steps
        )

    return np.array([both(eye, one) for eye, one in zip(eyes, heat, strict=True)])


def random_maps(eyes: Sequence[Eye], cells: int) -> list[torch.Tensor]:
    """A map of random cells for each eye, (1, S, S); where a method has no cells, of random pixels."""
    generator = torch.Generator().manual_seed(0)
    maps = []
    for eye in eyes:
        size = eye.image.shape[-1]
        noise = torch.rand(1, 1, cells or size, cells or size, generator=generator)
        maps.append(torch.nn.functional.interpolate(noise, (size, size), mode="bicubic")[0])
    return maps


def all_maps(
    network: nn.Module, column: int, eyes: Sequence[Eye], methods: Sequence[str], layers: Sequence[str]
) -> Iterator[Maps]:
    """The heat maps of one disease in all eyes, by each method at each of its layers."""
    for method in methods:
        for layer in layers if method != "occlusion" else ("",):
            start = time.process_time()
            heat = [
                disease_heat_maps(network, eye.image, {"": column}, layer, method, eye.field_of_view, eye.guide)[""]
                for eye in eyes
            ]
            seconds = (time.process_time() - start) / max(1, len(eyes))
            yield Maps(method, layer, cells_of(network, eyes[0], layer) if layer else 0, heat, seconds)


def cells_of(network: nn.Module, eye: Eye, layer: str) -> int:
    """Width of a layer's feature maps."""
    with recorded_pass(network, layer) as record:
        DiseaseView(network, guide=eye.guide)(eye.image)
    assert record.features is not None, "the pass was made"
    return record.features.shape[-1]


def as_read(network: nn.Module, prepared: Mapping[str, Any]) -> Eye:
    """A prepared photograph at the size that the disease head reads."""
    image = prepared["image"][None]
    covered = disease_input(network, (prepared["fov"][None] > 0).to(image))[0]
    guide = drawn_guide(network, image)
    guide = guide if guide is None else disease_input(network, guide)  # as the network does
    return Eye(disease_input(network, image), (covered > 0.5).to(image), guide)


def at_size(mask: NDArray[np.bool_], eye: Eye) -> NDArray[np.bool_]:
    """A mask of the grid at the size of an eye, (S, S), inside its field of view; one where half of it is covered."""
    covered = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(mask)[None].float(), eye.image.shape[-1])[0]
    return (covered.numpy() >= 0.5) & (eye.field_of_view[0].numpy() > 0)


def real_items(data_root: str, parser: ConfigParser, split: str) -> list[Item]:
    """The photographs of a part of all datasets, with the landmarks that were marked in them."""
    datasets = ConfigParser(ConfigParser.load_config_files([REAL]) | {"data_root": str(data_root)})
    parsed = {key: datasets.get_parsed_content(key) for key in ("dataset_name", "dataset_dir", "landmarks")}
    datalists = load_datalists(
        parsed["dataset_name"],
        parsed["dataset_dir"],
        parser.get_parsed_content("diseases"),
        structures=parser.get_parsed_content("structures"),
        landmarks=parsed["landmarks"],
    )
    return datalists[split]


def localisation_rows(
    name: str,
    network: nn.Module,
    column: int,
    eyes: Sequence[Eye],
    masks: Sequence[NDArray[np.bool_]],
    methods: Sequence[str],
    layers: Sequence[str],
) -> list[list[str]]:
    """A row of :data:`LOCALISATION_HEADER`, after a name, for each method and layer."""
    fields = [eye.field_of_view[0].numpy() > 0 for eye in eyes]
    rows = []
    for maps in all_maps(network, column, eyes, methods, layers):
        scores = localisation([heat[0].numpy() for heat in maps.heat], masks, fields, maps.cells or masks[0].shape[0])
        percent = [f"{100 * value:.1f}" for value in scores.values()]
        rows.append([name, str(len(eyes)), *maps.name, *percent, f"{maps.seconds:.3f}"])
    return rows


def localisation(
    heat: Sequence[NDArray[np.floating]],
    lesion: Sequence[NDArray[np.bool_]],
    field: Sequence[NDArray[np.bool_]],
    cells: int,
) -> dict[str, float]:
    """Mean scores of the heat maps of N eyes, by name; NaN of none.

    How often the map's maximum lies within the tolerance of a lesion; the fraction of the map's energy in the lesions;
    both for the lesions of the next eye, which says how much comes from where lesions usually are; both by chance,
    which is the fraction of the field of view that is covered; and the energy of a map that knows the lesions, but not
    finer than the layer's cells.

    Args:
        heat: N maps (S, S).
        lesion: N masks (S, S).
        field: N fields of view (S, S).
        cells: width of the layer's feature maps.
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


LOCALISATION_HEADER = ["n", "method", "layer", "cells", *localisation([], [], [], 1), "CPU seconds"]


def in_cells(lesion: NDArray[np.bool_], cells: int) -> NDArray[np.float32]:
    """The map of a network that knows the lesions and has cells x cells values to show them, (S, S)."""
    mask = torch.from_numpy(lesion)[None, None].float()
    area = torch.nn.functional.adaptive_avg_pool2d(mask, cells)
    return torch.nn.functional.interpolate(area, lesion.shape, mode="bicubic").relu()[0, 0].numpy()


def randomisation(
    model_dir: str,
    methods: Sequence[str] = METHODS,
    layer: str | None = None,
    seeds: int = 5,
    **override: Any,
) -> str:
    """Compare the heat maps of one photograph before and after parts of the network are made random.

    Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018, arXiv 1810.03292.

    Args:
        model_dir: folder of the weights and their operating point.
        methods: of :func:`vmnet_monai.explain.disease_heat_maps`.
        layer: target layer of the methods that have one; None for the config's.
        seeds: number of random networks for each row.
        **override: overrides of the inference's config, such as those of the network.

    Returns:
        A Markdown table: which parts are random, and for each method the rank correlation of :func:`rank_correlation`,
        its mean over seeds with the lowest and the highest; the head says how many diseases have a map before.
    """
    network, parser = load(model_dir, override)
    image, field_of_view = retina(parser)
    diseases: list[str] = parser.get_parsed_content("diseases")
    layer = layer or str(parser.get_parsed_content("cam_layer"))
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
    fire.Fire({"lesions": lesions, "disc": disc, "curves": curves, "randomisation": randomisation})
