"""The guidance is the identity before it has learnt, and does what its formula says afterwards."""

from __future__ import annotations

import pytest
import torch

from vmnet_monai.networks import GUIDANCE_MODES, VesselGuidance

LEARNING_MODES = tuple(mode for mode in GUIDANCE_MODES if mode != "none")


def inputs(channels: int = 3, size: int = 4, factor: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Encoder features, decoder features, and vessel logits at ``factor`` times their resolution."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, channels, size, size), (2, channels, size, size), (2, 1, factor * size, factor * size))
    encoded, decoded, logits = (torch.randn(shape, generator=generator, requires_grad=True) for shape in shapes)
    return encoded, decoded, logits


def learnt(mode: str, channels: int = 3, cut_gradient: bool = False) -> VesselGuidance:
    """A guidance whose mixing weights are no longer zero."""
    guidance = VesselGuidance(channels, mode, cut_gradient)
    torch.manual_seed(1)
    for parameter in guidance.parameters():
        torch.nn.init.normal_(parameter)
    return guidance


@pytest.mark.parametrize("mode", GUIDANCE_MODES)
def test_guidance_starts_as_the_identity(mode: str) -> None:
    encoded, decoded, logits = inputs()
    assert torch.equal(VesselGuidance(3, mode)(encoded, decoded, logits), encoded)


@pytest.mark.parametrize("mode", LEARNING_MODES)
def test_guidance_changes_the_features_once_it_has_learnt(mode: str) -> None:
    encoded, decoded, logits = inputs()
    guided = learnt(mode)(encoded, decoded, logits)
    assert guided.shape == encoded.shape
    assert not torch.allclose(guided, encoded)


def weight(guidance: VesselGuidance) -> torch.Tensor:
    assert isinstance(guidance.mix, torch.nn.Conv2d)
    return guidance.mix.weight


def test_no_guidance_has_no_parameters() -> None:
    assert not list(VesselGuidance(3, "none").parameters())


def test_gate_by_hand() -> None:
    """W counts the vessel share only, one half: 3 * 2 * sigmoid(1 * 0.5) = 6 / (1 + exp(-0.5))."""
    guidance = VesselGuidance(1, "gate")
    with torch.no_grad():
        weight(guidance)[0, 1] = 1.0
    logits = torch.full((1, 1, 2, 2), 40.0)
    logits[..., 0] = -40.0
    guided = guidance(torch.full((1, 1, 1, 1), 3.0), torch.full((1, 1, 1, 1), 7.0), logits)
    assert guided.item() == pytest.approx(6 / (1 + 2.718281828**-0.5))


def test_concat_by_hand() -> None:
    """3 + (10 * 3 + 100 * 7 + 1000 * 0.5), the vessel share being one half."""
    guidance = VesselGuidance(1, "concat")
    with torch.no_grad():
        weight(guidance).copy_(torch.tensor([10.0, 100.0, 1000.0]).view(1, 3, 1, 1))
    guided = guidance(torch.full((1, 1, 1, 1), 3.0), torch.full((1, 1, 1, 1), 7.0), torch.zeros(1, 1, 8, 8))
    assert guided.item() == 1233.0


def test_gate_at_most_doubles_and_never_turns_the_sign() -> None:
    encoded, decoded, logits = inputs()
    factor = learnt("gate")(encoded, decoded, 100 * logits) / encoded
    assert factor.min() >= 0
    assert factor.max() <= 2


@pytest.mark.parametrize("mode", LEARNING_MODES)
def test_gradient_reaches_the_vessel_branch_unless_cut(mode: str) -> None:
    for cut in (False, True):
        encoded, decoded, logits = inputs()
        guidance = learnt(mode, cut_gradient=cut)
        guidance(encoded, decoded, logits).square().sum().backward()
        assert encoded.grad is not None
        mixing = weight(guidance).grad
        assert mixing is not None
        assert mixing.abs().sum() > 0
        for vessel_side in (decoded, logits):
            assert (vessel_side.grad is None) == cut


def test_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="guidance.*none, gate, concat.*attention"):
        VesselGuidance(3, "attention")
