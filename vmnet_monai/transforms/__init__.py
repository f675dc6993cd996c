"""MONAI transforms for fundus photographs: field of view, contrast, labels, JPEG, and the shared preprocessing."""

from __future__ import annotations

from vmnet_monai.transforms.contrast import CONTRAST_METHODS, EnhanceContrastd, enhance_contrast
from vmnet_monai.transforms.drawn import DrawStructuresd
from vmnet_monai.transforms.field_of_view import (
    CropToFieldOfViewd,
    FieldOfViewBox,
    FieldOfViewd,
    FieldOfViewError,
    RestoreToImaged,
    crop_to_box,
    estimate_field_of_view,
    field_of_view_box,
    restore_from_box,
)
from vmnet_monai.transforms.jpeg import RandJPEGd, compress_jpeg
from vmnet_monai.transforms.labels import FillMissingMasksd, LabelVectord, LoadReferenceMasksd, RecordLabelPathsd
from vmnet_monai.transforms.preprocessing import (
    activate_predictions,
    chain,
    contrast_and_labels,
    finish_augmentation,
    load_and_crop,
    normalise,
    references_for_scoring,
    restore_maps,
    restore_predictions,
)
from vmnet_monai.transforms.weak_components import LowerWeakComponentsd, weak_components

__all__ = [
    "CONTRAST_METHODS",
    "CropToFieldOfViewd",
    "DrawStructuresd",
    "EnhanceContrastd",
    "FieldOfViewBox",
    "FieldOfViewError",
    "FieldOfViewd",
    "FillMissingMasksd",
    "LabelVectord",
    "LoadReferenceMasksd",
    "LowerWeakComponentsd",
    "RandJPEGd",
    "RecordLabelPathsd",
    "RestoreToImaged",
    "activate_predictions",
    "chain",
    "compress_jpeg",
    "contrast_and_labels",
    "crop_to_box",
    "enhance_contrast",
    "estimate_field_of_view",
    "field_of_view_box",
    "finish_augmentation",
    "load_and_crop",
    "normalise",
    "references_for_scoring",
    "restore_from_box",
    "restore_maps",
    "restore_predictions",
    "weak_components",
]
