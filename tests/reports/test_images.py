"""Pictures of a report are small, and lie over one another as the pictures of a prediction do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_examples import heat, photograph, vessels

from vmnet_monai.explain import draw_heat_map, draw_structures, heat_palette
from vmnet_monai.io.files import write_png
from vmnet_monai.reports.images import (
    lay_over,
    levels,
    shrink,
    structure_levels,
    structure_palette,
    write_jpeg,
)
from vmnet_monai.structures import structure_looks


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((200, 400, 3), (50, 100, 3)), ((400, 200), (100, 50)), ((100, 30), (100, 30)), ((1, 300), (1, 100))],
)
def test_pictures_are_scaled_down_and_never_up(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert shrink(np.zeros(shape, dtype=np.uint8), 100).shape == expected


def test_vessel_thinner_than_a_pixel_stays_as_a_trace() -> None:
    """One column of ten, scaled to a tenth: about a tenth of 255 wherever it fell."""
    mask = np.zeros((1000, 1000), dtype=bool)
    mask[:, 455] = True
    small = shrink(levels(mask), 100)
    assert small.sum(axis=1) == pytest.approx(np.full(100, 25.5), abs=4)


def test_levels_of_masks_and_maps_run_to_255() -> None:
    assert levels(np.array([[False, True]])).tolist() == [[0, 255]]
    assert levels(np.array([[0, 0.5, 1]], dtype=np.float32)).tolist() == [[0, 128, 255]]


def test_structure_is_drawn_as_in_other_pictures() -> None:
    masks = {"vein": ~vessels(), "disc": vessels()}
    drawn = photograph()
    for structure, look in structure_looks(list(masks)).items():
        drawn = lay_over(drawn, structure_levels(masks[structure], look, 1400), structure_palette(look))
    assert (drawn == draw_structures(photograph(), masks)).all()


def test_heat_is_drawn_as_in_other_pictures() -> None:
    """Opacity and colours are rounded to levels here, which moves a pixel by at most 3 of 255."""
    drawn = lay_over(photograph(), levels(heat()), heat_palette()).astype(int)  # 60 pixels: no legend
    assert np.abs(drawn - draw_heat_map(photograph(), heat())).max() <= 3


def test_overlay_is_transparent_where_nothing_is(tmp_path: Path) -> None:
    write_png(tmp_path / "vessel.png", levels(vessels()), structure_palette(structure_looks(["vessel"])["vessel"]))
    with Image.open(tmp_path / "vessel.png") as image:
        pixels = np.asarray(image.convert("RGBA"))
    assert (pixels[..., 3] == levels(vessels())).all()
    assert (pixels[vessels()][:, :3] == (0, 255, 170)).all()


def test_jpeg_keeps_the_photograph(tmp_path: Path) -> None:
    write_jpeg(tmp_path / "photograph.jpg", photograph())
    with Image.open(tmp_path / "photograph.jpg") as image:
        assert np.abs(np.asarray(image).astype(int) - photograph()).mean() < 3
