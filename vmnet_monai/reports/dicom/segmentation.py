"""Segmentation objects: the probability and the mask of the structures on the photograph's own pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from highdicom import AlgorithmIdentificationSequence, PixelMeasuresSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentationTypeValues, SegmentDescription
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, VLPhotographicImageStorage

from vmnet_monai.io.dicom import OWN_MODEL_NAME, eye, pixel_spacing
from vmnet_monai.reports.dicom.codes import RETINA, STRUCTURES, laterality_code, private_scheme, structure_codes
from vmnet_monai.reports.dicom.origin import (
    ModelIdentity,
    copy_patient_and_study,
    equipment,
    minimal_reference,
    new_uid,
    referenced_frames,
    short_text,
    valid_value,
)
from vmnet_monai.reports.prediction import Prediction
from vmnet_monai.reports.wording import readable
from vmnet_monai.structures import structure_looks

__all__ = ["mask_segmentation", "probability_segmentation"]

MAXIMUM_FRACTIONAL_VALUE = 255
"""Stored value of probability 1, the largest that a byte holds: steps of 1 / 255."""


def probability_segmentation(
    source: Dataset, frame: int, prediction: Prediction, model: ModelIdentity, series_uid: str, series_number: int
) -> Segmentation:
    """Store the probabilities of the structures, fractional with a maximum of 255.

    Args:
        source: the photograph. Where it has no PixelSpacing, the segmentation has none either: the functional group
            Pixel Measures is required only without Derivation Image, which is there (PS3.3 A.51.5.1).
        frame: number of its frame, from 0.
        prediction: with at least one structure.
        model: what made the prediction.
        series_uid: UID of the series.
        series_number: its number.
    """
    maps = [prediction.structure_probabilities[structure] for structure in prediction.structure_masks]
    return _segmentation(
        *(source, frame, prediction, model, series_uid, series_number),
        instance_number=1,
        pixels=np.stack(maps, axis=-1)[None].astype(np.float32),
        kind=SegmentationTypeValues.FRACTIONAL,
        description="Probability of each structure",
    )


def mask_segmentation(
    source: Dataset, frame: int, prediction: Prediction, model: ModelIdentity, series_uid: str, series_number: int
) -> Segmentation:
    """Store the masks of the structures, one bit per pixel; takes what :func:`probability_segmentation` takes."""
    maps = list(prediction.structure_masks.values())
    return _segmentation(
        *(source, frame, prediction, model, series_uid, series_number),
        instance_number=2,
        pixels=np.stack(maps, axis=-1)[None].astype(np.uint8),
        kind=SegmentationTypeValues.BINARY,
        description="Probability at or above the threshold",
    )


def _segmentation(
    source: Dataset,
    frame: int,
    prediction: Prediction,
    model: ModelIdentity,
    series_uid: str,
    series_number: int,
    *,
    instance_number: int,
    pixels: NDArray[np.uint8] | NDArray[np.float32],
    kind: SegmentationTypeValues,
    description: str,
) -> Segmentation:
    structures = list(prediction.structure_masks)
    spacing = pixel_spacing(source)
    # A photograph has no thickness, but highdicom reads no measures without one and dciodvfy refuses 0: a cube.
    measures = None if spacing is None else PixelMeasuresSequence(spacing, slice_thickness=spacing[0])
    image = minimal_reference(source)
    # highdicom asks the classes of several frames for functional groups, which Ophthalmic Photography does not have.
    image.SOPClassUID = VLPhotographicImageStorage
    result = Segmentation(
        [image],
        pixels,
        kind,
        _segments(structures, laterality_code(eye(source, frame)), model),
        series_instance_uid=series_uid,
        series_number=series_number,
        sop_instance_uid=new_uid(),
        instance_number=instance_number,
        max_fractional_value=MAXIMUM_FRACTIONAL_VALUE,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        pixel_measures=measures,
        omit_empty_frames=False,
        content_label="STRUCTURES",
        content_description=short_text(f"{description}; for research only"),
        series_description="Segmentation, for research only",
        **equipment(model),
    )
    for reference in _references(result):
        reference.ReferencedSOPClassUID = source.SOPClassUID
    if frames := referenced_frames(source, frame):
        for groups in result.PerFrameFunctionalGroupsSequence:
            groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = frames
    if not STRUCTURES.keys() >= set(structures):
        result.CodingSchemeIdentificationSequence = [private_scheme()]
    result.PatientOrientation = valid_value(source, "PatientOrientation")
    copy_patient_and_study(result, source)
    return result


def _references(result: Segmentation) -> Iterator[Dataset]:
    """Every reference to the photograph."""
    for series in result.ReferencedSeriesSequence:
        yield from series.ReferencedInstanceSequence
    yield from result.SourceImageSequence
    for groups in result.PerFrameFunctionalGroupsSequence:
        yield from groups.DerivationImageSequence[0].SourceImageSequence


def _segments(structures: list[str], side: Code | None, model: ModelIdentity) -> list[SegmentDescription]:
    algorithm = AlgorithmIdentificationSequence(
        name=short_text(model.name),
        family=codes.DCM.ArtificialIntelligence,
        version=short_text(model.model_version),
        source=OWN_MODEL_NAME,
        parameters=model.parameters(),
    )
    segments = []
    for number, structure in enumerate(structures, start=1):
        category, kind = structure_codes(structure)
        segment = SegmentDescription(
            segment_number=number,
            segment_label=short_text(readable(structure)),
            segmented_property_category=category,
            segmented_property_type=kind,
            algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
            anatomic_regions=[RETINA],
            display_color=CIELabColor.from_rgb(*structure_looks(structures)[structure].colour),
        )
        if side is not None:
            segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [CodedConcept.from_code(side)]
        segments.append(segment)
    return segments
