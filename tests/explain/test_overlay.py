"""Vessels and heat laid over a photograph."""

from __future__ import annotations

import numpy as np
import pytest

from vmnet_monai.explain import draw_heat_map, draw_structures

IMAGE = np.full((2, 3, 3), (200, 60, 30), dtype=np.uint8)


def test_vessels_are_coloured_and_nothing_else() -> None:
    mask = np.array([[True, False, False], [False, False, True]])
    drawn = draw_structures(IMAGE, [mask])
    assert (drawn.shape, drawn.dtype) == (IMAGE.shape, np.uint8)
    assert (drawn[mask] == (0, 255, 170)).all()
    assert (drawn[~mask] == IMAGE[~mask]).all()
    assert (IMAGE == (200, 60, 30)).all(), "the photograph itself is left alone"


def test_structures_have_colours_of_their_own_and_the_last_shows() -> None:
    first, second = np.zeros((2, 2, 3), dtype=bool)
    first[0], second[0, 2] = True, True
    drawn = draw_structures(IMAGE, [first, second])
    assert drawn[0].tolist() == [[0, 255, 170], [0, 255, 170], [86, 180, 233]]
    assert (drawn[1] == IMAGE[1]).all()


def test_no_heat_leaves_the_photograph_as_it_is() -> None:
    drawn = draw_heat_map(IMAGE, np.zeros((2, 3)))
    assert drawn.dtype == np.uint8
    assert (drawn == IMAGE).all()


def test_full_heat_covers_six_tenths_of_the_photograph() -> None:
    """Inferno ends at (252, 255, 164): 0.4 * (200, 60, 30) + 0.6 * (252, 255, 164) = (231, 177, 110)."""
    drawn = draw_heat_map(IMAGE, np.ones((2, 3)))
    assert drawn[0, 0].tolist() == pytest.approx([231, 177, 110], abs=1)


def test_more_heat_is_brighter_on_a_black_photograph() -> None:
    heat = np.linspace(0, 1, 11, dtype=np.float32)[None]
    brightness = draw_heat_map(np.zeros((1, 11, 3), dtype=np.uint8), heat).sum(axis=2)[0].astype(int)
    assert (np.diff(brightness) > 0).all()
