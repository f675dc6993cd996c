"""Transforms for fundus photographs that MONAI lacks."""

from __future__ import annotations

from vmnet_monai.transforms.contrast import CONTRAST_METHODS, EnhanceContrastd, enhance_contrast
from vmnet_monai.transforms.field_of_view import (
    CropToFieldOfViewd,
    FieldOfViewBox,
    FieldOfViewd,
    FieldOfViewError,
    RestoreToPhotographd,
    crop_to_box,
    estimate_field_of_view,
    field_of_view_box,
    restore_from_box,
)
from vmnet_monai.transforms.jpeg import RandJPEGd, compress_jpeg
from vmnet_monai.transforms.known import FillVesseld, LabelVectord, LoadTruthd, NoteTruthd
from vmnet_monai.transforms.reading import to_mask, to_rgb

__all__ = [
    "CONTRAST_METHODS",
    "CropToFieldOfViewd",
    "EnhanceContrastd",
    "FieldOfViewBox",
    "FieldOfViewError",
    "FieldOfViewd",
    "FillVesseld",
    "LabelVectord",
    "LoadTruthd",
    "NoteTruthd",
    "RandJPEGd",
    "RestoreToPhotographd",
    "compress_jpeg",
    "crop_to_box",
    "enhance_contrast",
    "estimate_field_of_view",
    "field_of_view_box",
    "restore_from_box",
    "to_mask",
    "to_rgb",
]
