"""The structures as a trained network draws them, in place of masks."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, cast

import torch
from monai.networks.utils import eval_mode
from monai.transforms import Transform

__all__ = ["DrawStructuresd"]


class DrawStructuresd(Transform):
    """Replaces the masks of an image by the probabilities that a network gives its structures.

    Every key of ``structures`` becomes (1, H, W) float32 in [0, 1], and ``has_<structure>`` false: nothing is known of
    what was drawn. The transform is not random, so that MONAI's cached datasets run the network once for each image.

    Args:
        network: its ``draw`` maps images (1, 3, H, W) to the structures' probabilities (1, S, H, W), by its
            ``drawing_parts``, such as :class:`~vmnet_monai.networks.FineVMNet`; it draws in evaluation mode.
        structures: keys of the S structures in the network's order.
    """

    def __init__(self, network: torch.nn.Module, structures: Sequence[str]) -> None:
        self.network = network
        self.structures = tuple(structures)

    def cache_key(self) -> str:
        """Return what tells the maps: the structures, and the SHA-256 of the weights that draw them."""
        digest = hashlib.sha256()
        for part in cast(Any, self.network).drawing_parts():
            for name, value in part.state_dict().items():
                digest.update(name.encode())
                digest.update(value.cpu().numpy().tobytes())
        return f"{type(self).__name__} {self.structures} {digest.hexdigest()}"

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        image = torch.as_tensor(item["image"])[None]
        device = next(self.network.parameters()).device
        with eval_mode(self.network):
            maps = cast(Any, self.network).draw(image.to(device))[0].float().cpu()
        for structure, drawn in zip(self.structures, maps.split(1), strict=True):
            item[structure] = drawn
            item[f"has_{structure}"] = torch.tensor(False)
        return item
