"""From stored samples to 8 bits, each by hand; whole files are tested with io.dicom."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dicom_files import photograph_dataset
from pydicom import Dataset

from vmnet_monai.errors import UnreadableImageError
from vmnet_monai.io.dicom_pixels import PHOTOMETRIC_INTERPRETATIONS, frame_image


def grey(samples: list[int], **attributes: Any) -> list[int]:
    dataset = photograph_dataset(np.array([samples], dtype=np.uint16), kind="op16", **attributes)
    return np.asarray(frame_image(dataset, 0, 1))[0].tolist()


def test_the_upper_eight_of_the_stored_bits_are_kept() -> None:
    assert grey([0, 255, 256, 4095], BitsStored=12) == [0, 15, 16, 255]
    assert grey([0, 256, 65535]) == [0, 1, 255]


def test_a_linear_window_is_spread_over_the_range() -> None:
    """PS3.3 C.11.2.1.2: centre 100.5 and width 101 go from 50 to 150."""
    window = {"WindowCenter": 100.5, "WindowWidth": 101, "BitsStored": 8}
    assert grey([0, 50, 150, 255], **window) == [0, 0, 255, 255]


def test_monochrome1_is_inverted() -> None:
    assert grey([0, 65535], PhotometricInterpretation="MONOCHROME1") == [255, 0]


def test_a_rescaling_of_no_slope_is_refused() -> None:
    with pytest.raises(UnreadableImageError, match="RescaleSlope"):
        grey([0, 1], RescaleSlope=0, RescaleIntercept=0)


def test_a_table_gives_its_ends_beyond_its_ends() -> None:
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [2, 10, 8], [7, 200]
    assert grey([0, 10, 11, 99], VOILUTSequence=[table], BitsStored=8) == [7, 7, 200, 200]


def test_colour_stays_as_it_is() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert np.array_equal(np.asarray(frame_image(photograph_dataset(pixels), 0, 1)), pixels)


def test_every_interpretation_has_one_or_three_samples() -> None:
    assert set(PHOTOMETRIC_INTERPRETATIONS.values()) == {1, 3}
