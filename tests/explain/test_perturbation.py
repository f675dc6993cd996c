"""Insertion and deletion curves, of a drawn lesion that a score looks at."""

from __future__ import annotations

import pytest
import torch

from vmnet_monai.explain import insertion_and_deletion, revealed, without_detail

SIZE = 40
EVERYWHERE = torch.ones(1, SIZE, SIZE)


def lesion() -> torch.Tensor:
    """A square of 4 % of the image, (1, S, S)."""
    mask = torch.zeros(1, SIZE, SIZE)
    mask[:, 10:18, 20:28] = 1
    return mask


def brightness(images: torch.Tensor) -> torch.Tensor:
    """The score: how bright the lesion's place is."""
    return (images * lesion()).sum((1, 2, 3)) / lesion().sum()


def areas(heat: torch.Tensor) -> tuple[float, float]:
    return insertion_and_deletion(brightness, lesion(), heat, EVERYWHERE, steps=50)


def test_map_of_the_lesion_has_the_largest_insertion_and_the_smallest_deletion() -> None:
    """Half of it is shown after one step of fifty, all after two: pixels of the blurred lesion differ a little."""
    blurred = float(brightness(without_detail(lesion(), EVERYWHERE)[None]))
    assert 0.2 < blurred < 0.8, "a lesion this large is not all gone"
    insertion, deletion = areas(lesion())
    assert insertion == pytest.approx(1 - 0.02 * (1 - blurred), abs=2e-3)
    assert deletion == pytest.approx(blurred + 0.02 * (1 - blurred), abs=2e-3)


def test_even_map_is_chance() -> None:
    blurred = float(brightness(without_detail(lesion(), EVERYWHERE)[None]))
    assert areas(EVERYWHERE * 0.3) == pytest.approx((0.5 + blurred / 2,) * 2, abs=0.04)


def test_inverted_map_is_the_reverse_of_the_lesions() -> None:
    assert areas(1 - lesion()) == pytest.approx(areas(lesion())[::-1], abs=2e-3)


def test_hottest_pixels_are_shown_first_and_the_rest_at_the_end() -> None:
    heat = torch.arange(4.0).view(1, 2, 2)
    shown = revealed(torch.ones(1, 2, 2), torch.zeros(1, 2, 2), heat, torch.ones(1, 2, 2), steps=4)
    assert [int(image.sum()) for image in shown] == [0, 1, 2, 3, 4]
    assert (shown[1, 0, 1, 1], shown[2, 0, 1, 0]) == (1, 1)


def test_what_lies_outside_the_field_is_neither_hidden_nor_counted() -> None:
    inside = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    shown = revealed(torch.ones(1, 2, 2), torch.zeros(1, 2, 2), torch.ones(1, 2, 2), inside, steps=2)
    assert [int(image.sum()) for image in shown] == [2, 3, 4]
    assert all(image[0, 1].all() for image in shown)


def test_blur_takes_nothing_from_outside_the_field() -> None:
    """An even field stays even up to its rim, however bright the frame."""
    image, inside = torch.full((3, SIZE, SIZE), 0.4), EVERYWHERE.clone()
    inside[:, :, :12] = 0
    image[:, :, :12] = 1
    torch.testing.assert_close(without_detail(image, inside), image)
    spot = torch.zeros(1, SIZE, SIZE)
    spot[:, 20, 20] = 1
    assert without_detail(spot, EVERYWHERE).max() < 0.1
