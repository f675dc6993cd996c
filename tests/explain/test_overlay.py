"""Vessels and heat laid over a photograph."""

from __future__ import annotations

import numpy as np
import pytest

from vmnet_monai.explain import draw_heat_map, draw_scale, draw_structures, heat_palette, outline
from vmnet_monai.explain.overlay import HEAT_FROM
from vmnet_monai.structures import STRUCTURE_LOOKS

IMAGE = np.full((2, 3, 3), (200, 60, 30), dtype=np.uint8)


def test_vessels_are_coloured_and_nothing_else() -> None:
    mask = np.array([[True, False, False], [False, False, True]])
    drawn = draw_structures(IMAGE, {"vessel": mask})
    assert (drawn.shape, drawn.dtype) == (IMAGE.shape, np.uint8)
    assert (drawn[mask] == (0, 255, 170)).all()
    assert (drawn[~mask] == IMAGE[~mask]).all()
    assert (IMAGE == (200, 60, 30)).all(), "the photograph itself is left alone"


def test_structures_have_colours_of_their_own_and_the_last_shows() -> None:
    first, second = np.zeros((2, 2, 3), dtype=bool)
    first[0], second[0, 2] = True, True
    drawn = draw_structures(IMAGE, {"vessel": first, "lesion": second})
    assert drawn[0].tolist() == [[0, 255, 170], [0, 255, 170], [86, 180, 233]]
    assert (drawn[1] == IMAGE[1]).all()


def test_no_heat_leaves_the_photograph_as_it_is() -> None:
    drawn = draw_heat_map(IMAGE, np.zeros((2, 3)))
    assert drawn.dtype == np.uint8
    assert (drawn == IMAGE).all()


@pytest.mark.parametrize("low", [0.1, HEAT_FROM - 0.01])
def test_low_heat_leaves_the_photograph_as_it_is(low: float) -> None:
    assert (draw_heat_map(IMAGE, np.full((2, 3), low)) == IMAGE).all()


def test_full_heat_covers_four_fifths_of_the_photograph() -> None:
    """Pale cyan over red: 0.2 * (200, 60, 30) + 0.8 * (200, 255, 255) = (200, 216, 210)."""
    drawn = draw_heat_map(IMAGE, np.ones((2, 3)))
    assert drawn[0, 0].tolist() == pytest.approx([200, 216, 210], abs=1)


def test_more_heat_is_brighter_on_a_black_photograph() -> None:
    heat = np.linspace(HEAT_FROM, 1, 11, dtype=np.float32)[None]
    brightness = draw_heat_map(np.zeros((1, 11, 3), dtype=np.uint8), heat).sum(axis=2)[0].astype(int)
    assert (np.diff(brightness) > 0).all()


def test_heat_is_told_from_a_red_retina_by_its_hue() -> None:
    """Blue is nowhere below the other channels, and in a retina nowhere above them."""
    red, green, blue, opacity = heat_palette().astype(int).T
    shown = opacity > 0
    assert (blue[shown] >= np.maximum(red, green)[shown]).all()
    retina = np.array([[[170, 70, 30]]], dtype=np.uint8)
    moved = np.abs(draw_heat_map(retina, np.array([[0.5]])).astype(int) - retina)
    assert moved.max() > 60, "also where the map is but half as high"


def test_an_outline_is_the_rim_of_a_mask() -> None:
    """The image is 300 pixels wide: its outline is 1 pixel wide."""
    mask = np.zeros((200, 300), dtype=bool)
    mask[50:60, 100:120] = True
    rim = outline(mask)
    assert rim.sum() == 2 * 10 + 2 * 20 - 4
    assert (rim <= mask).all() and not rim[51:59, 101:119].any()
    assert not outline(np.zeros((5, 5), dtype=bool)).any()
    assert outline(np.ones((5, 5), dtype=bool)).sum() == 16, "the edge of the image counts as outside"


def test_arteries_are_red_veins_blue_and_the_disc_an_outline_over_both() -> None:
    everywhere = np.ones((9, 9), dtype=bool)
    left = np.zeros_like(everywhere)
    left[:, :5] = True
    drawn = draw_structures(np.zeros((9, 9, 3), np.uint8), {"disc": everywhere, "artery": left, "vein": ~left})
    red, blue = drawn[4, 2].astype(int), drawn[4, 6].astype(int)
    assert red[0] > 2 * max(red[1], red[2])
    assert blue[2] > 2 * max(blue[0], blue[1])
    assert drawn[0, 0].tolist() == list(STRUCTURE_LOOKS["disc"].colour)


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
    """Nothing at first, then blue, cyan and at last pale cyan, ever brighter; digits and frame are grey."""
    drawn = draw_scale(np.zeros((256, 256, 3), dtype=np.uint8)).astype(int)
    coloured = (drawn != drawn[:, :, :1]).any(axis=2)
    row = drawn[np.flatnonzero(coloured.any(axis=1))[2]]
    columns = np.flatnonzero((row != row[:, :1]).any(axis=1))
    bar = row[columns[0] : columns[-1] + 1]
    assert bar[0, 2] > bar[0, 0], "blue"
    assert bar[-1].tolist() == [200, 255, 255]
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


def test_title_and_caption_are_written() -> None:
    image = np.zeros((256, 256, 3), dtype=np.uint8)
    assert (draw_scale(image) != draw_scale(image, caption="fraction of minimum")).any()
    glaucoma, amd = (draw_scale(image, f"{name} · Grad-CAM") for name in ("Glaucoma", "Cataract"))
    assert (glaucoma != amd).any()
    assert (glaucoma != draw_scale(image)).any()


def test_a_long_title_is_written_smaller_until_it_fits() -> None:
    image = np.full((400, 400, 3), 255, dtype=np.uint8)
    title = "Proliferative diabetic retinopathy with macular oedema · Grad-CAM++"
    drawn = draw_scale(image, title)
    assert drawn.shape == image.shape
    assert (drawn[:, 0] == 255).all(), "a margin is left"


def test_picture_too_small_for_letters_has_no_scale() -> None:
    image = np.zeros((127, 500, 3), dtype=np.uint8)
    assert (draw_scale(image) == image).all()


def test_a_large_heat_map_is_drawn_as_its_parts_are() -> None:
    random = np.random.default_rng(0)
    image, heat = random.integers(0, 256, (1100, 60, 3), dtype=np.uint8), random.random((1100, 60))
    parts = [draw_heat_map(image[rows], heat[rows]) for rows in (slice(0, 700), slice(700, 1100))]
    np.testing.assert_array_equal(draw_heat_map(image, heat), np.concatenate(parts))
