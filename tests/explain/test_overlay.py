"""Vessels and heat laid over a photograph."""

from __future__ import annotations

import numpy as np
import pytest

from vmnet_monai.explain import draw_heat_map, draw_scale, draw_structures

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


@pytest.mark.parametrize("side", [128, 256, 1000])
def test_scale_stands_in_the_lower_right_corner_alone(side: int) -> None:
    image = np.full((side, side + 40, 3), (200, 60, 30), dtype=np.uint8)
    drawn = draw_heat_map(image, np.zeros((side, side + 40)))
    rows, columns, _ = np.nonzero(drawn != image)
    assert drawn.shape == image.shape
    assert (rows.max(), columns.max()) == (side - 1, side + 39)
    assert rows.min() > 0.7 * side
    assert columns.min() > 0.25 * (side + 40)


def test_scale_runs_from_the_colour_of_0_to_the_colour_of_1() -> None:
    """Inferno starts at (0, 0, 4) and ends at (252, 255, 164), and becomes ever brighter."""
    drawn = draw_scale(np.zeros((256, 256, 3), dtype=np.uint8)).astype(int)
    row = next(row for row in drawn if (row == (252, 255, 164)).all(axis=1).any())
    bar = row[(row[:, 2] > 0) & (row != row[:, :1]).any(axis=1)]  # digits are grey
    assert bar[0].tolist() == [0, 0, 4]
    assert bar[-1].tolist() == [252, 255, 164]
    assert (np.diff(bar.sum(axis=1)) >= 0).all()


def test_scale_is_the_same_in_every_picture_of_a_size() -> None:
    images = [np.full((200, 300, 3), level, dtype=np.uint8) for level in (0, 255)]
    dark, light = (draw_scale(image) for image in images)
    written = (light != images[1]).any(axis=2)
    assert written.any()
    assert (dark[written] == light[written]).all()


def test_scale_grows_with_the_picture() -> None:
    blank = [np.full((side, side, 3), 255, dtype=np.uint8) for side in (1000, 2000)]
    small, large = (int((draw_scale(image) != image).any(axis=2).any(axis=1).sum()) for image in blank)
    assert large / small == pytest.approx(2, rel=0.05)


def test_caption_is_written() -> None:
    image = np.zeros((256, 256, 3), dtype=np.uint8)
    assert (draw_scale(image) != draw_scale(image, "fraction of minimum")).any()


def test_picture_too_small_for_letters_has_no_scale() -> None:
    image = np.zeros((127, 500, 3), dtype=np.uint8)
    assert (draw_scale(image) == image).all()
