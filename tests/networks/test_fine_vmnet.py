"""V-MNet on an encoder of choice: shapes, the fine grid's guidance, gradients, export, and that it can learn."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from overfit import dice_after_overfitting, four_phantoms
from stored_weights import assert_stored_weights_carry_over
from torch.nn.functional import avg_pool2d

from vmnet_monai.networks import GUIDANCE_MODES, EfficientNetLite, Encoder, FineVMNet, UNetEncoder
from vmnet_monai.networks.fine_vmnet import part_logits

DISEASES = ("normal", "glaucoma", "amd")
STRUCTURES = ("vessel", "artery", "vein", "disc")
PARTS = {"artery": "vessel", "vein": "vessel"}
LEARNING_MODES = ("gate", "concat")


def small(seed: int = 0, encoder: Encoder | None = None, **changes: Any) -> FineVMNet:
    """A network on a U-Net of three levels, unless another encoder is given."""
    torch.manual_seed(seed)
    settings = {"decoder_channels": (6, 4), "guide_channels": (4, 6, 8), "guided_levels": 2} if encoder is None else {}
    return FineVMNet(DISEASES, encoder or UNetEncoder((4, 8, 12)), **{**settings, **changes})


def lite(**changes: Any) -> FineVMNet:
    torch.manual_seed(0)
    return small(encoder=EfficientNetLite(), **changes)


def with_learnt_guidance(network: FineVMNet) -> FineVMNet:
    torch.manual_seed(1)
    for parameter in itertools.chain(network.guidance.parameters(), network.classifier.add.parameters()):
        torch.nn.init.normal_(parameter)
    return network


def with_learnt_statistics(network: FineVMNet) -> FineVMNet:
    """Batch statistics of noise, so that the untrained blocks do not fade."""
    for _ in range(30):
        network.train()(torch.rand(4, 3, 32, 32))
    return network


def gradient(module: torch.nn.Module) -> float:
    """Largest absolute gradient of a module's parameters; 0 where none arrived."""
    return max(float(p.grad.abs().max()) if p.grad is not None else 0.0 for p in module.parameters())


@pytest.mark.parametrize("guidance", GUIDANCE_MODES)
@pytest.mark.parametrize("make", [lite, small])
def test_each_structure_has_a_map_of_the_images_size(make: Any, guidance: str) -> None:
    outputs = make(guidance=guidance, structures=STRUCTURES)(torch.rand(2, 3, 64, 96))
    assert {key: tuple(value.shape) for key, value in outputs.items()} == {
        **dict.fromkeys(STRUCTURES, (2, 1, 64, 96)),
        "disease": (2, 3),
    }


def test_lite0_with_four_structures_stays_below_25_mb() -> None:
    """25 MB is where bundles must fetch weights from elsewhere; 4 bytes a weight."""
    buffer = io.BytesIO()
    torch.save(lite(structures=STRUCTURES).state_dict(), buffer)
    assert buffer.tell() < 25e6


def test_no_convolution_of_lite_runs_at_the_images_own_resolution() -> None:
    widths = []
    network = lite().eval()
    for layer in network.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            layer.register_forward_hook(lambda layer, inputs, output: widths.append(output.shape[-1]))
    with torch.no_grad():
        network(torch.rand(1, 3, 64, 64))
    assert max(widths) == 32


@pytest.mark.parametrize(("height", "width"), [(60, 64), (64, 33)])
def test_indivisible_size_is_refused_with_the_size_to_pad_to(height: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"divisible by 32, got {height} x {width}: pad or resize to 64 x 64"):
        lite()(torch.rand(1, 3, height, width))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"guided_levels": 4}, "guided_levels must lie between 1 and the number of levels, 3, got 4"),
        ({"label_names": ()}, "label_names must name at least one disease"),
        ({"decoder_channels": (8,)}, "decoder_channels .* 2, got 1"),
        ({"guide_channels": (8,)}, "guide_channels .* 3, got 1"),
        ({"shared_stages": 3}, "shared_stages must lie between 0 and 2, got 3"),
        ({"guidance": "film"}, "guidance must be one of"),
        ({"guiding": ["disc"]}, r"guiding must name some of the structures vessel, got \['disc'\]"),
        ({"guiding": []}, r"guiding must name some of the structures vessel, got \[\]"),
        ({"structures": ()}, "structures must be one or more different names"),
        ({"parts": {"artery": "vessel"}}, "parts must map structures out of vessel to their whole"),
        ({"structures": STRUCTURES, "parts": {"artery": "vessel", "vessel": "vein"}}, "their whole, which is no part"),
        ({"disease_size": 0}, "disease_size must be at least 1 pixel, got 0"),
    ],
)
def test_wrong_arguments_are_refused(changes: dict[str, Any], rule: str) -> None:
    arguments = {"label_names": DISEASES, "encoder": UNetEncoder((4, 8, 12)), "decoder_channels": (6, 4)}
    arguments["guide_channels"] = (4, 6, 8)
    with pytest.raises(ValueError, match=rule):
        FineVMNet(**{**arguments, "guided_levels": 2, **changes})


def test_settings_name_what_the_weights_do_not() -> None:
    assert lite().settings == {"encoder": "efficientnet_lite0"}
    parted = lite(structures=STRUCTURES, parts=PARTS)
    assert parted.settings == {"encoder": "efficientnet_lite0", "parts": "artery:vessel+vein:vessel"}


def test_a_part_is_given_as_its_share_of_the_whole() -> None:
    network, plain = small(structures=STRUCTURES, parts=PARTS).eval(), small(structures=STRUCTURES).eval()
    image = 3 * torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        maps, own = ({key: torch.sigmoid(net(image)[key]) for key in STRUCTURES} for net in (network, plain))
    for key in ("artery", "vein"):
        torch.testing.assert_close(maps[key], own[key] * own["vessel"])
    for key in ("vessel", "disc"):
        torch.testing.assert_close(maps[key], own[key])


def test_the_loss_of_a_part_does_not_reach_its_whole() -> None:
    network = small(structures=("vessel", "artery"), parts={"artery": "vessel"})
    network(torch.rand(2, 3, 32, 32))["artery"].sum().backward()
    weight = network.structure_head.conv_block.weight
    vessel, artery = weight.grad.abs().flatten(1).sum(1).chunk(2)
    assert vessel.max() == 0 < artery.min()


@pytest.mark.parametrize("logit", [-100.0, -20.0, 0.0, 20.0, 100.0])
def test_logits_of_certain_parts_and_wholes_stay_finite_and_correctable(logit: float) -> None:
    for whole in (-100.0, 0.0, 100.0):
        part = torch.tensor([logit], requires_grad=True)
        value = part_logits(part, torch.tensor([whole]))
        value.backward()
        assert value.isfinite().all()
        assert part.grad.isfinite().all()
    assert torch.sigmoid(part_logits(torch.tensor([100.0]), torch.tensor([100.0]))) > 0.9999


@pytest.mark.parametrize("mode", LEARNING_MODES)
def test_every_guidance_starts_with_the_encoders_deepest_map_alone(mode: str) -> None:
    """So that the weights of ImageNet reach the average untouched."""
    network = small(guidance=mode, guided_levels=3).eval()
    image = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        expected = network.classifier.head(network.classifier.features(network.encoder(image)[-1]).mean((2, 3)))
        torch.testing.assert_close(network(image)["disease"], expected)


@pytest.mark.parametrize("mode", LEARNING_MODES)
def test_guidance_comes_from_the_fine_grid(mode: str) -> None:
    """Fine lines that the average over 2 x 2 pixels erases change the diseases through the guidance, not without it."""
    torch.manual_seed(0)
    coarse = torch.rand(1, 3, 16, 16).repeat_interleave(2, -1).repeat_interleave(2, -2)
    lines = coarse.clone()
    lines[..., ::2] += 0.1
    lines[..., 1::2] -= 0.1
    torch.testing.assert_close(avg_pool2d(lines, 2), avg_pool2d(coarse, 2))
    for guidance in ("none", mode):
        network = with_learnt_statistics(with_learnt_guidance(small(guidance=guidance, disease_size=16))).eval()
        with torch.no_grad():
            same = torch.allclose(network(lines)["disease"], network(coarse)["disease"], atol=1e-5)
        assert same == (guidance == "none")


def test_decoder_runs_once() -> None:
    calls = []
    network = small(disease_size=16).eval()
    network.decoder[0].register_forward_hook(lambda *_: calls.append("decoder"))
    network.encoder.register_forward_hook(lambda *_: calls.append("encoder"))
    network(torch.rand(1, 3, 32, 32))
    assert calls == ["encoder", "decoder", "encoder"]


def test_structures_do_not_depend_on_the_disease_head() -> None:
    image = torch.rand(1, 3, 32, 32)
    network = small(disease_size=16).eval()
    before = network(image)["vessel"]
    network.disease_size = None
    assert torch.equal(with_learnt_guidance(network)(image)["vessel"], before)


@pytest.mark.parametrize("mode", LEARNING_MODES)
@pytest.mark.parametrize("cut", [False, True])
def test_disease_loss_reaches_the_decoder_unless_cut(mode: str, cut: bool) -> None:
    network = with_learnt_guidance(small(guidance=mode, cut_gradient=cut, disease_size=16))
    network(torch.rand(2, 3, 32, 32))["disease"].square().sum().backward()
    assert gradient(network.encoder) > 0
    assert gradient(network.guidance) > 0
    for part in (network.decoder, network.structure_head):
        assert (gradient(part) == 0) == cut


def test_structure_loss_does_not_reach_the_disease_head() -> None:
    network = with_learnt_guidance(small())
    network(torch.rand(2, 3, 32, 32))["vessel"].square().sum().backward()
    assert gradient(network.decoder) > 0
    assert gradient(network.classifier) == gradient(network.guidance) == 0


def test_network_without_its_guidance_is_one_that_never_had_it() -> None:
    image = torch.rand(1, 3, 32, 32)
    network = with_learnt_guidance(small(disease_size=16)).eval()
    network.remove_guidance()
    never = small(seed=3, disease_size=16, guidance="none").eval()
    never.load_state_dict(network.state_dict())
    torch.testing.assert_close(network(image), never(image))


@pytest.mark.parametrize("guidance", GUIDANCE_MODES)
def test_maps_that_were_kept_guide_as_those_of_the_same_pass(guidance: str) -> None:
    image = torch.rand(1, 3, 64, 64)
    network = with_learnt_guidance(small(guidance=guidance, disease_size=16)).eval()
    outputs = network(network.disease_input(image), guide=network.draw(image))
    assert outputs.keys() == {"disease"}
    torch.testing.assert_close(outputs["disease"], network(image)["disease"])


@pytest.mark.parametrize("guidance", LEARNING_MODES)
def test_only_the_structures_that_are_named_guide(guidance: str) -> None:
    network = with_learnt_guidance(small(guidance=guidance, structures=STRUCTURES, guiding=["disc", "vein"])).eval()
    assert network.settings["guiding"] == "vein+disc"
    image, guide = torch.rand(1, 3, 32, 32), torch.rand(1, 4, 32, 32)
    before = network(image, guide=guide)["disease"]
    for index, structure in enumerate(STRUCTURES):
        changed = guide.clone()
        changed[:, index] = 0.0
        same = torch.allclose(network(image, guide=changed)["disease"], before)
        assert same == (structure in ("vessel", "artery")), structure
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.script(network)(image), network(image))


def test_a_branch_shares_the_first_stages_and_starts_as_a_copy() -> None:
    image = torch.rand(1, 3, 32, 32)
    shared, own = small(disease_size=16).eval(), small(disease_size=16, shared_stages=1).eval()
    own.disease_encoder.load_state_dict(shared.encoder.state_dict())
    own.load_state_dict(shared.state_dict())
    torch.testing.assert_close(own(image), shared(image))
    assert own.disease_encoder.levels[1] is own.encoder.levels[1]
    assert own.disease_encoder.levels[2] is not own.encoder.levels[2]
    nothing = small(disease_size=16, shared_stages=0)
    assert not {id(p) for p in nothing.disease_encoder.parameters()} & {id(p) for p in nothing.encoder.parameters()}


def test_training_leaves_frozen_structures_alone() -> None:
    image = torch.rand(2, 3, 32, 32)
    network = with_learnt_guidance(small(disease_size=16, shared_stages=1, freeze_structures=True)).eval()
    before = network(image)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    network.train()(image)["disease"].square().sum().backward()
    optimizer.step()
    after = network.eval()(image)
    assert torch.equal(after["vessel"], before["vessel"])
    assert not torch.allclose(after["disease"], before["disease"])


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("guidance", GUIDANCE_MODES)
def test_torchscript_equals_eager(guidance: str) -> None:
    make = lite if guidance == "gate" else small  # the large one as it is by default
    network = with_learnt_guidance(make(guidance=guidance, structures=STRUCTURES, parts=PARTS, disease_size=32)).eval()
    scripted = torch.jit.script(network)
    for size in (64, 128):
        image = torch.rand(1, 3, size, size)
        with torch.no_grad():
            torch.testing.assert_close(scripted(image), network(image), rtol=1e-4, atol=1e-4)
    with pytest.raises(torch.jit.Error, match="pad or resize to 64 x 64"):
        scripted(torch.rand(1, 3, 63, 64))


@pytest.mark.filterwarnings("ignore:.*onnx|.*Python", "ignore:Constant folding")
def test_onnx_equals_eager(tmp_path: Path) -> None:
    network = with_learnt_guidance(lite(structures=STRUCTURES, parts=PARTS, disease_size=32)).eval()
    image = torch.rand(1, 3, 64, 64)
    names = [*STRUCTURES, "disease"]
    torch.onnx.export(network, (image,), tmp_path / "model.onnx", dynamo=False, output_names=names, opset_version=17)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    outputs = session.run(names, {session.get_inputs()[0].name: image.numpy()})
    with torch.no_grad():
        expected = network(image)
    for name, value in zip(names, outputs, strict=True):
        np.testing.assert_allclose(value, expected[name].numpy(), rtol=1e-3, atol=1e-3)


def test_stored_weights_load_strictly_and_give_the_same_answers() -> None:
    assert_stored_weights_carry_over(with_learnt_guidance(lite()).eval(), lite().eval())


@pytest.mark.slow
def test_network_overfits_four_phantoms() -> None:
    encoder = UNetEncoder((8, 16, 32))
    network = small(encoder=encoder, decoder_channels=(16, 12), guide_channels=(4, 6, 8), guided_levels=2, dropout=0.0)
    assert dice_after_overfitting(network, steps=150) > 0.9
    image, target = four_phantoms()
    with torch.no_grad():
        assert torch.equal(network(image)["disease"] > 0, target["disease"] > 0.5)
