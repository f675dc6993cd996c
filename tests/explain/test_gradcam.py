"""Grad-CAM of the disease head."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vmnet_monai.explain import DiseaseView, disease_heat_maps
from vmnet_monai.networks import VMNet

DISEASES = ("normal", "glaucoma", "amd")


def small(seed: int = 0) -> VMNet:
    torch.manual_seed(seed)
    return VMNet(DISEASES, features=(4, 8, 12), guided_levels=2).eval()


def image(size: int = 32) -> torch.Tensor:
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(3))


class TwoSpots(nn.Module):
    """Two feature maps, the red and the green channel: disease 0 is the mean of red, disease 1 of green minus red."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 2, kernel_size=1, bias=False)
        with torch.no_grad():
            self.features.weight.copy_(torch.eye(3)[:2, :, None, None])

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        red, green = self.features(x).mean(dim=(2, 3)).T
        return {"vessel": x[:, :1], "disease": torch.stack([red, green - red, -red], dim=1)}


def spots() -> torch.Tensor:
    """Red 1 at the upper left, red 1/2 beside it, green 1 at the lower right."""
    x = torch.zeros(1, 3, 4, 4)
    x[0, 0, 0, 0], x[0, 0, 0, 1], x[0, 1, 3, 3] = 1.0, 0.5, 1.0
    return x


def test_view_returns_the_disease_logits_alone() -> None:
    network = small()
    logits = DiseaseView(network)(image())
    assert isinstance(logits, torch.Tensor)
    assert torch.equal(logits, network(image())["disease"])


def test_map_by_hand() -> None:
    """Of the logit "mean of red" the map is red itself; of "green minus red" what speaks against it is cut off."""
    maps = disease_heat_maps(TwoSpots(), spots(), {"red": 0, "green": 1, "none": 2}, target_layer="features")
    assert torch.equal(maps["red"], spots()[0, :1])
    assert torch.equal(maps["green"], spots()[0, 1:2])
    assert not maps["none"].any(), "only evidence against it: zero, and not NaN"


@pytest.mark.parametrize("size", [32, 48])
def test_maps_lie_between_0_and_1_on_the_photographs_grid(size: int) -> None:
    maps = disease_heat_maps(small(), image(size), DISEASES)
    assert list(maps) == list(DISEASES)
    for heat in maps.values():
        assert (heat.shape, heat.dtype) == ((1, size, size), torch.float32)
        assert not heat.requires_grad
        assert heat.min() >= 0
        assert heat.max() in (0.0, 1.0)


def test_columns_can_be_chosen() -> None:
    every, one = disease_heat_maps(small(), image(), DISEASES), disease_heat_maps(small(), image(), {"amd": 2})
    assert list(one) == ["amd"]
    torch.testing.assert_close(one["amd"], every["amd"])


def test_maps_depend_on_the_weights_of_the_network() -> None:
    """The sanity check of Adebayo et al., NeurIPS 2018 (arXiv:1810.03292), on the encoder and on the last layer."""
    before = disease_heat_maps(small(), image(), DISEASES)
    for part in ("encoder", "classifier.head"):
        network = small()
        torch.manual_seed(9)
        for parameter in network.get_submodule(part).parameters():
            nn.init.normal_(parameter)
        after = disease_heat_maps(network, image(), DISEASES)
        assert any(not torch.allclose(after[disease], before[disease], atol=0.05) for disease in DISEASES), part


def test_maps_are_made_without_gradients_switched_on() -> None:
    with torch.no_grad():
        without = disease_heat_maps(small(), image(), DISEASES)
    torch.testing.assert_close(without, disease_heat_maps(small(), image(), DISEASES))


def test_network_is_left_without_hooks_and_gradients() -> None:
    """Hooks that stay would be run by every later photograph, one more for each earlier one."""
    network = small()
    for _ in range(3):
        disease_heat_maps(network, image(), DISEASES)
    for module in network.modules():
        assert not module._forward_hooks
        assert not module._backward_hooks
    assert all(parameter.grad is None for parameter in network.parameters())


def test_unknown_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="target_layer must name a layer of the network, got 'absent': .*classifier"):
        disease_heat_maps(small(), image(), DISEASES, target_layer="absent")
