"""The size at which a disease head reads an image."""

from __future__ import annotations

import pytest
import torch

from vmnet_monai.networks.reduction import averaged, reduce_to


def test_blocks_are_averaged() -> None:
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert reduce_to(image, 2).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]


@pytest.mark.parametrize("width", [64, 32, 48, 36, 60, 1])
def test_averages_are_those_of_area_interpolation(width: int) -> None:
    image = torch.rand(2, 3, 128, 64)
    expected = torch.nn.functional.interpolate(image, size=(2 * width, width), mode="area")
    torch.testing.assert_close(averaged(image, width), expected)
    torch.testing.assert_close(torch.jit.script(averaged)(image, width), expected)


@pytest.mark.parametrize("size", [None, 4, 100])
def test_a_small_image_stays_as_it_is(size: int | None) -> None:
    image = torch.rand(1, 3, 4, 4)
    assert torch.equal(reduce_to(image, size), image)


@pytest.mark.parametrize(("height", "width"), [(20, 36), (36, 35), (128, 144), (16, 15)])
def test_a_size_that_does_not_divide_is_refused_with_one_that_does(height: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"4.*{height} x {width}") as caught:
        reduce_to(torch.rand(1, 3, height, width), 16, stride=4)
    padded_height, padded_width = map(int, str(caught.value).split("to ")[-1].rstrip(".").split(" x "))
    assert (padded_height >= height, padded_width >= width) == (True, True)
    reduced = reduce_to(torch.rand(1, 3, padded_height, padded_width), 16, stride=4)
    assert all(side % 4 == 0 for side in reduced.shape[2:])


def test_a_width_off_the_stride_is_refused() -> None:
    with pytest.raises(ValueError, match="disease_size must be divisible by 4.*got 18"):
        reduce_to(torch.rand(1, 3, 32, 32), 18, stride=4)
