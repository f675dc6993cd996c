"""Drawn structures take the place of masks, once, by a network in evaluation mode."""

from __future__ import annotations

import torch

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
