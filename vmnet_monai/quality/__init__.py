"""Whether an image is a fundus photograph, and how good it is."""

from __future__ import annotations

from vmnet_monai.quality.check import CheckFundusImaged, NotAFundusImageError
from vmnet_monai.quality.features import image_features
from vmnet_monai.quality.model import FundusModel
from vmnet_monai.quality.remarks import quality_remarks
from vmnet_monai.quality.square import WorkingSquare

__all__ = [
    "CheckFundusImaged",
    "FundusModel",
    "NotAFundusImageError",
    "WorkingSquare",
    "image_features",
    "quality_remarks",
]
