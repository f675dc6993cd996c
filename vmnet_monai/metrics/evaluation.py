"""The report of an evaluation: scores per photograph, pooled, per dataset and per disease."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vmnet_monai.metrics.disease import disease_scores
from vmnet_monai.metrics.vessel import histogram_scores

__all__ = ["disease_report", "segmentation_report"]

ALL_DATASETS = "all"
"""Name under which the datasets are scored together."""


def segmentation_report(
    per_image: pd.DataFrame, histograms: Mapping[str, NDArray[np.int64]], threshold: float
) -> dict[str, Any]:
    """Summarise the vessel scores of one region, per dataset and over all.

    Args:
        per_image: one row per photograph with a vessel mask: ``dataset`` and one column per score.
        histograms: dataset -> (2, 65536) counts, background and vessel.
        threshold: threshold of the vessel mask.

    Returns:
        dataset or ``"all"`` -> ``photographs``; ``mean`` and ``std`` (sample standard deviation) over photographs of
        each score; ``pooled``, the scores of all pixels together.
    """
    parts = {name: per_image[per_image["dataset"] == name] for name in histograms}
    pools = dict(histograms)
    if histograms:
        parts[ALL_DATASETS] = per_image
        pools[ALL_DATASETS] = np.sum(list(histograms.values()), axis=0)
    return {
        name: {
            "photographs": len(rows),
            "mean": rows.drop(columns="dataset").mean().to_dict(),
            "std": rows.drop(columns="dataset").std().to_dict(),
            "pooled": histogram_scores(pools[name], threshold),
        }
        for name, rows in parts.items()
    }


def disease_report(
    datasets: Sequence[str],
    probabilities: NDArray[np.floating],
    uncalibrated: NDArray[np.floating],
    labels: NDArray[np.floating],
    thresholds: Sequence[float],
    label_names: Sequence[str],
    patients: Sequence[str],
    seed: int = 0,
) -> dict[str, Any]:
    """Summarise the disease scores within each dataset and over all.

    The source of a photograph can give its disease away, so the scores within a dataset are the honest ones.

    Args:
        datasets: N dataset names; the other arguments are those of :func:`disease_scores`.
        uncalibrated: (N, K), the probabilities before calibration, 0 to 1.

    Returns:
        dataset or ``"all"`` -> the result of :func:`disease_scores`, where ``calibration_error_uncalibrated`` and
        ``brier_uncalibrated`` are added: the same scores before calibration. Photographs without any known label or
        without probabilities (NaN, from a network without disease head) are left out.
    """
    names = np.asarray(datasets)
    known = ~np.isnan(labels).all(axis=1) & ~np.isnan(probabilities).any(axis=1)
    parts = {str(name): (names == name) & known for name in np.unique(names[known])}
    if parts:
        parts[ALL_DATASETS] = known
    report = {}
    for name, rows in parts.items():
        others = (labels[rows], thresholds, label_names, np.asarray(patients)[rows].tolist())
        report[name] = disease_scores(probabilities[rows], *others, seed=seed)
        before = disease_scores(uncalibrated[rows], *others, bootstrap_samples=1)  # its intervals are not used
        for scores, scores_before in zip(_parts_of(report[name]), _parts_of(before), strict=True):
            scores |= {f"{key}_uncalibrated": scores_before[key] for key in ("calibration_error", "brier")}
    return report


def _parts_of(scores: dict[str, Any]) -> list[dict[str, Any]]:
    return [*scores["per_disease"].values(), scores["macro"], scores["micro"]]
