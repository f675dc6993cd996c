"""VENet: the paper's layers, deep supervision, exclusive classes, export, and that it can learn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.losses import DeepSupervisionLoss, DiceCELoss
from overfit import LABEL_NAMES, dice_after_overfitting
from stored_weights import assert_stored_weights_carry_over
from torch import nn

from vmnet_monai.explain import disease_heat_maps
from vmnet_monai.losses import MultiTaskLoss
from vmnet_monai.losses.deep_supervision import deep_supervision_weights
from vmnet_monai.networks.reduction import averaged
from vmnet_monai.networks.softmax import ACTIVATIONS
from vmnet_monai.networks.venet import VENet

DISEASES = ("normal", "glaucoma", "amd")
SMALL: dict[str, Any] = {"features": (4, 6, 8, 8)}
EXCLUSIVE: dict[str, Any] = {
    "structures": ("artery", "vein"),
    "segmentation_activation": "softmax",
    "disease_activation": "softmax",
}


def small(seed: int = 0, **changes: Any) -> VENet:
    torch.manual_seed(seed)
    return VENet(DISEASES, **{**SMALL, **changes})


@pytest.fixture(scope="module")
def full_size() -> VENet:
    return VENet(DISEASES).eval()


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]


def layers_of(module: nn.Module, *words: str) -> set[str]:
    """Names of the classes of layers that contain one of the words."""
    names = {type(layer).__name__ for layer in module.modules() if layer.__module__.startswith("torch.nn")}
    return {name for name in names if any(word in name for word in words)}


@pytest.mark.parametrize("structures", [("vessel",), ("artery", "vein")])
@pytest.mark.parametrize(("batch", "height", "width"), [(2, 32, 32), (1, 64, 32), (3, 40, 56)])
def test_outputs_are_logits_per_pixel_at_each_resolution_and_disease_logits(
    structures: tuple[str, ...], batch: int, height: int, width: int
) -> None:
    network, image = small(structures=structures), torch.rand(batch, 3, height, width)
    shapes = {"disease": (batch, 3), **dict.fromkeys(structures, (batch, 1, height, width))}
    coarser = {
        f"{name}_{r}": (batch, 1, height // factor, width // factor)
        for name in structures
        for r, factor in ((1, 2), (2, 4))
    }
    assert {key: value.shape for key, value in network(image).items()} == {**shapes, **coarser}
    assert {key: value.shape for key, value in network.eval()(image).items()} == shapes
    assert network.structures == list(structures)
    assert network.label_names == ["normal", "glaucoma", "amd"]


def test_encoder_is_that_of_the_paper(full_size: VENet) -> None:
    """Two convolutions a level, 32 maps at first and 480 at most, the first of each further level strided."""
    levels = [convolutions(block) for block in full_size.encoder]
    channels = [(level[0].in_channels, *(layer.out_channels for layer in level)) for level in levels]
    assert channels == [
        (3, 32, 32),
        (32, 64, 64),
        (64, 128, 128),
        (128, 256, 256),
        (256, 480, 480),
        (480, 480, 480),
    ]
    assert [[layer.stride[0] for layer in level] for level in levels] == [[1, 1]] + 5 * [[2, 1]]
    assert full_size.stride == 32


def test_decoder_joins_each_level_by_concatenation(full_size: VENet) -> None:
    blocks = [convolutions(block.get_submodule("conv_block")) for block in full_size.decoder]
    channels = [(first.in_channels, first.out_channels, second.out_channels) for first, second in blocks]
    assert channels == [(960, 480, 480), (512, 256, 256), (256, 128, 128), (128, 64, 64), (64, 32, 32)]


def test_segmentation_head_has_three_convolutions_before_the_logits(full_size: VENet) -> None:
    shapes = [
        (layer.in_channels, layer.out_channels, layer.kernel_size[0])
        for layer in convolutions(full_size.segmentation_head)
    ]
    assert shapes == 3 * [(32, 32, 3)] + [(32, 1, 1)]
    for layer in (nn.BatchNorm2d, nn.LeakyReLU):
        assert sum(isinstance(module, layer) for module in full_size.segmentation_head.modules()) == 3


def test_classification_head_is_block_pool_linear_leaky_relu_linear(full_size: VENet) -> None:
    head = full_size.classifier
    assert len(convolutions(head.get_submodule("features"))) == 2
    assert [type(layer).__name__ for layer in list(head.children())[1:]] == [
        "AdaptiveAvgPool2d",
        "Flatten",
        "Linear",
        "LeakyReLU",
        "Linear",
    ]


def test_norms_are_of_the_batch_activations_leaky_and_nothing_else_pools(full_size: VENet) -> None:
    assert layers_of(full_size, "Norm") == {"BatchNorm2d"}
    assert layers_of(full_size, "LU", "Sigmoid", "Softmax", "Tanh") == {"LeakyReLU"}
    assert layers_of(full_size, "Pool", "Upsample", "Dropout") == {"AdaptiveAvgPool2d"}


def test_every_decoder_block_but_the_last_has_a_supervision_head(full_size: VENet) -> None:
    heads = [(layer.in_channels, layer.out_channels) for layer in convolutions(full_size.supervision_heads)]
    assert heads == [(64, 1), (128, 1), (256, 1), (480, 1)]
    assert full_size.num_supervised == 5, "these four and the segmentation head"


@pytest.mark.parametrize(
    ("changes", "count"), [({}, 3), ({"features": (4, 8)}, 1), ({"deep_supervision": False}, 1), (EXCLUSIVE, 3)]
)
def test_num_supervised_counts_the_resolutions_of_a_structure(changes: dict[str, Any], count: int) -> None:
    network = small(**changes)
    outputs = network(torch.rand(2, 3, 32, 32))
    assert network.num_supervised == count
    assert len([key for key in outputs if key.startswith(network.structures[0])]) == count


def test_deep_supervision_does_not_change_what_is_predicted() -> None:
    network, plain = small().eval(), small(seed=5, deep_supervision=False).eval()
    keys = plain.load_state_dict(network.state_dict(), strict=False)
    assert not keys.missing_keys
    assert {key.split(".")[0] for key in keys.unexpected_keys} == {"supervision_heads"}
    image = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(plain(image), network(image), rtol=0, atol=0)


def test_exclusive_classes_share_one_probability() -> None:
    network = small(**EXCLUSIVE)
    outputs = {key: torch.sigmoid(value) for key, value in network(torch.rand(2, 3, 32, 32)).items()}
    torch.testing.assert_close(outputs["disease"].sum(dim=1), torch.ones(2))
    for suffix in ("", "_1", "_2"):
        both = outputs[f"artery{suffix}"] + outputs[f"vein{suffix}"]
        assert both.max() < 1, "the background has a part in it"


def test_exclusive_classes_without_evidence_are_equally_likely() -> None:
    """Two structures and the background: 1/3 each; three diseases: 1/3 each. Independent ones: 1/2."""
    expected = {"sigmoid": 1 / 2, "softmax": 1 / 3}
    for activation in ACTIVATIONS:
        network = small(**{**EXCLUSIVE, "segmentation_activation": activation, "disease_activation": activation})
        for parameter in network.parameters():
            nn.init.zeros_(parameter)
        for key, logits in network(torch.rand(2, 3, 32, 32)).items():
            assert torch.sigmoid(logits).unique().tolist() == pytest.approx([expected[activation]]), key


@pytest.mark.parametrize("changes", [{}, EXCLUSIVE, {"disease_size": 16}], ids=["sigmoid", "softmax", "reduced"])
def test_every_parameter_learns_from_the_outputs_of_training(changes: dict[str, Any]) -> None:
    network = small(**changes)
    outputs = network(torch.rand(2, 3, 32, 32))
    torch.stack([value.square().mean() for value in outputs.values()]).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def reached(network: VENet) -> set[str]:
    """Parts of the network that a gradient has reached."""
    return {name.split(".")[0] for name, parameter in network.named_parameters() if parameter.grad is not None}


def test_tasks_share_the_encoder_and_nothing_else() -> None:
    image = torch.rand(2, 3, 32, 32)
    classified, segmented = small(), small()
    classified(image)["disease"].square().sum().backward()
    segmented(image)["vessel"].square().sum().backward()
    assert reached(classified) == {"encoder", "classifier"}
    assert reached(segmented) == {"encoder", "decoder", "segmentation_head"}


def test_coarse_output_teaches_the_decoder_down_to_its_own_resolution() -> None:
    """Of three decoder blocks, from deep to shallow, the output at a quarter of the resolution comes from the first."""
    for r, taught in ((1, [True, True, False]), (2, [True, False, False])):
        network = small()
        network(torch.rand(2, 3, 32, 32))[f"vessel_{r}"].square().sum().backward()
        assert [any(p.grad is not None for p in block.parameters()) for block in network.decoder] == taught


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    "changes", [{}, EXCLUSIVE, {"deep_supervision": False}, {"disease_size": 16}], ids=lambda changes: "-".join(changes)
)
@pytest.mark.parametrize("training", [False, True])
def test_torchscript_equals_eager(changes: dict[str, Any], training: bool) -> None:
    network = small(**changes).train(training)
    scripted = torch.jit.script(network)
    for height, width in ((32, 32), (48, 32)):
        image = torch.rand(2, 3, height, width)
        with torch.no_grad():
            torch.testing.assert_close(scripted(image), network(image))
    with pytest.raises(torch.jit.Error, match="48 x"):
        scripted(torch.rand(1, 3, 47, 32))


def test_stored_weights_load_strictly_and_give_the_same_answers() -> None:
    network, other = small().eval(), small(seed=7).eval()
    assert_stored_weights_carry_over(network, other)


def test_classification_head_reads_the_photograph_averaged_down() -> None:
    network = small(disease_size=32).eval()
    image = torch.rand(2, 3, 80, 80)
    with torch.no_grad():
        both = network(image)
        reduced = network(averaged(image, 32))
        network.disease_size = None
        plain = network(image)
    torch.testing.assert_close(both["vessel"], plain["vessel"])
    torch.testing.assert_close(both["disease"], reduced["disease"])
    assert not torch.allclose(both["disease"], plain["disease"])


@pytest.mark.parametrize(("disease_size", "divisor", "padded"), [(None, 8, "32 x 40"), (16, 8, "40 x 40")])
def test_indivisible_size_is_refused_with_the_size_to_pad_to(
    disease_size: int | None, divisor: int, padded: str
) -> None:
    with pytest.raises(ValueError, match=f"{divisor}.*31 x 39.*{padded}"):
        small(disease_size=disease_size)(torch.rand(1, 3, 31, 39))


@pytest.mark.parametrize(
    ("task", "key", "parts"),
    [
        ("segmentation", "vessel", {"decoder", "segmentation_head", "supervision_heads"}),
        ("classification", "disease", {"classifier"}),
    ],
)
@pytest.mark.parametrize("disease_size", [None, 32])
def test_network_of_one_task_is_the_part_of_both_that_it_needs(
    task: str, key: str, parts: set[str], disease_size: int | None
) -> None:
    """VENetS and VENetC."""
    both, one = small(disease_size=disease_size).eval(), small(seed=1, task=task, disease_size=disease_size).eval()
    own = one.state_dict().keys()
    assert {name.partition(".")[0] for name in own} == {"encoder", *parts}
    one.load_state_dict({name: value for name, value in both.state_dict().items() if name in own})
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert list(one(image)) == [key]
        torch.testing.assert_close(one(image)[key], both(image)[key])
        torch.testing.assert_close(torch.jit.script(one)(image), one(image))
    expected = {key, "vessel_1", "vessel_2"} if task == "segmentation" else {key}
    assert set(one.train()(torch.rand(2, 3, 64, 64))) == expected


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"label_names": ()}, "label_names.* 1 .*sigmoid.* 0"),
        (
            {"label_names": ("amd",), "disease_activation": "softmax"},
            "label_names.* 2 .*softmax.* 1",
        ),
        ({"structures": ()}, "structures"),
        ({"features": (4,)}, "features.* 1"),
        ({"disease_size": 0}, "disease_size.* 1 .* 0"),
        ({"task": "vessels"}, "task.*segmentation, classification.*vessels"),
        ({"segmentation_activation": "relu"}, "segmentation_activation.*sigmoid, softmax.*relu"),
        ({"disease_activation": "relu"}, "disease_activation.*sigmoid, softmax.*relu"),
    ],
)
def test_wrong_arguments_are_refused(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        VENet(**{"label_names": DISEASES, **SMALL, **changes})


def test_grad_cam_finds_its_layer() -> None:
    maps = disease_heat_maps(small().eval(), torch.rand(1, 3, 64, 64), DISEASES)
    assert {disease: heat.shape for disease, heat in maps.items()} == dict.fromkeys(DISEASES, (1, 64, 64))
    assert all(heat.isfinite().all() for heat in maps.values())
    assert any(heat.max() == 1 for heat in maps.values())


@pytest.mark.slow
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_network_overfits_four_phantoms(activation: str) -> None:
    torch.manual_seed(0)
    network = VENet(
        LABEL_NAMES, features=(8, 12, 16), segmentation_activation=activation, disease_activation=activation
    )
    exclusive = activation == "softmax"
    loss = MultiTaskLoss(
        DeepSupervisionLoss(
            DiceCELoss(softmax=exclusive, sigmoid=not exclusive),
            weights=deep_supervision_weights(network.num_supervised),
        ),
        nn.CrossEntropyLoss() if exclusive else nn.BCEWithLogitsLoss(),
        disease_weight=0.5,
        segmentation_activation=activation,
        disease_activation=activation,
    )
    assert dice_after_overfitting(network, steps=200, loss=loss) > 0.9
