"""Scores of a structure against hand-computed tables, drawn vessels, scikit-learn and a human second observer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.io import imread
from sklearn.metrics import average_precision_score, matthews_corrcoef, roc_auc_score

from vmnet_monai.io.levels import BLOCK_PIXELS
from vmnet_monai.metrics import (
    PROBABILITY_LEVELS,
    ClDiceMetric,
    LabelledDiceMetric,
    balanced_accuracy_among_parts,
    centreline_dice,
    components_difference,
    histogram_scores,
    probability_histogram,
    probability_levels,
    segmentation_scores,
)

CHASEDB1 = Path(__file__).parents[2] / "../shared/data/CHASEDB1"

# One pixel of each kind at threshold 0.5: true positive, false positive, false negative, true negative.
ONE_OF_EACH = np.array([[0.9, 0.8], [0.2, 0.1]])
ONE_OF_EACH_REFERENCE = np.array([[True, False], [True, False]])


def random_image(seed: int, decimals: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """A 40 x 30 probability map with many ties, and a reference that it predicts better than chance."""
    generator = np.random.default_rng(seed)
    reference = generator.random((40, 30)) < 0.2
    return np.round(0.6 * generator.random((40, 30)) + 0.3 * reference, decimals), reference


def line(*, gap: slice | None = None) -> np.ndarray:
    """A horizontal vessel, one pixel thick and 100 pixels long, with an optional gap."""
    mask = np.zeros((21, 120), dtype=bool)
    mask[10, 10:110] = True
    if gap is not None:
        mask[10, gap] = False
    return mask


def test_levels_are_those_of_all_pixels_at_once() -> None:
    probability = np.random.default_rng(0).random((3, BLOCK_PIXELS // 2), dtype=np.float32)[:, ::-1]
    levels = probability_levels(probability)
    assert levels.dtype == np.uint16
    np.testing.assert_array_equal(levels, np.rint(probability.astype(np.float64) * 65535))
    assert int(probability_levels(0.5)) == 32768


@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.1])
def test_levels_of_what_is_no_probability_are_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="within 0 to 1"):
        probability_levels([0.5, wrong])


def test_histogram_counts_background_and_structure_at_their_levels() -> None:
    histogram = probability_histogram(np.array([[0.0, 1.0, 1.0]]), np.array([[False, True, False]]))
    assert histogram.shape == (2, PROBABILITY_LEVELS)
    assert histogram.dtype == np.int64
    assert (histogram[0, 0], histogram[0, -1], histogram[1, -1]) == (1, 1, 1)
    assert histogram.sum() == 3


def test_one_pixel_of_each_kind() -> None:
    scores = histogram_scores(probability_histogram(ONE_OF_EACH, ONE_OF_EACH_REFERENCE), 0.5)
    for key in ("dice", "sensitivity", "specificity", "precision", "accuracy"):
        assert scores[key] == 0.5, key
    assert scores["iou"] == pytest.approx(1 / 3)
    assert scores["mcc"] == 0
    assert scores["auc"] == 0.75  # of 4 vessel-background pairs, only 0.2 against 0.8 is the wrong way round
    assert scores["average_precision"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    # Four pixels, each alone in its bin, miss their reference by 0.1, 0.8, 0.8 and 0.1.
    assert scores["calibration_error"] == pytest.approx(1.8 / 4, abs=1e-4)


def test_pixels_in_one_bin_are_calibrated_together() -> None:
    # 0.5 for two pixels of which one is a vessel is exactly right.
    histogram = probability_histogram(np.array([[0.5, 0.5]]), np.array([[True, False]]))
    assert histogram_scores(histogram, 0.5)["calibration_error"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scikit_learn(seed: int) -> None:
    probability, reference = random_image(seed)
    scores = histogram_scores(probability_histogram(probability, reference), 0.5)
    assert scores["auc"] == pytest.approx(roc_auc_score(reference.ravel(), probability.ravel()))
    assert scores["average_precision"] == pytest.approx(average_precision_score(reference.ravel(), probability.ravel()))
    assert scores["mcc"] == pytest.approx(matthews_corrcoef(reference.ravel(), probability.ravel() >= 0.5))
    assert scores["iou"] == pytest.approx(scores["dice"] / (2 - scores["dice"]))


def test_sum_of_histograms_scores_the_concatenated_pixels() -> None:
    first, second = random_image(0), random_image(1)
    pooled = probability_histogram(*first) + probability_histogram(*second)
    both = probability_histogram(*(np.concatenate(pair) for pair in zip(first, second, strict=True)))
    assert histogram_scores(pooled, 0.4) == histogram_scores(both, 0.4)


def test_pixels_outside_the_region_do_not_count() -> None:
    probability, reference = random_image(0)
    region = np.zeros(reference.shape, dtype=bool)
    region[5:35, 5:25] = True
    spoilt, spoilt_reference = np.where(region, probability, 1.0), reference & region
    inside = segmentation_scores(probability, reference, 0.5, region)
    assert segmentation_scores(spoilt, spoilt_reference, 0.5, region) == inside
    cropped = histogram_scores(probability_histogram(probability[5:35, 5:25], reference[5:35, 5:25]), 0.5)
    assert {key: inside[key] for key in cropped} == cropped


def test_threshold_is_inclusive() -> None:
    histogram = probability_histogram(np.array([[0.3, 0.2]]), np.array([[True, False]]))
    assert histogram_scores(histogram, 0.3)["dice"] == 1


def test_without_a_vessel_pixel_only_background_scores_are_defined() -> None:
    scores = segmentation_scores(np.array([[0.1, 0.9]]), np.array([[False, False]]), 0.5)
    undefined = {key for key, value in scores.items() if np.isnan(value)}
    overlaps = {"dice", "iou", "iou_two_class_mean", "cldice"}
    assert undefined == {*overlaps, "sensitivity", "mcc", "auc", "average_precision"}
    assert scores["specificity"] == 0.5
    assert scores["components_difference"] == 1


def test_without_a_background_pixel_its_iou_does_not_count_as_right() -> None:
    scores = histogram_scores(probability_histogram(np.array([[0.1, 0.9]]), np.array([[True, True]])), 0.5)
    assert scores["iou"] == 0.5
    assert np.isnan(scores["iou_two_class_mean"])


def test_without_any_pixel_every_pixel_score_is_nan() -> None:
    nothing = np.zeros((2, 2), dtype=bool)
    scores = histogram_scores(probability_histogram(ONE_OF_EACH, ONE_OF_EACH_REFERENCE, nothing), 0.5)
    assert np.isnan(list(scores.values())).all()


def test_precision_is_nan_when_nothing_is_positive() -> None:
    scores = histogram_scores(probability_histogram(ONE_OF_EACH, ONE_OF_EACH_REFERENCE), 0.95)
    assert np.isnan(scores["precision"])
    assert scores["dice"] == 0


def test_a_gap_lowers_cldice_by_the_fraction_of_the_line_that_it_takes() -> None:
    # The prediction's skeleton lies on the reference; 20 of the reference's 100 centreline pixels are missed.
    score = centreline_dice(line(gap=slice(50, 70)), line())
    assert score == pytest.approx(2 * 1.0 * 0.8 / (1.0 + 0.8))


def test_cldice_does_not_mind_the_width_of_a_vessel() -> None:
    vessel, wide = np.zeros((21, 120), dtype=bool), np.zeros((21, 120), dtype=bool)
    vessel[9:12, 10:110] = True
    wide[8:13, 10:110] = True
    assert centreline_dice(wide, vessel) == 1


def test_cldice_is_zero_for_no_prediction_and_nan_for_no_reference() -> None:
    nothing = np.zeros_like(line())
    assert centreline_dice(nothing, line()) == 0
    assert np.isnan(centreline_dice(line(), nothing))
    assert np.isnan(centreline_dice(nothing, nothing))


def test_a_gap_adds_a_component_and_a_diagonal_step_does_not() -> None:
    assert components_difference(line(gap=slice(50, 52)), line()) == 1
    assert components_difference(line(), line(gap=slice(50, 52))) == -1
    assert components_difference(np.eye(5, dtype=bool), np.ones((5, 5), dtype=bool)) == 0


def test_cldice_metric_averages_images_that_have_vessels() -> None:
    empty = np.zeros_like(line())
    y_pred = torch.as_tensor(np.stack([line(), line(gap=slice(50, 70)), line()]))[:, None].float()
    y = torch.as_tensor(np.stack([line(), line(), empty]))[:, None].float()
    metric = ClDiceMetric()
    values = metric(y_pred=y_pred, y=y)
    assert isinstance(values, torch.Tensor)
    assert values.shape == (3, 1)
    assert metric.aggregate().item() == pytest.approx((1 + 1.6 / 1.8) / 2)

    from_lists = ClDiceMetric()
    from_lists(y_pred=list(y_pred), y=list(y))
    assert from_lists.aggregate() == metric.aggregate()

    metric.reset()
    metric(y_pred=y_pred[2:], y=y[2:])
    assert metric.aggregate().isnan()


@pytest.mark.parametrize(
    ("y_pred", "y", "rule"),
    [
        (torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4), "select the channel of one structure"),
        (torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5), "same shape"),
        (torch.full((1, 1, 4, 4), 0.3), torch.zeros(1, 1, 4, 4), "y_pred.* 0 and 1"),
    ],
)
def test_cldice_metric_refuses_what_is_no_binary_mask(y_pred: torch.Tensor, y: torch.Tensor, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        ClDiceMetric()(y_pred=y_pred, y=y)


def dice_of(*pairs: tuple[list[int], list[float]]) -> float:
    """Mean Dice of rows of pixels, prediction and reference, as MONAI's engines hand them over: lists of (1, H, W)."""
    metric = LabelledDiceMetric()
    for predicted, reference in pairs:
        metric([torch.tensor([[predicted]])], [torch.tensor([[reference]])])
    return metric.aggregate().item()


def test_dice_is_averaged_over_images_of_any_size() -> None:
    """2 * 1 / (1 + 2) = 2/3 and 1."""
    assert dice_of(([1, 0, 0], [1, 1, 0]), ([1, 0], [1, 0])) == pytest.approx((2 / 3 + 1) / 2)


UNKNOWN = [float("nan"), float("nan")]


def test_dice_leaves_out_images_whose_reference_is_unknown() -> None:
    assert dice_of(([1, 0, 0], [1, 1, 0]), ([1, 1], UNKNOWN), ([0, 0], UNKNOWN)) == pytest.approx(2 / 3)


def test_empty_reference_is_a_fact_that_a_false_positive_contradicts() -> None:
    """A perfect slice and an all-false-positive one: 1 and 0; an empty prediction of an empty reference is right."""
    assert dice_of(([1, 0], [1, 0]), ([1, 1], [0, 0])) == pytest.approx(0.5)
    assert dice_of(([0, 0], [0, 0])) == 1


def test_dice_is_nan_where_all_is_unknown() -> None:
    assert np.isnan(dice_of(([1, 1], UNKNOWN), ([0, 0], UNKNOWN)))


def test_dice_is_zero_where_nothing_is_found() -> None:
    assert dice_of(([0, 0], [1, 0])) == 0


def test_dice_forgets_after_reset() -> None:
    metric = LabelledDiceMetric()
    metric(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
    metric.reset()
    metric(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
    assert metric.aggregate().item() == 1


def test_dice_refuses_to_aggregate_nothing() -> None:
    with pytest.raises(ValueError, match="batch first"):
        LabelledDiceMetric().aggregate()


def test_cldice_metric_refuses_to_aggregate_nothing() -> None:
    with pytest.raises(ValueError, match="batch first"):
        ClDiceMetric().aggregate()


@pytest.mark.parametrize(
    ("probability", "reference", "region", "rule"),
    [
        (ONE_OF_EACH * 2, ONE_OF_EACH_REFERENCE, None, "within 0 to 1"),
        (ONE_OF_EACH * np.nan, ONE_OF_EACH_REFERENCE, None, "within 0 to 1"),
        (ONE_OF_EACH, ONE_OF_EACH_REFERENCE.astype(np.uint8), None, "reference.*boolean"),
        (ONE_OF_EACH, ONE_OF_EACH_REFERENCE[:1], None, "reference.*shape"),
        (ONE_OF_EACH, ONE_OF_EACH_REFERENCE, np.ones((3, 3), dtype=bool), "region.*shape"),
        (ONE_OF_EACH[None], ONE_OF_EACH_REFERENCE, None, "one image at a time"),
    ],
)
def test_wrong_input_is_named(
    probability: np.ndarray, reference: np.ndarray, region: np.ndarray | None, rule: str
) -> None:
    with pytest.raises(ValueError, match=rule):
        segmentation_scores(probability, reference, 0.5, region)


def test_scores_need_a_probability_as_threshold_and_a_whole_histogram() -> None:
    with pytest.raises(ValueError, match="within 0 to 1"):
        histogram_scores(probability_histogram(ONE_OF_EACH, ONE_OF_EACH_REFERENCE), 128)
    with pytest.raises(ValueError, match="use probability_histogram"):
        histogram_scores(np.zeros((2, 256), dtype=np.int64), 0.5)


def test_second_observer_of_chasedb1_scores_as_published() -> None:
    """The published human Dice on CHASE_DB1 is 0.778 (within 0.01: the definition of the image part differs)."""
    if not CHASEDB1.is_dir():
        pytest.skip("CHASE_DB1 is not beside the repository")
    dice = []
    for path in sorted(CHASEDB1.glob("*_1stHO.png")):
        reference, second = (imread(p) > 0 for p in (path, path.with_name(path.name.replace("1stHO", "2ndHO"))))
        dice.append(histogram_scores(probability_histogram(second.astype(np.float32), reference), 0.5)["dice"])
    assert np.mean(dice) == pytest.approx(0.778, abs=0.01)


def test_parts_are_told_apart_on_the_pixels_that_are_of_one_part_alone() -> None:
    artery, vein = (np.array([row], dtype=bool) for row in ([1, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1]))
    found = {"artery": np.array([[0.9, 0.2, 0.3, 0.1, 0.0, 0.3, 0.0]]), "vein": np.full((1, 7), 0.15)}
    inside = np.array([[True] * 6 + [False]])
    score = balanced_accuracy_among_parts(found, {"artery": artery, "vein": vein}, inside)
    assert score == pytest.approx((3 / 4 + 0 / 1) / 2)
    assert (
        balanced_accuracy_among_parts(
            {"vein": vein * 1.0, "artery": artery * 1.0}, {"artery": artery, "vein": vein}, inside
        )
        == 1
    )


def test_parts_without_pixels_of_their_own_have_no_score() -> None:
    artery, vein = np.array([[True, True]]), np.array([[False, True]])
    maps = {"artery": np.array([[0.9, 0.2]]), "vein": np.array([[0.1, 0.8]])}
    assert np.isnan(balanced_accuracy_among_parts(maps, {"artery": artery, "vein": vein}, artery))


def test_parts_of_another_shape_are_refused() -> None:
    mask = np.ones((2, 2), dtype=bool)
    with pytest.raises(ValueError, match="vein must have the shape"):
        balanced_accuracy_among_parts({}, {"artery": mask, "vein": mask[:1]}, mask)
