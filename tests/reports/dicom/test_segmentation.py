"""Segmentation objects, read back by highdicom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import photograph_dataset
from hand_made_prediction import MODEL, hand_made_prediction
from highdicom.seg import Segmentation, segread
from pydicom import Dataset

from vmnet_monai.reports.dicom.results import write_dicom_results
from vmnet_monai.reports.prediction import Prediction

HEIGHT, WIDTH = 24, 40

NO_REPORT: dict[str, Any] = {"findings": [], "measures": {}}


def photograph(frames: int = 1, **options: object) -> Dataset:
    return photograph_dataset(np.zeros((frames, HEIGHT, WIDTH, 3), np.uint8), **options)


def segmentations(
    folder: Path, source: Dataset, prediction: Prediction | None = None, frame: int = 0
) -> tuple[Segmentation, Segmentation]:
    """The probabilities and the masks, written and read."""
    write_dicom_results(folder, "retina", source, frame, prediction or hand_made_prediction(**NO_REPORT), {}, MODEL)
    return segread(folder / "dicom/retina/probability.dcm"), segread(folder / "dicom/retina/mask.dcm")


def test_probability_is_kept_to_half_a_step(tmp_path: Path) -> None:
    probability, _ = segmentations(tmp_path, photograph())
    assert probability.SegmentationType == "FRACTIONAL"
    assert probability.SegmentationFractionalType == "PROBABILITY"
    assert probability.MaximumFractionalValue == 255
    stored = probability.pixel_array / 255
    assert np.abs(stored - hand_made_prediction().vessel_probability).max() <= 1 / 510 + 1e-6
    assert (stored.min(), stored.max()) == (0, 1)


def test_mask_is_kept_bit_by_bit(tmp_path: Path) -> None:
    _, mask = segmentations(tmp_path, photograph())
    assert mask.SegmentationType == "BINARY"
    assert np.array_equal(mask.pixel_array == 1, hand_made_prediction().vessel_mask)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_picture_full_or_empty_of_vessels_is_kept(value: float, tmp_path: Path) -> None:
    level = np.full((HEIGHT, WIDTH), value, np.float32)
    prediction = hand_made_prediction(
        structure_probabilities={"vessel": level}, structure_masks={"vessel": level > 0}, **NO_REPORT
    )
    probability, mask = segmentations(tmp_path, photograph(), prediction)
    assert np.unique(probability.pixel_array).tolist() == [255 * value]
    assert np.unique(mask.pixel_array).tolist() == [value]


def test_segment_says_what_it_is_where_and_by_whom(tmp_path: Path) -> None:
    for segmentation in segmentations(tmp_path, photograph(laterality="L")):
        segment = segmentation.get_segment_description(1)
        assert segment.segment_label == "Vessel"
        assert segment.segmented_property_type.value == "59820001"
        assert segment.segmented_property_category.value == "91723000"
        region = segment.AnatomicRegionSequence[0]
        assert (region.CodeValue, region.AnatomicRegionModifierSequence[0].CodeMeaning) == ("5665001", "Left")
        algorithm = segment.algorithm_identification
        assert (algorithm.name, algorithm.version) == ("V-MNet", "abc123")
        assert algorithm.parameters["thresholds"] == "def456"
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        assert len(segment.RecommendedDisplayCIELabValue) == 3


def test_side_of_one_photograph_does_not_reach_the_next(tmp_path: Path) -> None:
    segmentations(tmp_path / "1", photograph(laterality="L"))
    _, mask = segmentations(tmp_path / "2", photograph(kind="vl", laterality=""))
    assert "AnatomicRegionModifierSequence" not in mask.SegmentSequence[0].AnatomicRegionSequence[0]


def test_pixel_spacing_is_that_of_the_photograph(tmp_path: Path) -> None:
    _, mask = segmentations(tmp_path, photograph(pixel_spacing=(0.0125, 0.01)))
    measures = mask.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.PixelSpacing == [0.0125, 0.01]
    assert measures.SliceThickness == 0.0125  # without meaning: highdicom reads no segmentation without it


def test_both_are_one_series_and_refer_to_the_photograph(tmp_path: Path) -> None:
    source = photograph()
    probability, mask = segmentations(tmp_path, source)
    assert probability.SeriesInstanceUID == mask.SeriesInstanceUID != source.SeriesInstanceUID
    assert probability.SOPInstanceUID != mask.SOPInstanceUID
    for segmentation in (probability, mask):
        assert segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID
        reference = segmentation.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
        assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert "ReferencedFrameNumber" not in reference


def test_frame_of_several_is_referred_to_by_its_number_from_1(tmp_path: Path) -> None:
    for segmentation in segmentations(tmp_path, photograph(frames=3), frame=1):
        reference = segmentation.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
        assert reference.ReferencedFrameNumber == 2
        assert segmentation.NumberOfFrames == 1


def test_every_structure_has_its_segment(tmp_path: Path) -> None:
    """Known ones by SNOMED CT; another one by its key, and the scheme of the key is identified."""
    level = hand_made_prediction().vessel_probability
    masks = {
        name: level > step / 5 for step, name in enumerate(("artery", "vein", "disc", "fovea_region", "soft exudate"))
    }
    prediction = hand_made_prediction(structure_probabilities=dict.fromkeys(masks, level), structure_masks=masks)
    files, remarks = write_dicom_results(tmp_path, "retina", photograph(), 0, prediction, {}, MODEL)
    assert remarks == []
    for stem in ("probability", "mask"):
        read = segread(tmp_path / f"dicom/retina/{stem}.dcm")
        segments = [read.get_segment_description(number) for number in range(1, 6)]
        assert [segment.segmented_property_type.value for segment in segments] == [
            *("51114001", "29092000", "81016008", "67046006", "soft exudate"),
        ]
        assert segments[-1].segmented_property_type.scheme_designator == "99VMNET"
        assert read.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99VMNET"
    mask = segread(tmp_path / "dicom/retina/mask.dcm")
    assert np.array_equal(mask.pixel_array == 1, np.stack(list(masks.values())))


@pytest.mark.parametrize("kind", ["op8", "vl", "sc"])
@pytest.mark.parametrize("spacing", [None, (0.0, 0.01), (0.01, -1.0)])
def test_without_usable_pixel_spacing_there_is_none_in_the_segmentation(
    spacing: tuple[float, float] | None, kind: str, tmp_path: Path
) -> None:
    source = photograph(pixel_spacing=spacing, kind=kind)
    for segmentation in segmentations(tmp_path, source):
        assert "PixelMeasuresSequence" not in segmentation.SharedFunctionalGroupsSequence[0]
        (series,) = segmentation.ReferencedSeriesSequence
        groups = segmentation.PerFrameFunctionalGroupsSequence[0]
        for reference in (
            *series.ReferencedInstanceSequence,
            *segmentation.SourceImageSequence,
            *groups.DerivationImageSequence[0].SourceImageSequence,
        ):
            assert reference.ReferencedSOPClassUID == source.SOPClassUID
            assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
