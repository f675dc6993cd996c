"""ResFormer: the paper's layers, windows that see no padding, any size, exclusive classes, export, that it learns."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from monai.networks.nets.resnet import ResNetBlock
from monai.networks.nets.swin_unetr import BasicLayer
from overfit import LABEL_NAMES, dice_after_overfitting
from stored_weights import assert_stored_weights_carry_over
from torch import nn

from vmnet_monai.explain import disease_heat_maps
from vmnet_monai.networks.dfe import DilatedFeatureEnhancement, SpatialAttention
from vmnet_monai.networks.reduction import averaged
from vmnet_monai.networks.resformer import BLOCKS, ResFormer, ResFormerLevel, SwinBlock

DISEASES = ("normal", "glaucoma", "amd")
SMALL: dict[str, Any] = {"features": (4, 8, 8, 16), "num_heads": (1, 2, 2, 4), "window_size": 4}
EXCLUSIVE: dict[str, Any] = {"structures": ("artery", "vein"), "disease_activation": "softmax"}


def small(seed: int = 0, **changes: Any) -> ResFormer:
    torch.manual_seed(seed)
    return ResFormer(DISEASES, **{**SMALL, **changes})


@pytest.fixture(scope="module")
def full_size() -> ResFormer:
    return ResFormer(DISEASES).eval()


def layers(module: nn.Module, kind: type) -> list[Any]:
    return [layer for layer in module.modules() if isinstance(layer, kind)]


def learnt(module: nn.Module, seed: int = 1) -> Any:
    """The module with parameters and batch statistics that no initialisation would give, in evaluation mode."""
    torch.manual_seed(seed)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    for norm in layers(module, nn.BatchNorm2d):
        nn.init.normal_(norm.running_mean, std=0.3)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
    return module.eval()


def without_swin_branches(module: nn.Module) -> Any:
    """The module with zeros for the last layers of what its Swin blocks add to their input."""
    with torch.no_grad():
        for block in layers(module, SwinBlock):
            for parameter in (*block.attn.proj.parameters(), *block.mlp.linear2.parameters()):
                parameter.zero_()
    return module


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("structures", [("vessel",), ("artery", "vein")])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 96), (33, 70), (17, 16), (1, 1)])
def test_photograph_of_any_size_gives_logits_per_pixel_and_disease_logits(
    block: str, structures: tuple[str, ...], height: int, width: int
) -> None:
    network = small(block=block, structures=structures).eval()
    with torch.no_grad():
        outputs = network(torch.rand(2, 3, height, width))
    pixels = dict.fromkeys(structures, (2, 1, height, width))
    assert {key: value.shape for key, value in outputs.items()} == {**pixels, "disease": (2, 3)}
    assert all(value.isfinite().all() for value in outputs.values())
    assert network.structures == list(structures)
    assert network.label_names == ["normal", "glaucoma", "amd"]


def test_channels_of_the_photograph_can_be_chosen() -> None:
    assert small(in_channels=1).eval()(torch.rand(1, 1, 32, 32))["vessel"].shape == (1, 1, 32, 32)


def test_levels_halve_and_round_up() -> None:
    """33 x 70 at 1/2, 1/4, 1/8 and 1/16."""
    encoded = small().eval().encode(torch.rand(1, 3, 33, 70))
    assert [tuple(level.shape[1:]) for level in encoded] == [(4, 17, 35), (8, 9, 18), (8, 5, 9), (16, 3, 5)]


def test_levels_have_the_channels_and_heads_of_the_paper(full_size: ResFormer) -> None:
    with torch.no_grad():
        encoded = full_size.encode(torch.rand(1, 3, 64, 96))
    assert [tuple(level.shape[1:]) for level in encoded] == [(64, 32, 48), (128, 16, 24), (256, 8, 12), (512, 4, 6)]
    assert [[swin.attn.num_heads for swin in layers(level, SwinBlock)] for level in full_size.levels] == [
        [2, 2],
        [4, 4],
        [8, 8],
        [16, 16],
    ]


def test_levels_are_joined_by_normalised_3x3_convolutions_of_stride_2(full_size: ResFormer) -> None:
    between = [layer for down in list(full_size.down)[1:] for layer in down.modules() if not list(layer.children())]
    assert [type(layer) for layer in between] == 3 * [nn.Conv2d, nn.BatchNorm2d]
    assert [(conv.kernel_size, conv.stride) for conv in between[::2]] == 3 * [((3, 3), (2, 2))]


def test_stem_halves_once(full_size: ResFormer) -> None:
    stem = full_size.down[0]
    strides = [layer.stride for layer in layers(stem, nn.Conv2d)] + [
        layer.stride for layer in layers(stem, nn.MaxPool2d)
    ]
    assert strides == [(1, 1), 2]


def test_a_level_is_no_larger_for_a_larger_level_before_it(full_size: ResFormer) -> None:
    """The normalisation between them takes the scale away, which would grow from level to level in training."""
    for channels, down in zip((64, 128, 256), list(full_size.down)[1:], strict=True):
        x = torch.randn(2, channels, 8, 8)
        expected = copy.deepcopy(down).train()(x)
        torch.testing.assert_close(copy.deepcopy(down).train()(100 * x), expected, rtol=1e-3, atol=1e-3)
        assert expected.std().item() == pytest.approx(1, abs=0.01)


def test_depths_are_residual_blocks_and_pairs_of_swin_blocks() -> None:
    network = small(depths=(3, 4, 6, 3))
    assert [len(layers(level, ResNetBlock)) for level in network.levels] == [3, 4, 6, 3]
    assert [len(layers(level, SwinBlock)) for level in network.levels] == [6, 8, 12, 6]
    assert [swin.offset for swin in layers(network.levels[0], SwinBlock)] == [0, 2, 0, 2, 0, 2]


def test_drop_path_rises_linearly_over_the_pairs_of_swin_blocks() -> None:
    network = small(depths=(1, 1, 2, 1), drop_path=0.1)
    rates = [swin.drop_path.drop_prob for swin in layers(network, SwinBlock)]
    assert rates == pytest.approx([0, 0, 0.025, 0.025, 0.05, 0.05, 0.075, 0.075, 0.1, 0.1])


def test_dropped_paths_leave_an_image_as_it_is_and_scale_the_others() -> None:
    """Half of the images are dropped from each branch; those kept get twice of what the branches add to them."""
    block = learnt(SwinBlock(8, 2, window_size=4, shifted=False, drop_path=0.5))
    x = torch.randn(1, 4, 4, 8).expand(64, -1, -1, -1)
    torch.testing.assert_close(block(x)[0], block(x)[1])
    torch.manual_seed(0)
    outcomes = {tuple(image.round(decimals=4).flatten().tolist()) for image in block.train()(x)}
    assert len(outcomes) == 4, "either branch on or off"
    assert tuple(x[0].round(decimals=4).flatten().tolist()) in outcomes


@pytest.mark.parametrize(
    ("task", "key", "parts"),
    [
        ("segmentation", "vessel", {"skip", "up", "join", "segmentation_head"}),
        ("classification", "disease", {"classifier"}),
    ],
)
@pytest.mark.parametrize("disease_size", [None, 32])
def test_network_of_one_task_is_the_part_of_both_that_it_needs(
    task: str, key: str, parts: set[str], disease_size: int | None
) -> None:
    both = learnt(small(disease_size=disease_size))
    one = small(task=task, disease_size=disease_size).eval()
    own = one.state_dict().keys()
    assert {name.partition(".")[0] for name in own} == {"down", "levels", *parts}
    one.load_state_dict({name: value for name, value in both.state_dict().items() if name in own})
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        answer = one(image)
        assert list(answer) == [key]
        torch.testing.assert_close(answer[key], both(image)[key])


def test_last_upsampling_is_bilinear_before_the_1x1_convolution() -> None:
    network = learnt(small())
    encoded = network.encode(torch.rand(1, 3, 32, 48))
    seen: list[torch.Tensor] = []
    network.segmentation_head.register_forward_hook(lambda _layer, inputs, _output: seen.append(inputs[0]))
    scores = network.decode(encoded)
    upsampled = nn.functional.interpolate(seen[0], size=(32, 48), mode="bilinear")
    torch.testing.assert_close(scores, nn.functional.conv2d(upsampled, *network.segmentation_head.parameters()))


def test_each_level_is_a_residual_block_and_windows_then_shifted_windows(full_size: ResFormer) -> None:
    for level in full_size.levels:
        assert len(layers(level, ResNetBlock)) == 1
        assert [swin.offset for swin in layers(level, SwinBlock)] == [0, 4], "windows of 8, shifted by half"


def test_feed_forward_network_is_four_times_as_wide_with_gelu(full_size: ResFormer) -> None:
    for channels, level in zip((64, 128, 256, 512), full_size.levels, strict=True):
        for swin in layers(level, SwinBlock):
            assert (swin.mlp.linear1.out_features, swin.mlp.linear2.in_features) == (4 * channels, 4 * channels)
            assert isinstance(swin.mlp.fn, nn.GELU)


def test_every_skip_connection_has_three_dilated_branches(full_size: ResFormer) -> None:
    assert len(full_size.skip) == 4
    for channels, skip in zip((64, 128, 256, 512), full_size.skip, strict=True):
        assert isinstance(skip, DilatedFeatureEnhancement)
        shapes = [
            [(conv.out_channels, conv.kernel_size[0], conv.dilation[0]) for conv in layers(branch, nn.Conv2d)]
            for branch in skip.branches
        ]
        assert shapes == [[(channels, 3, rate), (channels, 1, 1)] for rate in (6, 12, 18)]
        assert skip.attention.conv.kernel_size == (7, 7)


def test_decoder_joins_each_level_by_concatenation(full_size: ResFormer) -> None:
    joins = [layers(join, nn.Conv2d)[0] for join in full_size.join]
    assert [(conv.in_channels, conv.out_channels, conv.kernel_size[0]) for conv in joins] == [
        (256 + 512, 256, 3),
        (128 + 256, 128, 3),
        (64 + 128, 64, 3),
    ]


def test_disease_head_reads_the_means_of_the_last_two_levels(full_size: ResFormer) -> None:
    """The first linear layer sees 256 + 512 means; of the levels before it sees nothing."""
    assert [layer.in_features for layer in layers(full_size.classifier, nn.Linear)] == [768, 256]
    seen: list[torch.Tensor] = []
    handle = full_size.classifier[0].register_forward_hook(lambda _layer, inputs, _output: seen.append(inputs[0]))
    third, fourth = torch.rand(1, 256, 4, 6), torch.rand(1, 512, 2, 3)
    full_size.classify([torch.full((1, 64, 1, 1), torch.nan), torch.full((1, 128, 1, 1), torch.nan), third, fourth])
    handle.remove()
    torch.testing.assert_close(seen[0], torch.cat([third.mean((2, 3)), fourth.mean((2, 3))], dim=1))


@pytest.mark.parametrize("block", BLOCKS)
def test_level_joins_convolution_and_attention_as_its_name_says(block: str) -> None:
    level = learnt(ResFormerLevel(8, 2, window_size=4, block=block))
    x = torch.randn(2, 8, 8, 12)
    convolved = level.residual(x)
    expected = level.attend(convolved) if block == "sequential" else convolved + level.attend(x)
    torch.testing.assert_close(level(x), expected)


@pytest.mark.parametrize("block", BLOCKS)
def test_level_without_swin_branches_by_hand(block: str) -> None:
    """The Swin blocks are then the identity, which leaves R(F) of the one block and R(F) + F of the other."""
    level = without_swin_branches(learnt(ResFormerLevel(8, 2, window_size=4, block=block)))
    x = torch.randn(2, 8, 9, 6)
    torch.testing.assert_close(level.attend(x), x)
    torch.testing.assert_close(level(x), level.residual(x) + (x if block == "parallel" else 0))


def test_residual_block_by_hand() -> None:
    """Two convolutions that double, norms of mean 0 and variance 1: ReLU(x + 2 * ReLU(2 x)) is 5 x, or 0 below 0."""
    residual = ResFormerLevel(1, 1, window_size=2, block="parallel").residual.eval()
    with torch.no_grad():
        for conv in layers(residual, nn.Conv2d):
            conv.weight.zero_()[0, 0, 1, 1] = 2.0
    x = torch.tensor([-1.0, 0.0, 1.0, 3.0]).view(1, 1, 2, 2)
    torch.testing.assert_close(residual(x).flatten(), torch.tensor([0.0, 0.0, 5.0, 15.0]), rtol=1e-4, atol=0)


@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 8), (4, 12), (16, 8)])
def test_pair_of_swin_blocks_equals_monais_where_the_window_divides_the_map(height: int, width: int) -> None:
    level = learnt(ResFormerLevel(8, 2, window_size=4, block="sequential"))
    reference = BasicLayer(8, 2, num_heads=2, window_size=(4, 4), drop_path=[0.0, 0.0], qkv_bias=True).eval()
    reference.blocks.load_state_dict(level.swin.state_dict(), strict=True)
    x = torch.randn(2, 8, height, width)
    torch.testing.assert_close(level.attend(x), reference(x))


def pieces(length: int, first: int) -> list[slice]:
    """The windows of 4 along an axis, of which the first has ``first`` places."""
    edges = [0, *range(first, length, 4), length]
    return [slice(start, stop) for start, stop in zip(edges[:-1], edges[1:], strict=True)]


@pytest.mark.parametrize(("shifted", "first"), [(False, 4), (True, 2)])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 13), (10, 5)])
def test_every_window_is_as_if_it_were_the_whole_map(shifted: bool, first: int, height: int, width: int) -> None:
    """So no place sees another window, nor the padding of an incomplete one; shifted windows begin with half a one."""
    block = learnt(SwinBlock(8, 2, window_size=4, shifted=shifted))
    x = torch.randn(2, height, width, 8)
    whole = block(x)
    for rows in pieces(height, first):
        for columns in pieces(width, first):
            torch.testing.assert_close(whole[:, rows, columns], block(x[:, rows, columns]))


def test_map_within_one_window_is_not_shifted() -> None:
    """Its corners see each other, which the shift would part."""
    block = learnt(SwinBlock(8, 2, window_size=4, shifted=True))
    x = torch.randn(1, 3, 4, 8)
    changed = x.clone()
    changed[:, 0, 0, 0] += 1.0
    assert not torch.allclose(block(changed)[:, 2, 3], block(x)[:, 2, 3])


def test_window_of_equal_places_attends_to_their_common_value() -> None:
    """Values v = x (weight 1, no bias) and a projection that doubles: LN(x) is 1 and -1, so x gains 2 and -2."""
    block = without_swin_branches(SwinBlock(2, 1, window_size=4, shifted=False)).eval()
    with torch.no_grad():
        block.attn.qkv.bias.zero_()
        block.attn.qkv.weight[4:] = torch.eye(2)
        block.attn.proj.weight.copy_(2 * torch.eye(2))
    x = torch.tensor([3.0, 1.0]).expand(1, 3, 3, 2)
    torch.testing.assert_close(block(x), torch.tensor([5.0, -1.0]).expand(1, 3, 3, 2), rtol=1e-4, atol=0)


def test_enhancement_by_hand() -> None:
    """Centres 1, 2 and 3 of the dilated kernels sum to 6; the gate without weights is one half: 3 x, 0 below 0."""
    module = DilatedFeatureEnhancement(1).eval()
    with torch.no_grad():
        for factor, branch in enumerate(module.branches, start=1):
            dilated, pointwise = layers(branch, nn.Conv2d)
            dilated.weight.zero_()[0, 0, 1, 1] = factor
            pointwise.weight.fill_(1.0)
        for parameter in module.attention.parameters():
            parameter.zero_()
    x = torch.tensor([-1.0, 0.0, 1.0, 2.0]).view(1, 1, 2, 2)
    torch.testing.assert_close(module(x).flatten(), torch.tensor([0.0, 0.0, 3.0, 6.0]), rtol=1e-4, atol=0)


@pytest.mark.parametrize(("branch", "distance"), [(0, 6), (1, 12), (2, 18)])
def test_branch_sees_its_dilation_far(branch: int, distance: int) -> None:
    module = learnt(DilatedFeatureEnhancement(1))
    x = torch.zeros(1, 1, 41, 41, requires_grad=True)
    module.branches[branch](x)[0, 0, 20, 20].backward()
    assert x.grad is not None
    near = [20 - distance, 20, 20 + distance]
    assert x.grad[0, 0].nonzero().tolist() == [[row, column] for row in near for column in near]


def test_spatial_attention_by_hand() -> None:
    """Channels 1 and 3: mean 2, maximum 3; weights 1 and -1 in the middle of the kernel give sigmoid(-1) = 0.2689."""
    attention = SpatialAttention()
    with torch.no_grad():
        attention.conv.bias.zero_()
        attention.conv.weight.zero_()[0, :, 3, 3] = torch.tensor([1.0, -1.0])
    gated = attention(torch.tensor([1.0, 3.0]).view(1, 2, 1, 1))
    torch.testing.assert_close(gated.flatten(), 0.26894142 * torch.tensor([1.0, 3.0]))


def test_enhancement_can_be_switched_off_and_leaves_encoder_and_diseases_as_they_are() -> None:
    enhanced, plain = small().eval(), small(seed=5, dfe=False).eval()
    assert not layers(plain, DilatedFeatureEnhancement)
    difference = plain.load_state_dict(enhanced.state_dict(), strict=False)
    assert not difference.missing_keys
    assert all(key.startswith("skip.") for key in difference.unexpected_keys)
    image = torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        assert torch.equal(enhanced(image)["disease"], plain(image)["disease"])
        assert not torch.allclose(enhanced(image)["vessel"], plain(image)["vessel"])


def test_exclusive_structures_never_sum_to_more_than_one_and_exclusive_diseases_to_one() -> None:
    with torch.no_grad():
        outputs = learnt(small(**EXCLUSIVE))(torch.rand(2, 3, 32, 32))
    share = outputs["artery"].sigmoid() + outputs["vein"].sigmoid()
    assert share.max() < 1
    torch.testing.assert_close(outputs["disease"].sigmoid().sum(dim=1), torch.ones(2))


@pytest.mark.parametrize(("structures", "same"), [(("vessel",), True), (("artery", "vein"), False)])
def test_activation_matters_for_several_structures_only(structures: tuple[str, ...], same: bool) -> None:
    """Softmax over one structure and the background is the sigmoid."""
    softmax, sigmoid = (
        small(structures=structures, segmentation_activation=name).eval() for name in ("softmax", "sigmoid")
    )
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(softmax(image)[structures[0]], sigmoid(image)[structures[0]]) == same


def test_disease_head_reads_the_photograph_averaged_down() -> None:
    network = learnt(small(disease_size=32))
    image = torch.rand(2, 3, 80, 80)
    with torch.no_grad():
        both = network(image)
        reduced = network(averaged(image, 32))
        network.disease_size = None
        plain = network(image)
    assert torch.equal(both["vessel"], plain["vessel"])
    torch.testing.assert_close(both["disease"], reduced["disease"])
    assert not torch.allclose(both["disease"], plain["disease"])


def test_reduced_height_must_be_whole() -> None:
    with pytest.raises(ValueError, match="32.*81 x 80.*81 x 81"):
        small(disease_size=32)(torch.rand(1, 3, 81, 80))


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("dfe", [True, False])
def test_finite_gradient_reaches_every_parameter(block: str, dfe: bool) -> None:
    network = small(block=block, dfe=dfe, **EXCLUSIVE)
    outputs = network(torch.rand(2, 3, 72, 68))
    sum(output.square().sum() for output in outputs.values()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize(
    ("odd", "changes"),
    [
        ((33, 18), {"depths": (1, 2, 1, 1), "drop_path": 0.1}),
        ((63, 18), {"dfe": False, "disease_size": 16, **EXCLUSIVE}),
        ((33, 18), {"task": "segmentation"}),
        ((63, 18), {"task": "classification", "disease_size": 16}),
    ],
    ids=["deep", "reduced", "segmentation", "classification"],
)
def test_torchscript_equals_eager_at_every_size(block: str, odd: tuple[int, int], changes: dict[str, Any]) -> None:
    network = learnt(small(block=block, **changes))
    scripted = torch.jit.script(network)
    with torch.no_grad():
        for height, width in ((32, 32), (48, 64), odd):
            image = torch.rand(1, 3, height, width)
            torch.testing.assert_close(scripted(image), network(image))


@pytest.mark.parametrize("block", BLOCKS)
def test_half_precision_on_the_processor_is_about_the_same(block: str) -> None:
    network = small(block=block).eval()
    image = torch.rand(1, 3, 40, 40)
    with torch.no_grad():
        exact = network(image)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(image)
    for key, value in exact.items():
        torch.testing.assert_close(rough[key].float(), value, rtol=0.1, atol=0.1)


def test_stored_weights_load_strictly_and_give_the_same_answers() -> None:
    network, other = learnt(small()), small(seed=7).eval()
    assert_stored_weights_carry_over(network, other)


def test_evaluation_of_a_photograph_does_not_depend_on_its_batch() -> None:
    network = learnt(small())
    images = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(images)["disease"][1:2], network(images[1:2])["disease"])


@pytest.mark.parametrize("disease_size", [None, 32])
def test_grad_cam_looks_at_the_last_level_that_the_disease_head_reads(disease_size: int | None) -> None:
    """Weights of the head that read one channel of the last level: the map is that channel, kept positive by a bias."""
    network = without_swin_branches(small(disease_size=disease_size)).eval()
    hidden, _, output = network.classifier
    with torch.no_grad():
        for parameter in network.classifier.parameters():
            parameter.zero_()
        network.levels[3].residual[0].bn2.bias.fill_(1.0)
        hidden.weight[0, 8 + 5] = 1.0
        output.weight[1, 0] = 1.0
    image = torch.rand(1, 3, 64, 64)
    maps = disease_heat_maps(network, image, DISEASES, target_layer="levels.3", method="gradcam")
    with torch.no_grad():
        read = image if disease_size is None else nn.functional.avg_pool2d(image, 2)
        channel = network.encode(read)[-1][:, 5:6]
    expected = nn.functional.interpolate(channel, size=(64, 64), mode="bicubic", align_corners=False).relu()
    assert channel.max() > 0
    torch.testing.assert_close(maps["glaucoma"], (expected / expected.max())[0])
    assert not maps["normal"].any()


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS)
def test_network_overfits_four_phantoms(block: str) -> None:
    torch.manual_seed(0)
    network = ResFormer(LABEL_NAMES, features=4 * (16,), num_heads=4 * (2,), window_size=4, block=block)
    # At 0.01 the outcome depends on the rounding of the processor; bilinear upsampling draws thin vessels coarsely.
    assert dice_after_overfitting(network, steps=120, learning_rate=0.005) > 0.75


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"label_names": ()}, "label_names"),
        ({"label_names": ("amd",), "disease_activation": "softmax"}, " 2 label_names.* 1"),
        ({"structures": ()}, "structures"),
        ({"features": (4, 8)}, " 2, 4 and 2"),
        ({"features": (4,), "num_heads": (1,)}, " 1, 1 and 1"),
        ({"depths": (1, 1, 1)}, " 4, 4 and 3"),
        ({"depths": (1, 1, 0, 1)}, "depths.* 1.* 0"),
        ({"drop_path": 1.0}, "drop_path.* 1.* 1.0"),
        ({"task": "vessels"}, "task.*segmentation, classification.*vessels"),
        ({"num_heads": (1, 3, 2, 4)}, "num_heads.* 3 .* 8"),
        ({"window_size": 1}, "window_size.* 2.* 1"),
        ({"block": "serial"}, "block.*sequential, parallel.*serial"),
        ({"segmentation_activation": "relu"}, "segmentation_activation.*sigmoid, softmax.*relu"),
        ({"disease_activation": "relu"}, "disease_activation.*sigmoid, softmax.*relu"),
        ({"disease_size": 0}, "disease_size.* 1 .* 0"),
    ],
)
def test_wrong_arguments_are_refused(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        ResFormer(**{"label_names": DISEASES, **SMALL, **changes})
