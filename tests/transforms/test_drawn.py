"""Drawn structures take the place of masks, once, by a network in evaluation mode."""

from __future__ import annotations

from typing import Any

import torch
from monai.transforms import Flipd

from vmnet_monai.datasets.cache import hash_transforms
from vmnet_monai.networks import FineVMNet, UNetEncoder
from vmnet_monai.transforms import DrawStructuresd


class Halves(torch.nn.Module):
    """Draws the red channel as vessels in evaluation mode, and nothing in training."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(100.0))

    def draw(self, image: torch.Tensor) -> torch.Tensor:
        sign = -1.0 if self.training else 1.0
        vessel, disc = sign * self.scale * (image[:, :1] - 0.5), -self.scale * torch.ones_like(image[:, :1])
        return torch.cat([vessel, disc], dim=1).sigmoid()


def test_maps_replace_masks_and_nothing_is_known_of_them() -> None:
    image = torch.zeros(3, 4, 4)
    image[0, :2] = 1.0
    network = Halves().train()
    item = {"image": image, "vessel": torch.ones(1, 4, 4), "has_vessel": torch.tensor(True), "id": "a"}
    drawn = DrawStructuresd(network, ["vessel", "disc"])(item)
    torch.testing.assert_close(drawn["vessel"], image[:1])
    torch.testing.assert_close(drawn["disc"], torch.zeros(1, 4, 4))
    assert not drawn["has_vessel"]
    assert not drawn["has_disc"]
    assert not drawn["vessel"].requires_grad
    assert drawn["id"] == "a"
    assert network.training
    assert item["has_vessel"]


def test_maps_are_kept_for_every_network_that_draws_them_alike() -> None:
    """The cache is found by a hash of the transforms; the disease head, and where the weights lie, are none of it."""

    def hashed(seed: int, scale: float = 1.0, structures: tuple[str, ...] = ("vessel",)) -> bytes:
        torch.manual_seed(0)
        encoder = UNetEncoder((4, 8))
        settings: dict[str, Any] = {"decoder_channels": (4,), "guide_channels": (4, 4), "guided_levels": 1}
        network = FineVMNet(["amd"], encoder, structures, **settings)
        torch.manual_seed(seed)
        torch.nn.init.normal_(network.classifier.head[-1].weight)
        with torch.no_grad():
            next(iter(network.decoder.parameters())).mul_(scale)
        return hash_transforms([Flipd("image", 0), DrawStructuresd(network, structures)])

    assert hashed(1) == hashed(2)
    assert len({hashed(1), hashed(1, scale=2.0), hashed(1, structures=("artery",))}) == 3
    assert hash_transforms([Flipd("image", 0)]) != hash_transforms([Flipd("image", 1)])
