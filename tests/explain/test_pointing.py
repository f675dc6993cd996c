"""Scores of where a heat map lies."""

from __future__ import annotations

import numpy as np
import pytest

from vmnet_monai.explain import energy_fraction, pointing_hit, widen

HEAT = np.array([[0.0, 0.5, 1.0], [0.0, 0.0, 0.5]])
EMPTY = np.zeros((2, 3))


def mask(*pixels: tuple[int, int], shape: tuple[int, int] = (2, 3)) -> np.ndarray:
    lesions = np.zeros(shape, dtype=bool)
    lesions[tuple(zip(*pixels, strict=True))] = True
    return lesions


def test_maximum_in_a_lesion_is_a_hit() -> None:
    assert pointing_hit(HEAT, mask((0, 2))) == 1
    assert pointing_hit(HEAT, mask((0, 1), (1, 2))) == 0


def test_maxima_that_are_shared_hit_in_part() -> None:
    assert pointing_hit(np.minimum(HEAT, 0.5), mask((0, 1), (0, 0))) == pytest.approx(1 / 3)


def test_energy_share_by_hand() -> None:
    assert energy_fraction(HEAT, mask((0, 1))) == 0.25
    assert energy_fraction(HEAT, mask((0, 2), (1, 2))) == 0.75
    assert energy_fraction(HEAT, np.ones((2, 3), dtype=bool)) == 1


def test_even_map_has_the_share_that_the_lesions_cover() -> None:
    assert energy_fraction(np.full((2, 3), 0.2, dtype=np.float32), mask((0, 0), (1, 1))) == pytest.approx(2 / 6)


def test_map_without_evidence_has_no_share_and_hits_nothing() -> None:
    everywhere = np.ones((2, 3), dtype=bool)
    assert energy_fraction(EMPTY, everywhere) == 0
    assert pointing_hit(EMPTY, everywhere) == 0


def test_eye_without_lesions_is_never_hit() -> None:
    assert pointing_hit(HEAT, mask((0, 0)) & False) == 0
    assert energy_fraction(HEAT, mask((0, 0)) & False) == 0


def test_widening_adds_what_lies_within_the_tolerance() -> None:
    """Around one pixel: itself, its 4 neighbours at 1, the 4 diagonal ones at the root of 2."""
    one = mask((2, 2), shape=(5, 5))
    assert [int(widen(one, tolerance).sum()) for tolerance in (0, 0.9, 1, 1.5, 2)] == [1, 1, 5, 9, 13]
    assert int(one.sum()) == 1, "the mask itself is left alone"


def test_nothing_widens_to_nothing() -> None:
    assert not widen(np.zeros((3, 3), dtype=bool), 2).any()
