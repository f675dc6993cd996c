"""Dilated feature enhancement of skip connections: three dilations summed, weighted by spatial attention."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from torch import nn

__all__ = ["DILATIONS", "DilatedFeatureEnhancement", "SpatialAttention"]

DILATIONS = (6, 12, 18)
"""Dilation rates of the three branches (Bui et al., arXiv 2412.00351)."""

SPATIAL_ATTENTION_KERNEL = 7
"""Width in pixels of the convolution of the spatial attention (Woo et al., arXiv 1807.06521)."""


class SpatialAttention(nn.Module):
    r"""Weights every place of a feature map by a factor between 0 and 1.

    :math:`F \cdot \sigma(\mathrm{Conv}_{7 \times 7}[\mathrm{mean}_c F, \max_c F])`, the spatial half of CBAM (Woo et
    al., ECCV 2018, doi 10.1007/978-3-030-01234-2_1, arXiv 1807.06521).
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, SPATIAL_ATTENTION_KERNEL, padding=SPATIAL_ATTENTION_KERNEL // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the weighted map, (B, C, H, W) as ``x``."""
        summary = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.conv(summary))


class DilatedFeatureEnhancement(nn.Module):
    r"""Sums dilated convolutions of a feature map and weights the places of the result.

    :math:`A(\mathrm{ReLU}(\sum_d \mathrm{BN}(\mathrm{Conv}_1(\mathrm{BN}(\mathrm{Conv}_{3,d}(F))))))` with dilation
    rates :math:`d` and the spatial attention :math:`A` (Bui et al., "Multi-scale Feature Enhancement in Multi-task
    Learning for Medical Image Analysis", arXiv 2412.00351).

    Args:
        channels: channels C of the map.
        dilations: dilation rate of each branch.
    """

    def __init__(self, channels: int, dilations: Sequence[int] = DILATIONS) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                Convolution(2, channels, channels, dilation=dilation, act=None, norm="batch", bias=False),
                Convolution(2, channels, channels, kernel_size=1, act=None, norm="batch", bias=False),
            )
            for dilation in dilations
        )
        self.attention = SpatialAttention()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the enhanced map, (B, C, H, W) as ``x``."""
        total = torch.zeros_like(x)
        for branch in self.branches:
            total = total + branch(x)
        return self.attention(torch.relu(total))
