"""Secondary capture objects: results drawn over the photograph, as any viewer shows them."""

from __future__ import annotations

import numpy as np
from highdicom.sc import SCImage
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from vmnet_monai.io.dicom import pixel_spacing
from vmnet_monai.reports.dicom.origin import (
    LOSSY,
    ModelIdentity,
    copy_patient_and_study,
    equipment,
    laterality,
    minimal_reference,
    new_uid,
    referenced_frames,
    valid_value,
)
from vmnet_monai.reports.wording import DISCLAIMER, HEAT_MAP_NOTE, disease_name

__all__ = ["secondary_capture"]

HEAT_MAP_PREFIX = "heat_"
"""Prefix of the name of a heat map's image; the rest is the key of its disease."""


def secondary_capture(
    source: Dataset,
    frame: int,
    image: str,
    pixels: NDArray[np.uint8],
    model: ModelIdentity,
    series_uid: str,
    series_number: int,
    instance_number: int,
) -> SCImage:
    """Store an image, uncompressed.

    Args:
        source: the photograph.
        frame: number of its frame, from 0.
        image: ``"overlay"`` or ``"heat_<disease>"``.
        pixels: (H, W, 3) uint8 RGB of the photograph's own size.
        model: what made the prediction.
        series_uid: UID of the series.
        series_number: its number.
        instance_number: number within the series, from 1.
    """
    result = SCImage.from_ref_dataset(
        minimal_reference(source),
        np.ascontiguousarray(pixels),
        "RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),  # replaced below: highdicom asks for one, but not every photograph has it
        series_instance_uid=series_uid,
        series_number=series_number,
        sop_instance_uid=new_uid(),
        instance_number=instance_number,
        series_description="Pictures, for research only",
        # RLE would save an eighth of a photograph, and pydicom's own encoder takes a second per MB.
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **equipment(model),
    )
    result.Laterality = laterality(source, frame)
    result.PatientOrientation = valid_value(source, "PatientOrientation")
    if pixel_spacing(source):
        result.PixelSpacing = source.PixelSpacing
    result.ConversionType = "WSD"
    result.ImageType = ["DERIVED", "SECONDARY"]
    result.DerivationDescription = _description(image)
    result.ImageComments = DISCLAIMER
    result.SourceImageSequence = [_reference(source, frame)]
    for keyword in ("BurnedInAnnotation", *LOSSY):
        if (value := valid_value(source, keyword)) is not None:
            setattr(result, keyword, value)
    copy_patient_and_study(result, source)
    return result


def _description(image: str) -> str:
    if image.startswith(HEAT_MAP_PREFIX):
        name = disease_name(image.removeprefix(HEAT_MAP_PREFIX))
        return f"Heat map over the photograph: {name}. {HEAT_MAP_NOTE}"
    return "Structures that were found, drawn into the photograph."


def _reference(source: Dataset, frame: int) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = source.SOPClassUID
    reference.ReferencedSOPInstanceUID = source.SOPInstanceUID
    if frames := referenced_frames(source, frame):
        reference.ReferencedFrameNumber = frames
    purpose = codes.DCM.SourceImageForImageProcessingOperation
    reference.PurposeOfReferenceCodeSequence = [CodedConcept.from_code(purpose)]
    reference.SpatialLocationsPreserved = "YES"
    return reference
