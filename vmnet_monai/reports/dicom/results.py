"""What the network says about a DICOM photograph, as DICOM objects of the same study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from highdicom import SOPClass
from numpy.typing import NDArray
from pydicom import Dataset

from vmnet_monai.diseases import ISIC2017_DIAGNOSES
from vmnet_monai.explain import draw_heat_map, draw_structures
from vmnet_monai.io.files import whole_file
from vmnet_monai.reports.dicom.origin import ModelIdentity, missing_uids, new_uid, quiet
from vmnet_monai.reports.dicom.secondary_capture import secondary_capture
from vmnet_monai.reports.dicom.segmentation import mask_segmentation, probability_segmentation
from vmnet_monai.reports.dicom.structured_report import structured_report
from vmnet_monai.reports.prediction import Prediction
from vmnet_monai.reports.wording import heat_map_title

__all__ = ["FOLDER", "ModelIdentity", "result_images", "write_dicom_results"]

FOLDER = "dicom"
"""Folder of the DICOM objects inside the output folder."""

SEGMENTATION_SERIES, REPORT_SERIES, PICTURES_SERIES = 9001, 9002, 9003
"""Numbers of the three series of a photograph, high enough to stand behind those of a camera."""


def write_dicom_results(
    folder: Path,
    name: str,
    source: Dataset,
    frame: int,
    prediction: Prediction,
    images: Mapping[str, NDArray[np.uint8]],
    model: ModelIdentity,
) -> tuple[list[str], list[str]]:
    """Write the DICOM objects of one photograph below ``folder/dicom/name``.

    They belong to the photograph's own patient and study, in new series, and refer to the photograph:
    ``probability.dcm`` and ``mask.dcm`` (Segmentation), ``report.dcm`` (Comprehensive SR, TID 1500), and
    ``<image>.dcm`` (Secondary Capture). See docs/reference/dicom-output.md.

    Args:
        folder: the output folder.
        name: file-safe name of the photograph.
        source: the photograph as DICOM, with or without its pixels.
        frame: number of its frame, from 0.
        prediction: what the network says about that frame.
        images: ``"overlay"`` and ``"heat_<disease>"`` -> (H, W, 3) uint8 RGB of the photograph's own size.
        model: what made the prediction.

    Returns:
        The names of the files, relative to ``folder``, and remarks: whole sentences on what was not written, and why.

    Raises:
        OSError: if a file cannot be written.
    """
    files: list[str] = []
    with quiet():
        if refusal := _refusal(source, prediction):
            return files, [refusal]
        try:
            for stem, result in _results(source, frame, prediction, images, model):
                with whole_file(folder / f"{FOLDER}/{name}/{stem}.dcm") as temporary:
                    result.save_as(temporary, enforce_file_format=True)
                files.append(f"{FOLDER}/{name}/{stem}.dcm")
        except OSError:
            raise
        except Exception as error:  # whose text may quote the patient
            remark = f"Not all DICOM results could be made from the photograph's header ({type(error).__name__})."
            return files, [remark, *_remarks(prediction)]
        return files, _remarks(prediction)


def result_images(image: NDArray[np.uint8], prediction: Prediction) -> dict[str, NDArray[np.uint8]]:
    """Draw the images that :func:`write_dicom_results` writes: ``"overlay"``, and ``"heat_<disease>"`` per heat map.

    Args:
        image: (H, W, 3) uint8 RGB.
        prediction: of that photograph.
    """
    overlay = draw_structures(image, prediction.structure_masks)
    heat_maps = {
        f"heat_{name}": draw_heat_map(image, heat, heat_map_title(name, prediction.heat_map_method))
        for name, heat in prediction.heat_maps.items()
    }
    return {"overlay": overlay, **heat_maps}


def _refusal(source: Dataset, prediction: Prediction) -> str:
    """Why nothing can be written at all; empty where it can."""
    missing = missing_uids(source)
    if missing:
        return (
            f"No DICOM results were written: the photograph has no {', '.join(missing)}, by which they would refer to "
            "it; export it again."
        )
    skin = [finding.disease for finding in prediction.findings if finding.disease in ISIC2017_DIAGNOSES]
    if skin:
        return (
            f"No DICOM results were written: their codes are those of the eye, and {', '.join(skin)} is a diagnosis of "
            "the skin."
        )
    return ""


def _results(
    source: Dataset,
    frame: int,
    prediction: Prediction,
    images: Mapping[str, NDArray[np.uint8]],
    model: ModelIdentity,
) -> Iterator[tuple[str, SOPClass]]:
    """Make the objects one after another, each with its file's stem: together they may fill the memory."""
    if prediction.structure_masks:
        series = (new_uid(), SEGMENTATION_SERIES)
        yield "probability", probability_segmentation(source, frame, prediction, model, *series)
        yield "mask", mask_segmentation(source, frame, prediction, model, *series)
    if prediction.findings or prediction.measures or prediction.values:
        yield "report", structured_report(source, frame, prediction, model, new_uid(), REPORT_SERIES)
    series = (new_uid(), PICTURES_SERIES)
    for number, (image, pixels) in enumerate(images.items(), start=1):
        yield image, secondary_capture(source, frame, image, pixels, model, *series, number)


def _remarks(prediction: Prediction) -> list[str]:
    """What was not written, and why."""
    if prediction.findings or prediction.measures or prediction.values:
        return []
    return ["No DICOM report was written: there are neither scores nor measures."]
