"""The working square: lines and steps told apart, grey recognised, the circle of the outline."""

from __future__ import annotations

import numpy as np
import pytest
from images_to_check import grey, retina, square

from vmnet_monai.quality import WorkingSquare
from vmnet_monai.quality.square import WORKING_SIZE_PX, line_responses


def test_a_dark_line_a_bright_line_and_a_step_are_told_apart() -> None:
    """A vertical line of three pixels; three pixels beside its middle column it is over."""
    line, step = np.zeros((60, 60), dtype=np.float32), np.zeros((60, 60), dtype=np.float32)
    line[:, 29:32] = -0.5
    step[:, 30:] = 0.5
    dark, bright, _ = line_responses(line, [3])[0]
    assert dark[30, 30] == pytest.approx(0.5, abs=1e-5)
    assert bright[30, 30] <= 0
    assert line_responses(-line, [3])[0][1, 30, 30] == pytest.approx(0.5, abs=1e-5)
    assert line_responses(step, [3])[0][2, 30, 30] == pytest.approx(0.5, abs=1e-5)
    assert line_responses(step, [3])[0][0, 30, 30] <= 0


def test_a_photograph_of_equal_channels_is_grey() -> None:
    assert not square(retina()).is_grey
    assert square(grey(retina())).is_grey


@pytest.mark.parametrize("size_px", [96, 400])
def test_the_outline_of_a_disc_is_a_circle_at_any_size(size_px: int) -> None:
    """A disc of 0.8 of the square's width, cut off at half its radius below the middle."""
    y, x = np.mgrid[-1 : 1 : size_px * 1j, -1 : 1 : size_px * 1j]
    fov = (np.hypot(y, x) < 0.8) & (y < 0.4)
    outline = WorkingSquare.of(np.full((3, size_px, size_px), 90, dtype=np.uint8), fov).outline
    assert outline.circle is not None
    assert outline.circle.radius == pytest.approx(0.4 * WORKING_SIZE_PX, rel=0.02)
    assert outline.circle.center == pytest.approx([WORKING_SIZE_PX / 2] * 2, abs=1.5)
    assert outline.error < 0.005


def test_an_image_without_surround_has_straight_edges_only() -> None:
    image = np.full((3, 200, 200), 90, dtype=np.uint8)
    assert WorkingSquare.of(image, np.ones((1, 200, 200))).outline == (None, 0.0)


def test_beyond_the_field_of_view_its_nearest_pixel_continues() -> None:
    fov = np.zeros((WORKING_SIZE_PX, WORKING_SIZE_PX), dtype=bool)
    fov[:, :96] = True
    filled = WorkingSquare.of(np.where(fov, 90, 0)[None].repeat(3, axis=0).astype(np.uint8), fov).filled
    assert (filled == 90).all()
