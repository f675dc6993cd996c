"""Evaluated systems beside one another: mean and spread over their runs, differences by paired bootstrap."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from vmnet_monai.metrics.bootstrap import patient_bootstrap_interval
from vmnet_monai.metrics.disease import auc_of_rows, within_source_auc

__all__ = ["compare_systems", "comparison_table", "markdown_table"]

_REGION = "_inside_fov_"
_STRUCTURE_SCORES = ("dice", "cldice", "auc")
_PROBABILITY, _LABEL = "probability_", "label_"

_COLUMNS = [
    *("score", "dataset", "disease", "system", "runs", "mean", "std", "lower", "upper"),
    *("difference", "difference_lower", "difference_upper"),
]

_Statistic = Callable[[NDArray[np.intp]], float]
"""From the positions of photographs, repeated as drawn, to a score; NaN where it is undefined."""


@dataclass(frozen=True)
class _Score:
    """What one row of the comparison scores: the photographs that count, and how a run is scored on a draw of them."""

    name: str
    dataset: str
    disease: str
    images: NDArray[np.intp]
    of: Callable[[pd.DataFrame], _Statistic]


def compare_systems(
    systems: Mapping[str, Sequence[pd.DataFrame]],
    reference: str,
    pairs: Mapping[str, Sequence[str]] | None = None,
    min_count: int = 10,
    bootstrap_samples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Score systems, each by several runs on the same photographs, and their differences from a reference.

    Intervals are 95 % bootstrap intervals by patient (:func:`~vmnet_monai.metrics.patient_bootstrap_interval`): in each
    resample, of patients with all their photographs, every run of a system is scored and the mean taken over the runs.
    A difference is taken inside each resample, where both systems are scored on the same patients: the paired
    bootstrap. Intervals say how a score would vary with other patients of the same kind, ``std`` how it does with runs.

    Args:
        systems: name -> one frame per run, in the columns of ``metrics.csv``: ``id``, ``dataset``, ``patient``; where
            the network has the head, ``vessel_inside_fov_dice``, ``vessel_inside_fov_cldice`` and
            ``vessel_inside_fov_auc``, likewise for other structures, or ``probability_<disease>``, 0 to 1;
            ``label_<disease>``, 1, 0 or NaN.
        reference: name of the system that the others are compared with.
        pairs: dataset -> the diseases that are scored in it; None for every pair with enough photographs.
        min_count: a pair is scored with at least this many photographs that have the disease and as many that have not.
        bootstrap_samples: number of resamples behind an interval.
        seed: of the resamples.

    Returns:
        One row per score and system, the reference first:

        - ``score``, ``dataset``, ``disease``: ``vessel_dice``, ``vessel_cldice`` and ``vessel_auc``, likewise for other
          structures, are means over the photographs of a dataset with masks, inside the field of view;
          ``disease_auc`` is that of a pair of dataset and disease; ``within_source_auc`` is the mean over the pairs.
        - ``system``; ``runs``; ``mean`` and ``std``, the sample standard deviation, over the runs; ``lower`` and
          ``upper``, the interval of the mean.
        - ``difference`` from the reference, and its interval ``difference_lower`` and ``difference_upper``.

        What is undefined is NaN, such as the scores of a head that a network lacks. Scores that no system has are left
        out.

    Raises:
        ValueError: when a system has no run; when runs differ in photographs, datasets, patients or labels; when one of
            ``pairs`` has too few photographs; when no system has any score.
    """
    order = [reference, *(name for name in systems if name != reference)]
    for name in order:
        if not systems.get(name):
            raise ValueError(f"each system needs at least one run, got none for {name!r}: evaluate it first")
    runs, labels = _aligned({name: systems[name] for name in order})
    every_run = [run for name in order for run in runs[name]]
    patients = every_run[0]["patient"].to_numpy(dtype=str)

    rows: list[dict[str, object]] = []
    scores = [*_structure_scores(every_run), *_disease_scores(every_run[0], labels, pairs, min_count)]
    draws = (2 * len(order) - 1) * bootstrap_samples  # of a score, at most
    bar = tqdm(total=len(scores) * draws, desc="Resampling", unit="resample", delay=1, leave=False)
    for number, score in enumerate(scores):
        bar.update(number * draws - bar.n)
        interval = partial(_interval, score.images, patients, bootstrap_samples, seed, bar.update)
        statistics = {name: [score.of(run) for run in runs[name]] for name in order}
        values = {name: pd.Series([of_run(score.images) for of_run in statistics[name]]) for name in order}
        own = {name: _mean(statistics[name]) for name in order if values[name].notna().all()}
        for name in order if own else []:
            row: dict[str, object] = {"score": score.name, "dataset": score.dataset, "disease": score.disease}
            row |= {"system": name, "runs": len(runs[name])}
            if name in own:
                row |= {"mean": values[name].mean(), "std": values[name].std()}
                row["lower"], row["upper"] = interval(own[name])
            if name in own and reference in own and name != reference:
                row["difference"] = values[name].mean() - values[reference].mean()
                row["difference_lower"], row["difference_upper"] = interval(_difference(own[name], own[reference]))
            rows.append(row)
    bar.close()
    if not rows:
        raise ValueError(
            f"there is nothing to score: no scores of masks, and no disease with {min_count} photographs of each class "
            "within a dataset. Evaluate on another dataset, or lower min_count"
        )
    return pd.DataFrame(rows, columns=_COLUMNS)


def comparison_table(comparison: pd.DataFrame) -> str:
    """Format the result of :func:`compare_systems` as a Markdown table, one row per score and one column per system.

    A cell reads ``mean ± std [lower, upper]``, std only with two runs or more; a column beside each system but the
    reference holds the difference. What is undefined is empty.
    """
    systems = list(dict.fromkeys(comparison["system"]))
    header = ["score", "dataset", "disease", systems[0]]
    for name in systems[1:]:
        header += [name, f"{name} - {systems[0]}"]
    rows = []
    for key, of_score in comparison.groupby(["score", "dataset", "disease"], sort=False):
        cells = [str(part) for part in key]
        for name, row in of_score.set_index("system").iterrows():
            spread = "" if math.isnan(row["std"]) else f" ± {row['std']:.3f}"
            cells.append(_cell(f"{row['mean']:.3f}{spread}", row["lower"], row["upper"]))
            if name != systems[0]:
                cells.append(_cell(f"{row['difference']:+.3f}", row["difference_lower"], row["difference_upper"]))
        rows.append(cells)
    return markdown_table(header, rows)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a Markdown table, without a newline at its end."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, ["---"] * len(header), *rows])


def _cell(value: str, lower: float, upper: float) -> str:
    if "nan" in value:
        return ""
    return value if math.isnan(lower) else f"{value} [{lower:.3f}, {upper:.3f}]"


def _structure_scores(runs: Sequence[pd.DataFrame]) -> Iterator[_Score]:
    """Yield the mean of each score of a structure over the photographs of each dataset that have it."""
    datasets = runs[0]["dataset"].to_numpy(dtype=str)
    columns = dict.fromkeys(str(column) for run in runs for column in run)
    structures = [column.removesuffix(f"{_REGION}dice") for column in columns if column.endswith(f"{_REGION}dice")]
    for structure, score in itertools.product(structures, _STRUCTURE_SCORES):
        column = f"{structure}{_REGION}{score}"
        scored = np.any([_column(run, column).notna() for run in runs], axis=0)
        for dataset in np.unique(datasets[scored]):
            images = np.flatnonzero(scored & (datasets == dataset))
            yield _Score(f"{structure}_{score}", str(dataset), "", images, partial(_mean_of_column, column))


def _mean_of_column(column: str, run: pd.DataFrame) -> _Statistic:
    values = _column(run, column).to_numpy()
    return lambda drawn: float(values[drawn].mean())


def _disease_scores(
    run: pd.DataFrame, labels: pd.DataFrame, pairs: Mapping[str, Sequence[str]] | None, min_count: int
) -> Iterator[_Score]:
    """Yield the AUC of each pair of dataset and disease, and their mean."""
    datasets = run["dataset"].to_numpy(dtype=str)
    # Which pairs have enough photographs depends on the labels alone.
    _, counted = within_source_auc(np.zeros(labels.shape), labels.to_numpy(), datasets.tolist(), min_count)
    chosen = [(dataset, str(labels.columns[k])) for dataset, k in counted]
    if pairs is not None:
        wanted = list(dict.fromkeys((dataset, disease) for dataset in pairs for disease in pairs[dataset]))
        for dataset, disease in wanted:
            if (dataset, disease) not in chosen:
                known = _column(labels, disease)[datasets == dataset]
                raise ValueError(
                    f"a pair needs {min_count} photographs with the disease and as many without, got "
                    f"{(known == 1).sum()} and {(known == 0).sum()} for {disease!r} in {dataset!r}: leave it out or "
                    f"lower min_count. There are {', '.join('='.join(pair) for pair in chosen) or 'no pairs'}"
                )
        chosen = wanted
    scores = []
    for dataset, disease in chosen:
        reference = labels[disease].where(datasets == dataset).to_numpy()
        images = np.flatnonzero(~np.isnan(reference))
        scores.append(_Score("disease_auc", dataset, disease, images, partial(_auc, disease, reference)))
    yield from scores
    if scores:
        images = np.unique(np.concatenate([score.images for score in scores]))
        yield _Score("within_source_auc", "", "", images, partial(_mean_over, scores))


def _auc(disease: str, reference: NDArray[np.float64], run: pd.DataFrame) -> _Statistic:
    probabilities = _column(run, _PROBABILITY + disease).to_numpy()
    if np.isnan(probabilities[~np.isnan(reference)]).any():
        return lambda drawn: math.nan
    return auc_of_rows(probabilities, reference)


def _mean_over(scores: Sequence[_Score], run: pd.DataFrame) -> _Statistic:
    return _mean([score.of(run) for score in scores])


def _mean(statistics: Sequence[_Statistic]) -> _Statistic:
    return lambda drawn: float(np.mean([statistic(drawn) for statistic in statistics]))


def _difference(own: _Statistic, reference: _Statistic) -> _Statistic:
    return lambda drawn: own(drawn) - reference(drawn)


def _interval(
    images: NDArray[np.intp],
    patients: NDArray[np.str_],
    samples: int,
    seed: int,
    advance: Callable[[], object],
    statistic: _Statistic,
) -> tuple[float, float]:
    def scored(drawn: NDArray[np.intp]) -> float:
        advance()
        return statistic(images[drawn])

    return patient_bootstrap_interval(scored, patients[images].tolist(), samples, seed)


def _column(run: pd.DataFrame, name: str) -> pd.Series:
    """Return a column of scores, NaN where the run has none because its network lacks the head."""
    return run[name].astype(float) if name in run else pd.Series(np.nan, index=run.index)


def _aligned(systems: Mapping[str, Sequence[pd.DataFrame]]) -> tuple[dict[str, list[pd.DataFrame]], pd.DataFrame]:
    """Bring the photographs of all runs into one order and check that they are the same, with the same labels.

    Returns:
        System -> runs, indexed by id; and the labels (N, K), 1, 0 or NaN, the columns named by disease.
    """
    runs = {
        name: [_by_id(frame, f"run {number} of {name!r}") for number, frame in enumerate(frames, start=1)]
        for name, frames in systems.items()
    }
    # Column -> the run that has it first, and what it says.
    first: dict[str, tuple[str, pd.Series]] = {}
    for name, of_system in runs.items():
        for number, run in enumerate(of_system, start=1):
            for column in ("dataset", "patient", *run.filter(regex=f"^{_LABEL}").dropna(axis=1, how="all")):
                said = f"run {number} of {name!r}", run[column]
                _check_same(column, first.setdefault(column, said), said)
    labels = {
        column.removeprefix(_LABEL): values.astype(float)
        for column, (_, values) in first.items()
        if column.startswith(_LABEL)
    }
    return runs, pd.DataFrame(labels, index=first["dataset"][1].index)


def _by_id(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    missing = [column for column in ("id", "dataset", "patient") if column not in frame]
    if missing:
        raise ValueError(f"a run needs the columns id, dataset and patient, {where} lacks {missing}: evaluate it again")
    if frame.columns.str.startswith(_REGION.removeprefix("_")).any():
        raise ValueError(
            f"{where} was evaluated by a version before 0.3.0, whose columns have other names: evaluate again"
        )
    twice = frame["id"][frame["id"].duplicated()]
    if not twice.empty:
        raise ValueError(f"a run holds each photograph once, {where} holds {twice.iloc[0]!r} twice: evaluate it again")
    return frame.set_index("id").sort_index()


def _check_same(column: str, first: tuple[str, pd.Series], other: tuple[str, pd.Series]) -> None:
    (where_first, expected), (where, values) = first, other
    remedy = "evaluate all runs on the same datasets, split and split_seed"
    apart = values.index.symmetric_difference(expected.index)
    if not apart.empty:
        raise ValueError(
            f"all runs must hold the same photographs, but {len(apart)} are in only one of {where_first} and {where}, "
            f"such as {apart[0]!r}: {remedy}"
        )
    differs = values.index[(values != expected) & ~(values.isna() & expected.isna())]
    if not differs.empty:
        raise ValueError(
            f"all runs must have the same {column} of a photograph, but {where_first} and {where} differ in "
            f"{len(differs)}, such as {differs[0]!r}, {expected[differs[0]]} and {values[differs[0]]}: {remedy}"
        )
