"""Remarks on the reading of a photograph reach the item, and stay beside those on its quality."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage.data
import tifffile
import torch

from vmnet_monai.quality import CheckFundusImaged
from vmnet_monai.transforms import chain, load_and_crop
from vmnet_monai.transforms.remarks import RecordReadingRemarksd


def test_plain_tensor_has_none() -> None:
    assert RecordReadingRemarksd()({"image": torch.zeros(3, 2, 2)})["warnings"] == ""


def test_remarks_on_reading_stand_before_those_on_quality(tmp_path: Path) -> None:
    grey = skimage.data.retina()[::4, ::4, 1].astype(np.uint16) << 4
    tifffile.imwrite(tmp_path / "a.tif", np.stack([grey, grey]), photometric="minisblack")
    steps = chain([load_and_crop(["vessel"], 256), [CheckFundusImaged()]])
    depth, pages, colour, *_ = steps({"id": "a", "image": str(tmp_path / "a.tif")})["warnings"].split("\n")
    assert "has 2 pages" in depth + pages
    assert "12-bit" in depth + pages
    assert "is grey" in colour


def test_without_a_check_of_quality_they_stay(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", skimage.data.retina()[::4, ::4].astype(np.uint16), photometric="rgb")
    steps = chain([load_and_crop(["vessel"], 256, "whole"), [CheckFundusImaged("any")]])
    assert "8-bit" in steps({"id": "a", "image": str(tmp_path / "a.tif")})["warnings"]
