"""The size at which a disease head reads an image."""

from __future__ import annotations

import pytest
import torch

from vmnet_monai.networks.reduction import reduce_to


def test_blocks_are_averaged_by_the_largest_whole_factor() -> None:
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert reduce_to(image, 2).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]
    assert torch.equal(reduce_to(image, 3), image), "a factor of 2 would leave fewer than 3 pixels"


@pytest.mark.parametrize("size", [None, 4, 100])
def test_a_small_image_stays_as_it_is(size: int | None) -> None:
    image = torch.rand(1, 3, 4, 4)
    assert torch.equal(reduce_to(image, size), image)


def test_a_size_that_does_not_divide_is_refused_with_one_that_does() -> None:
    with pytest.raises(ValueError, match="8.*20 x 36") as caught:
        reduce_to(torch.rand(1, 3, 20, 36), 18, stride=4)
    height, width = map(int, str(caught.value).split("to ")[-1].rstrip(".").split(" x "))
    reduced = reduce_to(torch.rand(1, 3, height, width), 18, stride=4)
    assert (height >= 20, width >= 36) == (True, True)
    assert all(side % 4 == 0 for side in reduced.shape[2:])
