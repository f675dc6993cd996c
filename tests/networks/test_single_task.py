"""Networks of a single task: one output under its name, scripts, refuses unknown tasks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from monai.losses import DiceFocalLoss
from monai.networks.nets import UNETR, BasicUNetPlusPlus, DenseNet, FlexibleUNet, UNet, ViT
from overfit import dice_after_overfitting

from vmnet_monai.losses import MultiTaskLoss
from vmnet_monai.networks import TASKS, OneHead, SingleTask, SlidingWindows, VMNet

DISEASES = ("normal", "glaucoma", "amd")


def vessels() -> SingleTask:
    torch.manual_seed(0)
    return SingleTask(UNet(2, in_channels=3, out_channels=1, channels=(4, 8), strides=(2,)), "segmentation")


def diseases() -> SingleTask:
    torch.manual_seed(0)
    network = DenseNet(2, in_channels=3, out_channels=3, init_features=4, growth_rate=2, block_config=(1, 1))
    return SingleTask(network, "classification", DISEASES)


def test_vessel_network_gives_one_logit_per_pixel() -> None:
    outputs = vessels()(torch.rand(2, 3, 32, 48))
    assert {name: value.shape for name, value in outputs.items()} == {"vessel": (2, 1, 32, 48)}


def test_disease_network_gives_one_logit_per_disease_and_names_them() -> None:
    network = diseases()
    outputs = network(torch.rand(2, 3, 32, 48))
    assert {name: value.shape for name, value in outputs.items()} == {"disease": (2, 3)}
    assert network.label_names == ["normal", "glaucoma", "amd"]


def test_output_is_that_of_the_network_inside() -> None:
    network, image = diseases().eval(), torch.rand(1, 3, 32, 32)
    assert torch.equal(network(image)["disease"], network.network(image))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(("make", "task"), [(vessels, "vessel"), (diseases, "disease")], ids=TASKS)
def test_torchscript_equals_eager(make: Callable[[], SingleTask], task: str) -> None:
    network, image = make().eval(), torch.rand(2, 3, 32, 32)
    scripted = torch.jit.script(network)
    with torch.no_grad():
        torch.testing.assert_close(scripted(image), network(image))
        assert list(scripted(image)) == [task]


def test_unknown_task_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="task.*segmentation, classification.*'lesion'"):
        SingleTask(torch.nn.Identity(), "lesion")


@pytest.mark.parametrize(("task", "key"), [("segmentation", "vessel"), ("classification", "disease")])
def test_one_head_leaves_the_other_out(task: str, key: str) -> None:
    network = VMNet(("normal", "amd"), features=(4, 8), guided_levels=1).eval()
    image = torch.rand(1, 3, 16, 16)
    outputs = OneHead(network, task)(image)
    assert list(outputs) == [key]
    torch.testing.assert_close(outputs[key], network(image)[key])


def test_one_head_refuses_an_unknown_task() -> None:
    with pytest.raises(ValueError, match="task.*segmentation, classification.*'fovea'"):
        OneHead(torch.nn.Identity(), "fovea")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_of_several_outputs_the_first_counts() -> None:
    network = SingleTask(BasicUNetPlusPlus(2, 3, 1, features=(4, 4, 4, 4, 4, 4)), "segmentation").eval()
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected = network.network(image)[0]
        assert torch.equal(network(image)["vessel"], expected)
        torch.testing.assert_close(torch.jit.script(network)(image)["vessel"], expected)


def test_each_structure_gets_its_channel() -> None:
    network = SingleTask(torch.nn.Identity(), "segmentation", structures=("disc", "cup", "vessel"))
    image = torch.rand(2, 3, 4, 4)
    outputs = network(image)
    assert list(outputs) == ["disc", "cup", "vessel"]
    torch.testing.assert_close(torch.cat(list(outputs.values()), dim=1), image)


def test_classifier_of_one_size_sees_the_whole_photograph_scaled_to_it() -> None:
    torch.manual_seed(0)
    vit = ViT(3, 16, 8, 12, 24, 1, 2, classification=True, num_classes=3, spatial_dims=2, post_activation=None)
    network = SingleTask(vit, "classification", DISEASES, input_size=16).eval()
    image = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        outputs = network(image)
        assert torch.equal(outputs["disease"], vit(image)[0])
        doubled = image.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        assert network(doubled)["disease"].shape == (1, 3)
        torch.testing.assert_close(network(torch.full((1, 3, 40, 24), 0.5)), network(torch.full((1, 3, 16, 16), 0.5)))


def test_segmentation_network_of_one_size_sees_windows() -> None:
    torch.manual_seed(0)
    unetr = UNETR(3, 1, 32, feature_size=4, hidden_size=12, mlp_dim=24, num_heads=2, spatial_dims=2).eval()
    windows = SlidingWindows(unetr, 32)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(windows(image), unetr(image))
        assert windows(torch.rand(2, 3, 48, 80)).shape == (2, 1, 48, 80)


def test_windows_are_averaged_in_place() -> None:
    image = torch.rand(2, 3, 40, 56)
    torch.testing.assert_close(SlidingWindows(torch.nn.ReLU(), 16)(image), image)


@pytest.mark.slow
def test_efficientnet_u_net_overfits_four_phantoms_with_focal_dice() -> None:
    torch.manual_seed(0)
    network = SingleTask(FlexibleUNet(3, 1, "efficientnet-b0"), "segmentation")
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.1  # EfficientNet's 0.01 follows over hundreds of steps
    focal_dice = DiceFocalLoss(sigmoid=True, alpha=0.25, gamma=2.0)
    loss = MultiTaskLoss(focal_dice, torch.nn.BCEWithLogitsLoss())
    assert dice_after_overfitting(network, steps=120, loss=loss) > 0.9
