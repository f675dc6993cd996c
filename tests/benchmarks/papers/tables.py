"""Tabulate evaluations in the metrics of two papers, so that their numbers and ours can be read side by side."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vmnet_monai.metrics.comparison import markdown_table

__all__ = ["multi_task_table", "read_summary", "segmentation_table"]

REGIONS = ("inside_fov", "whole_image")
"""The pixels that count."""

SEGMENTATION_SCORES = {
    "accuracy": "accuracy",
    "F1": "dice",
    "two-class mean IoU": "iou_two_class_mean",
    "IoU": "iou",
    "MCC": "mcc",
    "precision": "precision",
    "recall": "sensitivity",
    "specificity": "specificity",
}
"""Column -> score: the table of the EfficientNet-B0 U-Net (msikorski93), whose "IoU" is the two-class mean."""

OVERLAP_SCORES = {"JI": "iou", "DSC": "dice"}
"""Column -> score: Jaccard index and Dice of Bui et al., arXiv 2412.00351."""

MICRO_SCORES = ("accuracy", "sensitivity", "specificity")
"""Scores of the diseases in the same paper, from sums of TP, TN, FP and FN over the diseases."""

AVERAGES = {"pooled": "pooled over pixels", "mean": "mean over photographs"}
"""Part of the summary -> what the tables call it."""

MEAN_OF_STRUCTURES = "mean of structures"

_NOT_STRUCTURES = ("split", "photographs", "thresholds", "disease")


def segmentation_table(
    runs: Mapping[str, Mapping[str, Any]], region: str, structures: Sequence[str] | None = None
) -> pd.DataFrame:
    """Tabulate accuracy, F1, IoU, MCC, precision, recall and specificity of the segmented structures.

    The columns are those of the EfficientNet-B0 U-Net with focal Dice (msikorski93). The IoU that is reported for it,
    0.793, is ``two-class mean IoU``, the mean of vessels and background; ``IoU``, of the vessels, is F1 / (2 - F1),
    0.622 for its F1 of 0.767.

    Args:
        runs: name -> content of ``metrics.json`` (:func:`read_summary`).
        region: ``"inside_fov"`` or ``"whole_image"``.
        structures: keys of the structures; None for all that a run has.

    Returns:
        One row per run, dataset, structure and kind of average, of what has scores: ``run``, ``dataset``,
        ``structure``, ``average`` and the scores, 0 to 1 but MCC -1 to 1, NaN where undefined. A dataset is ``all``
        where a run has several. Several structures are followed by their mean, of those whose score is defined.

    Raises:
        ValueError: when the region is unknown or no run has one of the structures.
    """
    _check(runs, region, structures)
    rows = []
    for run, summary in runs.items():
        chosen = _chosen(summary, structures)
        for dataset in _datasets([summary[structure].get(region, {}) for structure in chosen]):
            for average, label in AVERAGES.items():
                scores = _scores(summary, chosen, region, dataset, average, SEGMENTATION_SCORES)
                rows += [
                    {"run": run, "dataset": dataset, "structure": structure, "average": label, **of_structure}
                    for structure, of_structure in scores.items()
                ]
    return pd.DataFrame(rows, columns=["run", "dataset", "structure", "average", *SEGMENTATION_SCORES])


def multi_task_table(
    runs: Mapping[str, Mapping[str, Any]], region: str, structures: Sequence[str] | None = None
) -> pd.DataFrame:
    """Tabulate the overlap of each structure beside the micro-averaged scores of the diseases.

    The columns are those of Bui et al., arXiv 2412.00351: Jaccard index (JI, the IoU) and Dice (DSC) of the
    segmentation; accuracy, sensitivity and specificity from the TP, TN, FP and FN of all diseases together, known
    labels only.

    Args:
        runs: name -> content of ``metrics.json`` (:func:`read_summary`).
        region: ``"inside_fov"`` or ``"whole_image"``; means nothing to the diseases.
        structures: keys of the structures; None for all that a run has.

    Returns:
        One row per run, dataset and kind of average, of what has scores: ``run``, ``dataset``, ``average``; ``JI`` and
        ``DSC`` with the structure's name, of several structures also of their mean; ``micro accuracy`` and so on, in
        the row of what is pooled. NaN where undefined.

    Raises:
        ValueError: when the region is unknown or no run has one of the structures.
    """
    _check(runs, region, structures)
    rows = []
    for run, summary in runs.items():
        chosen, diseases = _chosen(summary, structures), summary.get("disease", {})
        for dataset in _datasets([*(summary[structure].get(region, {}) for structure in chosen), diseases]):
            for average, label in AVERAGES.items():
                row: dict[str, Any] = {"run": run, "dataset": dataset, "average": label}
                scores = _scores(summary, chosen, region, dataset, average, OVERLAP_SCORES)
                row |= {f"{name} {key}": value for key, entry in scores.items() for name, value in entry.items()}
                if average == "pooled" and dataset in diseases:
                    row |= {f"micro {name}": _number(diseases[dataset]["micro"], name) for name in MICRO_SCORES}
                if len(row) > 3:
                    rows.append(row)
    every_chosen = [_chosen(summary, structures) for summary in runs.values()]
    names = [*dict.fromkeys(key for chosen in every_chosen for key in chosen)]
    names += [MEAN_OF_STRUCTURES] if any(len(chosen) > 1 for chosen in every_chosen) else []
    overlaps = [f"{score} {name}" for name in names for score in OVERLAP_SCORES]
    columns = ["run", "dataset", "average", *overlaps, *(f"micro {name}" for name in MICRO_SCORES)]
    return pd.DataFrame(rows, columns=columns)


def read_summary(folder: str | Path) -> dict[str, Any]:
    """Read the summary, ``metrics.json``, that an evaluation left in its output folder.

    Raises:
        FileNotFoundError: when there is none.
        ValueError: when it is no JSON.
    """
    path = Path(folder) / "metrics.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: give the output folder of an evaluation, or evaluate first")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON ({error}): evaluate again") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables of each region as Markdown.

    Returns:
        Exit code: 0, or 1 when a run cannot be read or has no such structure.
    """
    parser = argparse.ArgumentParser(prog="python tests/benchmarks/papers/tables.py", description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="output folder of an evaluation")
    parser.add_argument(
        "--region", nargs="+", choices=REGIONS, default=REGIONS, help="the pixels that count (default: both)"
    )
    parser.add_argument("--structure", nargs="+", metavar="KEY", help="segmented structures (default: all)")
    options = parser.parse_args(arguments)
    try:
        runs = {run: read_summary(run) for run in options.runs}
        tables = [
            f"{title}, {region}\n\n{_markdown(table(runs, region, options.structure))}"
            for region in options.region
            for title, table in (("Segmentation", segmentation_table), ("Both tasks", multi_task_table))
        ]
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n\n".join(tables))
    return 0


def _check(runs: Mapping[str, Mapping[str, Any]], region: str, structures: Sequence[str] | None) -> None:
    if region not in REGIONS:
        raise ValueError(f"region must be one of {', '.join(REGIONS)}, got {region!r}")
    known = dict.fromkeys(key for summary in runs.values() for key in _structures(summary))
    for structure in structures or ():
        if structure not in known:
            raise ValueError(
                f"structure must be one that a run has, {', '.join(known) or 'none'}, got {structure!r}: "
                "evaluate a network that segments it"
            )


def _structures(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield the structures with scores; a network without the head leaves an empty entry."""
    return (key for key, entry in summary.items() if key not in _NOT_STRUCTURES and entry)


def _chosen(summary: Mapping[str, Any], structures: Sequence[str] | None) -> list[str]:
    return [key for key in _structures(summary) if structures is None or key in structures]


def _datasets(parts: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the datasets of several parts of a summary; all together, last, only where there are several."""
    names = list(dict.fromkeys(name for part in parts for name in part if name != "all"))
    return names if len(names) == 1 else [*names, "all"]


def _scores(
    summary: Mapping[str, Any],
    structures: Sequence[str],
    region: str,
    dataset: str,
    average: str,
    columns: Mapping[str, str],
) -> dict[str, dict[str, float]]:
    """Look up the scores of the structures that the dataset has, and of several take the mean."""
    parts = {key: summary[key].get(region, {}).get(dataset, {}).get(average) for key in structures}
    scores = {
        key: {name: _number(part, score) for name, score in columns.items()} for key, part in parts.items() if part
    }
    if len(scores) > 1:
        means = pd.DataFrame(scores).mean(axis=1)
        scores[MEAN_OF_STRUCTURES] = {name: float(means[name]) for name in columns}
    return scores


def _number(scores: Mapping[str, Any], name: str) -> float:
    """Look up a score; NaN where it is null or, in the summary of an earlier version, missing."""
    value = scores.get(name)
    return float("nan") if value is None else float(value)


def _markdown(table: pd.DataFrame) -> str:
    text = table.map(lambda cell: cell if isinstance(cell, str) else "" if pd.isna(cell) else f"{cell:.3f}")
    return markdown_table([str(column) for column in text.columns], text.to_numpy().tolist())


if __name__ == "__main__":
    sys.exit(main())
