"""Weak components fall below the threshold, with the parts in them, and all else stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.filters import apply_hysteresis_threshold

from vmnet_monai.metrics import probability_levels
from vmnet_monai.transforms import LowerWeakComponentsd, weak_components


def blobs() -> torch.Tensor:
    """A strong line, a weak line, and a weak pixel that touches the strong line by a corner."""
    probability = torch.full((1, 8, 8), 0.1)
    probability[0, 1, :6] = torch.tensor([0.6, 0.6, 0.9, 0.6, 0.6, 0.6])
    probability[0, 4, 2:] = 0.7
    probability[0, 2, 6] = 0.6
    return probability


def test_only_components_without_a_high_pixel_are_weak() -> None:
    weak = weak_components(blobs()[0].numpy(), 0.5, 0.8)
    expected = np.zeros((8, 8), dtype=bool)
    expected[4, 2:] = True
    np.testing.assert_array_equal(weak, expected)


def test_what_is_left_is_the_mask_of_a_hysteresis_threshold() -> None:
    rng = np.random.default_rng(0)
    smooth = rng.random((16, 16)).repeat(4, axis=0).repeat(4, axis=1)  # blocks touch by sides, scikit-image's rule
    smooth[::8] = smooth[:, ::8] = 0.0
    left = (smooth >= 0.6) & ~weak_components(smooth, 0.6, 0.9)
    blocks = apply_hysteresis_threshold(smooth, 0.6, 0.9)
    assert (blocks <= left).all()  # eight neighbours join no less than four
    assert 0 < left.sum() < (smooth >= 0.6).sum()


@pytest.mark.parametrize("high", [0.0, 0.3, 0.5])
def test_a_high_threshold_at_most_the_threshold_lowers_nothing(high: float) -> None:
    assert not weak_components(blobs()[0].numpy(), 0.5, high).any()
    item = LowerWeakComponentsd(["vessel"], [0.5], [high])({"pred_vessel": blobs()})
    torch.testing.assert_close(item["pred_vessel"], blobs())


def test_the_mask_of_what_is_lowered_leaves_the_components_out() -> None:
    threshold = 32768 / 65535
    item = LowerWeakComponentsd(["vessel"], [threshold], [0.8])({"pred_vessel": blobs(), "id": "a"})
    lowered = item["pred_vessel"][0].numpy()
    mask = probability_levels(lowered) >= probability_levels(threshold)
    np.testing.assert_array_equal(mask, (blobs()[0].numpy() > 0.5) & ~weak_components(blobs()[0].numpy(), 0.5, 0.8))
    outside = ~weak_components(blobs()[0].numpy(), 0.5, 0.8)
    np.testing.assert_array_equal(lowered[outside], blobs()[0].numpy()[outside])
    assert item["id"] == "a"


def test_parts_fall_with_their_whole_below_thresholds_of_their_own() -> None:
    lower = LowerWeakComponentsd(["vessel", "artery"], [0.5, 0.3], [0.8, 0.0], parts={"artery": "vessel"})
    item = lower({"pred_vessel": blobs(), "pred_artery": 0.9 * blobs()})
    assert (item["pred_artery"][0, 4, 2:] < 0.3).all()
    torch.testing.assert_close(item["pred_artery"][0, 1], 0.9 * blobs()[0, 1])


def test_a_part_that_comes_after_its_whole_falls_as_beside_it() -> None:
    lower = LowerWeakComponentsd(["artery", "vessel"], [0.3, 0.5], [0.0, 0.8], parts={"artery": "vessel"})
    maps = {"pred_vessel": blobs(), "pred_artery": 0.9 * blobs()}
    after = lower({"pred_vessel": maps["pred_vessel"]})
    del after["pred_vessel"]
    after = lower({**after, "pred_artery": maps["pred_artery"]})
    torch.testing.assert_close(after["pred_artery"], lower(maps)["pred_artery"], rtol=0, atol=0)
    assert (after["pred_artery"][0, 4, 2:] < 0.3).all()


def test_a_network_of_another_task_has_nothing_to_lower() -> None:
    assert LowerWeakComponentsd(["vessel"], [0.5], [0.8])({"pred_disease": torch.zeros(2)}).keys() == {"pred_disease"}


def test_no_high_thresholds_lower_nothing() -> None:
    item = LowerWeakComponentsd(["vessel"], [0.5], [])({"pred_vessel": blobs()})
    torch.testing.assert_close(item["pred_vessel"], blobs())


@pytest.mark.parametrize(("thresholds", "high"), [([0.5], [0.8, 0.8]), ([0.5, 0.5, 0.5], [])])
def test_lists_of_another_length_are_refused(thresholds: list[float], high: list[float]) -> None:
    with pytest.raises(ValueError, match="one value for each of vessel, disc"):
        LowerWeakComponentsd(["vessel", "disc"], thresholds, high)
