"""Whether an image is a fundus photograph, and how good it is."""

from __future__ import annotations

from vmnet_monai.quality.check import CheckFundusImaged, NotAFundusImageError

__all__ = ["CheckFundusImaged", "NotAFundusImageError"]
