"""The steps of training, evaluation and inference, each a list of MONAI transforms that is defined once.

A config names them as steps of its ``preprocessing`` and ``postprocessing``; :func:`chain` joins them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import (
    Activationsd,
    AsDiscreted,
    Compose,
    CopyItemsd,
    EnsureChannelFirstd,
    EnsureTyped,
    FlattenSubKeysd,
    LoadImaged,
    MaskIntensityd,
    ScaleIntensityRanged,
    SelectItemsd,
    ToDeviced,
    Transform,
)

from vmnet_monai.io.images import FundusImageReader, to_mask, to_rgb
from vmnet_monai.transforms.contrast import EnhanceContrastd
from vmnet_monai.transforms.field_of_view import CropToFieldOfViewd, FieldOfViewd, RestoreToImaged
from vmnet_monai.transforms.labels import FillMissingMasksd, LabelVectord, LoadReferenceMasksd, RecordLabelPathsd
from vmnet_monai.transforms.photograph import KeepPhotographd
from vmnet_monai.transforms.remarks import RecordReadingRemarksd

__all__ = [
    "activate_predictions",
    "chain",
    "contrast_and_labels",
    "finish_augmentation",
    "load_and_crop",
    "normalise",
    "references_for_scoring",
    "restore_maps",
    "restore_predictions",
]


def chain(steps: Sequence[Any]) -> Compose:
    """Join transforms, lists of transforms and dictionaries of named transforms, in their order, into one Compose.

    The result is flat, so that MONAI's cached datasets find the first random transform. In a dictionary an overlay can
    address a transform by its name.

    Args:
        steps: transforms, lists of transforms, and dictionaries whose values are transforms.

    Example:
        >>> from monai.transforms import FlipD, RandFlipD
        >>> [type(step).__name__ for step in chain([[FlipD("image")], {"mirror": RandFlipD("image")}]).transforms]
        ['Flipd', 'RandFlipd']
    """
    transforms: list[Any] = []
    for step in steps:
        if isinstance(step, Mapping):
            transforms.extend(step.values())
        elif isinstance(step, Sequence):
            transforms.extend(step)
        else:
            transforms.append(step)
    return Compose(transforms)


def load_and_crop(
    structures: Sequence[str], grid_size: int, field_of_view: str = "estimate", keep_photograph: bool = False
) -> list[Transform]:
    """Read an item's files, find the field of view, and scale the square around it to the network's grid.

    Args:
        structures: keys of the masks.
        grid_size: side S of the grid in pixels.
        field_of_view: where the field of view lies, see :class:`~vmnet_monai.transforms.FieldOfViewd`.
        keep_photograph: whether the pixels stay in the item, see
            :class:`~vmnet_monai.transforms.photograph.KeepPhotographd`.

    Returns:
        Transforms from an item of paths to ``image`` (3, S, S), the masks that it has, and ``fov`` (1, S, S), uint8 0
        to 255, with ``fov_box``, ``has_<structure>``, ``<key>_path`` and ``warnings``, on how the file was read.
    """
    masks = [*structures, "fov"]
    # An instance, because MONAI makes no reader with a converter; its annotation names classes only.
    read_image: Any = FundusImageReader(to_rgb)
    read_mask: Any = FundusImageReader(to_mask)
    return [
        RecordLabelPathsd(structures),
        LoadImaged("image", reader=read_image, image_only=True, dtype=np.uint8, expanduser=False),
        RecordReadingRemarksd("image"),
        *([KeepPhotographd("image")] if keep_photograph else []),
        LoadImaged(masks, reader=read_mask, image_only=True, expanduser=False, allow_missing_keys=True),
        EnsureChannelFirstd("image", channel_dim=-1),
        EnsureChannelFirstd(masks, channel_dim="no_channel", allow_missing_keys=True),
        FieldOfViewd(method=field_of_view),
        CropToFieldOfViewd(["image", *masks], size_px=grid_size, allow_missing_keys=True),
    ]


def contrast_and_labels(structures: Sequence[str], num_diseases: int, contrast: str = "none") -> list[Transform]:
    """Enhance the contrast, fill masks that are unknown with zeros, and turn the disease labels into a vector.

    Args:
        structures: keys of the masks.
        num_diseases: number K of labels.
        contrast: see :func:`~vmnet_monai.transforms.enhance_contrast`.
    """
    return [
        EnhanceContrastd("image", method=contrast),
        FillMissingMasksd(structures),
        LabelVectord("disease", num_labels=num_diseases),
    ]


def normalise(structures: Sequence[str]) -> list[Transform]:
    """Scale image and masks from 0 to 255 to 0 to 1, and set the image to black outside the field of view.

    Args:
        structures: keys of the masks.
    """
    keys = ["image", *structures, "fov"]
    return [
        ScaleIntensityRanged(keys, a_min=0, a_max=255, b_min=0.0, b_max=1.0),
        AsDiscreted("fov", threshold=0.5),
        MaskIntensityd("image", mask_key="fov"),
        EnsureTyped(keys, track_meta=False),
    ]


def finish_augmentation(structures: Sequence[str]) -> list[Transform]:
    """Bring augmented items back into range, and keep only what the trainer reads.

    Args:
        structures: keys of the masks.
    """
    keys = ["image", *structures, "fov"]
    return [
        AsDiscreted("fov", threshold=0.5),
        ScaleIntensityRanged("image", a_min=0.0, a_max=1.0, b_min=0.0, b_max=1.0, clip=True),
        MaskIntensityd("image", mask_key="fov"),
        EnsureTyped(keys, dtype=torch.float32, track_meta=False),
        SelectItemsd([*keys, *(f"has_{structure}" for structure in structures), "disease"]),
    ]


def activate_predictions(structures: Sequence[str]) -> list[Transform]:
    """Turn the network's logits into probabilities on its grid, and put the field of view back on the image's pixels.

    Args:
        structures: keys of the structures.

    Returns:
        Transforms from an item with ``pred``, a dictionary of logits, to ``pred_<structure>`` (1, S, S) and
        ``pred_disease`` (K,), float32 in [0, 1], and ``fov`` (1, H, W), uint8 0 and 1. Keys that a network of one task
        lacks stay absent.
    """
    predictions = [*(f"pred_{structure}" for structure in structures), "pred_disease"]
    return [
        FlattenSubKeysd("pred", prefix="pred"),
        ToDeviced(predictions, device="cpu", allow_missing_keys=True),
        Activationsd(predictions, sigmoid=True, allow_missing_keys=True),
        RestoreToImaged("fov"),
        AsDiscreted("fov", threshold=0.5, dtype=torch.uint8),
    ]


def restore_maps(structures: Sequence[str]) -> list[Transform]:
    """Put the probabilities of :func:`activate_predictions` back on the image's pixels, 0 outside the field of view.

    Args:
        structures: keys of the structures; those that are absent stay so.

    Returns:
        Transforms of ``pred_<structure>`` from (1, S, S) to (1, H, W), in an item with ``fov`` and ``fov_box``.
    """
    return [RestoreToImaged([f"pred_{structure}" for structure in structures], mask_key="fov", allow_missing_keys=True)]


def restore_predictions(structures: Sequence[str]) -> list[Transform]:
    """Turn the network's logits into probabilities on the image's own pixels, 0 outside the field of view.

    It is :func:`activate_predictions` and :func:`restore_maps`, of all structures at once.

    Args:
        structures: keys of the structures.

    Returns:
        Transforms from an item with ``pred``, a dictionary of logits, to ``pred_<structure>`` (1, H, W) and
        ``pred_disease`` (K,), float32 in [0, 1], and ``fov`` (1, H, W), uint8 0 and 1. Keys that a network of one task
        lacks stay absent.
    """
    return [*activate_predictions(structures), *restore_maps(structures)]


def references_for_scoring(structures: Sequence[str], thresholds: Sequence[float]) -> list[Transform]:
    """Load the references on the image's own pixels, and add what metrics compare inside the field of view.

    Args:
        structures: keys of the structures.
        thresholds: threshold of each structure, 0 to 1.

    Returns:
        Transforms that add ``<structure>_reference`` and ``fov_reference``, see
        :class:`~vmnet_monai.transforms.LoadReferenceMasksd`, and, ending in ``_inside_fov``, the reference and the mask
        ``pred_<structure>``, both 0 outside ``fov_reference``, and the mask also outside ``fov``.
    """
    maps = [f"pred_{structure}" for structure in structures]
    scored = [*maps, *(f"{structure}_reference" for structure in structures)]
    inside = [f"{key}_inside_fov" for key in scored]
    return [
        FlattenSubKeysd("label", prefix="label"),
        ToDeviced("label_disease", device="cpu"),
        LoadReferenceMasksd(structures),
        CopyItemsd(scored, names=inside, allow_missing_keys=True),
        AsDiscreted(inside[: len(maps)], threshold=list(thresholds), allow_missing_keys=True),
        MaskIntensityd(inside[: len(maps)], mask_key="fov", allow_missing_keys=True),
        MaskIntensityd(inside, mask_key="fov_reference", allow_missing_keys=True),
    ]
