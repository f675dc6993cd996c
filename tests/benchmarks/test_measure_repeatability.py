"""Coefficient of variation and intraclass correlation by hand, and those of drawn eyes on other pixels."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_eye import FIELD, MASKS, use_small_grid
from measure_repeatability import (
    ALTERATIONS,
    coefficient_of_variation,
    comparable,
    intraclass_correlation,
    repeated,
)
from PIL import Image
from scipy import ndimage

from vmnet_monai.biomarkers.definitions import Key
from vmnet_monai.biomarkers.photograph import measure_photograph, measuring_grid


def test_the_correlation_is_that_of_the_example_in_shrout_and_fleiss() -> None:
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert intraclass_correlation(ratings) == pytest.approx(0.29, abs=0.005)


def test_pictures_that_agree_correlate_fully_and_a_shift_of_one_picture_counts_against_them() -> None:
    assert intraclass_correlation([[1, 1], [2, 2], [4, 4]]) == pytest.approx(1)
    assert intraclass_correlation([[1, 2], [2, 3], [4, 5]]) < 0.9
    assert np.isnan(intraclass_correlation([[1, 1], [1, 1]]))
    assert np.isnan(intraclass_correlation([[1, 2]]))


def test_variation_is_the_root_mean_square_over_the_eyes_and_eyes_of_mean_zero_do_not_count() -> None:
    deviation = np.sqrt(2)  # of 9 and 11, whose mean is 10
    assert coefficient_of_variation([[9, 11], [10, 10], [0, 0]]) == pytest.approx(deviation / 10 / np.sqrt(2))
    assert np.isnan(coefficient_of_variation([[0, 0]]))


def test_alterations_keep_the_photograph_and_change_its_pixels() -> None:
    photograph = Image.fromarray(np.tile(FIELD[..., None], 3).astype(np.uint8) * 200)
    sizes = {name: alter(photograph).size for name, alter in ALTERATIONS.items()}
    assert sizes["half the size"] == (125, 115)
    assert sizes["1.5 times the size"] == (375, 345)
    assert sizes["3 degrees to the left"] > photograph.size
    assert np.asarray(ALTERATIONS["15 % darker"](photograph)).max() == 170
    assert np.asarray(ALTERATIONS["15 % brighter"](photograph)).max() == 230


def test_twice_the_pixels_change_little_and_eyes_that_differ_by_chance_alone_are_low(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_small_grid(monkeypatch)
    wide = {**MASKS, "artery": ndimage.binary_dilation(MASKS["artery"]) & FIELD}
    eyes = [[_values(masks, 1), _values(masks, 2)] for masks in (MASKS, wide)]
    mixed = [[eyes[0][0], eyes[1][0]], [eyes[1][0], eyes[0][0]], [eyes[0][0]] * 2]
    width = Key("artery", "zone_b", "width_mean")
    steady, unsteady = repeated(eyes)[width], repeated(mixed)[width]
    assert steady.variation is not None and steady.variation < 0.02
    assert steady.icc is not None and steady.icc > 0.95
    assert unsteady.icc is not None and unsteady.icc < 0.75
    distance, diameter = (repeated(eyes)[Key("", "", f"disc_{name}")] for name in ("fovea_distance", "diameter"))
    assert distance.variation is not None and distance.variation < 0.01
    assert diameter.variation is not None and diameter.variation < 0.01, "pixels of the photograph as it was"


def test_an_eye_that_cannot_be_measured_on_all_pictures_is_left_out_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_small_grid(monkeypatch)
    seen, unseen = _values(MASKS, 1), _values({**MASKS, "fovea_region": np.zeros_like(FIELD)}, 1)
    found = repeated([[seen, seen], [seen, unseen]])
    assert found[Key("", "", "disc_fovea_distance")].eyes == 1
    assert found[Key("", "", "disc_fovea_distance")].icc is None
    assert found[Key("vein", "zone_b", "width_mean")].eyes == 2


def _values(masks: dict[str, np.ndarray], times: int) -> dict[Key, float | None]:
    larger = {name: np.kron(mask, np.ones((times, times), dtype=bool)) for name, mask in masks.items()}
    fov = np.kron(FIELD, np.ones((times, times), dtype=bool))
    return comparable(measure_photograph(larger, measuring_grid(fov)).values, times)
