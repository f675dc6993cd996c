"""Heat maps of the disease head."""

from __future__ import annotations

import warnings

import pytest
import torch
from monai.visualize import GradCAM
from torch import nn

from vmnet_monai.explain import METHODS, DiseaseView, disease_heat_maps
from vmnet_monai.networks import VMNet

DISEASES = ("normal", "glaucoma", "amd")


def small(seed: int = 0, disease_size: int | None = None) -> VMNet:
    torch.manual_seed(seed)
    return VMNet(DISEASES, features=(4, 8, 12), guided_levels=2, disease_size=disease_size).eval()


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


def test_grad_cam_by_hand() -> None:
    """Of the logit "mean of red" the map is red itself; of "green minus red" what speaks against it is cut off."""
    maps = disease_heat_maps(TwoSpots(), spots(), {"red": 0, "green": 1, "none": 2}, target_layer="features")
    assert torch.equal(maps["red"], spots()[0, :1])
    assert torch.equal(maps["green"], spots()[0, 1:2])
    assert not maps["none"].any(), "only evidence against it: zero, and not NaN"


def test_grad_cam_plus_plus_ignores_what_speaks_against_the_disease() -> None:
    """Where red and green are both 1 the terms of "green minus red" cancel in Grad-CAM; Grad-CAM++ drops the red."""
    x = spots()
    x[0, :, 2, 1] = 1.0
    maps = {
        method: disease_heat_maps(TwoSpots(), x, {"green": 1}, "features", method)["green"]
        for method in ("gradcam", "gradcam++")
    }
    assert (maps["gradcam"][0, 2, 1], maps["gradcam"][0, 3, 3]) == (0, 1)
    assert (maps["gradcam++"][0, 2, 1], maps["gradcam++"][0, 3, 3]) == (1, 1)


class LeftOverRight(TwoSpots):
    """Disease 0 is red in the left half minus red in the right half; the other two are zero."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        red = self.features(x)[:, 0]
        logit = red[..., :2].mean(dim=(1, 2)) - red[..., 2:].mean(dim=(1, 2))
        return {"vessel": x[:, :1], "disease": torch.stack([logit, 0 * logit, 0 * logit], dim=1)}


def test_element_wise_maps_show_the_places_that_raise_the_logit() -> None:
    """Left and right cancel in the mean gradient, so that Grad-CAM has no map; place by place only the left one has.

    With a negative feature on the right, its product is positive: HiResCAM shows it, LayerCAM drops its gradient.
    """
    x = spots()
    x[0, 0, 0, 3] = 1.0
    maps = {
        method: disease_heat_maps(LeftOverRight(), x, {"red": 0}, "features", method)["red"]
        for method in ("gradcam", "hirescam", "layercam")
    }
    assert not maps["gradcam"].any()
    assert torch.equal(maps["hirescam"], spots()[0, :1])
    assert torch.equal(maps["layercam"], spots()[0, :1])
    x[0, 0, 0, 3] = -1.0
    hires, layer = (
        disease_heat_maps(LeftOverRight(), x, {"red": 0}, "features", method)["red"][0, 0, 3]
        for method in ("hirescam", "layercam")
    )
    assert (hires, layer) == (1, 0)


@pytest.mark.parametrize("disease_size", [None, 32])
def test_element_wise_map_of_the_last_layer_is_grad_cam(disease_size: int | None) -> None:
    network = small(disease_size=disease_size)
    gradcam, hirescam = (disease_heat_maps(network, image(64), DISEASES, method=m) for m in ("gradcam", "hirescam"))
    torch.testing.assert_close(hirescam, gradcam)


def test_occlusion_by_hand() -> None:
    """A patch is one pixel of 4 here, and the mean red is 3/32: hiding it takes 29/32, 13/32 and -3/32 of a pixel."""
    heat = disease_heat_maps(TwoSpots(), spots(), {"red": 0}, method="occlusion")["red"]
    expected = torch.zeros(1, 4, 4)
    expected[0, 0, 0], expected[0, 0, 1] = 1.0, 13 / 29
    torch.testing.assert_close(heat, expected)


def test_occlusion_finds_the_evidence_of_every_disease_at_once() -> None:
    maps = disease_heat_maps(TwoSpots(), spots(), {"green": 1, "red": 0}, method="occlusion")
    assert maps["red"].argmax() == 0, "the upper left corner"
    assert maps["green"].argmax() == 15, "the lower right corner"


@pytest.mark.parametrize("method", METHODS)
def test_maximum_is_taken_inside_the_field_of_view(method: str) -> None:
    """With the strongest red outside, the half as strong one beside it becomes the maximum."""
    field_of_view = torch.ones(1, 4, 4)
    field_of_view[0, 0, 0] = 0
    heat = disease_heat_maps(TwoSpots(), spots(), {"red": 0}, "features", method, field_of_view)["red"]
    assert (heat[0, 0, 0], heat[0, 0, 1], heat.max()) == (0, 1, 1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [32, 48])
def test_maps_lie_between_0_and_1_on_the_photographs_grid(size: int, method: str) -> None:
    maps = disease_heat_maps(small(), image(size), DISEASES, method=method)
    assert list(maps) == list(DISEASES)
    for heat in maps.values():
        assert (heat.shape, heat.dtype) == ((1, size, size), torch.float32)
        assert not heat.requires_grad
        assert heat.min() >= 0
        assert heat.max() in (0.0, 1.0)


def test_map_is_that_of_the_size_which_the_disease_head_reads() -> None:
    """Shown 64 pixels, a network that reads 32 gives the same map as where its whole forward pass is followed."""
    network, x = small(disease_size=32), image(64)
    camera = GradCAM(
        DiseaseView(small(disease_size=32)),
        "network.classifier.features",
        upsampler=lambda size: nn.Upsample(size=tuple(size), mode="bicubic"),
        postprocessing=lambda m: m.relu(),
    )
    heat = torch.as_tensor(camera(x, class_idx=2))[0].detach()
    assert heat.max() > 0
    found = disease_heat_maps(network, x, {"amd": 2}, method="gradcam")["amd"]
    torch.testing.assert_close(found, heat / heat.max())


def test_no_gradient_is_computed_before_the_layer() -> None:
    """It would cost twice the forward pass, and the memory of every map."""
    network = small()
    seen: list[bool] = []
    network.encoder[0].register_forward_hook(lambda layer, inputs, maps: seen.append(maps.requires_grad))
    assert disease_heat_maps(network, image(), {"amd": 2})["amd"].max() == 1
    assert seen == [False]
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_columns_can_be_chosen() -> None:
    every, one = disease_heat_maps(small(), image(), DISEASES), disease_heat_maps(small(), image(), {"amd": 2})
    assert list(one) == ["amd"]
    torch.testing.assert_close(one["amd"], every["amd"])


def test_maps_are_made_without_gradients_switched_on() -> None:
    with torch.no_grad():
        without = disease_heat_maps(small(), image(), DISEASES)
    torch.testing.assert_close(without, disease_heat_maps(small(), image(), DISEASES))


@pytest.mark.parametrize("method", METHODS)
def test_network_is_left_as_it_was(method: str) -> None:
    """Hooks that stay would be run by every later photograph, one more for each earlier one."""
    network = small()
    for _ in range(3):
        disease_heat_maps(network, image(), DISEASES, method=method)
    for module in network.modules():
        assert not module.training
        assert not module._forward_hooks
        assert not module._backward_hooks
    assert all(parameter.grad is None for parameter in network.parameters())


def test_occlusion_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        disease_heat_maps(small(), image(), DISEASES, method="occlusion")


def test_unknown_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="target_layer.*'absent'.*classifier"):
        disease_heat_maps(small(), image(), DISEASES, target_layer="absent")


def test_occlusion_needs_no_layer() -> None:
    disease_heat_maps(small(), image(), DISEASES, target_layer="absent", method="occlusion")


@pytest.mark.parametrize("method", METHODS)
def test_no_disease_has_no_map(method: str) -> None:
    assert disease_heat_maps(small(), image(), {}, method=method) == {}


def test_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match=r"method.*gradcam, gradcam\+\+, hirescam, layercam, occlusion.*'lime'"):
        disease_heat_maps(small(), image(), DISEASES, method="lime")
