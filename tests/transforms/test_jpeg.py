"""JPEG artefacts: stronger at low quality, reproducible, never outside [0, 1]."""

from __future__ import annotations

import numpy as np
import torch

from vmnet_monai.datasets.phantom import generate_phantom
from vmnet_monai.transforms import RandJPEGd, compress_jpeg

IMAGE = np.moveaxis(generate_phantom(2, size_px=96).image, -1, 0).astype(np.float32) / 255


def test_lower_quality_loses_more() -> None:
    errors = [np.abs(compress_jpeg(IMAGE, quality) - IMAGE).mean() for quality in (95, 60, 10)]
    assert 0 < errors[0] < errors[1] < errors[2] < 0.1


def test_evenly_grey_picture_is_unchanged() -> None:
    grey = np.full((3, 32, 48), 128 / 255, dtype=np.float32)
    assert np.array_equal(compress_jpeg(grey, 30), grey)


def test_result_has_the_pictures_shape_and_lies_between_0_and_1() -> None:
    compressed = compress_jpeg(IMAGE[:, :, :70] * 1.5 - 0.2, 20)
    assert (compressed.shape, compressed.dtype) == ((3, 96, 70), np.float32)
    assert compressed.min() >= 0
    assert compressed.max() <= 1


def test_nothing_happens_at_probability_0() -> None:
    image = torch.from_numpy(IMAGE)
    assert RandJPEGd("image", prob=0.0)({"image": image})["image"] is image


def test_all_keys_get_the_same_quality_and_the_rest_is_untouched() -> None:
    item = RandJPEGd(("image", "other"), prob=1.0, quality=(20, 90))(
        {"image": torch.from_numpy(IMAGE), "other": torch.from_numpy(IMAGE), "vessel": "v.png"}
    )
    assert torch.equal(item["image"], item["other"])
    assert not torch.equal(item["image"], torch.from_numpy(IMAGE))
    assert item["vessel"] == "v.png"


def test_quality_bounds_are_both_reached() -> None:
    """A range of one quality leaves nothing to chance."""
    item = RandJPEGd("image", prob=1.0, quality=(37, 37))({"image": torch.from_numpy(IMAGE)})
    assert np.array_equal(item["image"].numpy(), compress_jpeg(IMAGE, 37))


def test_same_seed_gives_the_same_pictures() -> None:
    def run(seed: int) -> list[torch.Tensor]:
        transform = RandJPEGd("image", prob=0.5)
        transform.set_random_state(seed=seed)
        return [transform({"image": torch.from_numpy(IMAGE)})["image"] for _ in range(6)]

    first, again, other = run(3), run(3), run(4)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
