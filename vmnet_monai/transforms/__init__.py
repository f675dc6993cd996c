"""Transforms for fundus photographs and other pictures that MONAI lacks."""

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
from vmnet_monai.transforms.known import FillStructuresd, LabelVectord, LoadTruthd, NoteTruthd
from vmnet_monai.transforms.photograph_check import CheckPhotographd, NotAFundusPhotographError
from vmnet_monai.transforms.reading import PictureReader, UnreadablePictureError, read_picture, to_mask, to_rgb

__all__ = [
    "CONTRAST_METHODS",
    "CheckPhotographd",
    "CropToFieldOfViewd",
    "EnhanceContrastd",
    "FieldOfViewBox",
    "FieldOfViewError",
    "FieldOfViewd",
    "FillStructuresd",
    "LabelVectord",
    "LoadTruthd",
    "NotAFundusPhotographError",
    "NoteTruthd",
    "PictureReader",
    "RandJPEGd",
    "RestoreToPhotographd",
    "UnreadablePictureError",
    "compress_jpeg",
    "crop_to_box",
    "enhance_contrast",
    "estimate_field_of_view",
    "field_of_view_box",
    "read_picture",
    "restore_from_box",
    "to_mask",
    "to_rgb",
]
