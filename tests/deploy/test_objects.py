"""What lies in an input folder: photographs, and why every other file is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dicom_files import retina_dataset, save
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import generate_uid

from vmnet_monai.deploy.objects import find_objects, write_minimal_objects

SIDE_PX = 64


def test_photographs_are_found_at_any_depth_whatever_their_name(tmp_path: Path) -> None:
    right, left = retina_dataset(SIDE_PX), retina_dataset(SIDE_PX, laterality="L")
    files = {right.SOPInstanceUID: save(right, tmp_path / "a/b/c/IM000001")}
    files[left.SOPInstanceUID] = save(left, tmp_path / "left.dcm")
    assert find_objects(tmp_path) == (files, [])


def test_what_the_sdks_loader_and_selector_drop_is_found(tmp_path: Path) -> None:
    """Two eyes at one place of one series; a series that begins without modality; a number that is none."""
    place = {"kind": "sc", "ImagePositionPatient": [0, 0, 0], "SeriesInstanceUID": generate_uid()}
    sources = [retina_dataset(SIDE_PX, laterality=side, **place) for side in "RL"]
    sources += [retina_dataset(SIDE_PX, Modality=""), retina_dataset(SIDE_PX)]
    sources[-1][0x00200011] = RawDataElement(Tag(0x00200011), "IS", 4, b"A-1 ", 0, False, True)  # SeriesNumber
    files = {source.SOPInstanceUID: save(source, tmp_path / f"{n}") for n, source in enumerate(sources)}
    assert find_objects(tmp_path) == (files, [])


def test_directories_of_media_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    save(retina_dataset(SIDE_PX), tmp_path / "DICOMDIR")
    (tmp_path / ".DS_Store").write_bytes(b"\0")
    assert find_objects(tmp_path) == ({}, [])


def test_other_machines_are_refused_by_their_uid(tmp_path: Path) -> None:
    slice_ = retina_dataset(SIDE_PX, kind="sc", Modality="CT")
    save(slice_, tmp_path / "ct.dcm")
    ((row,), photographs) = find_objects(tmp_path)[::-1]
    assert photographs == {}
    assert row["sop_instance_uid"] == slice_.SOPInstanceUID
    assert row["status"] == "refused"
    assert "CT" in row["reason"]


def test_a_file_without_uid_is_named_by_its_content_not_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "Doe_Jane.txt").write_bytes(b"abc")
    ((row,), _) = find_objects(tmp_path)[::-1]
    assert row["sop_instance_uid"] == ""
    assert row["sha256"] == hashlib.sha256(b"abc").hexdigest()
    assert "no DICOM file" in row["reason"]
    assert "Doe" not in str(row)


def test_a_uid_that_would_lead_out_of_the_output_folder_is_refused(tmp_path: Path) -> None:
    for name, uid in (("a", "../../tmp"), ("b", ".."), ("c", "1".ljust(64, ".")), ("d", None)):
        dataset = retina_dataset(SIDE_PX)
        save(dataset, tmp_path / name)
        content = (tmp_path / name).read_bytes()
        own = dataset.SOPInstanceUID.encode()
        other = b"" if uid is None else uid.encode()
        (tmp_path / name).write_bytes(content.replace(own, other.ljust(len(own), b"\0")[: len(own)]))
    photographs, refused = find_objects(tmp_path)
    assert photographs == {}
    assert ["no valid SOP Instance UID" in row["reason"] for row in refused] == [True] * 4


def test_an_object_that_was_given_twice_counts_once(tmp_path: Path) -> None:
    dataset = retina_dataset(SIDE_PX)
    first, second = save(dataset, tmp_path / "1.dcm"), save(dataset, tmp_path / "2.dcm")
    photographs, (row,) = find_objects(tmp_path)
    assert first.read_bytes() == second.read_bytes()
    assert photographs == {dataset.SOPInstanceUID: first}
    assert "given before" in row["reason"]


def test_a_file_whose_header_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A deflated file is one compressed stream: cut in its pixels, it cannot be read at all."""
    dataset = retina_dataset(SIDE_PX)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    path = save(dataset, tmp_path / "deflated.dcm")
    path.write_bytes(path.read_bytes()[:-1000])
    photographs, (row,) = find_objects(tmp_path)
    assert photographs == {}
    assert "damaged" in row["reason"]


def test_stand_ins_hold_class_uids_and_modality_and_nothing_of_the_patient(tmp_path: Path) -> None:
    right = retina_dataset(SIDE_PX, SeriesNumber=7, ImagePositionPatient=[0, 0, 0])
    bare = retina_dataset(SIDE_PX, kind="sc", Modality="", StudyInstanceUID="Doe Jane", SeriesInstanceUID=None)
    files = {str(source.SOPInstanceUID): save(source, tmp_path / f"in/{n}") for n, source in enumerate((right, bare))}
    (tmp_path / "out").mkdir()
    write_minimal_objects(files, tmp_path / "out")
    ours = {str(one.SOPInstanceUID): one for one in map(dcmread, (tmp_path / "out").iterdir())}
    assert ours.keys() == files.keys()
    first, second = ours[right.SOPInstanceUID], ours[bare.SOPInstanceUID]
    kept = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality"]
    assert sorted(element.keyword for element in first) == sorted(kept)
    assert [first[keyword].value for keyword in kept] == [right[keyword].value for keyword in kept]
    assert second.Modality == "OT"
    assert second.StudyInstanceUID.is_valid
    assert second.SeriesInstanceUID.is_valid
