"""Picture files of every kind come out as upright 8-bit RGB or as masks of 0 and 255."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vmnet_monai.transforms import to_mask, to_rgb

EXIF_ORIENTATION = 0x0112


def rgb(image: Image.Image) -> np.ndarray:
    converted = to_rgb(image)
    assert converted.mode == "RGB"
    return np.asarray(converted)


def test_rgb_is_unchanged() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert (rgb(Image.fromarray(pixels)) == pixels).all()


def test_grey_becomes_three_equal_channels() -> None:
    assert rgb(Image.new("L", (2, 1), 70)).tolist() == [[[70] * 3] * 2]


def test_transparency_is_laid_over_black() -> None:
    pixels = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 128]]], dtype=np.uint8)
    opaque, transparent, half = rgb(Image.fromarray(pixels))[0].tolist()
    assert opaque == [200, 100, 50]
    assert transparent == [0, 0, 0]
    assert half == pytest.approx([100, 50, 25], abs=1)
    grey = Image.merge("LA", (Image.new("L", (1, 1), 90), Image.new("L", (1, 1), 0)))
    assert rgb(grey).tolist() == [[[0] * 3]]


def test_palette_is_looked_up_and_its_transparent_entry_is_black(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    assert rgb(image).tolist() == [[[10, 20, 30], [200, 100, 50]]]
    image.save(tmp_path / "palette.png", transparency=1)
    with Image.open(tmp_path / "palette.png") as stored:
        assert rgb(stored).tolist() == [[[10, 20, 30], [0, 0, 0]]]


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
def test_sixteen_bits_keep_the_upper_eight(dtype: type) -> None:
    image = Image.fromarray(np.array([[0, 0x1234, 0xFFFF]], dtype=dtype))
    assert rgb(image).tolist() == [[[0] * 3, [0x12] * 3, [0xFF] * 3]]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_file_keeps_the_upper_eight(suffix: str, tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 0x1234, 0xFFFF]], dtype=np.uint16)).save(tmp_path / f"deep.{suffix}")
    with Image.open(tmp_path / f"deep.{suffix}") as stored:
        assert rgb(stored)[0, :, 0].tolist() == [0, 0x12, 0xFF]


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_exif_orientation_is_applied(suffix: str, tmp_path: Path) -> None:
    """Orientation 6: the camera was turned, the picture is shown rotated by 90 degrees clockwise."""
    pixels = np.zeros((16, 32, 3), dtype=np.uint8)
    pixels[:, :16, 0] = 255
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    Image.fromarray(pixels).save(tmp_path / f"turned.{suffix}", exif=exif)
    with Image.open(tmp_path / f"turned.{suffix}") as image:
        upright = rgb(image)
    assert upright.shape == (32, 16, 3)
    assert upright[:14, :, 0].min() > 240, "what lay left is on top"
    assert upright[18:, :, 0].max() < 15


INSIDE = np.array([[0, 1], [1, 0]], dtype=bool)


def palette_mask() -> Image.Image:
    image = Image.new("P", (2, 2))
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.putdata(INSIDE.ravel().astype(int).tolist())
    return image


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(INSIDE.astype(np.uint8)),
        Image.fromarray(INSIDE.astype(np.uint8) * 255),
        Image.fromarray(INSIDE),
        Image.fromarray(INSIDE.astype(np.uint16) * 65535),
        Image.fromarray(INSIDE.astype(np.float32)),
        Image.fromarray(np.repeat(INSIDE[..., None], 3, axis=2).astype(np.uint8) * 255),
        palette_mask(),
    ],
    ids=["0/1", "0/255", "bilevel", "16 bit", "float", "colour", "palette"],
)
def test_mask_is_0_and_255_however_it_was_stored(image: Image.Image) -> None:
    mask = to_mask(image)
    assert mask.mode == "L"
    assert (np.asarray(mask) == INSIDE * 255).all()


@pytest.mark.parametrize("suffix", ["gif", "png", "tif"])
def test_palette_mask_survives_its_file(suffix: str, tmp_path: Path) -> None:
    palette_mask().save(tmp_path / f"mask.{suffix}")
    with Image.open(tmp_path / f"mask.{suffix}") as image:
        assert (np.asarray(to_mask(image)) == INSIDE * 255).all()


def test_ringing_of_a_jpeg_mask_is_removed(tmp_path: Path) -> None:
    pixels = np.zeros((32, 32), dtype=np.uint8)
    pixels[8:24, 8:24] = 255
    Image.fromarray(pixels).save(tmp_path / "mask.jpg", quality=50)
    with Image.open(tmp_path / "mask.jpg") as image:
        assert (np.asarray(to_mask(image)) == pixels).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_empty_mask_stays_empty(dtype: type) -> None:
    assert not np.asarray(to_mask(Image.fromarray(np.zeros((3, 3), dtype=dtype)))).any()
