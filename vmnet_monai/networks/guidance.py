"""How the vessel branch guides the disease branch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from torch import nn

from vmnet_monai.networks.encoders import ACTIVATION
from vmnet_monai.networks.reduction import averaged

__all__ = ["GUIDANCE_MODES", "GuideEncoder", "MapGuidance", "VesselGuidance"]

GUIDANCE_MODES = ("none", "gate", "concat")
"""Forms of guidance: none, multiplicative gate, and residual from the concatenated maps."""


class GuideEncoder(nn.Module):
    """Maps probabilities of structures to features at several resolutions, by a strided convolution for each.

    Args:
        structures: number S of structures.
        channels: channels of the features from shallow to deep; empty for none.
        first_stride: stride of the first.
    """

    def __init__(self, structures: int, channels: Sequence[int], first_stride: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        before, stride = structures, first_stride
        for after in channels:
            self.levels.append(Convolution(2, before, after, strides=stride, act=ACTIVATION, norm="batch", bias=False))
            before, stride = after, 2

    def forward(self, guide: torch.Tensor) -> list[torch.Tensor]:
        """Return the features (B, C_l, h_l, w_l) of probabilities (B, S, h, w)."""
        features: list[torch.Tensor] = []
        x = guide
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


class Modulation(nn.Module):
    """Mixes guiding features into the encoder's by a 1x1 convolution that starts at zero.

    Args:
        channels: channels of the encoder's features.
        guide_channels: channels of the guiding features.
        mode: one of :data:`GUIDANCE_MODES`.

    Raises:
        ValueError: if ``mode`` is unknown.
    """

    def __init__(self, channels: int, guide_channels: int, mode: str) -> None:
        super().__init__()
        if mode not in GUIDANCE_MODES:
            raise ValueError(f"guidance must be one of {', '.join(GUIDANCE_MODES)}, got {mode!r}.")
        self.mode = mode
        sources = {"none": 0, "gate": guide_channels, "concat": channels + guide_channels}[mode]
        self.mix = nn.Conv2d(sources, channels, kernel_size=1) if sources else nn.Identity()
        for parameter in self.mix.parameters():
            nn.init.zeros_(parameter)

    def modulate(self, encoded: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
        """Return ``encoded`` (B, C, h, w) guided by ``guide`` (B, C', h, w)."""
        if self.mode == "gate":
            return encoded * (2.0 * torch.sigmoid(self.mix(guide)))
        if self.mode == "concat":
            return encoded + self.mix(torch.cat([encoded, guide], dim=1))
        return encoded


class MapGuidance(Modulation):
    r"""Lets features of the structures' maps modulate the encoder's features of one level.

    With encoder features :math:`e` and features :math:`g` of the maps, see :class:`GuideEncoder`:

    - ``"none"``: :math:`e`
    - ``"gate"``: :math:`e \cdot 2\sigma(W g)`
    - ``"concat"``: :math:`e + W[e, g]`

    :math:`W` is a 1x1 convolution that starts at zero, so that every form is the identity before training.

    Args:
        channels: channels of the encoder's features.
        guide_channels: channels of the maps' features.
        mode: one of :data:`GUIDANCE_MODES`.

    Raises:
        ValueError: if ``mode`` is unknown.
    """

    def forward(self, encoded: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
        """Return the guided features (B, C, h, w) of ``encoded``, of its size, given ``guide`` (B, C', h, w)."""
        return self.modulate(encoded, guide)


class VesselGuidance(Modulation):
    r"""Lets the vessel map and the vessel decoder's features modulate the encoder's features of one level.

    With encoder features :math:`e`, and decoder features :math:`d` and the vessel probability :math:`v` averaged down
    to the level's size:

    - ``"none"``: :math:`e`
    - ``"gate"``: :math:`e \cdot 2\sigma(W[d, v])`
    - ``"concat"``: :math:`e + W[e, d, v]`

    :math:`W` is a 1x1 convolution that starts at zero, so that every form is the identity before training. The form
    of the paper's guidance (doi 10.3389/fmed.2026.1799745) is not known here; these are this project's own.

    Args:
        channels: channels of the encoder's features at this level.
        mode: one of :data:`GUIDANCE_MODES`.
        cut_gradient: if true, no gradient flows through the guidance into the vessel branch.
        structures: number S of structures whose maps guide; one, the vessels, by default.

    Raises:
        ValueError: if ``mode`` is unknown.
    """

    def __init__(
        self,
        channels: int,
        mode: str = "gate",
        cut_gradient: bool = False,
        structures: int = 1,
    ) -> None:
        super().__init__(channels, channels + structures, mode)
        self.cut_gradient = cut_gradient

    def forward(self, encoded: torch.Tensor, decoded: torch.Tensor, vessel_logits: torch.Tensor) -> torch.Tensor:
        """Return the guided encoder features.

        Args:
            encoded: (B, C, h, w), the encoder's features of the level.
            decoded: (B, C, H', W'), the vessel decoder's features, H' and W' the same multiple of h and w.
            vessel_logits: (B, S, H, W), vessel logits at the image's resolution, H and W the same multiple of h and w.

        Returns:
            (B, C, h, w).
        """
        if self.mode == "none":
            return encoded
        if self.cut_gradient:
            decoded, vessel_logits = decoded.detach(), vessel_logits.detach()
        decoded = averaged(decoded, encoded.shape[-1])
        vessel = averaged(torch.sigmoid(vessel_logits), encoded.shape[-1])
        return self.modulate(encoded, torch.cat([decoded, vessel], dim=1))
