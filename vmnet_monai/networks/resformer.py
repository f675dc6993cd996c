"""ResFormer: an encoder of convolutions and shifted-window attention for segmentation and classification."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution, MLPBlock, UpSample
from monai.networks.layers import DropPath
from monai.networks.nets.resnet import ResNetBlock
from monai.networks.nets.swin_unetr import WindowAttention
from torch import nn

from vmnet_monai.networks.dfe import DilatedFeatureEnhancement
from vmnet_monai.networks.reduction import reduce_to
from vmnet_monai.networks.single_task import check_task
from vmnet_monai.networks.softmax import check_activation, exclusive_logits
from vmnet_monai.structures import check_structures

__all__ = ["BLOCKS", "MLP_RATIO", "ResFormer", "ResFormerLevel", "SwinBlock"]

BLOCKS = ("sequential", "parallel")
"""How a level joins convolution and attention: one after the other, or side by side and summed."""

MLP_RATIO = 4
"""Hidden units of a Swin block's feed-forward network per channel (arXiv 2412.00351)."""


class SwinBlock(nn.Module):
    r"""Computes the self-attention of the places of each window.

    :math:`y = x + A(\mathrm{LN}(x))`, then :math:`y + \mathrm{FFN}(\mathrm{LN}(y))`, with window attention :math:`A`
    and a feed-forward network of two layers and GELU (Liu et al., "Swin Transformer", ICCV 2021, arXiv 2103.14030).
    In a shifted block the windows begin half a window before the map's upper left corner; where the map fits into one
    window nothing is shifted.

    The attention and the feed-forward network are MONAI's. MONAI's own Swin block is not used: TorchScript cannot
    compile it, it shrinks the window on small maps without adapting the relative positions, and where the window does
    not divide the map it attends to padding. Here padding, on all sides, is masked; where the window divides the map
    both blocks give the same. The names of the parameters are those of MONAI's block.

    Args:
        channels: channels C of the map.
        num_heads: attention heads, a divisor of C.
        window_size: height and width in places of a window.
        shifted: whether the windows are shifted by half their size.
        drop_path: probability with which an image skips the attention, and likewise the feed-forward network, in
            training.
    """

    def __init__(self, channels: int, num_heads: int, window_size: int, shifted: bool, drop_path: float = 0.0) -> None:
        super().__init__()
        self.window_size = window_size
        self.offset = window_size - window_size // 2 if shifted else 0
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, num_heads, (window_size, window_size), qkv_bias=True)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = MLPBlock(channels, MLP_RATIO * channels, dropout_mode="swin")
        self.drop_path = DropPath(drop_path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, H, W, C), of any height and width, to (B, H, W, C)."""
        batch, height, width, channels = x.shape
        size = self.window_size
        top = self.offset if height > size else 0
        left = self.offset if width > size else 0
        rows = (top + height + size - 1) // size
        columns = (left + width + size - 1) // size
        padding = [0, 0, left, columns * size - left - width, top, rows * size - top - height]

        windows = self.split(nn.functional.pad(self.norm1(x), padding))
        mask = self.split(nn.functional.pad(torch.zeros_like(x[:1, :, :, :1]), padding, value=-float("inf")))
        windows = self.attn(windows, mask.transpose(1, 2).expand(-1, size * size, -1))
        merged = windows.view(batch, rows, columns, size, size, channels).transpose(2, 3)
        merged = merged.reshape(batch, rows * size, columns * size, channels)

        x = x + self.drop_path(merged[:, top : top + height, left : left + width])
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """Cut (B, H, W, C), H and W divisible by the window size S, into windows (B * H / S * W / S, S * S, C)."""
        batch, height, width, channels = x.shape
        size = self.window_size
        windows = x.view(batch, height // size, size, width // size, size, channels).transpose(2, 3)
        return windows.reshape(-1, size * size, channels)


class ResFormerLevel(nn.Module):
    r"""One level of the encoder: residual blocks of convolutions and pairs of Swin blocks.

    With :math:`R` residual blocks :math:`\mathrm{ReLU}(F + \mathrm{BN}(\mathrm{Conv}_3(\mathrm{ReLU}(\mathrm{BN}(
    \mathrm{Conv}_3(F))))))`, one after the other, and :math:`S` as many pairs of a Swin block with windows and one with
    shifted windows,

    - ``"sequential"``: :math:`S(R(F))`
    - ``"parallel"``: :math:`R(F) + S(F)`

    Args:
        channels: channels C of the map.
        num_heads: attention heads, a divisor of C.
        window_size: height and width in places of a window.
        block: one of :data:`BLOCKS`.
        drop_paths: the ``drop_path`` of each pair of Swin blocks; their number is that of the pairs and of the residual
            blocks.
    """

    def __init__(
        self, channels: int, num_heads: int, window_size: int, block: str, drop_paths: Sequence[float] = (0.0,)
    ) -> None:
        super().__init__()
        self.block = block
        self.residual = nn.Sequential(*(ResNetBlock(channels, channels, spatial_dims=2) for _ in drop_paths))
        self.swin = nn.Sequential(
            *(
                SwinBlock(channels, num_heads, window_size, shifted, drop_path)
                for drop_path in drop_paths
                for shifted in (False, True)
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to (B, C, H, W)."""
        convolved = self.residual(x)
        if self.block == "sequential":
            return self.attend(convolved)
        return convolved + self.attend(x)

    def attend(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the Swin blocks, (B, C, H, W) to (B, C, H, W)."""
        return self.swin(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResFormer(nn.Module):
    """Maps an image to segmentation logits and disease logits in one forward pass.

    The multi-task network of Bui, Le, Bum and Choo, "Multi-scale Feature Enhancement in Multi-task Learning for Medical
    Image Analysis", arXiv 2412.00351: a stem to half the image's size, levels that join convolutions and
    shifted-window attention with a 3x3 convolution of stride 2 between them, dilated feature enhancement on every skip
    connection, a U-Net decoder, and a disease head on the pooled maps of the last two levels, ``levels[-2]`` and
    ``levels[-1]``; the last, ``"levels.3"`` by default, is the target layer of Grad-CAM.

    An image may have any size: each level rounds its size up, the decoder cuts the excess off, and the windows mask
    their padding, so that the disease head averages over the image alone.

    Two things are taken from the authors' code, without which the network learnt less (docs/reference/systems.md):
    batch normalisation after each convolution of stride 2 between levels, so that activations do not grow from level to
    level, and bilinear upsampling to the image's size. Their code also has the ``depths`` 3, 4, 6, 3, as ResNet34, and
    a ``drop_path`` of 0.1.

    Chosen here, where the paper is silent: one residual block and one pair of Swin blocks per level; windows of
    8, which divide the maps of an image of 512 pixels; a stem as of ResNet34, whose pooling alone has a stride, so
    that the 7x7 convolution sees the thinnest vessels; transposed convolutions between the levels of the decoder; and a
    hidden layer of ReLUs in the disease head, as wide as the last level but one.

    Args:
        label_names: keys of the K diseases, in the order of the logits.
        structures: names of the segmented structures, the keys of their logits.
        in_channels: channels of the image.
        features: channels of the levels, at 1/2, 1/4, 1/8, ... of the image's size.
        num_heads: attention heads of each level.
        window_size: height and width in places of the attention's windows.
        block: ``"sequential"`` or ``"parallel"``, see :class:`ResFormerLevel`.
        depths: residual blocks of each level, and pairs of Swin blocks; None has one of each.
        drop_path: probability with which an image skips a branch of the last Swin pair in training; it rises linearly
            from 0 for the first pair (Huang et al., "Deep Networks with Stochastic Depth", arXiv 1603.09382).
        dfe: whether :class:`DilatedFeatureEnhancement` is applied to the skip connections and the deepest map.
        segmentation_activation: ``"softmax"`` if a pixel belongs to one structure or none, ``"sigmoid"`` if it may
            belong to several. The sigmoid of the logits is the probability either way.
        disease_activation: ``"softmax"`` if an image has exactly one of the K labels, ``"sigmoid"`` otherwise.
        disease_size: if set, a wider image is averaged down to this width in pixels, and the encoder runs once more,
            at that size, for the disease head.
        task: ``"segmentation"`` or ``"classification"`` for a network of this task alone, without decoder or disease
            head of the other; None for both tasks.

    Raises:
        ValueError: if an argument breaks one of these rules; the message names it.

    Example:
        >>> network = ResFormer(["normal", "amd"], features=(8, 16), num_heads=(2, 4), window_size=4).eval()
        >>> {name: tuple(logits.shape) for name, logits in network(torch.rand(1, 3, 32, 32)).items()}
        {'vessel': (1, 1, 32, 32), 'disease': (1, 2)}
    """

    __constants__ = ("segments", "classifies")

    def __init__(
        self,
        label_names: Sequence[str],
        structures: Sequence[str] = ("vessel",),
        in_channels: int = 3,
        features: Sequence[int] = (64, 128, 256, 512),
        num_heads: Sequence[int] = (2, 4, 8, 16),
        window_size: int = 8,
        block: str = "sequential",
        depths: Sequence[int] | None = None,
        drop_path: float = 0.0,
        dfe: bool = True,
        segmentation_activation: str = "softmax",
        disease_activation: str = "sigmoid",
        disease_size: int | None = None,
        task: str | None = None,
    ) -> None:
        super().__init__()
        _check_label_names(label_names, disease_activation)
        depths = [1] * len(features) if depths is None else list(depths)
        _check_levels(features, num_heads, depths, window_size)
        check_activation("segmentation_activation", segmentation_activation)
        check_activation("disease_activation", disease_activation)
        if block not in BLOCKS:
            raise ValueError(f"block must be one of {', '.join(BLOCKS)}, got {block!r}.")
        if not 0 <= drop_path < 1:
            raise ValueError(f"drop_path must be at least 0 and below 1, got {drop_path}: it is a probability.")
        if disease_size is not None and disease_size < 1:
            raise ValueError(f"disease_size must be at least 1 pixel, got {disease_size}: None switches it off.")
        if task is not None:
            check_task(task)
        self.segments, self.classifies = task != "classification", task != "segmentation"
        self.label_names = list(label_names)
        self.structures = check_structures(structures, label_names)
        self.segmentation_activation = segmentation_activation
        self.disease_activation = disease_activation
        self.settings = {
            "block": block,
            "segmentation_activation": segmentation_activation,
            "disease_activation": disease_activation,
        }
        self.disease_size = disease_size

        stem = nn.Sequential(
            Convolution(2, in_channels, features[0], kernel_size=7, act="relu", norm="batch", bias=False),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        pairs = list(zip(features[:-1], features[1:], strict=True))
        self.down = nn.ModuleList(
            [
                stem,
                *(
                    Convolution(2, shallow, deep, strides=2, act=None, norm="batch", bias=False)
                    for shallow, deep in pairs
                ),
            ]
        )
        drop_paths = torch.linspace(0.0, drop_path, sum(depths)).split(depths)
        self.levels = nn.ModuleList(
            ResFormerLevel(channels, heads, window_size, block, of_level.tolist())
            for channels, heads, of_level in zip(features, num_heads, drop_paths, strict=True)
        )
        if self.segments:
            self.skip = nn.ModuleList(
                DilatedFeatureEnhancement(channels) if dfe else nn.Identity() for channels in features
            )
            self.up = nn.ModuleList(UpSample(2, deep, deep) for _, deep in reversed(pairs))
            self.join = nn.ModuleList(
                Convolution(2, shallow + deep, shallow, act="relu", norm="batch", bias=False)
                for shallow, deep in reversed(pairs)
            )
            self.segmentation_head = nn.Conv2d(features[0], len(structures), kernel_size=1)
        if self.classifies:
            pooled, hidden = features[-2] + features[-1], features[-2]
            self.classifier = nn.Sequential(nn.Linear(pooled, hidden), nn.ReLU(), nn.Linear(hidden, len(label_names)))

    def disease_input(self, image: torch.Tensor) -> torch.Tensor:
        """Return what the disease head reads of images (B, C, H, W), see ``disease_size``."""
        return reduce_to(image, self.disease_size)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Compute the logits of the structures and the diseases.

        Args:
            image: float tensor (B, in_channels, H, W) in [0, 1] of any height and width; with a ``disease_size`` the
                height after the reduction is whole, as it is for a square.

        Returns:
            Logits of the network's tasks: one (B, 1, H, W) for each of ``self.structures``, and ``"disease"``, (B, K).

        Raises:
            ValueError: if the height after the reduction is not whole; the message says what to pad to.
        """
        reduced = self.disease_input(image)
        outputs: dict[str, torch.Tensor] = {}
        encoded: list[torch.Tensor] = []
        if self.segments:
            encoded = self.encode(image)
            scores = self.decode(encoded)[:, :, : image.shape[2], : image.shape[3]]
            if self.segmentation_activation == "softmax":
                scores = exclusive_logits(scores, background=True)
            for index, structure in enumerate(self.structures):
                outputs[structure] = scores[:, index : index + 1]
        if self.classifies:
            if not self.segments or reduced.shape != image.shape:
                encoded = self.encode(reduced)
            outputs["disease"] = self.classify(encoded)
        return outputs

    def encode(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Run the encoder on (B, in_channels, H, W).

        Returns:
            The levels' maps from shallow to deep, (B, C_l, H_l, W_l), each half the size of the one before, rounded up.
        """
        x = image
        encoded: list[torch.Tensor] = []
        for down, level in zip(self.down, self.levels):  # noqa: B905 - TorchScript's zip has no strict
            x = level(down(x))
            encoded.append(x)
        return encoded

    def decode(self, encoded: list[torch.Tensor]) -> torch.Tensor:
        """Run the decoder and its head on the levels' maps.

        Returns:
            Scores of the structures, (B, C, 2 H_1, 2 W_1): up to one row and one column larger than the image,
            because each level's size is rounded up.
        """
        skips: list[torch.Tensor] = []
        for index, enhance in enumerate(self.skip):
            skips.append(enhance(encoded[index]))
        x = skips[-1]
        for index, (up, join) in enumerate(zip(self.up, self.join)):  # noqa: B905
            skip = skips[len(skips) - 2 - index]
            x = join(torch.cat([skip, up(x)[:, :, : skip.shape[2], : skip.shape[3]]], dim=1))
        # As good as upsampling before the 1x1 convolution, with which it commutes, and cheaper.
        return nn.functional.interpolate(self.segmentation_head(x), scale_factor=2.0, mode="bilinear")

    def classify(self, encoded: list[torch.Tensor]) -> torch.Tensor:
        """Return the disease logits (B, K) of the levels' maps."""
        pooled = torch.cat([encoded[-2].mean(dim=(2, 3)), encoded[-1].mean(dim=(2, 3))], dim=1)
        logits = self.classifier(pooled)
        if self.disease_activation == "softmax":
            logits = exclusive_logits(logits, background=False)
        return logits


def _check_label_names(label_names: Sequence[str], disease_activation: str) -> None:
    if not label_names:
        raise ValueError("label_names must name at least one disease, got none: list the keys of the head.")
    if disease_activation == "softmax" and len(label_names) < 2:
        raise ValueError(
            f"disease_activation softmax needs at least 2 label_names, got {len(label_names)}: name the others "
            "or choose sigmoid."
        )


def _check_levels(features: Sequence[int], num_heads: Sequence[int], depths: Sequence[int], window_size: int) -> None:
    if len(features) < 2 or not len(features) == len(num_heads) == len(depths):
        raise ValueError(
            f"features, num_heads and depths must have one value per level, for 2 or more levels, got {len(features)}, "
            f"{len(num_heads)} and {len(depths)}."
        )
    if min(depths) < 1:
        raise ValueError(f"depths must be at least 1, got {min(depths)}: a level has one block at least.")
    for channels, heads in zip(features, num_heads, strict=True):
        if heads < 1 or channels % heads != 0:
            raise ValueError(f"num_heads must divide the channels of their level, got {heads} heads for {channels}.")
    if window_size < 2:
        raise ValueError(f"window_size must be at least 2, got {window_size}: a window of 1 attends to itself alone.")
