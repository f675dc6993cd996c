"""Scores of vessel maps: pixels at the 16-bit resolution of the files, centrelines, connected components."""

from __future__ import annotations

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric, DiceMetric, compute_confusion_matrix_metric
from numpy.typing import ArrayLike, NDArray
from skimage.measure import label
from skimage.morphology import skeletonize

PROBABILITY_LEVELS = 65536
"""Probabilities are scored at the 16-bit resolution in which they are written to disk."""

CALIBRATION_BINS = 15
"""Equal-width probability bins of the expected calibration error, as in Guo et al., ICML 2017 (arXiv:1706.04599)."""

_CONFUSION_METRICS = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "accuracy": "accuracy",
    "f1": "f1 score",
    "iou": "threat score",
    "mcc": "matthews correlation coefficient",
}


def probability_levels(probability: ArrayLike) -> NDArray[np.int64]:
    """Round probabilities to the 16-bit levels in which they are written and scored.

    Args:
        probability: one value or an array of any shape, 0 to 1.

    Returns:
        ``round(65535 * probability)``, int64, of the same shape.

    Raises:
        ValueError: when a value is outside 0 to 1 or NaN.
    """
    values = np.asarray(probability)
    # Written so that NaN fails it too.
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(
            f"probabilities and thresholds must lie within 0 to 1, got {values.min()} to {values.max()}: "
            "apply the sigmoid to logits, divide integer levels by their maximum"
        )
    return np.rint(values * np.float64(PROBABILITY_LEVELS - 1)).astype(np.int64)


def probability_histogram(
    probability: NDArray[np.floating], reference: NDArray[np.bool_], region: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Count the background and the vessel pixels of one photograph at each probability level.

    The histogram holds all that the pixel scores need; the sum of several is the histogram of their pooled pixels.

    Args:
        probability: vessel probability (H, W), 0 to 1; level ``round(65535 * probability)``.
        truth: vessel ground truth (H, W), boolean.
        region: pixels that count (H, W), boolean, such as the field of view; None for the whole image.

    Returns:
        Counts (2, 65536), int64: row 0 background, row 1 vessel.

    Raises:
        ValueError: when shapes differ, a mask is not boolean, or a probability is outside 0 to 1 or NaN.
    """
    if probability.ndim != 2:
        raise ValueError(f"probability must have shape (H, W), got {probability.shape}: pass one photograph at a time")
    _check_mask("truth", reference, probability.shape)
    levels = probability_levels(probability)
    if region is not None:
        _check_mask("region", region, probability.shape)
        levels, reference = levels[region], reference[region]
    counts = np.bincount((levels + PROBABILITY_LEVELS * reference).ravel(), minlength=2 * PROBABILITY_LEVELS)
    return counts.reshape(2, PROBABILITY_LEVELS)


def histogram_scores(histogram: NDArray[np.int64], threshold: float) -> dict[str, float]:
    """Score the pixels of a histogram from :func:`probability_histogram`, or of a sum of them.

    A pixel is called vessel when its probability reaches the threshold, both at 16-bit resolution.

    Args:
        histogram: counts (2, 65536) of background and vessel.
        threshold: probability, 0 to 1.

    Returns:
        ``dice``, ``iou``, ``iou_two_class_mean`` (of vessel and background), ``sensitivity``, ``specificity``,
        ``precision``, ``accuracy``, ``mcc`` (Matthews correlation), ``auc`` (ROC), ``average_precision``,
        ``calibration_error`` (:func:`expected_calibration_error`). NaN are

        - without a vessel pixel in the truth: dice, iou, sensitivity;
        - without a background pixel in the truth: specificity;
        - when no pixel is called vessel: precision;
        - unless the truth holds both classes: auc, average_precision, iou_two_class_mean;
        - unless truth and prediction each hold both classes: mcc;
        - without any pixel: all.

    Raises:
        ValueError: when the histogram has another shape or the threshold is outside 0 to 1.
    """
    check_histogram(histogram)
    level = int(probability_levels(threshold))
    (tn, fn), (fp, tp) = histogram[:, :level].sum(axis=1), histogram[:, level:].sum(axis=1)
    scores = confusion_scores(tp, fp, tn, fn)
    return {
        "dice": scores.pop("f1"),
        **scores,
        "auc": roc_auc(histogram),
        "average_precision": average_precision(histogram),
        "calibration_error": expected_calibration_error(histogram),
    }


def confusion_scores(tp: int, fp: int, tn: int, fn: int) -> dict[str, float]:
    """Score a 2 x 2 table: sensitivity, specificity, precision, accuracy, f1 (Dice), iou, mcc, iou_two_class_mean.

    ``iou`` is that of the positives alone. ``iou_two_class_mean`` is the mean of it and of the iou of the negatives,
    TN / (TN + FP + FN), which some papers report as IoU; with many negatives it is far the higher of the two.

    MONAI's formulas in double precision. A score whose denominator is 0 is NaN. Without a positive, f1 and iou are NaN
    as well: their formulas would punish one false positive with 0 and not reward its absence. For the same reason
    iou_two_class_mean is NaN without a positive and without a negative.
    """
    counts = torch.tensor([tp, fp, tn, fn], dtype=torch.float64)
    scores = {key: compute_confusion_matrix_metric(name, counts).item() for key, name in _CONFUSION_METRICS.items()}
    if tp + fn == 0:
        scores["f1"] = scores["iou"] = float("nan")
    # With the classes exchanged, negatives are the positives.
    exchanged = torch.tensor([tn, fn, tp, fp], dtype=torch.float64)
    iou_negatives = compute_confusion_matrix_metric("threat score", exchanged).item() if tn + fp else float("nan")
    return {**scores, "iou_two_class_mean": (scores["iou"] + iou_negatives) / 2}


def roc_auc(counts: NDArray[np.int64]) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, a tie counting one half.

    Hanley and McNeil, Radiology 1982, doi:10.1148/radiology.143.1.7063747. MONAI's ``compute_roc_auc`` gives the same
    but visits each item in Python, which millions of pixels or a thousand resamples do not allow.

    Args:
        counts: (2, L) negatives and positives at each of L ascending scores.

    Returns:
        0 to 1; NaN unless both classes are present.
    """
    negatives, positives = counts
    pairs = float(negatives.sum()) * float(positives.sum())
    if pairs == 0:
        return float("nan")
    negatives_below = np.cumsum(negatives) - negatives
    return float((positives * (negatives_below + negatives / 2)).sum() / pairs)


def average_precision(counts: NDArray[np.int64]) -> float:
    """Average precision: the precision at each distinct score, weighted by the sensitivity gained there.

    The formula of MONAI's ``compute_average_precision`` and of scikit-learn, without interpolation.

    Args:
        counts: (2, L) negatives and positives at each of L ascending scores.

    Returns:
        0 to 1; NaN unless both classes are present.
    """
    if not counts.sum(axis=1).all():
        return float("nan")
    negatives, positives = counts[:, ::-1]
    true_positives = np.cumsum(positives)
    called = np.maximum(np.cumsum(negatives) + true_positives, 1)
    return float((positives * true_positives / called).sum() / positives.sum())


def expected_calibration_error(histogram: NDArray[np.int64]) -> float:
    """Mean distance between the probability given and the share of vessel found, over 15 equal-width probability bins.

    sum over bins of (pixels in bin / pixels) * abs(mean probability - share of vessel); Guo et al., ICML 2017
    (arXiv:1706.04599), for the probability of vessel. Bins hold their left edge; the last holds 1 as well.

    Args:
        histogram: counts (2, 65536) of background and vessel.

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
    """Score how much of each map's centreline lies inside the other map (clDice): breaks cost, vessel width does not.

    Harmonic mean of the share of the prediction's skeleton inside the truth and the share of the truth's skeleton
    inside the prediction. Shit et al., CVPR 2021, doi:10.1109/CVPR46437.2021.01629; hard skeletons by scikit-image.

    Args:
        prediction: vessel mask (H, W), boolean.
        truth: vessel ground truth (H, W), boolean.

    Returns:
        0 to 1; NaN when the truth is empty, 0 when only the prediction is.

    Raises:
        ValueError: when shapes differ or a mask is not boolean.
    """
    _check_mask("prediction", prediction, reference.shape)
    _check_mask("truth", reference, prediction.shape)
    if not reference.any():
        return float("nan")
    if not (prediction & reference).any():
        return 0.0
    precision = reference[skeletonize(prediction)].mean()
    sensitivity = prediction[skeletonize(reference)].mean()
    total = precision + sensitivity
    return float(2 * precision * sensitivity / total) if total > 0 else 0.0


def components_difference(prediction: NDArray[np.bool_], reference: NDArray[np.bool_]) -> int:
    """Count the 8-connected components of the prediction beyond those of the truth: above 0, it is the more broken one.

    Args:
        prediction: vessel mask (H, W), boolean.
        truth: vessel ground truth (H, W), boolean.

    Raises:
        ValueError: when shapes differ or a mask is not boolean.
    """
    _check_mask("prediction", prediction, reference.shape)
    _check_mask("truth", reference, prediction.shape)
    return int(label(prediction, connectivity=2).max()) - int(label(reference, connectivity=2).max())


def segmentation_scores(
    probability: NDArray[np.floating],
    reference: NDArray[np.bool_],
    threshold: float,
    region: NDArray[np.bool_] | None = None,
) -> dict[str, float]:
    """Score the vessel map of one photograph: pixels, centrelines and components.

    Args:
        probability: vessel probability (H, W), 0 to 1.
        truth: vessel ground truth (H, W), boolean.
        threshold: probability, 0 to 1, from which a pixel is called vessel.
        region: pixels that count (H, W), boolean, such as the field of view; None for the whole image.

    Returns:
        The keys of :func:`histogram_scores`, ``cldice`` and ``components_difference``. NaN as described there.

    Raises:
        ValueError: as :func:`probability_histogram` and :func:`histogram_scores`.
    """
    scores = histogram_scores(probability_histogram(probability, reference, region), threshold)
    prediction = probability_levels(probability) >= probability_levels(threshold)
    if region is not None:
        prediction, reference = prediction & region, reference & region
    scores["cldice"] = centreline_dice(prediction, reference)
    scores["components_difference"] = float(components_difference(prediction, reference))
    return scores


class ClDiceMetric(CumulativeIterationMetric):
    """Mean centreline Dice (:func:`centreline_dice`) over photographs, in the manner of MONAI's ``DiceMetric``.

    Called with binary ``y_pred`` and ``y`` (B, 1, H, W), or lists of (1, H, W). Photographs whose truth is empty are
    left out of the mean.
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Score each photograph of a batch.

        Returns:
            (B, 1) float32.

        Raises:
            ValueError: when the shapes are not the same (B, 1, H, W) or a value is neither 0 nor 1.
        """
        if y_pred.ndim != 4 or y_pred.shape[1] != 1 or y_pred.shape != y.shape:
            raise ValueError(
                f"y_pred and y must have the same shape (B, 1, H, W), got {tuple(y_pred.shape)} and {tuple(y.shape)}: "
                "select the vessel channel"
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
        """Return the mean over the photographs whose truth holds a vessel, a scalar; NaN if there is none.

        Raises:
            ValueError: when nothing has been accumulated.
        """
        scores = self.get_buffer()
        if scores is None:
            raise ValueError("there is nothing to aggregate: call the metric on a batch first")
        return scores.nanmean()


def _check_mask(name: str, mask: NDArray[np.bool_], shape: tuple[int, ...]) -> None:
    if mask.dtype != np.bool_:
        raise ValueError(f"{name} must be a boolean array, got {mask.dtype}: compare it first, for example {name} > 0")
    if mask.ndim != 2 or mask.shape != shape:
        raise ValueError(
            f"{name} must have the shape (H, W) of its counterpart, got {mask.shape} beside {shape}: "
            "scale the prediction to the pixels of the truth"
        )


def check_histogram(histogram: NDArray[np.int64]) -> None:
    if histogram.shape != (2, PROBABILITY_LEVELS):
        raise ValueError(
            f"a histogram must have shape (2, {PROBABILITY_LEVELS}), got {histogram.shape}: use probability_histogram"
        )


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
