"""Where the bundle that came with the package lies, and how its configs are written, without imports that take time."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["CONFIG_NAME", "RENAMED_KEYS", "bundle_path", "expression", "literal"]

CONFIG_NAME = "configs/inference.json"
"""Path of the inference config in a bundle."""

RENAMED_KEYS: Mapping[str, str] = {
    "dataset": "dataset_name",
    "vessel_share": "segmentation_fraction",
    "train#sampler#vessel_share": "train#sampler#segmentation_fraction",
    "loss#vessel_loss": "loss#segmentation_loss",
    "loss#vessel_weight": "loss#segmentation_weight",
    "crops_per_photograph": "crops_per_image",
    "pictures": "image_keys",
    "normalisation": "normalise",
    "reduction": "reduce",
    "train#preprocessing#transforms": "train#preprocessing#steps",
    "train#flips#0": "train#flips#horizontal",
    "train#flips#1": "train#flips#vertical",
    "train#augmentation#0": "train#affine",
    "train#augmentation#1": "train#augmentation#low_resolution",
    "train#augmentation#2": "train#augmentation#blur",
    "train#augmentation#3": "train#augmentation#colour",
    "train#augmentation#4": "train#augmentation#brightness",
    "train#augmentation#5": "train#augmentation#gamma",
    "train#augmentation#6": "train#augmentation#noise",
    "train#augmentation#7": "train#augmentation#jpeg",
    "validate#data": "validate#items",
    "validate#preprocessing#transforms": "validate#preprocessing#steps",
    "validate#scored": "validate#references",
    "validate#postprocessing#transforms": "validate#postprocessing#steps",
}
"""Keys of the training's config before version 0.6.0, and what they are called since; what lies below them likewise."""


def bundle_path() -> Path:
    """Return the folder of the bundle that came with the package: inside it, or beside it in a clone.

    Raises:
        FileNotFoundError: if the installation lacks it.
    """
    package = Path(__file__).parents[1]
    for path in (package / "bundle", package.parent / "bundles/vmnet"):
        if (path / CONFIG_NAME).is_file():
            return path
    raise FileNotFoundError(f"{package / 'bundle'} is missing: install vmnet_monai again, or give `--bundle`.")


def literal(text: str | Path) -> str:
    """Write a text such that a config holds it as it is: MONAI evaluates what holds ``$``, ``@`` or ``%``.

    Args:
        text: any text, such as the name of a file.

    Example:
        >>> literal("photographs/eye.png")
        'photographs/eye.png'
    """
    text = os.fspath(text)
    return f"${expression(text)}" if set(text) & set("$@%") else text


def expression(text: str) -> str:
    """Write a text as a Python expression in which MONAI finds nothing to replace."""
    return f"bytes.fromhex('{os.fsencode(text).hex()}').decode({sys.getfilesystemencoding()!r}, 'surrogateescape')"
