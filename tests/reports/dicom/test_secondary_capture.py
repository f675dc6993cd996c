"""Pictures as secondary capture, read back by pydicom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import photograph_dataset
from hand_made_prediction import MODEL, hand_made_prediction
from pydicom import Dataset, dcmread
from pydicom.dataset import FileDataset

from vmnet_monai.reports.dicom.results import write_dicom_results

HEIGHT, WIDTH = 23, 41
"""Odd, so that the pixels' bytes need padding."""

PICTURES = {
    "overlay": np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8),
    "heat_glaucoma": np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8),
}

PREDICTION = hand_made_prediction(structure_probabilities={}, structure_masks={}, findings=[], measures={})
"""Of which nothing but pictures can be made."""


def photograph(frames: int = 1, **options: object) -> Dataset:
    return photograph_dataset(np.zeros((frames, HEIGHT, WIDTH, 3), np.uint8), **options)


def captures(folder: Path, source: Dataset, frame: int = 0) -> dict[str, FileDataset]:
    write_dicom_results(folder, "retina", source, frame, PREDICTION, PICTURES, MODEL)
    return {name: dcmread(folder / f"dicom/retina/{name}.dcm") for name in PICTURES}


def test_pixels_are_those_of_the_picture(tmp_path: Path) -> None:
    for name, capture in captures(tmp_path, photograph()).items():
        assert np.array_equal(capture.pixel_array, PICTURES[name])
        assert capture.PhotometricInterpretation == "RGB"


def test_picture_is_derived_and_says_from_what_and_how(tmp_path: Path) -> None:
    source = photograph()
    made = captures(tmp_path, source)
    for capture in made.values():
        assert capture.ImageType == ["DERIVED", "SECONDARY"]
        assert capture.ConversionType == "WSD"
        assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert "ReferencedFrameNumber" not in capture.SourceImageSequence[0]
        assert capture.ImageComments.startswith("Not a medical device. For research only")
    assert made["overlay"].DerivationDescription.startswith("Structures that were found")
    assert made["heat_glaucoma"].DerivationDescription.startswith("Heat map over the photograph: Glaucoma.")


def test_pictures_are_one_series_numbered_from_1(tmp_path: Path) -> None:
    made = list(captures(tmp_path, photograph()).values())
    assert len({capture.SeriesInstanceUID for capture in made}) == 1
    assert [capture.InstanceNumber for capture in made] == [1, 2]


def test_frame_of_several_is_referred_to_by_its_number_from_1(tmp_path: Path) -> None:
    capture = captures(tmp_path, photograph(frames=2), frame=1)["overlay"]
    assert capture.SourceImageSequence[0].ReferencedFrameNumber == 2


@pytest.mark.parametrize("laterality", ["L", "R", ""])
def test_side_is_kept_and_none_is_invented(laterality: str, tmp_path: Path) -> None:
    assert captures(tmp_path, photograph(kind="vl", laterality=laterality))["overlay"].Laterality == laterality


@pytest.mark.parametrize("value", ["YES", "NO", None])
def test_burned_in_text_stays_burned_in(value: str | None, tmp_path: Path) -> None:
    assert captures(tmp_path, photograph(BurnedInAnnotation=value))["overlay"].get("BurnedInAnnotation") == value


def test_what_was_lost_stays_lost(tmp_path: Path) -> None:
    source = photograph(
        LossyImageCompression="01", LossyImageCompressionRatio=12, LossyImageCompressionMethod="ISO_10918_1"
    )
    capture = captures(tmp_path, source)["overlay"]
    assert capture.LossyImageCompression == "01"
    assert (capture.LossyImageCompressionRatio, capture.LossyImageCompressionMethod) == (12, "ISO_10918_1")


@pytest.mark.parametrize("spacing", [(0.0125, 0.01), None])
def test_pixel_spacing_is_kept_and_none_is_invented(spacing: tuple[float, float] | None, tmp_path: Path) -> None:
    capture = captures(tmp_path, photograph(pixel_spacing=spacing))["overlay"]
    assert capture.get("PixelSpacing") == (None if spacing is None else list(spacing))


@pytest.mark.parametrize("orientation", [["L", "F"], ["A", "FR"], None])
def test_orientation_is_that_of_the_photograph(orientation: list[str] | None, tmp_path: Path) -> None:
    capture = captures(tmp_path, photograph(PatientOrientation=orientation))["overlay"]
    assert capture.PatientOrientation == (orientation or "")
