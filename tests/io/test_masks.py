"""Addresses of masks that are made of another image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vmnet_monai.errors import UnreadableImageError
from vmnet_monai.io.images import FundusImageReader, open_image, to_mask
from vmnet_monai.io.masks import (
    ColourAddress,
    EllipseAddress,
    colour_address,
    ellipse_address,
    parse_mask_address,
)

RED, GREEN, BLUE, BLACK, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255)


@pytest.mark.parametrize("path", ["av.png", "a b/what?colours=red/av.png"])
@pytest.mark.parametrize("colours", [("red",), ("blue", "green")])
def test_colours_are_read_back(path: str, colours: tuple[str, ...]) -> None:
    assert parse_mask_address(colour_address(path, colours)) == ColourAddress(path, colours)


def test_ellipse_is_read_back_to_a_hundredth_of_a_pixel() -> None:
    address = ellipse_address("a b/eye.jpg", 1327.8, -3, 1e5, 192.504)
    assert parse_mask_address(address) == EllipseAddress("a b/eye.jpg", 1327.8, -3.0, 100_000.0, 192.5)


@pytest.mark.parametrize("path", ["1.png", "who?.png", "oct.mhd?slice=1&label=2", Path("a/b.jpg")])
def test_path_and_slice_are_no_masks(path: str | Path) -> None:
    assert parse_mask_address(path) is None


@pytest.mark.parametrize(
    "end", ["?colours=", "?colours=pink", "?colours=red,", "?colours=Red", "?ellipse=1,2,3", "?ellipse=1,2,3,-4"]
)
def test_wrong_address_is_refused(end: str) -> None:
    with pytest.raises(ValueError, match=r"must end in \?(colours|ellipse)=.*got 'av"):
        parse_mask_address(f"av.png{end}")
    with pytest.raises(UnreadableImageError, match="correct it"):
        open_image(f"av.png{end}")


def test_pixels_count_for_the_nearest_colour() -> None:
    pixels = [RED, GREEN, BLUE, BLACK, WHITE, (140, 0, 0), (120, 0, 0), (200, 150, 20), (20, 90, 160), (250, 240, 230)]
    image = np.array([pixels], dtype=np.uint8)
    shown = {name: np.flatnonzero(ColourAddress("", (name,)).draw(image)).tolist() for name in ("red", "green", "blue")}
    assert shown == {"red": [0, 5, 7], "green": [1], "blue": [2, 8]}


def test_several_colours_are_one_mask_of_0_and_255(tmp_path: Path) -> None:
    Image.fromarray(np.array([[RED, GREEN, BLUE], [BLACK, WHITE, RED]], dtype=np.uint8)).save(tmp_path / "av.png")
    mask = np.asarray(open_image(colour_address(tmp_path / "av.png", ["red", "green"]), to_mask))
    assert mask.tolist() == [[255, 255, 0], [0, 0, 255]]
    assert mask.dtype == np.uint8


def test_palette_picture_is_read_by_its_colours(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([*BLUE, *RED])
    picture.putdata([0, 1])
    picture.save(tmp_path / "av.gif")
    reader = FundusImageReader(to_mask)
    pixels, _ = reader.get_data(reader.read(colour_address(tmp_path / "av.gif", ["red"])))
    assert pixels.tolist() == [[0, 255]]


def test_ellipse_covers_the_pixels_whose_centre_it_holds(tmp_path: Path) -> None:
    Image.new("RGB", (5, 4)).save(tmp_path / "eye.png")
    mask = np.asarray(open_image(ellipse_address(tmp_path / "eye.png", 3, 2, 4, 2.5))) > 0
    assert mask.astype(int).tolist() == [[0, 0, 0, 0, 0], [0, 1, 1, 1, 1], [0, 1, 1, 1, 1], [0, 0, 0, 0, 0]]


def test_ellipse_lies_on_the_upright_photograph(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.new("RGB", (5, 4)).save(tmp_path / "eye.jpg", exif=exif)
    assert open_image(ellipse_address(tmp_path / "eye.jpg", 1, 1, 2, 2)).size == (4, 5)


@pytest.mark.parametrize("size", [(0, 0), (0, 4), (4, 0)])
def test_ellipse_without_extent_is_an_empty_mask(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", (5, 4)).save(tmp_path / "eye.png")
    assert not np.asarray(open_image(ellipse_address(tmp_path / "eye.png", 2.5, 2.5, *size), to_mask)).any()


def test_missing_picture_is_named() -> None:
    with pytest.raises(UnreadableImageError, match=r"av\.png\?colours=red: the file does not exist"):
        open_image("av.png?colours=red")
