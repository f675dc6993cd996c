"""Records are read back only whole and sound, and nothing outside the output folder is looked at or removed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fuzzing import FUZZ
from hypothesis import given
from hypothesis import strategies as st
from report_examples import record

from vmnet_monai.biomarkers.profile import WidthAt
from vmnet_monai.biomarkers.tidy import Value
from vmnet_monai.inference.record_folder import RecordFolder, refuse_links_out


@pytest.fixture
def folder(tmp_path: Path) -> RecordFolder:
    """A folder with the record ``a`` and its only file."""
    out = tmp_path / "out"
    (out / "vessel").mkdir(parents=True)
    (out / "vessel/a.png").touch()
    records = RecordFolder(out)
    records.write(record("a", files=["vessel/a.png"]))
    return records


def rewrite(folder: RecordFolder, **changes: Any) -> None:
    """Change values of the record on disk; ... removes a key."""
    path = folder.output_dir / "records/a.json"
    stored = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in stored.items() if value is not ...}))


def test_a_record_is_read_as_it_was_written(folder: RecordFolder) -> None:
    measured = {"values": [Value("artery", "field", "width_mean", None, "um", "why")], "eye": "left"}
    measured["width_profiles"] = {"artery": [WidthAt(0.125, 61.5)]}
    whole = record("b", image="byte \udcff.png", reason="眼", files=["vessel/a.png"], **measured)
    folder.write(whole)
    assert folder.read("b") == whole.model_copy(update={"sha256": whole.digest()})
    assert [one.id for one in folder] == ["a", "b"]


def test_a_file_has_the_keys_of_a_record_in_their_order(folder: RecordFolder) -> None:
    text = (folder.output_dir / "records/a.json").read_text()
    assert list(json.loads(text)) == [
        *("id", "image", "status", "reason", "seconds", "model", "model_version", "thresholds_version"),
        *("width_px", "height_px", "findings", "measures", "values", "width_profiles", "eye"),
        *("warnings", "structures", "heat_maps", "heat_map_method"),
        *("made_from", "files", "sha256"),
    ]
    assert text.startswith('{\n "id": "a",\n')


@pytest.mark.parametrize(
    "content", ["", "{", "null", "[]", "{}", '{"made_from": "x"}', '{"image": 1}', "[" * 100_000, '{"a":' * 100_000]
)
def test_what_is_no_record_counts_as_missing(folder: RecordFolder, content: str) -> None:
    (folder.output_dir / "records/a.json").write_text(content)
    assert folder.read("a") is None
    assert list(folder) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"files": []},
        {"files": None},
        {"files": [1]},
        {"files": ["/etc/hosts"]},
        {"files": ["vessel/../../a.png"]},
        {"files": ["vessel/\0.png"]},
        {"findings": ...},
        {"findings": []},
        {"findings": [{"disease": "amd"}]},
        {"findings": [{"disease": "amd", "score": 0.25}]},
        {"warnings": ["It is dark."]},
        {"structures": ["../../vessel"]},
        {"heat_maps": ["/tmp/amd"]},
        {"sha256": "0" * 64},
        {"findings": [{"disease": "amd", "score": 1.5, "threshold": 0.5, "decision": 1}]},
        {"findings": [{"disease": "amd", "score": 0.5, "threshold": 0.5, "decision": 2}]},
        {"measures": {"vessel_width_mean_px": float("nan")}},
        {"made_from": []},
        {"status": "failed"},
        {"width_px": "90"},
        {"id": "b"},
    ],
)
def test_a_record_with_a_wrong_value_counts_as_missing(folder: RecordFolder, changes: dict[str, Any]) -> None:
    rewrite(folder, **changes)
    assert folder.read("a") is None


def test_a_record_goes_with_its_files(folder: RecordFolder) -> None:
    (folder.output_dir / "vessel/b.png").touch()
    one = folder.read("a")
    assert one is not None
    assert folder.has_files(one)
    folder.remove(one)
    assert not folder.has_files(one)
    assert sorted(path.name for path in folder.output_dir.rglob("*.*")) == ["b.png"]


@pytest.mark.parametrize("file", ["linked/a.png", "a.png"])
def test_a_file_that_a_link_leads_out_of_the_folder_counts_as_missing_and_stays(
    folder: RecordFolder, file: str, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "a.png").touch()
    (folder.output_dir / "linked").symlink_to(own)
    (folder.output_dir / "a.png").symlink_to(own / "a.png")
    one = record("a", files=[file])
    assert not folder.has_files(one)
    folder.remove(one)
    assert (own / "a.png").exists()


@pytest.mark.parametrize("file", ["", "vessel", "vessel/gone.png", "x" * 5000])
def test_what_is_no_file_is_left_alone(folder: RecordFolder, file: str) -> None:
    one = record("a", files=[file])
    assert not folder.has_files(one)
    folder.remove_files([file])
    assert (folder.output_dir / "vessel/a.png").exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
"""Whatever a JSON file may hold."""

KEYS = sorted(record("a").model_dump())


@FUZZ
@given(content=JSON)
def test_whatever_json_a_file_holds_it_is_a_record_or_counts_as_missing(content: Any, tmp_path: Path) -> None:
    folder = RecordFolder(tmp_path)
    (tmp_path / "records").mkdir(exist_ok=True)
    (tmp_path / "records/a.json").write_text(json.dumps(content))
    assert folder.read("a") is None


@FUZZ
@given(key=st.sampled_from(KEYS), value=JSON)
def test_whatever_a_value_is_nothing_outside_is_looked_at_or_removed(key: str, value: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    folder = RecordFolder(out)
    for victim in ("victim", "out/other"):
        (tmp_path / victim).parent.mkdir(exist_ok=True)
        (tmp_path / victim).touch()
    folder.write(record("a"))
    rewrite(folder, **{key: value})
    one = folder.read("a")
    if one is not None:
        assert folder.has_files(one) is all((out / file).is_file() for file in one.files)
        folder.remove(one)
    assert (tmp_path / "victim").exists()
    assert (tmp_path / "out/other").exists()


@pytest.mark.parametrize(
    "file", ["{}/victim", "../victim", "vessel/../../victim", "./../victim", "linked/victim", "victim.png", ".."]
)
def test_a_victim_outside_stays_however_it_is_named(folder: RecordFolder, file: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("keep me")
    (folder.output_dir / "linked").symlink_to(tmp_path)
    (folder.output_dir / "victim.png").symlink_to(victim)
    name = file.format(tmp_path)
    rewrite(folder, files=[name])
    one = folder.read("a")
    if one is not None:
        folder.remove(one)
    folder.remove_files([name])
    assert victim.read_text() == "keep me"


def test_a_record_that_a_link_leads_out_of_the_folder_is_not_read(folder: RecordFolder, tmp_path: Path) -> None:
    path = folder.output_dir / "records/a.json"
    path.rename(tmp_path / "a.json")
    path.symlink_to(tmp_path / "a.json")
    assert folder.read("a") is None
    folder.write(record("a"))
    assert not path.is_symlink()
    assert folder.read("a") is not None


@pytest.mark.parametrize(
    "link", ["vessel", "records", "report/pictures", "report/pictures/a", "dicom/a", ".lock", ".vmnet.json"]
)
def test_a_link_that_leads_what_is_written_out_of_the_folder_is_refused(link: str, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    (target.write_text if link.startswith(".") else lambda _: target.mkdir())("")
    path = tmp_path / "out" / link
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    with pytest.raises(ValueError, match=rf"{link} is a symbolic link .*remove the link"):
        refuse_links_out(tmp_path / "out")


def test_the_output_folder_itself_and_links_inside_it_may_be_links(folder: RecordFolder, tmp_path: Path) -> None:
    (folder.output_dir / "again").symlink_to(folder.output_dir / "vessel")
    (folder.output_dir / "photo.png").symlink_to(tmp_path / "photo.png")
    (tmp_path / "linked").symlink_to(folder.output_dir)
    refuse_links_out(tmp_path / "linked")
