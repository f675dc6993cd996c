"""Coefficient of variation and intraclass correlation by hand, and the table of drawn eyes on other pixels."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_eye import FIELD, MASKS, use_small_grid
from measure_agreement import by_key
from measure_repeatability import (
    ALTERATIONS,
    MEASURES,
    coefficient_of_variation,
    intraclass_correlation,
    repeatability_table,
)
from PIL import Image
from scipy import ndimage

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
    repeated, unrepeated = (_cells(repeatability_table(pictures, MEASURES)) for pictures in (eyes, mixed))
    width = ("width_mean", "arteries")
    variation, correlation = repeated[width][1].split(" %, ")
    assert float(variation) < 2 and float(correlation) > 0.95
    assert unrepeated[width][1].endswith(" low")
    assert repeated["disc_fovea_distance", ""][0].startswith("0.")
    assert set(MEASURES) == {measure for measure, _ in repeated}


def test_an_eye_that_cannot_be_measured_on_all_pictures_is_left_out_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_small_grid(monkeypatch)
    seen, unseen = _values(MASKS, 1), _values({**MASKS, "fovea_region": np.zeros_like(FIELD)}, 1)
    cells = _cells(repeatability_table([[seen, seen], [seen, unseen]], MEASURES))
    assert cells["disc_fovea_distance", ""][0].endswith(" (1)")
    assert not cells["width_mean", "veins"][1].endswith(")")


def _values(masks: dict[str, np.ndarray], times: int) -> dict:
    larger = {name: np.kron(mask, np.ones((times, times), dtype=bool)) for name, mask in masks.items()}
    fov = np.kron(FIELD, np.ones((times, times), dtype=bool))
    return by_key(measure_photograph(larger, measuring_grid(fov)).values, MEASURES)


def _cells(table: str) -> dict[tuple[str, str], list[str]]:
    """Measure and vessels -> the cells of the regions."""
    rows = [[cell.strip(" `") for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]
    return {(row[0], row[1]): row[2:] for row in rows}
