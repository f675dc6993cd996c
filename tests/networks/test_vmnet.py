"""V-MNet: shapes, guidance and gradients, export, and that it can learn."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from overfit import dice_after_overfitting, four_phantoms
from stored_weights import assert_stored_weights_carry_over

from vmnet_monai.networks import GUIDANCE_MODES, VMNet
from vmnet_monai.networks.reduction import averaged
from vmnet_monai.networks.vmnet import CLASSIFIED

DISEASES = ("normal", "glaucoma", "amd")
SMALL: dict[str, Any] = {"features": (4, 8, 12), "guided_levels": 2}
LEARNING_MODES = ("gate", "concat")
LAYOUTS: dict[str, dict[str, Any]] = {
    "guided": {},
    "classification from the last encoder features": {"guidance": "none", "guided_levels": 1},
    "shared decoder": {"guidance": "none", "classified": "decoder"},
    "bottleneck transformer": {"guidance": "none", "guided_levels": 1, "bottleneck_layers": 2},
}
every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


def small(seed: int = 0, **changes: Any) -> VMNet:
    torch.manual_seed(seed)
    return VMNet(DISEASES, **{**SMALL, **changes})


def with_learnt_guidance(network: VMNet) -> VMNet:
    torch.manual_seed(1)
    for parameter in network.guidance.parameters():
        torch.nn.init.normal_(parameter)
    return network


@pytest.mark.parametrize("guidance", GUIDANCE_MODES)
@pytest.mark.parametrize(("batch", "height", "width"), [(2, 32, 32), (1, 64, 32), (3, 36, 52)])
def test_outputs_are_vessel_logits_per_pixel_and_disease_logits(
    guidance: str, batch: int, height: int, width: int
) -> None:
    outputs = small(guidance=guidance)(torch.rand(batch, 3, height, width))
    assert {key: value.shape for key, value in outputs.items()} == {
        "vessel": (batch, 1, height, width),
        "disease": (batch, 3),
    }


def test_default_network_takes_single_photographs_and_stays_below_25_mb() -> None:
    """25 MB is where bundles must fetch weights from elsewhere; 4 bytes a weight."""
    network = VMNet(("normal", "diabetic_retinopathy", "glaucoma", "cataract", "amd")).eval()
    assert network.stride == 32
    with torch.no_grad():
        assert network(torch.rand(1, 3, 64, 96))["disease"].shape == (1, 5)
    assert sum(parameter.numel() for parameter in network.parameters()) < 6.5e6
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    assert buffer.tell() < 25e6


def test_label_names_say_what_the_columns_are() -> None:
    assert small().label_names == ["normal", "glaucoma", "amd"]


def test_channels_of_the_photograph_can_be_chosen() -> None:
    assert small(in_channels=1)(torch.rand(1, 1, 32, 32))["vessel"].shape == (1, 1, 32, 32)


@pytest.mark.parametrize("levels", [1, 3])
def test_guided_levels_may_be_one_or_all(levels: int) -> None:
    network = small(guided_levels=levels)
    assert len(network.guidance) == levels
    assert network(torch.rand(1, 3, 32, 32))["disease"].shape == (1, 3)


@pytest.mark.parametrize(("height", "width", "padded"), [(30, 32, "32 x 32"), (32, 33, "32 x 36"), (1, 1, "4 x 4")])
def test_indivisible_size_is_refused_with_the_size_to_pad_to(height: int, width: int, padded: str) -> None:
    with pytest.raises(ValueError, match=f"4.*{height} x {width}.*{padded}"):
        small()(torch.rand(1, 3, height, width))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"guided_levels": 0}, "guided_levels.* 3.* 0"),
        ({"guided_levels": 4}, "guided_levels.* 3.* 4"),
        ({"label_names": ()}, "label_names"),
        ({"guidance": "film"}, "guidance.*none.*film"),
    ],
)
def test_wrong_arguments_are_refused(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        VMNet(**{"label_names": DISEASES, **SMALL, **changes})


def test_every_guidance_starts_with_the_same_disease_logits() -> None:
    image = torch.rand(2, 3, 32, 32)
    plain = small(guidance="none").eval()
    expected = plain(image)
    for mode in LEARNING_MODES:
        guided = small(seed=5, guidance=mode).eval()
        missing = guided.load_state_dict(plain.state_dict(), strict=False)
        assert not missing.unexpected_keys
        assert all(key.startswith("guidance.") for key in missing.missing_keys)
        torch.testing.assert_close(guided(image), expected, rtol=0, atol=0)


@pytest.mark.parametrize("mode", LEARNING_MODES)
def test_guidance_that_has_learnt_changes_the_diseases_but_not_the_vessels(mode: str) -> None:
    image = torch.rand(2, 3, 32, 32)
    network = small(guidance=mode).eval()
    before = network(image)
    after = with_learnt_guidance(network)(image)
    assert torch.equal(after["vessel"], before["vessel"])
    assert not torch.allclose(after["disease"], before["disease"])


def gradient(module: torch.nn.Module) -> float:
    """Largest absolute gradient of a module's parameters; 0 where none arrived."""
    return max(float(p.grad.abs().max()) if p.grad is not None else 0.0 for p in module.parameters())


@pytest.mark.parametrize("mode", LEARNING_MODES)
@pytest.mark.parametrize("cut", [False, True])
def test_disease_loss_reaches_the_vessel_decoder_unless_cut(mode: str, cut: bool) -> None:
    network = with_learnt_guidance(small(guidance=mode, cut_gradient=cut))
    network(torch.rand(2, 3, 32, 32))["disease"].square().sum().backward()
    assert gradient(network.encoder) > 0
    assert gradient(network.guidance) > 0
    for vessel_part in (network.decoder, network.vessel_head):
        assert (gradient(vessel_part) == 0) == cut


def test_without_guidance_the_disease_loss_does_not_reach_the_vessel_decoder() -> None:
    network = small(guidance="none")
    network(torch.rand(2, 3, 32, 32))["disease"].square().sum().backward()
    assert gradient(network.decoder) == gradient(network.vessel_head) == 0


def test_vessel_loss_does_not_reach_the_classifier() -> None:
    network = with_learnt_guidance(small())
    network(torch.rand(2, 3, 32, 32))["vessel"].square().sum().backward()
    assert gradient(network.decoder) > 0
    assert gradient(network.classifier) == gradient(network.guidance) == 0


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    "changes",
    [{"guidance": "none"}, {"guidance": "gate"}, {"guidance": "concat"}, *list(LAYOUTS.values())[2:]],
)
def test_torchscript_equals_eager(changes: dict[str, Any]) -> None:
    network = with_learnt_guidance(small(**{"features": (4, 8, 32), **changes})).eval()
    scripted = torch.jit.script(network)
    for size in (32, 48):
        image = torch.rand(1, 3, size, size)
        with torch.no_grad():
            torch.testing.assert_close(scripted(image), network(image))
    with pytest.raises(torch.jit.Error, match="32 x 32"):
        scripted(torch.rand(1, 3, 31, 32))


def test_stored_weights_load_strictly_and_give_the_same_answers() -> None:
    network, other = with_learnt_guidance(small()).eval(), small(seed=7).eval()
    assert_stored_weights_carry_over(network, other)


def test_evaluation_of_a_photograph_does_not_depend_on_its_batch() -> None:
    network = with_learnt_guidance(small()).eval()
    images = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(images)["disease"][1:2], network(images[1:2])["disease"])


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["guided", "bottleneck transformer"])
def test_network_overfits_four_phantoms(layout: str) -> None:
    network = small(**{"features": (12, 16, 32), "dropout": 0.0, **LAYOUTS[layout]})
    assert dice_after_overfitting(network, steps=200) > 0.9
    image, target = four_phantoms()
    with torch.no_grad():
        assert torch.equal(network(image)["disease"] > 0, target["disease"] > 0.5)


def test_classifier_of_a_shared_decoder_reads_the_decoders_features() -> None:
    """A skip from the shallowest encoder level reaches the diseases through the decoder only."""
    for classified in CLASSIFIED:
        network = small(guidance="none", classified=classified, guided_levels=3)
        network(torch.rand(2, 3, 32, 32))["disease"].square().sum().backward()
        assert (gradient(network.decoder) > 0) == (classified == "decoder")


def test_bottleneck_transformer_lets_distant_parts_see_one_another() -> None:
    """One pixel changes the vessels of the opposite corner, 120 pixels away, only through the transformer."""
    for layers in (0, 1):
        network = small(features=(4, 8, 32), bottleneck_layers=layers, guidance="none").eval()
        image = torch.rand(1, 3, 128, 128, requires_grad=True)
        network(image)["vessel"][0, 0, -1, -1].backward()
        assert image.grad is not None
        assert (image.grad[..., :8, :8].abs().max() > 0) == (layers > 0)


def test_default_layout_has_no_transformer_parameters() -> None:
    assert not [name for name in small().state_dict() if name.startswith("bottleneck")]


def test_each_structure_has_a_map_and_all_of_them_guide() -> None:
    network = small(structures=("irf", "srf"))
    outputs = network(torch.rand(2, 3, 32, 48))
    assert {key: tuple(value.shape) for key, value in outputs.items()} == {
        "irf": (2, 1, 32, 48),
        "srf": (2, 1, 32, 48),
        "disease": (2, 3),
    }
    assert network.structures == ["irf", "srf"]
    assert network.guidance[0].mix.in_channels == 8 + 2


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"structures": ()}, "structures"),
        ({"classified": "both"}, "classified.*encoder, decoder.*both"),
        ({"classified": "decoder"}, "gate.*guidance none"),
        ({"bottleneck_layers": 1}, "32.*transformer.*12"),
    ],
)
def test_impossible_layout_is_refused(arguments: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        small(**arguments)


def test_disease_head_reads_the_photograph_averaged_down() -> None:
    network = with_learnt_guidance(small(disease_size=32)).eval()
    image = torch.rand(2, 3, 80, 80)
    with torch.no_grad():
        both = network(image)
        reduced = network(averaged(image, 32))
        network.disease_size = None
        plain = network(image)
    torch.testing.assert_close(both["vessel"], plain["vessel"])
    torch.testing.assert_close(both["disease"], reduced["disease"])
    assert not torch.allclose(both["disease"], plain["disease"])


def test_photograph_no_wider_than_the_disease_size_is_read_as_it_comes() -> None:
    network = small(disease_size=32).eval()
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        reduced = network(image)
        network.disease_size = None
        torch.testing.assert_close(reduced["disease"], network(image)["disease"])


def test_size_to_pad_to_is_one_that_is_taken() -> None:
    network = small(disease_size=32)
    with pytest.raises(ValueError, match="96 x 96"):
        network(torch.rand(1, 3, 95, 95))
    assert network(torch.rand(1, 3, 96, 96))["disease"].shape == (1, 3)


def test_reduced_network_scripts() -> None:
    network = with_learnt_guidance(small(disease_size=16)).eval()
    scripted = torch.jit.script(network)
    image = torch.rand(1, 3, 48, 48)
    with torch.no_grad():
        torch.testing.assert_close(scripted(image)["disease"], network(image)["disease"])
