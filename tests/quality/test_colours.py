"""The colours: channel order, freedom of the colours and redness of the dark lines, of made images."""

from __future__ import annotations

import numpy as np
import pytest
from images_to_check import grey, retina, square
from numpy.typing import NDArray

from vmnet_monai.quality import WorkingSquare
from vmnet_monai.quality.colours import channel_medians, channel_ratios, colour_freedom, line_redness

SIZE_PX = 192


def whole(*channels: NDArray[np.floating]) -> WorkingSquare:
    """The square of three channels, (N, N) each, that are field of view everywhere."""
    return WorkingSquare.of(np.stack(channels).astype(np.uint8), np.ones((SIZE_PX, SIZE_PX)))


def test_channel_ratios_are_logarithms_of_the_medians_offset_by_6() -> None:
    even = np.ones((SIZE_PX, SIZE_PX))
    image = whole(194 * even, 94 * even, 44 * even)
    assert channel_medians(image) == (194, 94, 44)
    assert channel_ratios(image) == pytest.approx((np.log(2), np.log(2)), abs=1e-4)


def test_a_retina_is_brightest_in_red_and_darkest_in_blue_in_any_exposure() -> None:
    for exposure in (1.0, 0.4):
        assert min(channel_ratios(square((retina() * exposure).astype(np.uint8)))) > 0.2


def test_a_colour_map_leaves_no_freedom_and_independent_channels_all() -> None:
    one, two = (60 + 120 * ramp / SIZE_PX for ramp in np.mgrid[0:SIZE_PX, 0:SIZE_PX])
    three = 240 - one
    assert colour_freedom(whole(one, one**2 / 180, 0.3 * one)) < 0.2
    assert colour_freedom(whole(one, two, three)) > 0.7
    assert colour_freedom(square(grey(retina()))) == pytest.approx(0, abs=1e-3)
    assert colour_freedom(square(retina())) > 0.4


def test_hairs_are_as_dark_in_red_as_in_green_and_vessels_are_not() -> None:
    """Vertical lines, four pixels wide, of 0.5 of the brightness in green."""
    lines = np.ones((SIZE_PX, SIZE_PX))
    for left in range(10, SIZE_PX - 10, 24):
        lines[:, left : left + 4] = 0.5
    assert line_redness(whole(200 * lines, 150 * lines, 120 * lines)) == pytest.approx(1, abs=0.02)
    assert line_redness(whole(200 * lines**0.2, 150 * lines, 120 * lines)) < 0.35
    assert line_redness(square(retina())) < 0.6
