"""What all DICOM results share: the patient, the study, references, and that a validator finds nothing wrong."""

from __future__ import annotations

import logging
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import photograph_dataset, retina_dataset, save
from hand_made_prediction import MODEL, hand_made_prediction
from highdicom.seg import segread
from highdicom.sr import srread
from pydicom import Dataset, dcmread
from pydicom.config import disable_value_validation
from pydicom.dataset import FileDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, SecondaryCaptureImageStorage
from small_bundle import small_bundle

from vmnet_monai import Predictor
from vmnet_monai.explain import draw_heat_map, draw_structures
from vmnet_monai.io.dicom import read_dataset
from vmnet_monai.reports.dicom.origin import quiet, short_text
from vmnet_monai.reports.dicom.results import write_dicom_results
from vmnet_monai.reports.record import DiseaseFinding

HEIGHT, WIDTH = 24, 40

PICTURES = {name: np.zeros((HEIGHT, WIDTH, 3), np.uint8) for name in ("overlay", "heat_glaucoma")}

FILES = [f"dicom/retina/{name}.dcm" for name in ("probability", "mask", "report", "overlay", "heat_glaucoma")]

PATIENT_AND_STUDY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime"),
    *("StudyID", "AccessionNumber", "ReferringPhysicianName"),
)


def photograph(frames: int = 1, **options: Any) -> Dataset:
    with disable_value_validation():
        return photograph_dataset(np.zeros((frames, HEIGHT, WIDTH, 3), np.uint8), **options)


def write(folder: Path, source: Dataset, frame: int = 0) -> tuple[list[str], list[str]]:
    return write_dicom_results(folder, "retina", source, frame, hand_made_prediction(), PICTURES, MODEL)


def stored(folder: Path, **options: Any) -> FileDataset:
    """A photograph that was written to disk and read from there, as its values' bytes."""
    with disable_value_validation():
        return dcmread(save(photograph(**options), folder / "source.dcm"))


def results(folder: Path, source: Dataset, frame: int = 0) -> list[FileDataset]:
    files, _ = write(folder, source, frame)
    return [dcmread(folder / file) for file in files]


def test_files_are_named_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    assert write(tmp_path, photograph()) == (FILES, [])
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")) == sorted(FILES)


def test_patient_and_study_are_those_of_the_photograph(tmp_path: Path) -> None:
    source = photograph(patient_name="M\u00fcller^J\u00fcrgen=\u5c71\u7530^\u592a\u90ce", PatientAge="076Y")
    for result in results(tmp_path, source):
        assert {keyword: result[keyword].value for keyword in PATIENT_AND_STUDY} == {
            keyword: source[keyword].value or "" for keyword in PATIENT_AND_STUDY
        }
        assert result.SpecificCharacterSet == "ISO_IR 192"
        assert result.PatientAge == "076Y"


def test_series_and_objects_are_new(tmp_path: Path) -> None:
    source = photograph()
    made = [source, *results(tmp_path / "1", source), *results(tmp_path / "2", source)]
    assert len({result.SOPInstanceUID for result in made}) == len(made)
    assert len({result.SeriesInstanceUID for result in made}) == 1 + 3 + 3
    assert len({result.SeriesNumber for result in made}) == 1 + 3


def test_results_are_known_as_such(tmp_path: Path) -> None:
    for result in results(tmp_path, photograph()):
        assert result.Manufacturer == result.ManufacturerModelName == "vmnet_monai"
        assert list(result.SoftwareVersions) == ["0.4.0", "model abc123", "thresholds def456", "runtime torch"]
        assert "research only" in result.SeriesDescription


def test_bytes_that_are_not_in_their_character_set_stay_as_they_are(tmp_path: Path) -> None:
    """Latin-1 in a file that names UTF-8: an archive that compares bytes must see the same patient."""
    path = save(photograph(patient_name="Mu", patient_id="X9"), tmp_path / "source.dcm")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"PN\x02\x00Mu", b"PN\x02\x00M\xfc").replace(b"LO\x02\x00X9", b"LO\x02\x00\xc49"))
    for result in results(tmp_path, dcmread(path)):
        assert result.get_item("PatientName").value == b"M\xfc"
        assert result.get_item("PatientID").value == b"\xc49"


@pytest.mark.parametrize(
    "characters", ["ISO_IR 100", "ISO_IR 999", ["", "ISO 2022 IR 87"], None], ids=["Latin-1", "unknown", "JIS", "none"]
)
def test_character_set_is_kept(characters: Any, tmp_path: Path) -> None:
    with quiet():
        source = stored(tmp_path, patient_name="Doe^Jane", SpecificCharacterSet=characters)
        for result in results(tmp_path, source):
            assert result.get("SpecificCharacterSet") == characters
            assert result.PatientName == "Doe^Jane"


def test_missing_patient_and_study_become_empty(tmp_path: Path) -> None:
    missing = {keyword: None for keyword in PATIENT_AND_STUDY if keyword != "StudyInstanceUID"}
    for result in results(tmp_path, stored(tmp_path, **missing)):
        for keyword in missing:
            assert keyword in result
            assert result[keyword].is_empty


def test_value_that_breaks_a_rule_breaks_nothing(tmp_path: Path) -> None:
    """What identifies the patient is kept as it is, the rest only where DICOM allows it."""
    reference = Dataset()
    with disable_value_validation():
        reference.ReferencedSOPClassUID = reference.ReferencedSOPInstanceUID = "no UID"
    source = stored(
        tmp_path,
        patient_name="N" * 100,
        patient_id="I" * 100,
        PatientSex="WOMAN",
        PatientBirthDate="about 1950",
        StudyDate="2026-01-02",
        AccessionNumber="A" * 30,
        EthnicGroup="longer than sixteen",
        PatientAge="76",
        ReferencedStudySequence=[reference],
        StudyDescription="D",
        LossyImageCompression="maybe",
        PatientOrientation=["up", "down"],
    )
    with quiet():
        for result in results(tmp_path, source):
            assert result.PatientName == "N" * 100
            assert result.PatientID == "I" * 100
            assert (result.PatientSex, result.PatientBirthDate, result.StudyDate) == (
                *("WOMAN", "about 1950", "2026-01-02"),
            )
            assert result.AccessionNumber == "A" * 30
            assert result.StudyDescription == "D"
            assert not {"EthnicGroup", "PatientAge", "ReferencedStudySequence"} & set(result.dir())


def test_number_that_is_none_breaks_nothing(tmp_path: Path) -> None:
    path = save(photograph(PatientSize=1.75), tmp_path / "source.dcm")
    path.write_bytes(path.read_bytes().replace(b"1.75", b"tall"))
    for result in results(tmp_path, dcmread(path)):
        assert "PatientSize" not in result


@pytest.mark.parametrize("encoding", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_photograph_of_another_encoding_is_taken(encoding: str, tmp_path: Path) -> None:
    source = photograph(patient_name="M\u00fcller^Eva")
    source.file_meta.TransferSyntaxUID = encoding
    read = dcmread(save(source, tmp_path / "source.dcm"))
    assert [result.PatientName for result in results(tmp_path, read)] == ["M\u00fcller^Eva"] * len(FILES)


def test_photograph_is_not_changed(tmp_path: Path) -> None:
    source = stored(tmp_path)
    before = (tmp_path / "source.dcm").read_bytes()
    write(tmp_path, source)
    source.save_as(tmp_path / "after.dcm")
    assert (tmp_path / "after.dcm").read_bytes() == before


def test_nothing_of_the_patient_is_printed_or_logged(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    source = stored(
        tmp_path, patient_name="Secret" * 20, patient_id="Secret" * 20, PatientSex="Secret", study_uid="Secret"
    )
    with warnings.catch_warnings(record=True) as shown, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        write(tmp_path, source)
    printed = capfd.readouterr()
    assert not [
        text for text in (printed.out, printed.err, caplog.text, *(str(w.message) for w in shown)) if "Se" in text
    ]


def test_logging_is_as_before_afterwards(tmp_path: Path) -> None:
    before = [logging.getLogger(name).level for name in ("highdicom", "pydicom")]
    write(tmp_path, photograph())
    assert [logging.getLogger(name).level for name in ("highdicom", "pydicom")] == before


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_photograph_without_uid_gets_no_results_and_it_is_said(keyword: str, tmp_path: Path) -> None:
    files, remarks = write(tmp_path, photograph(**{keyword: None}))
    assert files == []
    assert remarks == [
        f"No DICOM results were written: the photograph has no {keyword}, by which they would refer to it; export it "
        "again."
    ]


def test_diagnosis_of_the_skin_is_not_reported_as_one_of_the_eye(tmp_path: Path) -> None:
    finding = DiseaseFinding(disease="melanoma", score=0.5)
    prediction = hand_made_prediction(findings=[finding])
    files, (remark,) = write_dicom_results(tmp_path, "skin", photograph(kind="vl"), 0, prediction, PICTURES, MODEL)
    assert files == []
    assert "melanoma is a diagnosis of the skin" in remark


@pytest.mark.parametrize(
    ("text", "short"), [("a\\b\nc", "a/b c"), ("\u00e4" * 3, "???"), ("x" * 70, "x" * 64), (" x ", "x")]
)
def test_short_text_fits_a_long_string(text: str, short: str) -> None:
    assert short_text(text) == short


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy of dicom3tools is not installed")
@pytest.mark.parametrize(
    ("options", "frame"),
    [
        ({}, 0),
        ({"frames": 3, "laterality": "L"}, 1),
        ({"pixel_spacing": None}, 0),
        ({"pixel_spacing": None, "frames": 3}, 2),
        ({"pixel_spacing": None, "kind": "sc"}, 0),
        ({"pixel_spacing": None, "kind": "sc", "frames": 2, "SOPClassUID": SecondaryCaptureImageStorage}, 1),
        ({"pixel_spacing": None, "kind": "vl", "frames": 2}, 1),
        ({"kind": "sc", "laterality": "L"}, 0),
        ({"kind": "sc", "frames": 2}, 1),
        ({"kind": "vl", "laterality": ""}, 0),
        ({"patient_name": None, "patient_id": None, "PatientSex": None}, 0),
        (
            {
                "LossyImageCompression": "01",
                "LossyImageCompressionRatio": 9,
                "LossyImageCompressionMethod": "ISO_10918_1",
            },
            0,
        ),
    ],
    ids=[
        *("ophthalmic", "frames", "no spacing", "no spacing, frames", "no spacing, capture"),
        *("frames of a capture", "frames of a visible light image", "secondary capture", "its frames"),
        *("visible light", "nameless", "lossy"),
    ],
)
def test_validator_finds_no_error(options: dict[str, Any], frame: int, tmp_path: Path) -> None:
    files, _ = write(tmp_path, photograph(**options), frame)
    for file in files:
        done = subprocess.run(["dciodvfy", tmp_path / file], capture_output=True, text=True, check=False)
        lines = (done.stdout + done.stderr).splitlines()
        assert lines, "dciodvfy said nothing"
        assert [line for line in lines if line.startswith("Error")] == [], file


def test_real_prediction_of_a_file_is_written_and_read_back(tmp_path: Path) -> None:
    path = save(retina_dataset(256), tmp_path / "retina.dcm")
    predictor = Predictor(small_bundle(tmp_path / "bundle"), explain="all")
    prediction, source = predictor(path), read_dataset(path)
    photograph = source.pixel_array.reshape(256, 256, 3)
    pictures = {
        "overlay": draw_structures(photograph, prediction.structure_masks),
        **{f"heat_{key}": draw_heat_map(photograph, heat) for key, heat in prediction.heat_maps.items()},
    }
    files, remarks = write_dicom_results(tmp_path, "retina", source, 0, prediction, pictures, MODEL)
    assert [Path(file).stem for file in files] == [
        "probability",
        "mask",
        "report",
        "overlay",
        "heat_normal",
        "heat_glaucoma",
    ]
    assert remarks == []
    folder = tmp_path / "dicom/retina"
    read = segread(folder / "probability.dcm").pixel_array / 255
    assert np.abs(read - prediction.vessel_probability).max() <= 1 / 510 + 1e-6
    assert np.array_equal(segread(folder / "mask.dcm").pixel_array == 1, prediction.vessel_mask)
    assert np.array_equal(dcmread(folder / "heat_normal.dcm").pixel_array, pictures["heat_normal"])
    groups = {g.tracking_identifier: g for g in srread(folder / "report.dcm").content.get_image_measurement_groups()}
    for finding in prediction.findings:
        values = [item.value for item in groups[finding.disease].get_measurements()]
        assert values == [finding.score]
    measured = {item.name.value: item.value for item in groups["vessel_measures"].get_measurements()}
    assert measured == {name: value for name, value in prediction.measures.items() if value is not None}
