"""Photographs as DICOM objects, complete enough for a validator (dciodvfy), written with pydicom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    OphthalmicPhotography8BitImageStorage,
    OphthalmicPhotography16BitImageStorage,
    SecondaryCaptureImageStorage,
    VLPhotographicImageStorage,
    generate_uid,
)

MODALITIES = {"op8": "OP", "op16": "OP", "sc": "OT", "vl": "XC"}
"""Kind of photograph -> DICOM's modality."""


def retina_dataset(side_px: int = 512, **options: Any) -> FileDataset:
    """scikit-image's photograph of a retina, scaled to a square, see :func:`photograph_dataset`."""
    photograph = Image.fromarray(skimage.data.retina()).resize((side_px, side_px), Image.Resampling.BOX)
    return photograph_dataset(np.asarray(photograph), **options)


def photograph_dataset(
    pixels: NDArray[np.uint8] | NDArray[np.uint16],
    *,
    kind: str = "op8",
    laterality: str = "R",
    pixel_spacing: tuple[float, float] | None = (0.01, 0.01),
    patient_name: str = "Doe^Jane",
    patient_id: str = "MRN-4711",
    study_uid: str | None = None,
    **attributes: Any,
) -> FileDataset:
    """A photograph with the modules that its class requires, uncompressed in Explicit VR Little Endian.

    Args:
        pixels: (H, W), (H, W, 3), or several frames (F, H, W, 3) or (F, H, W, 1).
        kind: "op8" and "op16" Ophthalmic Photography, "sc" Secondary Capture, "vl" VL Photographic.
        laterality: "R", "L" or "" where unknown, which Ophthalmic Photography forbids.
        pixel_spacing: mm between rows and between columns.
        study_uid: of a study that it belongs to; None makes a new one.
        **attributes: DICOM attributes by keyword, laid over the others; None removes one. ``BitsStored`` brings its
            ``HighBit`` along.
    """
    dataset = FileDataset("", {}, preamble=b"\0" * 128, file_meta=FileMetaDataset())
    _add_patient_and_study(dataset, patient_name, patient_id, study_uid)
    dataset.Modality = MODALITIES[kind]
    dataset.SOPInstanceUID = generate_uid()
    dataset.InstanceNumber = 1
    dataset.ContentDate, dataset.ContentTime = "20260102", "030405"
    dataset.AcquisitionDateTime = "20260102030405"
    if pixel_spacing is not None:
        dataset.PixelSpacing = list(pixel_spacing)
    _add_pixels(dataset, pixels, kind)
    {"op8": _add_ophthalmic, "op16": _add_ophthalmic, "sc": _add_secondary_capture, "vl": _add_visible_light}[kind](
        dataset, laterality
    )
    if "BitsStored" in attributes:
        dataset.HighBit = attributes["BitsStored"] - 1
    for keyword, value in attributes.items():
        if value is not None:
            setattr(dataset, keyword, value)
        elif keyword in dataset:
            delattr(dataset, keyword)
    meta = dataset.file_meta
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "")
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def save(dataset: Dataset, path: Path) -> Path:
    """Write a DICOM file with preamble and file meta information, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _add_patient_and_study(dataset: Dataset, name: str, patient: str, study_uid: str | None) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = name, patient
    dataset.PatientBirthDate, dataset.PatientSex = "19500102", "F"
    dataset.StudyInstanceUID = study_uid or generate_uid()
    dataset.StudyDate, dataset.StudyTime = "20260102", "030405"
    dataset.StudyID, dataset.AccessionNumber, dataset.ReferringPhysicianName = "S1", "A-0815", ""
    dataset.SeriesInstanceUID, dataset.SeriesNumber = generate_uid(), 1
    dataset.Manufacturer, dataset.ManufacturerModelName = "Maker", "Fundus camera"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "1", "1"
    dataset.PatientOrientation = ["L", "F"]


def _add_pixels(dataset: Dataset, pixels: NDArray[Any], kind: str) -> None:
    frames = pixels if pixels.ndim == 4 else pixels[None]
    frames = frames if frames.ndim == 4 else frames[..., None]
    count, dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = frames.shape
    dataset.PhotometricInterpretation = "MONOCHROME2" if frames.shape[-1] == 1 else "RGB"
    if frames.shape[-1] == 3:
        dataset.PlanarConfiguration = 0
    depth = 8 * frames.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = depth, depth, depth - 1
    dataset.PixelRepresentation = 0
    content = frames.astype(frames.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OB" if depth == 8 else "OW"
    if count > 1 or kind.startswith("op"):
        dataset.NumberOfFrames = count
        dataset.FrameIncrementPointer = 0x00181063  # FrameTime
        dataset.FrameTime = 1000
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"


def _add_ophthalmic(dataset: Dataset, laterality: str) -> None:
    dataset.SOPClassUID = (
        OphthalmicPhotography8BitImageStorage if dataset.BitsAllocated == 8 else OphthalmicPhotography16BitImageStorage
    )
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "", "COLOR"]
    dataset.AcquisitionDeviceTypeCodeSequence = [_code("409898007", "SCT", "Fundus Camera")]
    dataset.AnatomicRegionSequence = [_code("5665001", "SCT", "Retina")]
    dataset.ImageLaterality = laterality
    dataset.SynchronizationFrameOfReferenceUID = generate_uid()
    dataset.SynchronizationTrigger, dataset.AcquisitionTimeSynchronized = "NO TRIGGER", "N"
    dataset.AcquisitionContextSequence = []
    dataset.DetectorType = "CCD"
    for keyword in (
        "PatientEyeMovementCommanded",
        "HorizontalFieldOfView",
        "RefractiveStateSequence",
        "EmmetropicMagnification",
        "IntraOcularPressure",
        "PupilDilated",
        "LightPathFilterTypeStackCodeSequence",
        "IlluminationTypeCodeSequence",
        "ImagePathFilterTypeStackCodeSequence",
        "LensesCodeSequence",
    ):
        setattr(dataset, keyword, [] if keyword.endswith("Sequence") else None)
    if dataset.SamplesPerPixel == 1:
        dataset.PresentationLUTShape = "IDENTITY"
    else:
        dataset.ChannelDescriptionCodeSequence = [
            _code(value, "DCM", f"{colour} Channel")
            for value, colour in (("110833", "Red"), ("110834", "Green"), ("110835", "Blue"))
        ]


def _add_secondary_capture(dataset: Dataset, laterality: str) -> None:
    several = "NumberOfFrames" in dataset
    dataset.SOPClassUID = (
        SecondaryCaptureImageStorage
        if not several
        else MultiFrameTrueColorSecondaryCaptureImageStorage
        if dataset.SamplesPerPixel == 3
        else MultiFrameGrayscaleByteSecondaryCaptureImageStorage
        if dataset.BitsAllocated == 8
        else MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    )
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.ConversionType = "DI"
    dataset.Laterality = laterality
    if several and dataset.SamplesPerPixel == 1:
        dataset.PresentationLUTShape = "IDENTITY"
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"


def _add_visible_light(dataset: Dataset, laterality: str) -> None:
    dataset.SOPClassUID = VLPhotographicImageStorage
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.Laterality = laterality
    dataset.AnatomicRegionSequence = [_code("5665001", "SCT", "Retina")]
    dataset.AcquisitionContextSequence = []


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code
