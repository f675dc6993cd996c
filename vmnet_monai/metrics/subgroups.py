"""Scores of groups of patients: whether a network serves women and men, the young and the old alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vmnet_monai.metrics.bootstrap import patient_bootstrap_interval
from vmnet_monai.metrics.disease import MIN_COUNT, auc_of_rows

__all__ = ["AGE_LIMITS", "age_group", "subgroup_scores"]

AGE_LIMITS = (50, 60, 70)
"""Years at which a group ends and the next begins."""

EVERYONE = "everyone"
"""Row of a source as a whole, with which its groups are compared."""

_SCORES = ("auc", "sensitivity", "specificity")
_COLUMNS = [
    *("dataset", "disease", "attribute", "group", "n", "positives"),
    *(f"{score}{part}" for score in _SCORES for part in ("", "_lower", "_upper")),
    "remark",
]


def age_group(age: float) -> str:
    """Name the group of an age in years; empty where it is unknown.

    Example:
        >>> [age_group(age) for age in (49, 50, 70, float("nan"))]
        ['under 50', '50 to 59', '70 and over', '']
    """
    if math.isnan(age):
        return ""
    if age < AGE_LIMITS[0]:
        return f"under {AGE_LIMITS[0]}"
    if age >= AGE_LIMITS[-1]:
        return f"{AGE_LIMITS[-1]} and over"
    lower, upper = next((low, high) for low, high in zip(AGE_LIMITS, AGE_LIMITS[1:], strict=False) if age < high)
    return f"{lower} to {upper - 1}"


def subgroup_scores(
    table: pd.DataFrame, min_count: int = MIN_COUNT, bootstrap_samples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Score each disease by sex and by age group, within each dataset; groups that are too small are named as such.

    Intervals are 95 % bootstrap intervals by patient (:func:`~vmnet_monai.metrics.patient_bootstrap_interval`). Groups
    of one source differ in more than sex or age, such as in how advanced a disease is: a difference asks for a look,
    and proves no unfairness.

    Args:
        table: columns of ``metrics.csv``: ``dataset``, ``patient``, ``sex`` (empty where unknown), ``age`` in years
            (NaN where unknown), and per disease ``probability_<disease>``, ``label_<disease>`` and
            ``decision_<disease>``.
        min_count: a group is scored with at least this many photographs that have the disease and as many that have
            not.
        bootstrap_samples: number of resamples behind an interval.
        seed: of the resamples.

    Returns:
        Rows sorted by dataset, then disease: everyone, the sexes, the ages from young to old; columns ``dataset``,
        ``disease``, ``attribute`` ("", "sex" or "age"), ``group``, ``n`` photographs with a known label, ``positives``
        among them, ``auc``, ``sensitivity`` and ``specificity``, each with ``_lower`` and ``_upper``, and ``remark``,
        which says of a group that is too small what it lacks; its scores are NaN. Datasets of which neither sex nor age
        is known, and diseases that a dataset as a whole has too few photographs of, are left out.

    Raises:
        ValueError: when ``min_count`` is below 1.
    """
    if min_count < 1:
        raise ValueError(f"min_count must be at least 1, got {min_count}: an AUC needs a photograph of each class")
    rows = []
    diseases = [str(name).removeprefix("label_") for name in table.columns if str(name).startswith("label_")]
    of_diseases = [f"{what}_{disease}" for disease in diseases for what in ("probability", "label", "decision")]
    people = table[["dataset", "patient", "sex", "age", *of_diseases]].assign(
        sex=table["sex"].fillna(""), age_group=table["age"].map(age_group)
    )
    for dataset, source in people.groupby("dataset", sort=True):
        if not (source["sex"].any() or source["age_group"].any()):
            continue
        for disease in diseases:
            known = source[source[f"label_{disease}"].notna() & source[f"probability_{disease}"].notna()]
            for attribute, group, of_group in _groups(known):
                row = _scored(of_group, disease, min_count, bootstrap_samples, seed)
                if group == EVERYONE and row["remark"]:
                    break
                rows.append({"dataset": dataset, "disease": disease, "attribute": attribute, "group": group, **row})
    return pd.DataFrame(rows, columns=_COLUMNS)


def _groups(known: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Attribute, group and its photographs: everyone, then those of whom sex or age is known."""
    yield "", EVERYONE, known
    for sex, of_group in known[known["sex"] != ""].groupby("sex", sort=True):
        yield "sex", str(sex), of_group
    by_age = known[known["age_group"] != ""].sort_values("age", kind="stable")
    for group, of_group in by_age.groupby("age_group", sort=False):
        yield "age", str(group), of_group


def _scored(of_group: pd.DataFrame, disease: str, min_count: int, samples: int, seed: int) -> dict[str, Any]:
    label = of_group[f"label_{disease}"].to_numpy(dtype=np.float64)
    positives, negatives = int((label == 1).sum()), int((label == 0).sum())
    row: dict[str, Any] = {"n": len(label), "positives": positives}
    lacking = [
        f"{count} {what} it" for count, what in ((positives, "with"), (negatives, "without")) if count < min_count
    ]
    if lacking:
        return {**row, "remark": f"too few to score: {' and '.join(lacking)}, {min_count} are needed"}
    positive = of_group[f"decision_{disease}"].to_numpy(dtype=np.float64) == 1
    statistics: dict[str, Callable[[NDArray[np.intp]], float]] = {
        "auc": auc_of_rows(of_group[f"probability_{disease}"].to_numpy(dtype=np.float64), label),
        "sensitivity": _fraction_of_rows(positive, label == 1),
        "specificity": _fraction_of_rows(~positive, label == 0),
    }
    patients = of_group["patient"].astype(str).tolist()
    for score, statistic in statistics.items():
        row[score] = statistic(np.arange(len(label)))
        row[f"{score}_lower"], row[f"{score}_upper"] = patient_bootstrap_interval(statistic, patients, samples, seed)
    return {**row, "remark": ""}


def _fraction_of_rows(right: NDArray[np.bool_], asked: NDArray[np.bool_]) -> Callable[[NDArray[np.intp]], float]:
    """Make a function from row indices to the fraction of the asked among them that are right."""

    def fraction(rows: NDArray[np.intp]) -> float:
        counted = right[rows][asked[rows]]
        return float(counted.mean()) if counted.size else float("nan")

    return fraction
