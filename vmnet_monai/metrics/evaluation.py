"""What an evaluation writes: scores of each image, and their summary per dataset, structure and disease."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vmnet_monai.metrics.disease import MIN_COUNT, disease_scores
from vmnet_monai.metrics.segmentation import (
    PROBABILITY_LEVELS,
    histogram_scores,
    probability_histogram,
    segmentation_scores,
)

__all__ = [
    "INSIDE_FOV",
    "Histograms",
    "ImageScores",
    "add_histograms",
    "disease_report",
    "evaluation_summary",
    "evaluation_table",
    "pooled",
    "score_regions",
    "segmentation_report",
    "sources_by_auc",
]

ALL_DATASETS = "all"
"""Name under which the datasets are scored together."""

INSIDE_FOV, WHOLE_IMAGE = "inside_fov", "whole_image"
"""The regions whose pixels are scored: inside the field of view, and the whole photograph."""

Histograms = dict[str, dict[str, dict[str, NDArray[np.int64]]]]
"""Structure -> region -> dataset -> (2, 65536) counts of background and structure, of
:func:`~vmnet_monai.metrics.probability_histogram`."""


@dataclass(frozen=True)
class ImageScores:
    """What one image contributes to the scores."""

    id: str
    dataset: str
    patient: str
    probabilities: tuple[float, ...]
    """The network's probability per disease, before calibration; NaN from a network without disease head."""
    labels: tuple[float, ...]
    """1 present, 0 absent, NaN unknown, per disease."""
    structures: dict[str, dict[str, dict[str, float]]]
    """Scores by structure and region, "inside_fov" and "whole_image"; a structure without mask is left out."""
    sex: str = ""
    """Of the patient; empty where unknown."""
    age: float = float("nan")
    """Of the patient, in years; NaN where unknown."""


def score_regions(
    probability: NDArray[np.floating],
    reference: NDArray[np.bool_],
    fov: NDArray[np.bool_],
    threshold: float | None = None,
) -> tuple[dict[str, NDArray[np.int64]], dict[str, dict[str, float]]]:
    """Count and score the pixels of one structure in one image, in each region.

    Args:
        probability: probability of the structure (H, W), 0 to 1.
        reference: the structure's reference mask (H, W), boolean.
        fov: mask of the field of view (H, W), boolean.
        threshold: probability from which a pixel is positive. None leaves out the scores, which are costly, and the
            whole image.

    Returns:
        Region -> :func:`~vmnet_monai.metrics.probability_histogram`, and region ->
        :func:`~vmnet_monai.metrics.segmentation_scores`.
    """
    if threshold is None:
        return {INSIDE_FOV: probability_histogram(probability, reference, fov)}, {}
    regions = {INSIDE_FOV: fov, WHOLE_IMAGE: None}
    return (
        {name: probability_histogram(probability, reference, region) for name, region in regions.items()},
        {name: segmentation_scores(probability, reference, threshold, region) for name, region in regions.items()},
    )


def add_histograms(total: Histograms, more: Histograms) -> None:
    """Add the pixels of ``more`` to ``total``, in place."""
    for structure, by_region in more.items():
        for region, by_dataset in by_region.items():
            sums = total.setdefault(structure, {}).setdefault(region, {})
            for dataset, counts in by_dataset.items():
                sums[dataset] = sums[dataset] + counts if dataset in sums else counts


def pooled(histograms: Mapping[str, NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the sum of the datasets' histograms, (2, 65536); all zero without any."""
    return sum(histograms.values(), np.zeros((2, PROBABILITY_LEVELS), dtype=np.int64))


def evaluation_table(
    images: Sequence[ImageScores],
    diseases: Sequence[str],
    probabilities: NDArray[np.floating],
    decisions: Sequence[Sequence[int | None]],
) -> pd.DataFrame:
    """Make the table of ``metrics.csv``, one row per image.

    Args:
        images: what is known of the N images.
        diseases: keys of the K diseases.
        probabilities: (N, K), calibrated, 0 to 1 or NaN.
        decisions: N rows of K, 1 positive, 0 negative, None undecided.

    Returns:
        The columns ``id``, ``dataset``, ``patient``, ``sex``, ``age``; per structure, region and score
        ``vessel_inside_fov_dice`` and so on; per disease ``probability_<disease>``, ``label_<disease>`` and
        ``decision_<disease>``. What is undefined or unknown is NaN.
    """
    rows = []
    for image, of_image, decided in zip(images, probabilities.tolist(), decisions, strict=True):
        row: dict[str, Any] = {
            **{"id": image.id, "dataset": image.dataset, "patient": image.patient},
            **{"sex": image.sex, "age": image.age},
        }
        for structure, by_region in image.structures.items():
            for region, scores in by_region.items():
                row |= {f"{structure}_{region}_{name}": value for name, value in scores.items()}
        for disease, probability, label, decision in zip(diseases, of_image, image.labels, decided, strict=True):
            row |= {
                f"probability_{disease}": probability,
                f"label_{disease}": label,
                f"decision_{disease}": decision,
            }
        rows.append(row)
    return pd.DataFrame(rows)


def evaluation_summary(
    images: Sequence[ImageScores],
    histograms: Histograms,
    probabilities: NDArray[np.floating],
    structure_thresholds: Mapping[str, float],
    disease_thresholds: Mapping[str, float],
    split: str,
    seed: int = 0,
) -> dict[str, Any]:
    """Make the summary of ``metrics.json``.

    Args:
        images: what is known of the N images.
        histograms: the pooled pixels of the same images.
        probabilities: (N, K), calibrated, 0 to 1 or NaN.
        structure_thresholds: structure -> probability from which a pixel is positive.
        disease_thresholds: disease -> probability from which an image is positive, K in the order of the columns.
        split: name of the part of the datasets that the images are.
        seed: of the bootstrap intervals.

    Returns:
        ``split``; ``photographs``, their number; ``thresholds``; structure -> region -> :func:`segmentation_report`;
        ``disease``, the :func:`disease_report`; ``sources_by_auc``, see there. A score that is undefined is NaN.
    """
    structures: dict[str, dict[str, Any]] = {structure: {} for structure in structure_thresholds}
    for structure, by_region in histograms.items():
        for region, by_dataset in by_region.items():
            rows = [
                {"dataset": image.dataset, **image.structures[structure][region]}
                for image in images
                if structure in image.structures
            ]
            structures[structure][region] = segmentation_report(
                pd.DataFrame(rows), by_dataset, structure_thresholds[structure]
            )
    diseases = disease_report(
        [image.dataset for image in images],
        probabilities,
        np.array([image.probabilities for image in images]),
        np.array([image.labels for image in images]),
        list(disease_thresholds.values()),
        list(disease_thresholds),
        [image.patient for image in images],
        seed,
    )
    return {
        "split": split,
        "photographs": len(images),
        "thresholds": {**structure_thresholds, **disease_thresholds},
        **structures,
        "disease": diseases,
        "sources_by_auc": sources_by_auc(diseases),
    }


def segmentation_report(
    per_image: pd.DataFrame, histograms: Mapping[str, NDArray[np.int64]], threshold: float
) -> dict[str, Any]:
    """Summarise the scores of one structure in one region, per dataset and over all.

    Args:
        per_image: one row per photograph with a mask of the structure: ``dataset`` and one column per score.
        histograms: dataset -> (2, 65536) counts of background and structure.
        threshold: probability from which a pixel is positive.

    Returns:
        dataset or ``"all"`` -> ``photographs``; ``mean`` and ``std`` (sample standard deviation) over photographs of
        each score; ``pooled``, the scores of all pixels together.
    """
    parts = {name: per_image[per_image["dataset"] == name] for name in histograms}
    pools = dict(histograms)
    if histograms:
        parts[ALL_DATASETS] = per_image
        pools[ALL_DATASETS] = pooled(histograms)
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


def sources_by_auc(report: Mapping[str, Any], min_count: int = MIN_COUNT) -> dict[str, list[dict[str, Any]]]:
    """Order the sources of each disease by their AUC, the lowest first: where the network is weakest is said first.

    Args:
        report: of :func:`disease_report`.
        min_count: a source counts with at least this many photographs that have the disease and as many that have not.

    Returns:
        disease -> ``dataset``, ``auc``, ``auc_interval``, ``n`` and ``positives`` of each source that counts; diseases
        that no source has enough photographs of are left out.
    """
    ordered: dict[str, list[dict[str, Any]]] = {}
    for dataset, scores in report.items():
        for disease, one in scores["per_disease"].items():
            if dataset != ALL_DATASETS and min(one["positives"], one["n"] - one["positives"]) >= min_count:
                said = {key: one[key] for key in ("auc", "auc_interval", "n", "positives")}
                ordered.setdefault(disease, []).append({"dataset": dataset, **said})
    return {disease: sorted(rows, key=lambda row: row["auc"]) for disease, rows in ordered.items()}


def _parts_of(scores: dict[str, Any]) -> list[dict[str, Any]]:
    return [*scores["per_disease"].values(), scores["macro"], scores["micro"]]
