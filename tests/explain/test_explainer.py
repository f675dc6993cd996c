"""Heat maps from the pass that predicts."""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from typing import Any

import pytest
import torch
from monai.visualize import GradCAM, GradCAMpp
from torch import nn

from vmnet_monai.explain import DiseaseView, Explainer, disease_heat_maps
from vmnet_monai.explain.heat_maps import recorded_pass
from vmnet_monai.handlers import MultiTaskInferer
from vmnet_monai.networks import FineVMNet, VMNet
from vmnet_monai.networks.encoders import EfficientNetLite

DISEASES = ("normal", "glaucoma", "amd")

LAYER = "classifier.features"


def vmnet(disease_size: int | None = None) -> VMNet:
    torch.manual_seed(0)
    return VMNet(DISEASES, features=(4, 8, 12), guided_levels=2, disease_size=disease_size).eval()


def fine_vmnet(disease_size: int | None = None) -> FineVMNet:
    torch.manual_seed(0)
    return FineVMNet(DISEASES, EfficientNetLite(), disease_size=disease_size).eval()


def images(count: int = 2, size: int = 64) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(3))


def infer(explainer: Explainer, x: torch.Tensor, network: nn.Module | None = None, **options: bool) -> dict[str, Any]:
    with torch.no_grad():
        return explainer.infer(MultiTaskInferer(**options), x, network or explainer.network)


def monais(camera: type[GradCAM], network: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """MONAI's own maps of one image (1, 3, S, S) as (K, h, w), by a pass of its own for each disease."""
    camera_of_network = camera(
        DiseaseView(copy.deepcopy(network)),
        f"network.{LAYER}",
        upsampler=lambda _: lambda m: m,
        postprocessing=lambda m: m,
    )
    maps = [torch.as_tensor(camera_of_network(image, class_idx=column)) for column in range(len(DISEASES))]
    return torch.cat(maps, dim=1)[0].detach()


@pytest.mark.parametrize("disease_size", [None, 32])
def test_beside_an_export_the_disease_head_alone_runs_once_more(
    disease_size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, x = fine_vmnet(disease_size), images()
    export = copy.deepcopy(network)
    explainer = Explainer(network, DISEASES, explain="all", layer=network.heat_map_layer)
    own = infer(explainer, x)
    monkeypatch.setattr(network, "decode", None)  # whoever draws the structures again fails
    beside = infer(explainer, x, export)
    assert own["evidence"].max() > 0
    torch.testing.assert_close(beside["evidence"], own["evidence"])
    assert not beside["evidence"].requires_grad
    torch.testing.assert_close(beside["disease"], own["disease"])


def test_beside_an_export_nothing_runs_where_no_map_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    network = fine_vmnet(32)
    export = copy.deepcopy(network)
    explainer = Explainer(network, DISEASES, layer=network.heat_map_layer, reached=lambda probabilities: [])
    monkeypatch.setattr(network, "forward", None)
    outputs = infer(explainer, images(), export)
    assert outputs["evidence"].shape == (2, 3, 1, 1)
    assert explainer.heat_maps(images()[0], torch.ones(1, 64, 64), [], outputs["evidence"][0]) == {}


@pytest.mark.parametrize(
    ("network", "method", "camera", "flips"),
    [
        (vmnet(), "gradcam", GradCAM, False),
        (vmnet(), "gradcam++", GradCAMpp, False),
        (vmnet(disease_size=32), "gradcam", GradCAM, True),
        (vmnet(disease_size=32), "gradcam++", GradCAMpp, True),
        (fine_vmnet(), "gradcam", GradCAM, True),
        (fine_vmnet(disease_size=32), "gradcam++", GradCAMpp, False),
    ],
)
def test_evidence_is_what_monai_finds_in_passes_of_its_own(
    network: nn.Module, method: str, camera: type[GradCAM], flips: bool
) -> None:
    """Of each image of a batch; with flips of the images as they are."""
    x = images()
    evidence = infer(Explainer(network, DISEASES, method=method), x, flips=flips)["evidence"]
    assert (evidence.max() > 0, evidence.requires_grad) == (True, False)
    for one, maps in zip(x, evidence, strict=True):
        torch.testing.assert_close(maps, monais(camera, network, one[None]))


@pytest.mark.parametrize("flips", [False, True])
def test_the_logits_are_those_without_an_explainer(flips: bool) -> None:
    network, x = vmnet(), images()
    with torch.no_grad():
        plain = MultiTaskInferer(flips=flips)(x, network)
    explained = infer(Explainer(network, DISEASES), x, flips=flips)
    for name, logits in plain.items():
        assert torch.equal(explained[name], logits)
        assert not explained[name].requires_grad


def test_heat_maps_of_evidence_are_those_of_a_pass_of_their_own() -> None:
    network, x = vmnet(), images(1)
    inside = torch.ones(1, 64, 64)
    inside[:, :, :20] = 0
    explainer = Explainer(network, DISEASES)
    evidence = infer(explainer, x)["evidence"][0]
    maps = explainer.heat_maps(x[0], inside, ["amd", "normal"], evidence)
    assert list(maps) == ["normal", "amd"]
    expected = disease_heat_maps(network, x, DISEASES, field_of_view=inside)
    for disease, heat in maps.items():
        torch.testing.assert_close(heat, expected[disease])


def test_the_network_runs_once() -> None:
    network, x = vmnet(), images(1)
    passes: list[int] = []
    network.register_forward_hook(lambda *_: passes.append(1))
    explainer = Explainer(network, DISEASES, "all")
    explainer.heat_maps(x[0], torch.ones(1, 64, 64), [], infer(explainer, x)["evidence"][0])
    assert len(passes) == 1


def test_bfloat16_gives_about_the_same_maps_in_float32() -> None:
    explainer = Explainer(vmnet(), DISEASES)
    half, full = (infer(explainer, images(), autocast=autocast)["evidence"] for autocast in (True, False))
    assert half.dtype == torch.float32
    torch.testing.assert_close(half / half.max(), full / full.max(), atol=0.03, rtol=0)


def test_positive_diseases_alone_are_followed_backwards() -> None:
    """Of two images one reaches glaucoma, one nothing; amd is never asked for."""
    network, x = vmnet(), images()
    everything = infer(Explainer(network, DISEASES), x)
    highest = float(everything["disease"][:, 1].sigmoid().max())
    explainer = Explainer(network, DISEASES, reached=lambda row: ["glaucoma"] if float(row[1]) >= highest else [])
    evidence = infer(explainer, x)["evidence"]
    assert torch.equal(evidence[:, 1], everything["evidence"][:, 1])
    assert not evidence[:, [0, 2]].any()
    assert not infer(Explainer(network, DISEASES, reached=lambda _: []), x)["evidence"].any()
    named = infer(Explainer(network, DISEASES, ["amd"], reached=lambda _: []), x)["evidence"]
    assert torch.equal(named[:, 2], everything["evidence"][:, 2])
    assert not named[:, :2].any()


def test_no_evidence_where_none_is_asked_for_or_can_be_seen() -> None:
    """No heat maps asked for, another method, another network such as an export, no such layer, and no diseases."""
    network, x = vmnet(), images(1)

    class Vessels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = network.classifier
            self.drawn = network

        def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"vessel": self.drawn(image)["vessel"]}

    explainers = [
        Explainer(network, DISEASES, []),
        Explainer(network, DISEASES, method="occlusion"),
        Explainer(network, DISEASES, layer="absent"),
        Explainer(Vessels(), DISEASES),
    ]
    assert all("evidence" not in infer(explainer, x) for explainer in explainers)
    assert "evidence" not in infer(Explainer(network, DISEASES), x, vmnet())
    assert torch.is_grad_enabled()


def test_a_layer_that_the_diseases_do_not_depend_on_is_refused() -> None:
    network = vmnet()
    network.remove_guidance()
    with pytest.raises(ValueError, match="depend on the target layer"):
        infer(Explainer(network, DISEASES, layer="vessel_head"), images(1))


def test_network_and_gradient_mode_are_left_as_they_were() -> None:
    network = vmnet()
    infer(Explainer(network, DISEASES), images())
    with pytest.raises(ValueError, match="divisible"):
        infer(Explainer(network, DISEASES), images(size=30))
    assert torch.is_grad_enabled()
    for module in network.modules():
        assert not module._forward_hooks
        assert not module._backward_hooks
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())


def test_the_pass_is_freed_without_the_garbage_collector() -> None:
    """A cycle of hooks and graph would keep gigabytes over a folder of images."""
    network = vmnet()
    gc.disable()
    try:
        with recorded_pass(network, LAYER) as record:
            network(images())
        record.evidence("gradcam")
        features = weakref.ref(record.features)
        del record
        assert features() is None
    finally:
        gc.enable()


def test_a_pass_of_another_thread_is_not_recorded() -> None:
    network = vmnet()
    other: list[dict[str, torch.Tensor]] = []
    with recorded_pass(network, LAYER) as record:
        thread = threading.Thread(target=lambda: other.append(network(images())))
        thread.start()
        thread.join()
        assert record.logits is None
        network(images())
    assert record.logits is not None
    assert other[0]["disease"].requires_grad
