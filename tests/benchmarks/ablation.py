r"""Whether guidance helps the diseases: trainings with and without it, several seeds each, and their comparison.

    python tests/benchmarks/ablation.py --data_root data --output_dir output/ablation

Runs every training that is missing, one after the other, scores it on the test part, and prints the tables. Run again
after an interruption, it goes on from the last checkpoint. What a run found is in two files of ``results_dir``, which
are all that the tables need: ``<arm>.json``, the arm's config, and ``<arm>_<seed>.csv``, its scores of each photograph.

Declared before any training was run:

- Endpoint: the mean area under the ROC curve over the pairs of dataset and disease of the test part with at least
  ``MIN_COUNT`` photographs that have the disease and as many that have not.
- Primary comparison: ``PRIMARY``, at the level 0.05. Those of ``SECONDARY`` are corrected by Holm's method.
- Interval and p value of a difference by the bootstrap over seeds and patients, both drawn with replacement, the same
  in both arms: the percentile interval, and twice the smaller tail beyond 0. With five seeds such an interval is
  somewhat too narrow.
- Knock-outs are described by intervals, and not tested.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import fire
import matplotlib.figure
import numpy as np
import pandas as pd
import results_figures
import torch
from knock_out import AS_TRAINED, KNOCK_OUTS, batches_of_other_eyes, logits_without
from monai.bundle import ConfigParser
from monai.data import DataLoader
from numpy.typing import NDArray
from tqdm import tqdm

from vmnet_monai.handlers import PrepareMultiTaskBatch, latest_checkpoint
from vmnet_monai.io.files import file_sha256, whole_file
from vmnet_monai.io.weights import WEIGHTS_NAME
from vmnet_monai.metrics import patient_resamples, within_source_auc
from vmnet_monai.metrics.comparison import markdown_table
from vmnet_monai.metrics.disease import auc_of_rows

ROOT = Path(__file__).parents[2]
CONFIG_FILES = [
    str(ROOT / path)
    for path in (
        "bundles/vmnet/configs/train.json",
        "configs/datasets/diseases.json",
        "configs/experiments/diseases.json",
        "configs/experiments/guidance.json",
    )
]

ARMS: dict[str, dict[str, Any]] = {
    "none": {"network_def#guidance": "none"},
    "gate_vessels": {"network_def#guidance": "gate", "network_def#guiding": ["vessel"]},
    "gate": {"network_def#guidance": "gate"},
    "concat": {"network_def#guidance": "concat"},
    "other_eye": {"network_def#guidance": "concat", "prepare_batch#other_eye": True},
}
"""Each arm and what it changes: no guidance, which is the diseases alone, as nothing else is shared; a gate by the
vessel map, and by all maps; all maps concatenated, as in the bundle; the same, guided by another eye's maps."""

SEEDS = (0, 1, 2, 3, 4)
MIN_COUNT = 10
PRIMARY = ("concat", "none")
SECONDARY = (("gate_vessels", "none"), ("gate", "none"), ("other_eye", "none"), ("concat", "other_eye"))
"""Pairs of arms of which the second is subtracted from the first."""

BATCH_SIZE = 8
"""Least number of photographs in one batch of the scoring."""

OF_THE_MACHINE = ("data_root", "dataset_dir", "output_dir", "cache_dir", "device", "num_workers", "tracking_uri")
"""Overrides that do not change what is trained."""

IMAGE_COLUMNS = ["id", "dataset", "patient"]
LABEL, PROBABILITY = "label_", "probability_"

Run = tuple[str, int]


class Difference(NamedTuple):
    """A difference of the endpoint, its 95 % interval, and its two-sided p value."""

    value: float
    lower: float
    upper: float
    p: float


def ablation(
    output_dir: str = "output/ablation",
    results_dir: str | None = None,
    seeds: Sequence[int] = SEEDS,
    bootstrap_samples: int = 2000,
    **override: Any,
) -> str:
    """Run what is missing, and compare the arms.

    Args:
        output_dir: folder of the trainings, and of the maps that they share.
        results_dir: folder of what each run found; None stands for ``results`` in ``output_dir``.
        seeds: of the trainings, the same for each arm.
        bootstrap_samples: number of resamples behind an interval.
        **override: overrides of the config, the same for each arm, such as ``data_root`` and ``num_workers``.

    Returns:
        Three Markdown tables: the arms, their differences, the knock-outs. The differences are also drawn, in
        ``differences.svg`` of ``results_dir``.

    Raises:
        ValueError: if no seed is given, an arm's config is another than that of its earlier runs, or no pair counts.
        subprocess.CalledProcessError: if a training fails.
    """
    seeds = [int(seed) for seed in np.atleast_1d(seeds)]
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be one or more different numbers, got {seeds}.")
    results = Path(results_dir or Path(output_dir, "results"))
    override = {"cache_dir": str(Path(output_dir, "cache")), **override}
    for arm, changes in ARMS.items():
        check_config(results / f"{arm}.json", {**override, **changes})
    runs = {}
    # Seed by seed, so that an early look at the files compares all arms.
    for seed in seeds:
        for arm, changes in ARMS.items():
            path = results / f"{arm}_{seed}.csv"
            if not path.is_file():
                folder = Path(output_dir, f"{arm}_{seed}")
                settings = {**override, **changes, "seed": seed, "output_dir": str(folder)}
                check_config(folder / "config.json", settings)
                train(folder, settings)
                scores = score(settings)
                with whole_file(path) as temporary:
                    scores.to_csv(temporary, index=False, float_format="%.6g")
            runs[arm, seed] = pd.read_csv(path, dtype={"id": str, "dataset": str})
    return report(runs, results / "differences.svg", bootstrap_samples)


def check_config(path: Path, override: Mapping[str, Any]) -> None:
    """Keep the config of an arm or a run in a file, and refuse another one where there is one already.

    Weights that the training starts from are told by their SHA-256, and what belongs to the machine is left out.

    Raises:
        ValueError: naming the keys that differ.
    """
    parser = configured(override)
    weights = parser.get_parsed_content("pretrained")
    parser["pretrained"] = weights and file_sha256(weights)
    config = {key: value for key, value in parser.get().items() if key not in OF_THE_MACHINE}
    text = json.dumps(flattened(config), indent=1)
    if not path.is_file():
        with whole_file(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
        return
    earlier, own = json.loads(path.read_text(encoding="utf-8")), json.loads(text)
    changed = [key for key in {**earlier, **own} if earlier.get(key) != own.get(key)]
    if changed:
        listed = ", ".join(f"{key} = {earlier.get(key)!r} then, {own.get(key)!r} now" for key in changed)
        raise ValueError(
            f"the config must be that of earlier runs, {path}, got {listed}: set it back, or give another output_dir "
            "and results_dir."
        )


def configured(override: Mapping[str, Any]) -> ConfigParser:
    """Compose the config of a run."""
    parser = ConfigParser()
    parser.read_config(CONFIG_FILES)
    parser.update(dict(override))
    return parser


def flattened(config: Any, prefix: str = "") -> dict[str, Any]:
    """Map the address of each value of a nested config, such as ``network_def#guidance``, to it."""
    if not isinstance(config, dict) or not config:
        return {prefix: config}
    return {
        address: value
        for key, part in config.items()
        for address, value in flattened(part, f"{prefix}#{key}" if prefix else key).items()
    }


def train(folder: Path, settings: Mapping[str, Any]) -> None:
    """Train one run in a process of its own, from its last checkpoint if there is one, unless it is done."""
    done = folder / "trained"
    if done.is_file():
        return
    settings = dict(settings)
    if has_checkpoint(folder):
        settings["resume"] = True
    words = [sys.executable, "-m", "monai.bundle", "run", "training", "--config_file", repr(CONFIG_FILES)]
    for key, value in {"tracking_uri": "none", **settings}.items():
        words += [f"--{key}", str(value)]
    subprocess.run(words, check=True)
    done.touch()


def has_checkpoint(folder: Path) -> bool:
    """Whether a training in a folder left a whole checkpoint."""
    try:
        return bool(latest_checkpoint(str(folder / "checkpoints")))
    except FileNotFoundError:
        return False


def score(settings: Mapping[str, Any]) -> pd.DataFrame:
    """Score the test part by a run's weights, with the maps as trained and, if they guide, knocked out.

    The photographs come as in the validation, with the maps that were kept, in batches of which no two are of one
    patient. A control is guided by another eye's maps already, and is knocked out by zeros only.

    Args:
        settings: overrides of the run.

    Returns:
        A row for each knock-out and photograph: ``maps``, the knock-out's name; ``id``, ``dataset``, ``patient``, a
        number; ``label_<disease>``, 1, 0 or NaN; ``probability_<disease>``, 0 to 1.
    """
    parser = configured({**settings, "validate#split": "test"})
    parser.get_parsed_content("start")
    diseases, device = parser.get_parsed_content("diseases"), parser.get_parsed_content("device")
    prepare: PrepareMultiTaskBatch = parser.get_parsed_content("prepare_batch")
    # A copy, as maps that are not kept yet are drawn by the network that the trainings start from.
    network = copy.deepcopy(parser.get_parsed_content("network")).eval()
    weights = Path(parser.get_parsed_content("model_dir")) / WEIGHTS_NAME
    network.load_state_dict(torch.load(weights, map_location=device, weights_only=True))
    names = [name for name in KNOCK_OUTS if network.guided or name == AS_TRAINED]
    if prepare.other_eye:
        names = [name for name in names if "another eye" not in name]

    items = parser.get_parsed_content("validate#items")
    labelled = [index for index, item in enumerate(items) if not np.isnan(item["disease"]).all()]
    chosen = batches_of_other_eyes([items[index] for index in labelled], BATCH_SIZE)
    batches = [[labelled[place] for place in batch] for batch in chosen]
    loader = DataLoader(
        parser.get_parsed_content("validate#dataset"),
        batch_sampler=batches,
        num_workers=parser.get_parsed_content("num_workers"),
    )
    probabilities: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    with torch.no_grad():
        for batch in tqdm(loader, desc="Scoring"):
            image, _, _, guide = prepare(batch, device)
            for name, parts in probabilities.items():
                parts.append(logits_without(name, network, image, guide["guide"]).double().sigmoid().cpu())

    order = [index for batch in batches for index in batch]
    shown = pd.DataFrame({key: [items[index][key] for index in order] for key in IMAGE_COLUMNS})
    shown["patient"] = pd.factorize(shown["patient"], sort=True)[0]
    labels = pd.DataFrame([items[index]["disease"] for index in order], columns=[LABEL + key for key in diseases])
    tables = [
        pd.concat(
            [shown, labels, pd.DataFrame(torch.cat(parts), columns=[PROBABILITY + key for key in diseases])], axis=1
        )
        for parts in probabilities.values()
    ]
    return pd.concat(tables, keys=names, names=["maps"]).reset_index("maps").reset_index(drop=True)


def report(runs: Mapping[Run, pd.DataFrame], figure: Path, samples: int) -> str:
    """Compare the arms; returns the tables, and writes the figure.

    Args:
        runs: arm and seed -> the result of :func:`score`; the seeds are those of each arm.
        figure: file of the differences, SVG.
        samples: number of resamples.

    Raises:
        ValueError: if the runs differ in photographs or labels, or no pair counts.
    """
    seeds = sorted({seed for _, seed in runs})
    tables = {
        (arm, seed, str(maps)): table.drop(columns="maps").reset_index(drop=True)
        for (arm, seed), frame in runs.items()
        for maps, table in frame.groupby("maps", sort=False)
    }
    first = next(iter(tables.values()))
    labels = first.filter(like=LABEL)
    known = [*IMAGE_COLUMNS, *labels.columns]
    for (arm, seed, _), table in tables.items():
        if not table[known].equals(first[known]):
            raise ValueError(
                f"all runs must be scored on the same photographs, got others for {arm}, seed {seed}: remove "
                f"{arm}_{seed}.csv, and run again."
            )
    diseases = [column.removeprefix(LABEL) for column in labels]
    aucs = {
        key: within_source_auc(table.filter(like=PROBABILITY), labels, first["dataset"], MIN_COUNT)[1]
        for key, table in tables.items()
    }
    pairs = list(next(iter(aucs.values())))
    if not pairs:
        raise ValueError(f"no dataset of the test part has {MIN_COUNT} photographs with a disease and as many without.")
    endpoint = {key: np.mean(list(of_pairs.values())) for key, of_pairs in aucs.items()}
    resampled = resampled_endpoints(tables, pairs, samples)
    drawn_seeds = np.random.default_rng(1).integers(len(seeds), size=(samples, len(seeds)))

    def difference(one: tuple[str, str], other: tuple[str, str]) -> Difference:
        keys = [((one[0], seed, one[1]), (other[0], seed, other[1])) for seed in seeds]
        value = np.mean([endpoint[a] - endpoint[b] for a, b in keys])
        by_seed = np.stack([resampled[a] - resampled[b] for a, b in keys], axis=1)
        return tested(float(value), np.take_along_axis(by_seed, drawn_seeds, axis=1).mean(axis=1))

    arm_rows = []
    for arm in ARMS:
        keys = [(arm, seed, AS_TRAINED) for seed in seeds]
        of_seeds = pd.Series([endpoint[key] for key in keys])
        spread = f"{of_seeds.std():.3f}" if len(seeds) > 1 else ""
        by_pair = [f"{np.mean([aucs[key][pair] for key in keys]):.3f}" for pair in pairs]
        arm_rows.append([arm, str(len(seeds)), f"{of_seeds.mean():.3f}", spread, *by_pair])
    differences = {pair: difference(*((arm, AS_TRAINED) for arm in pair)) for pair in (PRIMARY, *SECONDARY)}
    corrected = dict(zip(SECONDARY, holm([differences[pair].p for pair in SECONDARY]), strict=True))
    comparison_rows = [
        [" - ".join(pair), interval(found), f"{found.p:.4f}", f"{corrected[pair]:.4f}" if pair in corrected else ""]
        for pair, found in differences.items()
    ]
    knocked_out = dict.fromkeys((arm, maps) for arm, _, maps in tables if maps != AS_TRAINED)
    knock_out_rows = [[arm, maps, interval(difference((arm, maps), (arm, AS_TRAINED)))] for arm, maps in knocked_out]
    draw(differences, figure)
    by_pair = [f"{source}: {diseases[k]}" for source, k in pairs]
    return "\n\n".join(
        [
            markdown_table(["arm", "seeds", "mean AUC", "SD over seeds", *by_pair], arm_rows),
            markdown_table(["difference", "mean AUC", "p", "p by Holm's method"], comparison_rows),
            markdown_table(["arm", "maps", "difference from those as trained"], knock_out_rows),
        ]
    )


def resampled_endpoints(
    tables: Mapping[tuple[str, int, str], pd.DataFrame], pairs: Sequence[tuple[str, int]], samples: int
) -> dict[tuple[str, int, str], NDArray[np.float64]]:
    """The endpoint of each table in every resample of patients, the same resamples for all; NaN where undefined.

    Args:
        tables: of the same photographs.
        pairs: dataset and index of the disease.
        samples: number of resamples.
    """
    first = next(iter(tables.values()))
    patients = first["patient"].astype(str).tolist()
    labels, sources = first.filter(like=LABEL).to_numpy(dtype=np.float64), first["dataset"].to_numpy(dtype=str)
    inside = [(k, np.where(sources == source, labels[:, k], np.nan)) for source, k in pairs]
    statistics = {
        key: [auc_of_rows(table.filter(like=PROBABILITY).to_numpy()[:, k], known) for k, known in inside]
        for key, table in tables.items()
    }
    values = {key: np.empty(samples) for key in tables}
    for number, rows in enumerate(tqdm(patient_resamples(patients, samples, seed=0), total=samples, desc="Resampling")):
        for key, of_pairs in statistics.items():
            values[key][number] = np.mean([auc(rows) for auc in of_pairs])
    return values


def tested(value: float, resampled: NDArray[np.float64]) -> Difference:
    """Interval and p value of a difference from its (N,) bootstrap resamples.

    Undefined resamples, NaN, are left out; where they are more than half, so are interval and p value.
    """
    defined = resampled[~np.isnan(resampled)]
    if 2 * len(defined) < len(resampled):
        return Difference(value, *[float("nan")] * 3)
    tails = [(1 + np.count_nonzero(side)) / (1 + len(defined)) for side in (defined <= 0, defined >= 0)]
    lower, upper = np.quantile(defined, [0.025, 0.975])
    return Difference(value, float(lower), float(upper), min(1.0, 2 * min(tails)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p values for their number by Holm's step-down method (Scand J Stat 1979;6:65-70)."""
    order = np.argsort(p_values)
    steps = np.arange(len(order), 0, -1) * np.asarray(p_values)[order]
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return corrected.tolist()


def interval(difference: Difference) -> str:
    """Format a difference with its interval."""
    return f"{difference.value:+.3f} [{difference.lower:+.3f}, {difference.upper:+.3f}]"


def draw(differences: Mapping[tuple[str, str], Difference], path: Path) -> None:
    """Draw a forest plot of the differences, the primary one first and filled, as SVG."""
    figure = matplotlib.figure.Figure(figsize=(6, 0.5 * len(differences) + 1), layout="constrained")
    axes = figure.subplots()
    for row, (pair, found) in enumerate(differences.items()):
        face = "#0072B2" if pair == PRIMARY else "white"
        axes.plot([found.lower, found.upper], [row, row], color="#0072B2")
        axes.plot(found.value, row, "o", color="#0072B2", markerfacecolor=face)
    axes.axvline(0, color=results_figures.GREY, linewidth=0.8)
    axes.set_yticks(range(len(differences)), [" - ".join(pair) for pair in differences])
    axes.invert_yaxis()
    axes.set_xlabel("difference of the mean AUC, with 95 % interval over seeds and patients")
    with whole_file(path) as temporary:
        figure.savefig(temporary, metadata={"Date": None})


if __name__ == "__main__":
    fire.Fire(ablation)
