"""Finds the DICOM photographs of an input folder, and the reason why every other file is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from vmnet_monai.errors import ImageError, UnreadableImageError
from vmnet_monai.io.dicom import DICOM_INDEX, check_image_object, is_dicom, read_header
from vmnet_monai.io.files import file_sha256

__all__ = ["ManifestRow", "FolderContent", "find_objects", "write_minimal_objects"]

_UID = re.compile(r"[0-9][0-9.]{0,62}[0-9]")
"""The characters and the length of a DICOM UID (PS3.5, section 9.1); the UID becomes the name of a folder."""


class ManifestRow(TypedDict, total=False):
    """Outcome of one input, a row of ``manifest.json``."""

    sop_instance_uid: str
    """SOP Instance UID of the object; empty where the file has none."""
    sha256: str
    """SHA-256 of a file without SOP Instance UID: its name might be that of a patient."""
    frame: int
    """Number of the frame, from 1, of an object of several frames."""
    status: Literal["ok", "refused", "failed"]
    reason: str
    files: list[str]
    """Every file written for it, relative to the output folder."""


class FolderContent(NamedTuple):
    """What :func:`find_objects` found."""

    images: dict[str, Path]
    """SOP Instance UID -> file."""
    refused: list[ManifestRow]


def find_objects(folder: Path) -> FolderContent:
    """Find the photographs of a folder and its subfolders, and refuse its other files; no pixel is decoded.

    Args:
        folder: holds files of any name; hidden files and :data:`~vmnet_monai.io.dicom.DICOM_INDEX` are skipped.
    """
    images: dict[str, Path] = {}
    refused: list[ManifestRow] = []
    for path in sorted(folder.rglob("*")):
        if path.name.startswith(".") or path.name == DICOM_INDEX:
            continue
        uid = ""
        try:
            if not path.is_file():
                continue
            if not is_dicom(path):
                raise UnreadableImageError("the file is no DICOM file: give DICOM files only.")
            header = read_header(path)
            uid = _uid(header)
            check_image_object(header)
            if uid in images:
                raise UnreadableImageError("the object was given before, in another file: give it once.")
            images[uid] = path
        except Exception as error:
            known = isinstance(error, ImageError)
            reason = str(error) if known else f"the file is damaged ({type(error).__name__}): export it again."
            name: ManifestRow = {"sop_instance_uid": uid} if uid else {"sop_instance_uid": "", "sha256": _sha256(path)}
            refused.append(name | ManifestRow(status="refused", reason=reason, files=[]))
    return FolderContent(images, refused)


def write_minimal_objects(images: Mapping[str, Path], folder: Path) -> None:
    """Write for each photograph a DICOM file of nothing but its class, its UIDs and its modality.

    The SDK's loader and selector read studies and series from these: without elements at which they fail, without a
    patient's data that they might log, and without pixels in memory.

    Args:
        images: SOP Instance UID -> file, of :func:`find_objects`.
        folder: takes the files.
    """
    for uid, path in images.items():
        header = read_header(path, ("SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality"))
        minimal = Dataset()
        minimal.SOPClassUID, minimal.SOPInstanceUID = header.SOPClassUID, uid
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID"):
            value = str(header.get(keyword) or "")
            setattr(minimal, keyword, value if _UID.fullmatch(value) else generate_uid())
        minimal.Modality = header.get("Modality") or "OT"
        minimal.file_meta = FileMetaDataset()
        minimal.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        minimal.save_as(folder / f"{uid}.dcm", enforce_file_format=True)


def _uid(header: Dataset) -> str:
    uid = str(header.get("SOPInstanceUID", ""))
    if not _UID.fullmatch(uid):
        raise UnreadableImageError("the object has no valid SOP Instance UID: export it again.")
    return uid


def _sha256(path: Path) -> str:
    """SHA-256 of a file, empty where it cannot be read."""
    try:
        return file_sha256(path)
    except OSError:
        return ""
