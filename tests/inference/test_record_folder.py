"""Records are read back only whole and sound, and nothing outside the output folder is looked at or removed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from report_examples import record

from vmnet_monai.inference.record_folder import RecordFolder


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
    whole = record("b", image="byte \udcff.png", reason="眼", files=["vessel/a.png"])
    folder.write(whole)
    assert folder.read("b") == whole
    assert [one.id for one in folder] == ["a", "b"]


def test_a_file_has_the_keys_of_a_record_in_their_order(folder: RecordFolder) -> None:
    text = (folder.output_dir / "records/a.json").read_text()
    assert list(json.loads(text)) == [
        *("id", "image", "status", "reason", "seconds", "model", "model_version", "thresholds_version"),
        *("width_px", "height_px", "findings", "measures", "warnings", "structures", "heat_maps"),
        "heat_map_method",
        *("made_from", "files"),
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
        {"files": None},
        {"files": [1]},
        {"files": ["/etc/hosts"]},
        {"files": ["vessel/../../a.png"]},
        {"files": ["vessel/\0.png"]},
        {"findings": ...},
        {"findings": [{"disease": "amd"}]},
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
