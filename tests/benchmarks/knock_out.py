r"""Whether the vessels guide the diseases: the disease head with its guidance knocked out.

Takes the config files and overrides of the training:

    python tests/benchmarks/knock_out.py --data_root data --output_dir output/diseases --config_file "[ \
        'bundles/vmnet/configs/train.json','configs/datasets/diseases.json','configs/experiments/diseases.json']"
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import fire
import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.data import DataLoader, Dataset
from monai.transforms import Compose, SelectItemsd
from numpy.typing import NDArray
from torch import nn

from vmnet_monai.io.weights import WEIGHTS_NAME
from vmnet_monai.metrics import patient_bootstrap_interval, within_source_auc
from vmnet_monai.metrics.comparison import markdown_table
from vmnet_monai.metrics.disease import auc_of_rows

EVALUATE = str(Path(__file__).parents[2] / "bundles/vmnet/configs/evaluate.json")
"""Laid over the config files that are given, as in an evaluation."""

SEED = 0
"""Of who is whose other eye, and of the bootstrap."""

BOOTSTRAP_SAMPLES = 1000

VESSELS = ("vessel", "artery", "vein")
"""Structures that are vessels."""

AS_TRAINED = "as trained"
Change = Callable[[torch.Tensor], torch.Tensor]
KNOCK_OUTS: dict[str, tuple[bool, Change]] = {
    AS_TRAINED: (False, lambda maps: maps),
    "vessels zero": (True, torch.zeros_like),
    "all maps zero": (False, torch.zeros_like),
    "another eye's vessels": (True, lambda maps: maps.roll(-1, dims=0)),
    "another eye's maps": (False, lambda maps: maps.roll(-1, dims=0)),
}
"""Each knock-out: whether it touches the vessels only, and what it does to the maps that guide, the batch first. The
last eye of a batch gets the maps of the first."""


def knock_out(
    config_file: str | Sequence[str], split: str = "test", batch_size: int = 8, min_count: int = 10, **override: Any
) -> str:
    """Score the diseases with the guidance as it is and knocked out.

    The photographs are shown on the whole grid. Other eyes are of the same dataset and of another patient, drawn at
    random. Photographs of a dataset that has no other patient are left out.

    Args:
        config_file: config files of the training, in their order.
        split: part of the photographs that is scored.
        batch_size: photographs in one batch, at least 2.
        min_count: a pair of dataset and disease counts with at least this many photographs that have the disease and
            as many that have not.
        **override: overrides of the config, as for an evaluation of the run.

    Returns:
        A Markdown table with a row for each knock-out: the area under the ROC curve of each pair of dataset and
        disease, their mean, and how far the mean differs from that as trained, with its 95 % bootstrap interval by
        patient.

    Raises:
        ValueError: if the network has no guidance, or no pair counts.
        RuntimeError: if the config is another than the weights were trained with.
    """
    parser = ConfigParser()
    parser.read_config([*([config_file] if isinstance(config_file, str) else config_file), EVALUATE])
    parser.update({**override, "validate#split": split})
    # Refused where the config is another than the weights were trained with.
    parser.get_parsed_content("operating_point")
    diseases, model_dir, device = (parser.get_parsed_content(key) for key in ("diseases", "model_dir", "device"))
    network = parser.get_parsed_content("network").eval()
    network.load_state_dict(torch.load(Path(model_dir) / WEIGHTS_NAME, map_location=device, weights_only=True))

    items = [item for item in parser.get_parsed_content("validate#items") if not np.isnan(item["disease"]).all()]
    batches = batches_of_other_eyes(items, batch_size)
    order = [index for batch in batches for index in batch]
    transform = Compose([parser.get_parsed_content("validate#preprocessing"), SelectItemsd(["image"])])
    loader = DataLoader(
        Dataset(items, transform), batch_sampler=batches, num_workers=parser.get_parsed_content("num_workers")
    )
    logits = knocked_out_logits(network, (batch["image"].to(device) for batch in loader))
    labels = np.array([items[index]["disease"] for index in order], dtype=np.float64).reshape(-1, len(diseases))
    sources, patients = ([items[index][key] for index in order] for key in ("dataset", "patient"))
    return _table(logits, labels, sources, patients, diseases, min_count)


def batches_of_other_eyes(items: Sequence[Mapping[str, Any]], batch_size: int) -> list[list[int]]:
    """Batches of the indices of items of one dataset, in each of which no two are of the same patient.

    Args:
        items: with ``dataset`` and ``patient``.
        batch_size: the least number in a batch, at least 2, where there are so many; the most is nearly twice that.

    Returns:
        Batches of two or more; an item without another patient is in none.
    """
    rounds: dict[tuple[str, int], list[int]] = defaultdict(list)
    seen: Counter[tuple[str, str]] = Counter()
    for index in np.random.default_rng(SEED).permutation(len(items)):
        eye = (items[index]["dataset"], items[index]["patient"])
        rounds[eye[0], seen[eye]].append(int(index))
        seen[eye] += 1
    batches = []
    for members in rounds.values():
        batches += np.array_split(members, max(1, len(members) // batch_size))
    return [batch.tolist() for batch in batches if len(batch) > 1]


def knocked_out_logits(network: nn.Module, images: Iterator[torch.Tensor]) -> dict[str, NDArray[np.float64]]:
    """Draw the structures of each image once, and run the disease head once for each knock-out.

    Args:
        network: in evaluation mode; it draws the maps of its ``structures``, and takes them as ``guide``, such as
            :class:`~vmnet_monai.networks.FineVMNet`.
        images: batches (B, 3, S, S).

    Returns:
        Knock-out -> disease logits (N, K).

    Raises:
        ValueError: if the network has no such guidance.
    """
    if not getattr(network, "guided", False) or not hasattr(network, "draw"):
        raise ValueError(
            f"there are no maps that guide to knock out, got {type(network).__name__}: name a network that draws them, "
            "such as FineVMNet, with guidance gate or concat."
        )
    logits: dict[str, list[torch.Tensor]] = {name: [] for name in KNOCK_OUTS}
    with torch.no_grad():
        for image in images:
            maps = network.draw(image)
            reduced = network.disease_input(image)
            for name, parts in logits.items():
                parts.append(logits_without(name, network, reduced, maps).cpu())
    return {name: torch.cat(parts).double().numpy() for name, parts in logits.items()}


def logits_without(name: str, network: nn.Module, image: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Run the disease head with its guidance knocked out; returns the logits (B, K).

    Args:
        name: one of the knock-outs.
        network: as for :func:`knocked_out_logits`.
        image: (B, 3, H, W).
        maps: (B, S, H', W'), those that guide as trained.
    """
    only_vessels, change = KNOCK_OUTS[name]
    names: Sequence[str] = network.structures  # type: ignore[assignment]
    touched = [index for index, key in enumerate(names) if key in VESSELS or not only_vessels]
    guide = maps.clone()
    guide[:, touched] = change(maps[:, touched])
    return network(image, guide=guide)["disease"]


def _table(
    logits: Mapping[str, NDArray[np.float64]],
    labels: NDArray[np.float64],
    sources: Sequence[str],
    patients: Sequence[str],
    diseases: Sequence[str],
    min_count: int,
) -> str:
    _, pairs = within_source_auc(logits[AS_TRAINED], labels, sources, min_count)
    if not pairs:
        raise ValueError(
            f"no dataset has {min_count} photographs with a disease and {min_count} without: lower min_count."
        )

    def mean(name: str) -> Callable[[NDArray[np.intp]], float]:
        inside = [(k, np.where(np.asarray(sources) == source, labels[:, k], np.nan)) for source, k in pairs]
        aucs = [auc_of_rows(logits[name][:, k], known) for k, known in inside]
        return lambda rows: float(np.mean([auc(rows) for auc in aucs]))

    trained = mean(AS_TRAINED)
    everyone = np.arange(len(labels))
    rows = []
    for name in logits:
        _, aucs = within_source_auc(logits[name], labels, sources, min_count)
        cells = [name, *(f"{auc:.3f}" for auc in aucs.values()), f"{mean(name)(everyone):.3f}", ""]
        if name != AS_TRAINED:
            own = mean(name)
            change = own(everyone) - trained(everyone)
            lower, upper = patient_bootstrap_interval(
                lambda drawn, own=own: own(drawn) - trained(drawn), patients, BOOTSTRAP_SAMPLES, SEED
            )
            cells[-1] = f"{change:+.3f} [{lower:+.3f}, {upper:+.3f}]"
        rows.append(cells)
    header = [f"{len(labels)} photographs", *(f"{source}: {diseases[k]}" for source, k in pairs), "mean", "difference"]
    return markdown_table(header, rows)


if __name__ == "__main__":
    fire.Fire(knock_out)
