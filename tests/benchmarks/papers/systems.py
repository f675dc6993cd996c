"""Train, evaluate and compare all systems on the same data with the same seed, number of steps and grid.

    python tests/benchmarks/papers/systems.py --data_root data --output_dir output/systems [--seeds 0,1] [--processes 2]

The systems and the configs that they share are listed in systems.json. Every training and evaluation is a command of
MONAI's bundle in a process of its own; what has been evaluated is not run again, so that an interrupted comparison goes
on where it stopped. The costs are measured last, when nothing else runs, as ratios to the first system.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cost
import fire
import pandas as pd
import torch
from monai.bundle import ConfigParser

from vmnet_monai.cli.compare import read_run
from vmnet_monai.datasets.names import slug
from vmnet_monai.io.tables import write_table
from vmnet_monai.metrics import compare_systems
from vmnet_monai.metrics.comparison import markdown_table

EVALUATE = "bundles/vmnet/configs/evaluate.json"
PLAN = str(Path(__file__).with_name("systems.json"))
SCORES = ("vessel_dice", "vessel_auc", "vessel_cldice", "within_source_auc")


def systems(
    output_dir: str,
    comparison: str = PLAN,
    seeds: int | Sequence[int] = 0,
    processes: int = 1,
    repeats: int = 5,
    min_count: int = 10,
    **overrides: Any,
) -> str:
    """Return the comparison as Markdown: scores, then costs; ``scores.csv`` and ``costs.csv`` hold them too.

    What has a ``metrics.csv`` is not run again, whatever has changed since: give another plan another folder.

    Args:
        output_dir: a folder per system and seed goes here, with all that a training leaves but checkpoints and cache.
        comparison: a file like systems.json: the config files before and after a system's own, the diseases that are
            scored in each dataset (all without them), and the systems, V-MNet first.
        seeds: one training per seed.
        processes: systems that are trained at a time, each on its share of the CPU cores.
        repeats: times that each cost is measured.
        min_count: photographs of each class that a disease needs within a dataset to be scored.
        overrides: further overrides of all trainings and evaluations, such as ``--data_root data``.
    """
    plan = json.loads(Path(comparison).read_text(encoding="utf-8"))
    seeds = [seeds] if isinstance(seeds, int) else list(seeds)
    output = Path(output_dir)
    runs = {(name, seed): output / f"{slug(name).lower()}_{seed}" for name in plan["systems"] for seed in seeds}
    threads = max(1, (os.cpu_count() or 1) // processes)
    common = {**overrides, "cache_dir": str(output / "cache")}
    with ThreadPoolExecutor(processes) as pool:
        jobs = [
            pool.submit(_train_and_evaluate, folder, _config_files(plan, name), {**common, "seed": seed}, threads)
            for (name, seed), folder in runs.items()
        ]
    for job in jobs:
        job.result()

    names = list(plan["systems"])
    table = compare_systems(
        {name: [read_run(runs[name, seed]) for seed in seeds] for name in names},
        names[0],
        plan.get("pairs"),
        min_count,
    )
    costs = _costs(plan, repeats)
    for name, frame in (("scores.csv", table), ("costs.csv", costs)):
        write_table(output / name, frame)
    return f"{scores_table(table)}\n\n{cost.cost_table(costs)}\n\nCosts: {torch.get_num_threads()} threads"


def _config_files(plan: Mapping[str, Any], name: str) -> list[str]:
    return [*plan["before"], *plan["systems"][name], *plan["after"]]


def _costs(plan: Mapping[str, Any], repeats: int) -> pd.DataFrame:
    """Measure the systems on crops and grid of the comparison, without its data, of which no cost depends."""
    base = [plan["before"][0], *plan["systems"][cost.REFERENCE], *plan["after"]]
    parser = ConfigParser(ConfigParser.load_config_files(base))
    size, crop, batch_size = (parser.get_parsed_content(key) for key in ("grid_size", "crop_size", "batch_size"))
    others = {name: [*own, *plan["after"]] for name, own in plan["systems"].items() if name != cost.REFERENCE}
    return cost.rows(others, size, crop, batch_size, repeats, base)


def _train_and_evaluate(folder: Path, files: Sequence[str], common: Mapping[str, Any], threads: int) -> None:
    if (folder / "metrics.csv").is_file():
        return
    settings = {**common, "output_dir": str(folder)}
    _bundle("training", files, settings, threads, folder)
    _bundle("evaluating", [*files, EVALUATE], settings, threads, folder)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # two of them are several times the weights


def _bundle(task: str, files: Sequence[str], settings: Mapping[str, Any], threads: int, folder: Path) -> None:
    """Run a task of the bundle; its output goes to ``<folder>/<task>.log``."""
    command = [sys.executable, "-m", "monai.bundle", "run", task, "--config_file", str(list(files))]
    for key, value in settings.items():
        command += [f"--{key}", str(value)]
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{task}.log"
    with log.open("w", encoding="utf-8") as stream:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        done = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{task} failed with exit code {done.returncode}: read {log}, mend it and start again.")


def scores_table(comparison: pd.DataFrame) -> str:
    """Format the mean scores, one row per system; the SD over seeds where there are several."""
    chosen = comparison[comparison["score"].isin(SCORES)]
    columns = list(dict.fromkeys(zip(chosen["score"], chosen["dataset"], strict=True)))
    header = ["system", *(f"{dataset} {score}".strip() for score, dataset in columns), "difference of the AUC"]
    rows = []
    for name in dict.fromkeys(chosen["system"]):
        own = chosen[chosen["system"] == name].set_index(["score", "dataset"])
        rows.append([str(name), *_cells(own, columns)])
    return markdown_table(header, rows)


def _cells(own: pd.DataFrame, columns: Sequence[tuple[str, str]]) -> Iterator[str]:
    for column in columns:
        mean, std = own.loc[column, "mean"], own.loc[column, "std"]
        spread = "" if pd.isna(std) else f" ± {std:.3f}"
        yield "" if pd.isna(mean) else f"{mean:.3f}{spread}"
    auc = own.loc["within_source_auc"].iloc[0]
    interval = f"[{auc['difference_lower']:+.3f}, {auc['difference_upper']:+.3f}]"
    yield "" if pd.isna(auc["difference"]) else f"{auc['difference']:+.3f} {interval}"


if __name__ == "__main__":
    fire.Fire(systems)
