"""VENet: a deeply supervised U-Net with a classification head on its deepest level."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from monai.networks.blocks.dynunet_block import UnetBasicBlock, UnetOutBlock, UnetUpBlock
from monai.networks.layers.utils import get_act_layer
from torch import nn

from vmnet_monai.networks.reduction import reduce_to
from vmnet_monai.networks.single_task import check_task
from vmnet_monai.networks.softmax import check_activation, exclusive_logits
from vmnet_monai.structures import check_structures

__all__ = ["VENet"]

ACTIVATION = ("LeakyReLU", {"negative_slope": 0.01, "inplace": True})
"""Activation of every block; the paper does not state the slope, 0.01 is nnU-Net's."""

NORM = "batch"
"""Normalisation of every block, as in the paper."""

SEGMENTATION_CONVOLUTIONS = 3
"""Convolutions of the segmentation head before the one that makes the logits, as in the paper."""


class VENet(nn.Module):
    """Maps an image to segmentation logits at several resolutions and to disease logits.

    Oliveira et al., "A multi-task convolutional neural network for classification and segmentation of chronic venous
    disorders", Sci Rep 2023 (doi 10.1038/s41598-022-27089-8). From the paper:

    - encoder blocks of 2 x (convolution, batch norm, leaky ReLU), strided convolutions for downsampling, 32 feature
      maps at first and at most 480;
    - classification head on the deepest level: convolution block, average pooling, linear, leaky ReLU, linear, softmax;
    - decoder blocks of 2 x (convolution, batch norm, leaky ReLU), skip connections by concatenation;
    - segmentation head of 3 x (convolution, batch norm, leaky ReLU), softmax;
    - deep supervision by one probability map (convolution, softmax) from every decoder block.

    The choices made here, where the paper is silent, follow nnU-Net (Isensee et al., Nat Methods 2021, doi
    10.1038/s41592-020-01008-z), whose block and limit of 480 these are: the feature maps double per level; the first
    convolution of a block has the stride; a transposed convolution doubles the resolution; convolutions are 3 x 3,
    those that make logits 1 x 1. Six levels take images of the sizes that V-MNet takes, multiples of 32, and end
    at 8 pixels for an image of 256 and at 16 for one of 512 (nnU-Net would go on to 4). The convolution block of
    the classification head is an encoder block without stride, its hidden linear layer as wide as the deepest level.
    The decoder block at full resolution is supervised through the segmentation head.

    With softmax, as in the paper, classes exclude one another. The sigmoid of every output is still its probability,
    see :func:`~vmnet_monai.networks.softmax.exclusive_logits`.

    Args:
        label_names: keys of the K diseases, in the order of the logits.
        structures: names of what is segmented, the keys of the output.
        in_channels: channels of the image.
        features: channels of the levels from the image's own resolution downwards; each level halves the one
            before, so that the stride is ``2 ** (len(features) - 1)``.
        segmentation_activation: ``"sigmoid"`` where structures may overlap, ``"softmax"`` where a pixel belongs to one
            structure or to none.
        disease_activation: ``"sigmoid"`` where diseases can occur together, ``"softmax"`` where an image has exactly
            one label.
        deep_supervision: whether the decoder's lower resolutions give logits in training mode.
        disease_size: if set, a wider image is averaged down to this width in pixels, a multiple of the stride, and the
            encoder runs once more, at that size, for the classification head. None shows the classification head the
            image as it is.
        task: ``"classification"`` for the paper's VENetC, the encoder with the classification head; ``"segmentation"``
            for its VENetS, encoder, decoder and segmentation heads; None for both tasks.

    Attributes:
        num_supervised: number R of resolutions at which each structure is supervised, the full one included.

    Raises:
        ValueError: if ``label_names`` is empty or has one label only under softmax; if there are fewer than two levels;
            if :func:`~vmnet_monai.structures.check_structures` refuses the structures; if an activation or the task is
            unknown; if ``disease_size`` is below 1.

    Example:
        >>> network = VENet(["normal", "amd"], features=(4, 8, 16))
        >>> {name: tuple(logits.shape) for name, logits in network(torch.rand(2, 3, 32, 32)).items()}
        {'vessel': (2, 1, 32, 32), 'vessel_1': (2, 1, 16, 16), 'disease': (2, 2)}
    """

    __constants__ = ("segments", "classifies")

    def __init__(
        self,
        label_names: Sequence[str],
        structures: Sequence[str] = ("vessel",),
        in_channels: int = 3,
        features: Sequence[int] = (32, 64, 128, 256, 480, 480),
        segmentation_activation: str = "sigmoid",
        disease_activation: str = "sigmoid",
        deep_supervision: bool = True,
        disease_size: int | None = None,
        task: str | None = None,
    ) -> None:
        super().__init__()
        check_activation("segmentation_activation", segmentation_activation)
        check_activation("disease_activation", disease_activation)
        if disease_size is not None and disease_size < 1:
            raise ValueError(f"disease_size must be at least 1 pixel, got {disease_size}: None switches it off.")
        if len(features) < 2:
            raise ValueError(f"features must have at least two levels, got {len(features)}: list the channels of each.")
        least = 2 if disease_activation == "softmax" else 1
        if len(label_names) < least:
            raise ValueError(
                f"label_names must name at least {least} with disease_activation {disease_activation}, "
                f"got {len(label_names)}: list the keys of the head."
            )
        if task is not None:
            check_task(task)
        self.segments, self.classifies = task != "classification", task != "segmentation"
        self.num_supervised = len(features) - 1 if deep_supervision else 1
        self.label_names = list(label_names)
        self.structures = check_structures(structures, label_names)
        self.segmentation_activation = segmentation_activation
        self.disease_activation = disease_activation
        self.settings = {"segmentation_activation": segmentation_activation, "disease_activation": disease_activation}
        self.stride = 2 ** (len(features) - 1)
        self.disease_size = disease_size

        shallow_to_deep = list(zip(features[:-1], features[1:], strict=True))
        self.encoder = nn.ModuleList([UnetBasicBlock(2, in_channels, features[0], 3, 1, NORM, ACTIVATION)])
        for shallow, deep in shallow_to_deep:
            self.encoder.append(UnetBasicBlock(2, shallow, deep, 3, 2, NORM, ACTIVATION))
        if self.segments:
            self.decoder = nn.ModuleList(
                UnetUpBlock(2, deep, shallow, 3, 1, 2, NORM, ACTIVATION) for shallow, deep in reversed(shallow_to_deep)
            )
            first = features[0]
            self.segmentation_head = nn.Sequential(
                *(
                    Convolution(2, first, first, act=ACTIVATION, norm=NORM, bias=False)
                    for _ in range(SEGMENTATION_CONVOLUTIONS)
                ),
                UnetOutBlock(2, first, len(structures)),
            )
            self.supervision_heads = nn.ModuleList(
                UnetOutBlock(2, channels, len(structures)) for channels in features[1 : self.num_supervised]
            )
        if self.classifies:
            last = features[-1]
            self.classifier = nn.Sequential(
                OrderedDict(
                    features=UnetBasicBlock(2, last, last, 3, 1, NORM, ACTIVATION),
                    pool=nn.AdaptiveAvgPool2d(1),
                    flatten=nn.Flatten(),
                    hidden=nn.Linear(last, last),
                    act=get_act_layer(ACTIVATION),
                    output=nn.Linear(last, len(label_names)),
                )
            )

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Compute the logits of structures and diseases.

        Args:
            image: float tensor (B, in_channels, H, W) in [0, 1]; H and W divisible by ``self.stride``, also after the
                classification head's reduction.

        Returns:
            Logits of the network's tasks: for each structure (B, 1, H, W) under its name, and ``disease`` (B, K). In
            training mode with deep supervision also, for each structure and r from 1 to ``num_supervised - 1``,
            ``{structure}_{r}`` of (B, 1, H / 2**r, W / 2**r).

        Raises:
            ValueError: if H or W is not divisible; the message says what to pad to.
        """
        reduced = self.disease_input(image)
        outputs: dict[str, torch.Tensor] = {}
        encoded: list[torch.Tensor] = []
        if self.segments:
            encoded = self.encode(image)
            outputs.update(self.decode(encoded))
        if self.classifies:
            if not self.segments or reduced.shape != image.shape:
                encoded = self.encode(reduced)
            disease = self.classifier(encoded[-1])
            if self.disease_activation == "softmax":
                disease = exclusive_logits(disease, background=False)
            outputs["disease"] = disease
        return outputs

    def disease_input(self, image: torch.Tensor) -> torch.Tensor:
        """Return what the disease head reads of images (B, C, H, W), see ``disease_size``."""
        return reduce_to(image, self.disease_size, self.stride)

    def encode(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Run the encoder.

        Args:
            image: (B, in_channels, H, W), H and W divisible by the stride.

        Returns:
            The levels' maps from shallow to deep, (B, C_l, H / 2**l, W / 2**l).
        """
        x = image
        encoded: list[torch.Tensor] = []
        for block in self.encoder:
            x = block(x)
            encoded.append(x)
        return encoded

    def decode(self, encoded: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        """Run the decoder and its heads on the levels' maps.

        Returns:
            The structures' logits, in training mode also those of the lower resolutions, see :meth:`forward`.
        """
        x = encoded[-1]
        decoded: list[torch.Tensor] = []
        for index, up in enumerate(self.decoder):
            x = up(x, encoded[len(encoded) - 2 - index])
            decoded.append(x)

        outputs: dict[str, torch.Tensor] = {}
        segmented = self.structure_logits(self.segmentation_head(x))
        for index, structure in enumerate(self.structures):
            outputs[structure] = segmented[:, index : index + 1]
        if self.training:
            for index, head in enumerate(self.supervision_heads):
                r = index + 1
                segmented = self.structure_logits(head(decoded[len(decoded) - 1 - r]))
                for channel, structure in enumerate(self.structures):
                    outputs[f"{structure}_{r}"] = segmented[:, channel : channel + 1]
        return outputs

    def structure_logits(self, scores: torch.Tensor) -> torch.Tensor:
        """Turn the scores (B, C, H, W) of C structures into logits whose sigmoid is the probability."""
        if self.segmentation_activation == "softmax":
            return exclusive_logits(scores, background=True)
        return scores
