"""Microns per pixel, from what is known and what is assumed."""

from __future__ import annotations

import math

import pytest

from vmnet_monai.biomarkers.scale import Scale, scale_from_disc, scale_from_field_angle, scale_from_pixel_spacing


def test_pixel_spacing_is_known_and_in_microns() -> None:
    scale = scale_from_pixel_spacing((0.0062, 0.0062))
    assert scale.microns_per_px == pytest.approx(6.2)
    assert scale.unit() == "um" and scale.unit(2) == "um2"


@pytest.mark.parametrize("wrong", [(0.01,), (0.01, 0), (0.01, math.nan), (-1, -1)])
def test_pixel_spacing_that_is_none_is_refused(wrong: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="two numbers of mm above 0"):
        scale_from_pixel_spacing(wrong)


def test_pixels_that_are_not_square_are_refused() -> None:
    with pytest.raises(ValueError, match="square within 2%, got 0.01 by 0.012 mm: scale"):
        scale_from_pixel_spacing((0.01, 0.012))


def test_a_degree_of_the_field_is_290_microns_of_an_eye_of_24_mm() -> None:
    scale = scale_from_field_angle(60, 3260)
    assert scale.microns_per_px * 3260 / 60 == pytest.approx(289.8, abs=0.1)
    assert scale.unit() == "um (assumed: eye 24 mm long)"


@pytest.mark.parametrize(("angle", "diameter"), [(0, 100), (-45, 100), (200, 100), (45, 0), (math.nan, 100)])
def test_a_field_angle_without_meaning_is_refused(angle: float, diameter: float) -> None:
    with pytest.raises(ValueError, match="up to 70 degrees"):
        scale_from_field_angle(angle, diameter)


def test_an_assumed_disc_is_named_in_the_unit() -> None:
    scale = scale_from_disc(180)
    assert scale == Scale(10.0, "disc diameter 1800 um")
    assert scale.unit(2) == "um2 (assumed: disc diameter 1800 um)"
