"""Scores of a segmented structure: pixels at the 16-bit resolution of the files, centrelines, connected components."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric, DiceMetric
from numpy.typing import NDArray
from skimage.measure import label
from skimage.morphology import skeletonize
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from vmnet_monai.io.levels import PROBABILITY_LEVELS, probability_levels
from vmnet_monai.metrics.binary import CALIBRATION_BINS, confusion_scores, roc_auc_of_counts


def probability_histogram(
    probability: NDArray[np.floating], reference: NDArray[np.bool_], region: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Count the background and the structure's pixels of one image at each probability level.

    The histogram holds all that the pixel scores need; the sum of several is the histogram of their pooled pixels.

    Args:
        probability: probability of the structure (H, W), 0 to 1; level ``round(65535 * probability)``.
        reference: the structure's reference mask (H, W), boolean.
        region: pixels that count (H, W), boolean, such as the field of view; None for the whole image.

    Returns:
        Counts (2, 65536), int64, of what the reference says: row 0 background, row 1 structure.

    Raises:
        ValueError: when shapes differ, a mask is not boolean, or a probability is outside 0 to 1 or NaN.
    """
    if probability.ndim != 2:
        raise ValueError(f"probability must have shape (H, W), got {probability.shape}: pass one image at a time")
    _check_mask("reference", reference, probability.shape)
    levels = probability_levels(probability)
    if region is not None:
        _check_mask("region", region, probability.shape)
        levels, reference = levels[region], reference[region]
    counts = np.bincount((levels + PROBABILITY_LEVELS * reference).ravel(), minlength=2 * PROBABILITY_LEVELS)
    return counts.reshape(2, PROBABILITY_LEVELS)


def histogram_scores(histogram: NDArray[np.int64], threshold: float) -> dict[str, float]:
    """Score the pixels of a histogram from :func:`probability_histogram`, or of a sum of them.

    A pixel is positive when its probability reaches the threshold, both at 16-bit resolution.

    Args:
        histogram: counts (2, 65536) of background and structure.
        threshold: probability, 0 to 1.

    Returns:
        ``dice``, ``iou``, ``iou_two_class_mean`` (of structure and background), ``sensitivity``, ``specificity``,
        ``precision``, ``accuracy``, ``mcc`` (Matthews correlation), ``auc`` (ROC), ``average_precision``
        (scikit-learn's, without interpolation), ``calibration_error`` (:func:`expected_calibration_error`). NaN are

        - where the reference has no pixel of the structure: dice, iou, sensitivity;
        - where it has no background pixel: specificity;
        - where no pixel is positive: precision;
        - unless the reference holds both classes: auc, average_precision, iou_two_class_mean;
        - unless reference and prediction each hold both classes: mcc;
        - without any pixel: all.

    Raises:
        ValueError: when the histogram has another shape or the threshold is outside 0 to 1.
    """
    check_histogram(histogram)
    level = int(probability_levels(threshold))
    (tn, fn), (fp, tp) = histogram[:, :level].sum(axis=1), histogram[:, level:].sum(axis=1)
    scores = confusion_scores(tp, fp, tn, fn)
    average_precision = float("nan")
    if histogram.any(axis=1).all():
        average_precision = average_precision_score(
            np.repeat([0, 1], PROBABILITY_LEVELS),
            np.tile(np.arange(PROBABILITY_LEVELS), 2),
            sample_weight=histogram.ravel(),
        )
    return {
        "dice": scores.pop("f1"),
        **scores,
        "auc": roc_auc_of_counts(histogram),
        "average_precision": float(average_precision),
        "calibration_error": expected_calibration_error(histogram),
    }


def expected_calibration_error(histogram: NDArray[np.int64]) -> float:
    """Mean distance between probability and observed frequency of the structure, over 15 equal-width bins.

    sum over bins of (pixels in bin / pixels) * abs(mean probability - fraction of pixels that are the structure's);
    Guo et al., ICML 2017 (arXiv:1706.04599). Bins hold their left edge; the last holds 1 as well.

    Args:
        histogram: counts (2, 65536) of background and structure.

    Returns:
        0 to 1; NaN without any pixel.
    """
    pixels = histogram.sum(axis=0)
    if not pixels.any():
        return float("nan")
    level = np.arange(PROBABILITY_LEVELS)
    bins = np.minimum(level * CALIBRATION_BINS // (PROBABILITY_LEVELS - 1), CALIBRATION_BINS - 1)
    expected = np.bincount(bins, weights=pixels * (level / (PROBABILITY_LEVELS - 1)))
    observed = np.bincount(bins, weights=histogram[1])
    return float(np.abs(expected - observed).sum() / pixels.sum())


def centreline_dice(prediction: NDArray[np.bool_], reference: NDArray[np.bool_]) -> float:
    """Score how much of each mask's centreline lies inside the other (clDice): breaks cost, the width does not.

    Harmonic mean of the fraction of the prediction's skeleton inside the reference and the fraction of the reference's
    skeleton inside the prediction. Shit et al., CVPR 2021, doi:10.1109/CVPR46437.2021.01629; hard skeletons by
    scikit-image.

    Args:
        prediction: mask (H, W), boolean.
        reference: reference mask (H, W), boolean.

    Returns:
        0 to 1; NaN when the reference is empty, 0 when only the prediction is.

    Raises:
        ValueError: when shapes differ or a mask is not boolean.
    """
    _check_mask("prediction", prediction, reference.shape)
    _check_mask("reference", reference, prediction.shape)
    if not reference.any():
        return float("nan")
    if not (prediction & reference).any():
        return 0.0
    precision = reference[skeletonize(prediction)].mean()
    sensitivity = prediction[skeletonize(reference)].mean()
    total = precision + sensitivity
    return float(2 * precision * sensitivity / total) if total > 0 else 0.0


def components_difference(prediction: NDArray[np.bool_], reference: NDArray[np.bool_]) -> int:
    """Count the 8-connected components of the prediction minus those of the reference: above 0, it is more broken.

    Args:
        prediction: mask (H, W), boolean.
        reference: reference mask (H, W), boolean.

    Raises:
        ValueError: when shapes differ or a mask is not boolean.
    """
    _check_mask("prediction", prediction, reference.shape)
    _check_mask("reference", reference, prediction.shape)
    return int(label(prediction, connectivity=2).max()) - int(label(reference, connectivity=2).max())


def segmentation_scores(
    probability: NDArray[np.floating],
    reference: NDArray[np.bool_],
    threshold: float,
    region: NDArray[np.bool_] | None = None,
) -> dict[str, float]:
    """Score a structure in one image: pixels, centrelines and components.

    Args:
        probability: probability of the structure (H, W), 0 to 1.
        reference: the structure's reference mask (H, W), boolean.
        threshold: probability, 0 to 1, from which a pixel is positive.
        region: pixels that count (H, W), boolean, such as the field of view; None for the whole image.

    Returns:
        The keys of :func:`histogram_scores`, ``cldice`` and ``components_difference``. NaN as described there.

    Raises:
        ValueError: as :func:`probability_histogram` and :func:`histogram_scores`.

    Example:
        >>> reference = np.array([[True, True, False, False]])
        >>> scores = segmentation_scores(np.array([[0.9, 0.3, 0.6, 0.1]]), reference, threshold=0.5)
        >>> scores["dice"], scores["auc"]
        (0.5, 0.75)

    Example:
        >>> probability, reference = np.zeros((8, 8)), np.zeros((8, 8), dtype=bool)
        >>> probability[3, :6], reference[3, :] = 0.9, True  # six of eight vessel pixels are found
        >>> scores = segmentation_scores(probability, reference, threshold=0.5)
        >>> scores["sensitivity"], round(scores["dice"], 3)
        (0.75, 0.857)
    """
    scores = histogram_scores(probability_histogram(probability, reference, region), threshold)
    prediction = probability_levels(probability) >= probability_levels(threshold)
    if region is not None:
        prediction, reference = prediction & region, reference & region
    scores["cldice"] = centreline_dice(prediction, reference)
    scores["components_difference"] = float(components_difference(prediction, reference))
    return scores


def balanced_accuracy_among_parts(
    probabilities: Mapping[str, NDArray[np.floating]],
    references: Mapping[str, NDArray[np.bool_]],
    region: NDArray[np.bool_],
) -> float:
    """Score how well the parts of a structure, such as arteries and veins, are told from each other.

    Pixels of the region count that the reference gives to exactly one part, so that neither missed vessels nor
    crossings do. Each is given to the part of the highest probability; the score is the mean over the parts of the
    fraction of their pixels that are given to them, 1 / N by chance.

    Args:
        probabilities: part -> probability (H, W), 0 to 1, of N parts, two or more.
        references: part -> reference mask (H, W), boolean, of the same parts.
        region: pixels that count (H, W), boolean, such as the field of view.

    Returns:
        0 to 1; NaN unless every part has a pixel of its own.

    Raises:
        ValueError: when shapes differ or a mask is not boolean.

    Example:
        >>> artery = np.array([[True, True, True, False]])
        >>> vein = np.array([[False, False, True, True]])  # the third pixel is a crossing
        >>> found = {"artery": np.array([[0.6, 0.1, 0.9, 0.2]]), "vein": np.array([[0.3, 0.2, 0.1, 0.4]])}
        >>> balanced_accuracy_among_parts(found, {"artery": artery, "vein": vein}, artery | vein)
        0.75
    """
    _check_mask("region", region, region.shape)
    for part, reference in references.items():
        _check_mask(part, reference, region.shape)
    masks = np.stack([references[part] for part in probabilities])
    own = region & (masks.sum(axis=0) == 1)
    truth = masks[:, own].argmax(axis=0)
    if len(np.unique(truth)) < len(masks):
        return float("nan")
    given = np.stack([probability[own] for probability in probabilities.values()]).argmax(axis=0)
    return float(balanced_accuracy_score(truth, given))


class ClDiceMetric(CumulativeIterationMetric):
    """Mean centreline Dice (:func:`centreline_dice`) over images, in the manner of MONAI's ``DiceMetric``.

    Called with binary ``y_pred`` and ``y`` (B, 1, H, W), or lists of (1, H, W). Images whose reference is empty are
    left out of the mean.
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Score each image of a batch.

        Returns:
            (B, 1) float32.

        Raises:
            ValueError: when the shapes are not the same (B, 1, H, W) or a value is neither 0 nor 1.
        """
        if y_pred.ndim != 4 or y_pred.shape[1] != 1 or y_pred.shape != y.shape:
            raise ValueError(
                f"y_pred and y must have the same shape (B, 1, H, W), got {tuple(y_pred.shape)} and {tuple(y.shape)}: "
                "select the channel of one structure"
            )
        masks = []
        for name, tensor in (("y_pred", y_pred), ("y", y)):
            array = np.asarray(tensor.cpu())
            if not np.isin(array, (0, 1)).all():
                raise ValueError(
                    f"{name} must hold only 0 and 1, got {array.min()} to {array.max()}: "
                    "binarise it, for example with AsDiscrete(threshold=0.5)"
                )
            masks.append(array[:, 0].astype(bool))
        scores = [centreline_dice(prediction, reference) for prediction, reference in zip(*masks, strict=True)]
        return torch.tensor(scores, dtype=torch.float32, device=y_pred.device).unsqueeze(1)

    def aggregate(self) -> torch.Tensor:
        """Return the mean over the images whose reference is not empty, a scalar; NaN if there is none.

        Raises:
            ValueError: when nothing has been accumulated.
        """
        scores = self.get_buffer()
        if scores is None:
            raise ValueError("there is nothing to aggregate: call the metric on a batch first")
        return scores.nanmean()


class LabelledDiceMetric(DiceMetric):
    """MONAI's Dice, averaged over the images whose reference is known; NaN when there is none.

    Called with ``y_pred`` and ``y``, binary (B, 1, H, W) or lists of (1, H, W). A reference that is NaN everywhere is
    unknown and does not count. An empty one is a fact: 1 where the prediction is empty too, else 0.

    Example:
        >>> metric = LabelledDiceMetric()
        >>> perfect, empty = torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
        >>> _ = metric(perfect, perfect), metric(perfect, empty), metric(perfect, torch.full_like(empty, torch.nan))
        >>> metric.aggregate().item()
        0.5
    """

    def __init__(self) -> None:
        super().__init__(include_background=True, reduction="mean", ignore_empty=False)

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        unknown = y.isnan().flatten(1).all(dim=1, keepdim=True)
        scores = torch.as_tensor(super()._compute_tensor(y_pred, y.nan_to_num()))
        return torch.where(unknown, torch.nan, scores)

    def aggregate(self) -> torch.Tensor:  # type: ignore[override]
        """Return the mean over known images, a scalar, 0 to 1; NaN where there is none.

        Raises:
            ValueError: when nothing has been accumulated.
        """
        scores = self.get_buffer()
        if scores is None:
            raise ValueError("there is nothing to aggregate: call the metric on a batch first")
        return torch.nanmean(torch.as_tensor(scores))


def _check_mask(name: str, mask: NDArray[np.bool_], shape: tuple[int, ...]) -> None:
    if mask.dtype != np.bool_:
        raise ValueError(f"{name} must be a boolean array, got {mask.dtype}: compare it first, for example {name} > 0")
    if mask.ndim != 2 or mask.shape != shape:
        raise ValueError(
            f"{name} must have the shape (H, W) of its counterpart, got {mask.shape} beside {shape}: "
            "scale the prediction to the pixels of the reference"
        )


def check_histogram(histogram: NDArray[np.int64]) -> None:
    """Refuse what :func:`probability_histogram` does not return.

    Raises:
        ValueError: naming the shape.
    """
    if histogram.shape != (2, PROBABILITY_LEVELS):
        raise ValueError(
            f"a histogram must have shape (2, {PROBABILITY_LEVELS}), got {histogram.shape}: use probability_histogram"
        )
