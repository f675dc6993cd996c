"""V-MNet: one encoder, a vessel decoder, and a disease classifier that the vessels guide."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution, TransformerBlock
from monai.networks.nets.basic_unet import Down, TwoConv, UpCat
from torch import nn

from vmnet_monai.networks.encoders import ACTIVATION
from vmnet_monai.networks.guidance import VesselGuidance
from vmnet_monai.networks.reduction import reduce_to
from vmnet_monai.structures import check_structures

__all__ = ["CLASSIFIED", "ClassificationDecoder", "VMNet"]

CLASSIFIED = ("encoder", "decoder")
"""Whose feature maps the disease classifier reads."""

CHANNELS_PER_HEAD = 32
"""Channels of one attention head of the bottleneck transformer, as in Swin (Liu et al., arXiv 2103.14030)."""

MLP_RATIO = 4
"""Width of a transformer block's hidden layer over its channels (Dosovitskiy et al., arXiv 2010.11929)."""


class ClassificationDecoder(nn.Module):
    """Joins guided feature maps from shallow to deep and maps the deepest to disease logits.

    Level by level the map so far is halved by a strided convolution and joined with the next, deeper one. The last
    map, ``features``, is the target layer of Grad-CAM; it is averaged over all places and mapped to logits.

    Args:
        level_channels: channels of the feature maps that come in, from shallow to deep.
        num_diseases: number K of logits.
        norm: normalisation of the blocks, in MONAI's notation.
        dropout: dropout probability before the last linear layer.
    """

    def __init__(self, level_channels: Sequence[int], num_diseases: int, norm: str | tuple, dropout: float) -> None:
        super().__init__()
        self.halve = nn.ModuleList(
            Convolution(2, shallow, deep, strides=2, act=ACTIVATION, norm=norm, bias=False)
            for shallow, deep in zip(level_channels[:-1], level_channels[1:], strict=True)
        )
        self.join = nn.ModuleList(
            Convolution(2, 2 * deep, deep, kernel_size=1, act=ACTIVATION, norm=norm, bias=False)
            for deep in level_channels[1:]
        )
        last = level_channels[-1]
        self.features = TwoConv(2, last, last, ACTIVATION, norm, bias=False)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(last, num_diseases))

    def forward(self, levels: list[torch.Tensor]) -> torch.Tensor:
        """Map L feature maps (B, C_l, H_l, W_l), each half the size of the one before, to logits (B, K)."""
        x = levels[0]
        for index, (halve, join) in enumerate(zip(self.halve, self.join)):  # noqa: B905 - TorchScript has no strict
            x = join(torch.cat([halve(x), levels[index + 1]], dim=1))
        return self.head(self.pool(self.features(x)))


class VMNet(nn.Module):
    """Maps a fundus photograph to vessel logits and disease logits in one forward pass.

    The three parts follow Tao & Li, "V-MNet", Front. Med. 2026, 13:1799745 (doi 10.3389/fmed.2026.1799745): a shared
    encoder, a U-Net vessel decoder, and a classification decoder that the vessels guide. The paper leaves sizes and
    the form of the guidance open; the choices made here are explained in docs/explanation/vmnet.md.

    Args:
        label_names: keys of the K diseases, in the order of the logits.
        structures: keys of the structures that are segmented, each with a map of logits of its own.
        in_channels: channels of the image.
        features: channels of the encoder's levels from the image's own resolution downwards; each level halves
            the one before, so that the stride is ``2 ** (len(features) - 1)``.
        guided_levels: how many of the deepest levels the classification decoder sees.
        guidance: ``"none"``, ``"gate"`` or ``"concat"``, see :class:`VesselGuidance`.
        cut_gradient: if true, the disease loss does not reach the vessel decoder through the guidance.
        norm: normalisation in MONAI's notation. Batch statistics by default: instance statistics would erase haze
            and brightness, which are the evidence for cataract.
        dropout: dropout probability before the last linear layer of the classifier.
        classified: whose features the classifier reads: those of the ``"encoder"``, or, without guidance, those of the
            vessel ``"decoder"``, which then serves both tasks.
        bottleneck_layers: number of transformer blocks between encoder and decoder, which relate distant parts of the
            image; 0 for none.
        disease_size: if set, a wider image is averaged down to this width in pixels, a multiple of the stride, and
            encoder, decoder and guidance run once more, at that size, for the disease head: thin vessels need a fine
            grid, while many photographs with disease labels are small. None shows the disease head the image as it is.

    Raises:
        ValueError: if ``guided_levels`` is not between 1 and the number of levels, ``label_names`` is empty,
            :func:`~vmnet_monai.structures.check_structures` refuses the structures, ``disease_size`` is below 1,
            ``classified`` is unknown, or is the decoder with guidance, or the transformer's channels do not
            divide into heads.

    Example:
        >>> network = VMNet(["normal", "glaucoma"], features=(8, 12, 16), guided_levels=2).eval()
        >>> {name: tuple(logits.shape) for name, logits in network(torch.rand(1, 3, 32, 32)).items()}
        {'vessel': (1, 1, 32, 32), 'disease': (1, 2)}
    """

    def __init__(
        self,
        label_names: Sequence[str],
        structures: Sequence[str] = ("vessel",),
        in_channels: int = 3,
        features: Sequence[int] = (16, 32, 64, 96, 128, 192),
        guided_levels: int = 4,
        guidance: str = "gate",
        cut_gradient: bool = False,
        norm: str | tuple = "batch",
        dropout: float = 0.2,
        classified: str = "encoder",
        bottleneck_layers: int = 0,
        disease_size: int | None = None,
    ) -> None:
        super().__init__()
        if disease_size is not None and disease_size < 1:
            raise ValueError(f"disease_size must be at least 1 pixel, got {disease_size}: None switches it off.")
        if not label_names:
            raise ValueError("label_names must name at least one disease, got none: list the keys of the head.")
        if not 1 <= guided_levels <= len(features):
            raise ValueError(
                f"guided_levels must lie between 1 and the number of levels, {len(features)}, got {guided_levels}."
            )
        if classified not in CLASSIFIED:
            raise ValueError(f"classified must be one of {', '.join(CLASSIFIED)}, got {classified!r}.")
        if classified == "decoder" and guidance != "none":
            raise ValueError(f"the decoder's own features cannot be guided by it, got {guidance!r}: set guidance none.")
        if bottleneck_layers and features[-1] % CHANNELS_PER_HEAD != 0:
            raise ValueError(
                f"the last of features must be divisible by {CHANNELS_PER_HEAD} for a transformer, got {features[-1]}."
            )
        self.label_names = list(label_names)
        self.structures = check_structures(structures, label_names)
        self.classified = classified
        self.settings = {"classified": classified}
        self.stride = 2 ** (len(features) - 1)
        self.disease_size = disease_size
        self.first_guided = len(features) - guided_levels

        self.stem = TwoConv(2, in_channels, features[0], ACTIVATION, norm, bias=False)
        self.encoder = nn.ModuleList(
            Down(2, shallow, deep, ACTIVATION, norm, bias=False)
            for shallow, deep in zip(features[:-1], features[1:], strict=True)
        )
        self.decoder = nn.ModuleList(
            UpCat(2, deep, shallow, shallow, ACTIVATION, norm, bias=False, is_pad=False)
            for shallow, deep in zip(reversed(features[:-1]), reversed(features[1:]), strict=True)
        )
        self.bottleneck = nn.ModuleList(
            TransformerBlock(features[-1], MLP_RATIO * features[-1], features[-1] // CHANNELS_PER_HEAD)
            for _ in range(bottleneck_layers)
        )
        self.vessel_head = nn.Conv2d(features[0], len(structures), kernel_size=1)
        self.guidance = nn.ModuleList(
            VesselGuidance(channels, mode=guidance, cut_gradient=cut_gradient, structures=len(structures))
            for channels in features[self.first_guided :]
        )
        self.classifier = ClassificationDecoder(features[self.first_guided :], len(label_names), norm, dropout)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Compute the logits of vessels and diseases.

        Args:
            image: float tensor (B, in_channels, H, W) in [0, 1]; H and W divisible by ``self.stride``, also after the
                disease head's reduction.

        Returns:
            ``{"vessel": (B, 1, H, W), "disease": (B, K)}``, logits; one map per structure under its key.

        Raises:
            ValueError: if H or W is not divisible; the message says what to pad to.
        """
        reduced = self.disease_input(image)
        encoded, decoded, vessel = self.segment(image)
        guide_vessel = vessel
        if reduced.shape != image.shape:
            encoded, decoded, guide_vessel = self.segment(reduced)

        guided: list[torch.Tensor] = []
        for index, guide in enumerate(self.guidance):
            level = self.first_guided + index
            decoded_level = decoded[len(decoded) - 1 - level]
            source = decoded_level if self.classified == "decoder" else encoded[level]
            guided.append(guide(source, decoded_level, guide_vessel))
        outputs: dict[str, torch.Tensor] = {}
        for index, structure in enumerate(self.structures):
            outputs[structure] = vessel[:, index : index + 1]
        outputs["disease"] = self.classifier(guided)
        return outputs

    def disease_input(self, image: torch.Tensor) -> torch.Tensor:
        """Return what the disease head reads of images (B, C, H, W), see ``disease_size``."""
        return reduce_to(image, self.disease_size, self.stride)

    def remove_guidance(self) -> None:
        """Remove the guidance, so that the disease head reads the encoder alone, as with ``guidance="none"``."""
        self.guidance = nn.ModuleList(VesselGuidance(1, mode="none") for _ in self.guidance)

    def segment(self, image: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
        """Run encoder and vessel decoder.

        Args:
            image: (B, in_channels, H, W), H and W divisible by the stride.

        Returns:
            The encoder's maps from shallow to deep and the decoder's from deep to shallow, (B, C_l, H_l, W_l), each
            level half or twice the size of the one before, and logits (B, S, H, W) of the S structures.
        """
        x = self.stem(image)
        encoded = [x]
        for down in self.encoder:
            x = down(x)
            encoded.append(x)

        if len(self.bottleneck) > 0:
            tokens = x.flatten(2).transpose(1, 2)
            for block in self.bottleneck:
                tokens = block(tokens)
            x = tokens.transpose(1, 2).reshape(x.shape)
            encoded[-1] = x

        decoded = [x]
        for index, up in enumerate(self.decoder):
            x = up(x, encoded[len(encoded) - 2 - index])
            decoded.append(x)
        return encoded, decoded, self.vessel_head(x)
