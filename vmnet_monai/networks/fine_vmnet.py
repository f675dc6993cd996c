"""V-MNet on an encoder of choice, whose decoder runs once, on the fine grid, and guides from there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution, SubpixelUpsample
from monai.networks.nets.basic_unet import UpCat
from torch import nn

from vmnet_monai.networks.encoders import ACTIVATION, Encoder
from vmnet_monai.networks.guidance import VesselGuidance
from vmnet_monai.networks.reduction import reduce_to
from vmnet_monai.structures import check_structures

__all__ = ["FineVMNet", "ResidualClassifier"]


class ResidualClassifier(nn.Module):
    """Adds guided feature maps from shallow to deep to the deepest one, and maps the sum to disease logits.

    Level by level the map so far is halved by a strided convolution and added to the next, deeper one by a 1x1
    convolution that starts at zero: before training the deepest map passes as it is, as a pretrained encoder needs it.
    The last map, ``features``, is the target layer of Grad-CAM; it is averaged over all places and mapped to logits.

    Args:
        level_channels: channels of the feature maps that come in, from shallow to deep.
        features: block between the deepest map and the average.
        feature_channels: channels of that block's map.
        num_diseases: number K of logits.
        dropout: dropout probability before the last linear layer.
    """

    def __init__(
        self,
        level_channels: Sequence[int],
        features: nn.Module,
        feature_channels: int,
        num_diseases: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.halve = nn.ModuleList(
            Convolution(2, channels, channels, strides=2, act=ACTIVATION, norm="batch", bias=False)
            for channels in level_channels[:-1]
        )
        self.add = nn.ModuleList(
            nn.Conv2d(shallow, deep, kernel_size=1)
            for shallow, deep in zip(level_channels[:-1], level_channels[1:], strict=True)
        )
        for parameter in self.add.parameters():
            nn.init.zeros_(parameter)
        self.features = features
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(feature_channels, num_diseases))

    def forward(self, levels: list[torch.Tensor]) -> torch.Tensor:
        """Map L feature maps (B, C_l, H_l, W_l), each half the size of the one before, to logits (B, K)."""
        x = levels[0]
        for index, (halve, add) in enumerate(zip(self.halve, self.add)):  # noqa: B905 - TorchScript has no strict
            x = levels[index + 1] + add(halve(x))
        return self.head(self.pool(self.features(x)))


class FineVMNet(nn.Module):
    """Maps a fundus photograph to logits of structures and of diseases: V-MNet on an encoder of choice.

    As :class:`~vmnet_monai.networks.VMNet`, with three differences:

    - the encoder is a part of its own, such as one that starts from ImageNet's weights;
    - the decoder runs once, on the fine grid. Where the disease head sees the image smaller, the encoder alone runs
      once more, and what guides it are the structures and decoder features of the fine grid, averaged down to its
      levels: a map drawn on the small image has lost the thin vessels;
    - the decoder ends at the resolution of the encoder's first map, and a sub-pixel convolution (Shi et al., CVPR 2016,
      arXiv 1609.05158) draws the structures at the image's own: no convolution runs there if the encoder's stem has a
      stride.

    Args:
        label_names: keys of the K diseases, in the order of the logits.
        encoder: an :class:`~vmnet_monai.networks.encoders.Encoder`.
        structures: keys of the structures that are segmented, each with a map of logits of its own.
        decoder_channels: channels of the decoder's levels from deep to shallow, one fewer than the encoder has.
        guided_levels: how many of the encoder's deepest levels the disease head sees.
        guidance: ``"none"``, ``"gate"`` or ``"concat"``, see :class:`VesselGuidance`. A level is guided by the features
            of the decoder's level of the same stride; the deepest, which the decoder does not have, by its deepest.
        cut_gradient: if true, the disease loss does not reach the decoder through the guidance.
        dropout: dropout probability before the last linear layer of the disease head.
        disease_size: if set, the disease head sees the image averaged down by the largest whole factor that leaves it
            at least this many pixels wide. None shows it the image as it is.

    Raises:
        ValueError: if ``label_names`` is empty, ``decoder_channels`` or ``guided_levels`` do not fit the encoder,
            :func:`~vmnet_monai.structures.check_structures` refuses the structures, or ``disease_size`` is below 1.

    Example:
        >>> from vmnet_monai.networks.encoders import EfficientNetLite
        >>> network = FineVMNet(["glaucoma", "amd"], EfficientNetLite(), structures=["vessel", "disc"])
        >>> {name: tuple(logits.shape) for name, logits in network(torch.rand(2, 3, 64, 64)).items()}
        {'vessel': (2, 1, 64, 64), 'disc': (2, 1, 64, 64), 'disease': (2, 2)}
    """

    def __init__(
        self,
        label_names: Sequence[str],
        encoder: Encoder,
        structures: Sequence[str] = ("vessel",),
        decoder_channels: Sequence[int] = (64, 48, 32, 24),
        guided_levels: int = 4,
        guidance: str = "gate",
        cut_gradient: bool = False,
        dropout: float = 0.2,
        disease_size: int | None = None,
    ) -> None:
        super().__init__()
        channels = encoder.channels
        if disease_size is not None and disease_size < 1:
            raise ValueError(f"disease_size must be at least 1 pixel, got {disease_size}: None switches it off.")
        if not label_names:
            raise ValueError("label_names must name at least one disease, got none: list the keys of the head.")
        if len(decoder_channels) != len(channels) - 1:
            raise ValueError(
                f"decoder_channels must have one entry for each level of the encoder but the deepest, "
                f"{len(channels) - 1}, got {len(decoder_channels)}."
            )
        if not 1 <= guided_levels <= len(channels):
            raise ValueError(
                f"guided_levels must lie between 1 and the number of levels, {len(channels)}, got {guided_levels}."
            )
        self.label_names = list(label_names)
        self.structures = check_structures(structures, label_names)
        self.settings = {"encoder": encoder.name}
        self.guided = guidance != "none"
        self.disease_size = disease_size
        self.stride = encoder.first_stride * 2 ** (len(channels) - 1)
        self.first_guided = len(channels) - guided_levels

        self.encoder = encoder
        incoming = [channels[-1], *decoder_channels[:-1]]
        self.decoder = nn.ModuleList(
            UpCat(2, deep, skip, wide, ACTIVATION, "batch", bias=False, is_pad=False)
            for deep, skip, wide in zip(incoming, reversed(channels[:-1]), decoder_channels, strict=True)
        )
        self.structure_head = SubpixelUpsample(
            2, decoder_channels[-1], len(structures), scale_factor=encoder.first_stride, apply_pad_pool=False
        )
        # From shallow to deep; the decoder's deepest level guides the encoder's two deepest.
        decoded_channels = [*reversed(decoder_channels), decoder_channels[0]]
        self.guidance = nn.ModuleList(
            VesselGuidance(
                channels[level], guidance, cut_gradient, len(structures), decoded_channels=decoded_channels[level]
            )
            for level in range(self.first_guided, len(channels))
        )
        self.classifier = ResidualClassifier(
            channels[self.first_guided :], encoder.features(), encoder.feature_channels, len(label_names), dropout
        )

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Compute the logits of structures and diseases.

        Args:
            image: float tensor (B, 3, H, W) in [0, 1]; H and W divisible by ``self.stride`` and, where the disease
                head reads the image reduced, by the stride times the factor of the reduction.

        Returns:
            ``{"vessel": (B, 1, H, W), "disease": (B, K)}``, logits; one map per structure under its key.

        Raises:
            ValueError: if H or W is not divisible; the message says what to pad to.
        """
        reduced = reduce_to(image, self.disease_size, self.stride)
        encoded = self.encoder(image)
        decoded, drawn = self.decode(encoded)
        if reduced.shape != image.shape:
            encoded = self.encoder(reduced)
        outputs: dict[str, torch.Tensor] = {}
        for index, structure in enumerate(self.structures):
            outputs[structure] = drawn[:, index : index + 1]
        outputs["disease"] = self.classify(encoded, decoded, drawn)
        return outputs

    def decode(self, encoded: list[torch.Tensor]) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Run the decoder.

        Args:
            encoded: the encoder's maps, from shallow to deep.

        Returns:
            The decoder's maps from deep to shallow, and logits (B, S, H, W) of the S structures.
        """
        x = encoded[-1]
        decoded: list[torch.Tensor] = []
        for index, up in enumerate(self.decoder):
            x = up(x, encoded[len(encoded) - 2 - index])
            decoded.append(x)
        return decoded, self.structure_head(x)

    def classify(self, encoded: list[torch.Tensor], decoded: list[torch.Tensor], drawn: torch.Tensor) -> torch.Tensor:
        """Run the disease head.

        Args:
            encoded: the encoder's maps of the image as the disease head sees it.
            decoded: the decoder's maps of the image as it is, see :meth:`decode`.
            drawn: logits (B, S, H, W) of the structures.

        Returns:
            Logits (B, K).
        """
        levels: list[torch.Tensor] = []
        for index, guide in enumerate(self.guidance):
            level = self.first_guided + index
            levels.append(guide(encoded[level], decoded[max(0, len(decoded) - 1 - level)], drawn))
        return self.classifier(levels)

    def disease_input(self, image: torch.Tensor) -> torch.Tensor:
        """Return the smallest image with the same disease logits as images (B, C, H, W).

        That is the image itself with guidance, which comes from the fine grid; else as ``disease_size`` says.
        """
        return image if self.guided else reduce_to(image, self.disease_size, self.stride)

    def remove_guidance(self) -> None:
        """Remove the guidance, so that the disease head reads the encoder alone, as with ``guidance="none"``."""
        self.guidance = nn.ModuleList(VesselGuidance(1, mode="none") for _ in self.guidance)
        self.guided = False
