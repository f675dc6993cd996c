"""V-MNet on an encoder of choice, whose decoder runs once, on the fine grid, and guides from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from monai.networks.blocks import Convolution, SubpixelUpsample
from monai.networks.nets.basic_unet import UpCat
from torch import nn

from vmnet_monai.networks.encoders import ACTIVATION, Encoder
from vmnet_monai.networks.guidance import GuideEncoder, MapGuidance
from vmnet_monai.networks.reduction import averaged, reduce_to
from vmnet_monai.structures import check_parts, check_structures

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

    As :class:`~vmnet_monai.networks.VMNet`, with five differences:

    - the encoder is a part of its own, such as one that starts from ImageNet's weights;
    - the decoder runs once, on the fine grid. Where the disease head sees the image smaller, the encoder alone runs
      once more, and what guides it are the structures' maps of the fine grid, averaged down to its image: a map drawn
      on the small image has lost the thin vessels;
    - the maps alone guide, through a small encoder of their own, and not the decoder's features: maps can be made once
      for each photograph, kept, and moved with it through the augmentation, and whoever sees them sees all that guides;
    - the decoder ends at the resolution of the encoder's first map, and a sub-pixel convolution (Shi et al., CVPR 2016,
      arXiv 1609.05158) draws the structures at the image's own: no convolution runs there if the encoder's stem has a
      stride;
    - a structure that is a part of another, as arteries are of vessels, is given as the probability that a pixel is of
      the part if it is of the whole, times that of the whole: no part is more probable than its whole.

    Args:
        label_names: keys of the K diseases, in the order of the logits.
        encoder: an :class:`~vmnet_monai.networks.encoders.Encoder`.
        structures: keys of the structures that are segmented, each with a map of logits of its own.
        parts: part -> whole, such as ``{"artery": "vessel", "vein": "vessel"}``, both of the structures. The loss of a
            part does not reach its whole.
        decoder_channels: channels of the decoder's levels from deep to shallow, one fewer than the encoder has.
        shared_stages: how many of the encoder's stages both tasks share, with what comes before the first; 0 shares
            nothing. The disease head has the others as copies of its own, which cost nothing where it sees the image
            smaller, so that each task can be trained without harm to the other. None shares all.
        guided_levels: how many of the encoder's deepest levels the disease head sees.
        guidance: ``"none"``, ``"gate"`` or ``"concat"``, see :class:`~vmnet_monai.networks.MapGuidance`.
        guiding: keys of the structures whose maps guide; None stands for all.
        guide_channels: channels of the features of the maps, one for each level of the encoder, from shallow to deep.
        cut_gradient: if true, the disease loss does not reach the decoder through the guidance.
        freeze_structures: if true, all that the structures depend on stays as it is: its parameters get no gradient,
            and its batch normalisation keeps its statistics in training mode.
        dropout: dropout probability before the last linear layer of the disease head.
        disease_size: if set, the disease head sees a wider image averaged down to this width in pixels, a multiple of
            the stride. None shows it the image as it is.

    Raises:
        ValueError: if ``label_names`` is empty, ``decoder_channels``, ``guide_channels``, ``shared_stages`` or
            ``guided_levels`` do not fit the encoder, ``guiding`` names none or other than structures,
            :func:`~vmnet_monai.structures.check_structures` refuses the structures,
            :func:`~vmnet_monai.structures.check_parts` the parts, or ``disease_size`` is below 1.

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
        parts: Mapping[str, str] | None = None,
        decoder_channels: Sequence[int] = (64, 48, 32, 24),
        shared_stages: int | None = None,
        guided_levels: int = 4,
        guidance: str = "gate",
        guiding: Sequence[str] | None = None,
        guide_channels: Sequence[int] = (16, 24, 32, 48, 64),
        cut_gradient: bool = False,
        freeze_structures: bool = False,
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
        if len(guide_channels) != len(channels):
            raise ValueError(
                f"guide_channels must have one entry for each level of the encoder, {len(channels)}, got "
                f"{len(guide_channels)}."
            )
        if not 1 <= guided_levels <= len(channels):
            raise ValueError(
                f"guided_levels must lie between 1 and the number of levels, {len(channels)}, got {guided_levels}."
            )
        self.label_names = list(label_names)
        self.structures = check_structures(structures, label_names)
        parts = check_parts(parts, self.structures)
        self.wholes = [self.structures.index(parts[key]) if key in parts else -1 for key in self.structures]
        self.settings = {"encoder": encoder.name}
        if parts:
            self.settings["parts"] = "+".join(f"{part}:{whole}" for part, whole in parts.items())
        guiding = self.structures if guiding is None else guiding
        if not guiding or not set(guiding) <= set(self.structures):
            raise ValueError(
                f"guiding must name some of the structures {', '.join(self.structures)}, got {list(guiding)}: name the "
                "structures whose maps guide, or None for all."
            )
        self.guiding = [index for index, key in enumerate(self.structures) if key in guiding]
        if len(self.guiding) < len(self.structures):
            self.settings["guiding"] = "+".join(self.structures[index] for index in self.guiding)
        self.guided = guidance != "none"
        self.cut_gradient = cut_gradient
        self.freeze_structures = freeze_structures
        self.disease_size = disease_size
        self.stride = encoder.first_stride * 2 ** (len(channels) - 1)
        self.first_guided = len(channels) - guided_levels
        self.shares_all = shared_stages is None
        # A shared encoder runs over the whole image first, which would be followed backwards as well.
        self.heat_map_layer = (
            "classifier.features" if self.shares_all else f"disease_encoder.{encoder.second_deepest()}"
        )

        self.encoder = encoder
        self.disease_encoder = encoder if shared_stages is None else encoder.branch(shared_stages)
        incoming = [channels[-1], *decoder_channels[:-1]]
        self.decoder = nn.ModuleList(
            UpCat(2, deep, skip, wide, ACTIVATION, "batch", bias=False, is_pad=False)
            for deep, skip, wide in zip(incoming, reversed(channels[:-1]), decoder_channels, strict=True)
        )
        self.structure_head = SubpixelUpsample(
            2, decoder_channels[-1], len(structures), scale_factor=encoder.first_stride, apply_pad_pool=False
        )
        self.guide_encoder = GuideEncoder(
            len(self.guiding), guide_channels if self.guided else (), encoder.first_stride
        )
        self.guidance = nn.ModuleList(
            MapGuidance(channels[level], guide_channels[level], guidance)
            for level in range(self.first_guided, len(channels))
        )
        self.classifier = ResidualClassifier(
            channels[self.first_guided :], encoder.features(), encoder.feature_channels, len(label_names), dropout
        )
        if freeze_structures:
            for part in self.drawing_parts():
                part.requires_grad_(False)

    def forward(self, image: torch.Tensor, guide: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """Compute the logits of structures and diseases.

        Args:
            image: float tensor (B, 3, H, W) in [0, 1]; H and W divisible by ``self.stride``, also after the
                disease head's reduction.
            guide: (B, S, H', W'), probabilities of the S structures from an earlier pass over a finer grid; H' / W' is
                H / W. Given, nothing is drawn.

        Returns:
            ``{"vessel": (B, 1, H, W), "disease": (B, K)}``, logits; one map per structure under its key. With ``guide``
            the diseases only.

        Raises:
            ValueError: if H or W is not divisible; the message says what to pad to.
        """
        reduced = self.disease_input(image)
        outputs: dict[str, torch.Tensor] = {}
        encoded: list[torch.Tensor] = []
        if guide is None:
            encoded = self.encoder(image)
            drawn = self.decode(encoded)
            for index, structure in enumerate(self.structures):
                outputs[structure] = drawn[:, index : index + 1]
            guide = torch.sigmoid(drawn.detach() if self.cut_gradient else drawn)
        if not self.shares_all or not encoded or reduced.shape != image.shape:
            encoded = self.disease_encoder(reduced)
        outputs["disease"] = self.classify(encoded, averaged(guide, reduced.shape[-1]))
        return outputs

    def decode(self, encoded: list[torch.Tensor]) -> torch.Tensor:
        """Return the logits (B, S, H, W) of the S structures, given the encoder's maps from shallow to deep."""
        x = encoded[-1]
        for index, up in enumerate(self.decoder):
            x = up(x, encoded[len(encoded) - 2 - index])
        drawn = self.structure_head(x)
        logits: list[torch.Tensor] = []
        for index, whole in enumerate(self.wholes):
            own = drawn[:, index : index + 1]
            logits.append(own if whole < 0 else part_logits(own, drawn[:, whole : whole + 1]))
        return torch.cat(logits, dim=1)

    def classify(self, encoded: list[torch.Tensor], guide: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, K) of the diseases.

        Args:
            encoded: the encoder's maps of the image as the disease head sees it.
            guide: probabilities (B, S, h, w) of the structures, of that image's size.
        """
        if len(self.guiding) < len(self.structures):
            guide = torch.cat([guide[:, index : index + 1] for index in self.guiding], dim=1)
        features = self.guide_encoder(guide)
        guides = features if self.guided else encoded
        levels: list[torch.Tensor] = []
        for index, guidance in enumerate(self.guidance):
            level = self.first_guided + index
            levels.append(guidance(encoded[level], guides[level]))
        return self.classifier(levels)

    def train(self, mode: bool = True) -> FineVMNet:
        """Set training mode, in which structures that are frozen stay in evaluation mode."""
        super().train(mode)
        if self.freeze_structures:
            for part in self.drawing_parts():
                part.eval()
        return self

    def disease_input(self, image: torch.Tensor) -> torch.Tensor:
        """Return what the disease head reads of images (B, C, H, W), see ``disease_size``."""
        return reduce_to(image, self.disease_size, self.stride)

    def draw(self, image: torch.Tensor) -> torch.Tensor:
        """Return the probabilities (B, S, H, W) of the structures in images (B, 3, H, W), which guide the diseases."""
        return torch.sigmoid(self.decode(self.encoder(image)))

    def drawing_parts(self) -> list[nn.Module]:
        """Return all that the structures depend on."""
        return [self.encoder, self.decoder, self.structure_head]

    def remove_guidance(self) -> None:
        """Remove the guidance, so that the disease head reads the encoder alone, as with ``guidance="none"``."""
        self.guide_encoder = GuideEncoder(len(self.structures), (), 1)
        self.guidance = nn.ModuleList(MapGuidance(1, 1, mode="none") for _ in self.guidance)
        self.guided = False


def part_logits(part: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """Return the logits of the product of two probabilities given as logits: of a part given its whole, and of that."""
    logs = nn.functional.logsigmoid(part) + nn.functional.logsigmoid(whole.detach())
    logs = logs.clamp(max=-1e-6)  # closer to 0 the logit would not be finite in float32
    return logs - torch.log(1.0 - torch.exp(logs))
