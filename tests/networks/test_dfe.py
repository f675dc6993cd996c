"""Dilated feature enhancement of a skip connection."""

from __future__ import annotations

import torch

from vmnet_monai.networks.dfe import DILATIONS, DilatedFeatureEnhancement, SpatialAttention


def test_attention_weighs_places_alike_in_all_channels() -> None:
    torch.manual_seed(0)
    features = torch.rand(2, 5, 9, 9) + 0.1
    weights = SpatialAttention()(features) / features
    assert ((weights > 0) & (weights < 1)).all()
    torch.testing.assert_close(weights, weights[:, :1].expand_as(weights))


def test_branches_see_as_far_as_their_dilations() -> None:
    """A point reaches the pixels that lie one dilation away, in rows and columns, and its own place."""
    enhance = DilatedFeatureEnhancement(1).eval()
    enhance.attention = torch.nn.Identity()  # type: ignore[assignment]
    for branch in enhance.branches:
        for layer in branch:  # type: ignore[union-attr]
            torch.nn.init.ones_(layer.conv.weight)
    point = torch.zeros(1, 1, 41, 41)
    point[0, 0, 20, 20] = 1
    with torch.no_grad():
        row = enhance(point)[0, 0, 20]
    reached = (torch.nonzero(row).flatten() - 20).tolist()
    assert reached == sorted({0, *DILATIONS, *(-dilation for dilation in DILATIONS)})


def test_negative_sums_are_cut_off_and_the_shape_stays() -> None:
    features = torch.randn(1, 4, 24, 30)
    enhanced = DilatedFeatureEnhancement(4).eval()(features)
    assert enhanced.shape == features.shape
    assert (enhanced >= 0).all()
