"""PNG files that any reader opens."""

from __future__ import annotations

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image

from vmnet_monai.io import png
from vmnet_monai.io.png import png_parts

COLOUR = skimage.data.retina()[300:420, 300:520]


def decoded(pixels: np.ndarray, palette: np.ndarray | None = None) -> tuple[Image.Image, np.ndarray]:
    image = Image.open(io.BytesIO(b"".join(png_parts(pixels, palette))))
    return image, np.asarray(image)


@pytest.mark.parametrize("stripe_bytes", [1, 1000, 1 << 20], ids=["lines", "stripes", "whole"])
@pytest.mark.parametrize(
    ("pixels", "mode"),
    [
        (COLOUR, "RGB"),
        (np.dstack([COLOUR, COLOUR[..., 0]]), "RGBA"),
        (COLOUR[..., 1], "L"),
        (COLOUR[..., 1].astype(np.uint16) * 257 + 5, "I;16"),
        (COLOUR[::3, ::2, 0], "L"),
        (np.array([[7]], dtype=np.uint8), "L"),
    ],
    ids=["colour", "transparent", "grey", "deep", "not contiguous", "one pixel"],
)
def test_pixels_and_depth_come_back(
    pixels: np.ndarray, mode: str, stripe_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(png, "STRIPE_BYTES", stripe_bytes)
    image, stored = decoded(pixels)
    assert (image.mode, stored.dtype) == (mode, pixels.dtype)
    assert np.array_equal(stored, pixels)


def test_levels_have_the_colours_of_their_palette() -> None:
    palette = np.random.default_rng(0).integers(0, 256, (256, 4)).astype(np.uint8)
    levels = COLOUR[..., 1]
    image, stored = decoded(levels, palette)
    assert image.mode == "P"
    assert np.array_equal(stored, levels)
    assert np.array_equal(np.asarray(image.convert("RGBA")), palette[levels])


def test_files_are_about_as_large_as_pillows() -> None:
    for pixels in (COLOUR, COLOUR[..., 1], (COLOUR[..., 1] > 60).astype(np.uint8) * 255):
        of_pillow = io.BytesIO()
        Image.fromarray(pixels).save(of_pillow, format="PNG", compress_level=1)
        assert len(b"".join(png_parts(pixels))) < 1.2 * len(of_pillow.getvalue())


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((2, 2)), np.zeros((2, 2, 2), np.uint8), np.zeros((2, 2, 3), np.uint16), np.zeros((0, 2), np.uint8)],
    ids=["float", "two channels", "deep colour", "empty"],
)
def test_other_arrays_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a PNG takes"):
        list(png_parts(pixels))
