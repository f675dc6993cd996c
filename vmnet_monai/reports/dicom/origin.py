"""What every DICOM result takes over from its photograph, and what it says of the program that made it."""

from __future__ import annotations

import importlib.metadata
import logging
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from highdicom import SOPClass
from pydicom import DataElement, Dataset
from pydicom.charset import convert_encodings, default_encoding
from pydicom.config import RAISE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.filewriter import correct_ambiguous_vr
from pydicom.uid import SecondaryCaptureImageStorage, VLPhotographicImageStorage, generate_uid
from pydicom.valuerep import validate_value

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.io.dicom import OWN_MODEL_NAME, eye, frame_count

__all__ = [
    "LOSSY",
    "ModelIdentity",
    "copy_patient_and_study",
    "equipment",
    "laterality",
    "minimal_reference",
    "missing_uids",
    "new_uid",
    "quiet",
    "referenced_frames",
    "short_text",
    "valid_value",
]

LONG_STRING_CHARACTERS = 64
"""Most characters of value representation LO (PS3.5, 6.2)."""

UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
"""Without one of these a result could belong to no study, or refer to no photograph."""

IDENTITY = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
)
"""Copied as it is, also where it breaks a rule of DICOM: an archive must see the same patient and the same study."""

EMPTY = (*IDENTITY[:2], *IDENTITY[3:5], *IDENTITY[6:])
"""Elements that must be there, if only without value."""

SINGLE_FRAME_CLASSES = (SecondaryCaptureImageStorage, VLPhotographicImageStorage)
"""Classes of photographs that have one frame (PS3.3 A.8.1 and A.32.4)."""

PATIENT_AND_STUDY_GROUPS = (0x0008, 0x0010, 0x0012, 0x0020, 0x0032, 0x0038, 0x0040)
"""Groups of elements in which the patient and study modules lie."""

LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
"""What was lost before stays lost in whatever is made from it."""


@dataclass(frozen=True)
class ModelIdentity:
    """Which model, in which version and run by what, made a prediction."""

    name: str
    """Name of the algorithm: the network's class, such as VMNet."""
    package_version: str
    """Version of vmnet_monai."""
    model_version: str
    """Short name of the weights."""
    thresholds_version: str
    """Short name of thresholds and calibration."""
    runtime: str
    """What ran the network, such as ``torch``."""
    release: str = ""
    """Name, version and date of the model as it is read; empty where unknown."""

    @classmethod
    def of(
        cls,
        operating_point: OperatingPoint,
        model_version: str,
        runtime: str,
        thresholds_version: str | None = None,
        release: str = "",
    ) -> ModelIdentity:
        """Read the names that stand beside the weights.

        Args:
            operating_point: that of the prediction.
            model_version: see :func:`vmnet_monai.calibration.operating_point.weights_version`.
            runtime: key ``runtime`` of ``inference.json``.
            thresholds_version: that with a calibration of one's own; None where there is none.
            release: see :func:`vmnet_monai.inference.bundle.model_release`.
        """
        return cls(
            name=operating_point.network.partition("(")[0],
            package_version=importlib.metadata.version("vmnet_monai"),
            model_version=model_version,
            thresholds_version=thresholds_version or operating_point.thresholds_version,
            runtime=runtime,
            release=release,
        )

    def parameters(self) -> dict[str, str]:
        """What identifies the model beside its name and :attr:`model_version`."""
        return {
            **({"model": self.release} if self.release else {}),
            "package": f"{OWN_MODEL_NAME} {self.package_version}",
            "thresholds": self.thresholds_version,
            "runtime": self.runtime,
        }

    def uid(self) -> str:
        """A UID that is the same for the same versions, and another one for others."""
        return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, repr(self)).int}"


@contextmanager
def quiet() -> Iterator[None]:
    """Silence pydicom and highdicom, which would print values of the photograph, such as the patient's name."""
    loggers = [logging.getLogger(name) for name in ("highdicom", "pydicom")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def new_uid() -> str:
    """A UID that nobody else has, from a random UUID (PS3.5, B.2)."""
    return generate_uid(prefix=None)


def short_text(text: str) -> str:
    """Make a text fit for LO: 64 characters of ASCII without backslash, as any character set can hold.

    Args:
        text: any text.
    """
    plain = text.encode("ascii", "replace").decode().replace("\\", "/")
    return " ".join(plain.split())[:LONG_STRING_CHARACTERS].strip()


def equipment(model: ModelIdentity) -> dict[str, Any]:
    """Arguments of highdicom's classes that say which program made an object.

    Args:
        model: what made the prediction.
    """
    return {
        "manufacturer": OWN_MODEL_NAME,
        "manufacturer_model_name": OWN_MODEL_NAME,
        "software_versions": [
            short_text(model.package_version),
            *([short_text(model.release)] if model.release else []),
            short_text(f"model {model.model_version}"),
            short_text(f"thresholds {model.thresholds_version}"),
            short_text(f"runtime {model.runtime}"),
        ],
        "device_serial_number": short_text(model.model_version) or "none",
    }


def missing_uids(source: Dataset) -> list[str]:
    """Keywords of the UIDs of which a photograph lacks one value, and without which no result can be made.

    Args:
        source: the photograph.
    """
    values = {keyword: source.get(keyword) for keyword in UIDS}
    return [keyword for keyword, value in values.items() if not isinstance(value, str) or not value]


def minimal_reference(source: Dataset) -> Dataset:
    """What highdicom's classes may know of the photograph: its references and size, but nothing of the patient.

    They would refuse or log values that break a rule of DICOM; :func:`copy_patient_and_study` adds them afterwards. It
    is an image of one frame without place in space, whatever the photograph is.

    Args:
        source: the photograph.
    """
    image = Dataset()
    for keyword in (*UIDS, "Rows", "Columns"):
        setattr(image, keyword, source[keyword].value)
    for keyword in EMPTY:
        setattr(image, keyword, None)
    image.Modality = source.get("Modality") or "OT"
    image.NumberOfFrames = 1
    for keyword in LOSSY:
        if (value := valid_value(source, keyword)) is not None:
            setattr(image, keyword, value)
    return image


def copy_patient_and_study(result: SOPClass, source: Dataset) -> None:
    """Give a result the patient, the study and the character set of its photograph.

    What identifies the patient and the study is copied byte by byte; everything else only where DICOM allows its value.

    Args:
        result: an object of highdicom.
        source: the photograph.
    """
    header = Dataset()  # of its own, because what is decoded takes the place of the bytes that it was read from
    for tag in sorted(source.keys()):
        if tag.group in PATIENT_AND_STUDY_GROUPS:
            header[tag] = source.get_item(tag)
    kept = Dataset()
    for tag in header.keys() - {tag_for_keyword(keyword) for keyword in IDENTITY}:
        if (element := _valid_element(header, tag)) is not None:
            kept.add(element)
    kept.SOPClassUID, kept.SOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    result.copy_patient_and_study_information(kept)
    for keyword in IDENTITY:
        if keyword in header:
            element = header.get_item(keyword)
            if isinstance(element, RawDataElement):
                element = element._replace(VR=dictionary_VR(element.tag))
            result[keyword] = element
    encoding: str | list[str] = default_encoding
    if characters := source.get("SpecificCharacterSet"):
        result.SpecificCharacterSet = characters
        encoding = convert_encodings(characters)
    # Otherwise pydicom would decode and encode the bytes anew as it writes them, and settle what is ambiguous itself.
    correct_ambiguous_vr(result, True)
    result.set_original_encoding(False, True, encoding)


def laterality(source: Dataset, frame: int) -> str:
    """R or L, as the element Laterality holds it; empty where the photograph says nothing.

    Args:
        source: the photograph.
        frame: number of its frame, from 0.
    """
    return {"right": "R", "left": "L"}.get(eye(source, frame), "")


def referenced_frames(source: Dataset, frame: int) -> list[int] | None:
    """Numbers, from 1, by which a frame is referred to; None where the photograph has no other.

    None too where it has others although its class, Secondary Capture or VL Photographic, has a single frame: DICOM
    forbids a number in a reference to such an object (PS3.3 10.3).

    Args:
        source: the photograph.
        frame: number of the frame, from 0.
    """
    is_numbered = frame_count(source) > 1 and source.SOPClassUID not in SINGLE_FRAME_CLASSES
    return [frame + 1] if is_numbered else None


def valid_value(source: Dataset, keyword: str) -> Any:
    """The value of an element of the photograph; None where it is missing, empty, or not what DICOM allows.

    Args:
        source: the photograph.
        keyword: the element.
    """
    element = _valid_element(source, keyword)
    return None if element is None else element.value


def _valid_element(source: Dataset, tag: Any) -> DataElement | None:
    """An element; None where it is missing, empty, or its bytes make no value that DICOM allows."""
    try:
        element = source[tag]
    except Exception:  # pydicom raises whatever the bytes lead to
        return None
    return element if not element.is_empty and _is_valid(element) else None


def _is_valid(element: DataElement) -> bool:
    """Whether DICOM allows the value, and those of the items of a sequence."""
    try:
        if element.VR == "SQ":
            return all(_is_valid(inner) for item in element.value for inner in item)
        for value in element.value if element.VM > 1 else [element.value]:
            validate_value(element.VR, str(value) if element.VR in ("DS", "IS") else value, RAISE)
    except Exception:  # pydicom raises whatever the value leads to
        return False
    return True
