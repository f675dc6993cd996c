"""The operating point, chosen from what a network answered on validation images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.calibration.percentile import score_quantiles
from vmnet_monai.calibration.platt import platt_scaled, platt_scaling
from vmnet_monai.calibration.thresholds import DEFAULT_THRESHOLD, best_dice_threshold, best_thresholds
from vmnet_monai.datasets.confounding import confounded_labels

__all__ = ["fit_operating_point", "labels_for_calibration"]


def fit_operating_point(
    *,
    diseases: Sequence[str],
    probabilities: NDArray[np.float64],
    labels: NDArray[np.float64],
    datasets: Sequence[str],
    histograms: Mapping[str, NDArray[np.int64]],
    grid_size: int,
    disease_size: int | None,
    contrast: str,
    field_of_view: str,
    network: str,
    structure_parts: Mapping[str, str] | None = None,
    structure_high_thresholds: Sequence[float] = (),
    trained: str | None = None,
) -> OperatingPoint:
    """Choose thresholds and calibration on validation images.

    The threshold of each structure maximises the Dice over all pixels inside the fields of view
    (:func:`~vmnet_monai.calibration.best_dice_threshold`). Each disease is calibrated by Platt scaling on the labels of
    :func:`labels_for_calibration`, and its threshold maximises Youden's J of the calibrated probabilities. Where the
    images give no choice, probabilities stay as they are and thresholds are 0.5.

    The sources of a disease are the datasets of these labels, its reference eyes all their photographs, those with the
    disease and those without; both are empty for a disease that is not calibrated because a class is missing.

    Args:
        diseases: keys of the K diseases.
        probabilities: (N, K), 0 to 1; rows of NaN, from a network without disease head, are left out.
        labels: (N, K), 1 present, 0 absent, NaN unknown.
        datasets: N dataset names.
        histograms: structure -> (2, 65536) counts of background and structure.
        grid_size: side in pixels of the grid to which the field of view is scaled.
        disease_size: width in pixels to which the disease head averages the grid down; None where it does not.
        contrast: contrast method of the preprocessing.
        field_of_view: where the preprocessing finds the field of view.
        network: see :func:`~vmnet_monai.calibration.network_settings`.
        structure_parts: part -> whole, for structures that are parts of others.
        structure_high_thresholds: one per structure, or none, see :class:`~vmnet_monai.calibration.OperatingPoint`;
            not chosen here, as it depends on more than single pixels.
        trained: ISO date of the weights; None where it is unknown.
    """
    answered = ~np.isnan(probabilities).any(axis=1)
    scored = probabilities[answered]
    known = labels_for_calibration(labels, datasets)[answered]
    calibration = tuple(platt_scaling(p, y) for p, y in zip(scored.T, known.T, strict=True))
    calibrated = platt_scaled(scored, calibration)
    sources, reference = _references(calibrated, known, np.asarray(datasets, dtype=str)[answered])
    return OperatingPoint(
        diseases=tuple(diseases),
        grid_size=grid_size,
        disease_size=disease_size,
        contrast=contrast,
        field_of_view=field_of_view,
        network=network,
        structures=tuple(histograms),
        structure_parts=dict(structure_parts or {}),
        structure_thresholds=tuple(
            best_dice_threshold(histogram) if histogram[1].any() else DEFAULT_THRESHOLD
            for histogram in histograms.values()
        ),
        structure_high_thresholds=tuple(structure_high_thresholds),
        disease_calibration=calibration,
        disease_thresholds=tuple(best_thresholds(calibrated, known)),
        disease_sources=sources,
        disease_reference=reference,
        trained=trained,
    )


def _references(
    scores: NDArray[np.float64], labels: NDArray[np.float64], datasets: NDArray[np.str_]
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[float, ...], ...]]:
    """Per disease, the datasets on which it was calibrated, and the quantiles of their photographs' scores."""
    sources: list[tuple[str, ...]] = []
    reference: list[tuple[float, ...]] = []
    for column, label in zip(scores.T, labels.T, strict=True):
        used = ~np.isnan(label) if (label == 0).any() and (label == 1).any() else np.zeros(label.shape, dtype=bool)
        sources.append(tuple(map(str, np.unique(datasets[used]))))
        reference.append(score_quantiles(column[used]))
    return tuple(sources), tuple(reference)


def labels_for_calibration(labels: NDArray[np.float64], datasets: Sequence[str]) -> NDArray[np.float64]:
    """Leave out labels that are confounded with their source, of diseases that another source shows both ways.

    A dataset without a healthy eye would pull the probability of health down for every dataset. A disease that no
    dataset shows both ways keeps all its labels.

    Args:
        labels: (N, K), 1 present, 0 absent, NaN unknown.
        datasets: N dataset names.

    Returns:
        (N, K), with NaN where a label is left out.
    """
    kept = np.where(confounded_labels(labels, datasets), np.nan, labels)
    both_ways = (kept == 0).any(axis=0) & (kept == 1).any(axis=0)
    return np.where(both_ways, kept, labels)
