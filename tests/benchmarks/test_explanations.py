"""The program behind the published scores of heat maps, with eyes whose disease has a known place."""

from __future__ import annotations

import explanations
import numpy as np
import pytest
import torch
from explanations import Eye
from torch import nn

SIZE = 32


def lesion() -> torch.Tensor:
    """A square of 1/16 of the image, (1, S, S)."""
    mask = torch.zeros(1, SIZE, SIZE)
    mask[:, 8:16, 16:24] = 1
    return mask


class Spotter(nn.Module):
    """Finds a disease where the lesion's place is bright; its features are the image in 8 x 8 cells.

    The blurred lesion is left with about 0.75 of its brightness, which must not be enough.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.AvgPool2d(4)
        self.place = nn.functional.avg_pool2d(lesion(), 4)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        bright = (self.cells(image) * self.place).sum((1, 2, 3)) / self.place.sum()
        return {"disease": torch.stack([0 * bright, 24 * bright - 21], dim=1)}


def eye() -> Eye:
    return Eye(lesion()[None], torch.ones(1, SIZE, SIZE), None)


def difference(heat: torch.Tensor) -> float:
    insertion, deletion = explanations.areas(Spotter(), 1, [eye()], [heat], steps=16)[0]
    return float(insertion - deletion)


def test_curves_tell_the_lesions_map_from_an_even_and_an_inverted_one() -> None:
    right, even, wrong = (difference(heat) for heat in (lesion(), torch.ones(1, SIZE, SIZE), 1 - lesion()))
    assert right > 0.6
    assert abs(even) < 0.3, "64 pixels at random"
    assert wrong == pytest.approx(-right, abs=0.01)


def test_methods_run_at_each_layer_and_say_how_many_cells_it_has() -> None:
    (maps,) = explanations.all_maps(Spotter(), 1, [eye()], ["hirescam"], ["cells"])
    assert maps.name == ["hirescam", "cells", "8 x 8"]
    assert difference(maps.heat[0]) > 0.35
    inside = np.ones((SIZE, SIZE), dtype=bool)
    scores = explanations.localisation([maps.heat[0][0].numpy()], [lesion()[0].numpy() > 0], [inside], maps.cells)
    assert scores["hits"] == 1
    assert scores["energy"] == pytest.approx(scores["energy, ideal cells"])


def test_random_maps_have_the_cells_that_are_asked_for() -> None:
    """Scaled up twice by interpolation, as the maps are, 4 x 4 cells leave two pixels in common per cell."""
    few, many = (explanations.random_maps([eye(), eye()], cells) for cells in (2, 16))
    assert few[0].shape == (1, SIZE, SIZE)
    assert not torch.equal(few[0], few[1])
    roughness = [float(maps[0].diff(dim=-1).abs().mean()) for maps in (few, many)]
    assert roughness[0] < roughness[1] / 2


def test_difference_above_random_by_hand() -> None:
    found, random = np.array([[0.8, 0.2], [0.6, 0.2]]), np.array([[0.5, 0.4], [0.5, 0.4]])
    cells = explanations.curve_cells(found, random, ["a", "b"])
    assert cells == ["0.700", "0.200", "+0.500", "+0.400 [+0.300, +0.500]"]


def test_eye_is_shown_as_the_disease_head_reads_it() -> None:
    network = Spotter()
    network.disease_input = lambda image: nn.functional.avg_pool2d(image, 2)
    network.draw = lambda image: image[:, :1]
    field = torch.zeros(1, SIZE, SIZE)
    field[:, :, 5:] = 1
    read = explanations.as_read(network, {"image": torch.rand(3, SIZE, SIZE), "fov": field})
    assert read.guide is not None
    assert (read.image.shape, read.guide.shape) == ((1, 3, 16, 16), (1, 1, 16, 16))
    assert read.field_of_view[0, 0].tolist() == [0] * 3 + [1] * 13, "half a pixel is not inside"
    mask = explanations.at_size(np.ones((SIZE, SIZE), dtype=bool), read)
    assert mask.sum() == 16 * 13
