"""Hashed ids lead back to photographs only with what lies in the private folder."""

from __future__ import annotations

import importlib.metadata
import json
import os
from pathlib import Path

import pandas as pd
import pytest

from vmnet_monai.inference.deidentification import PRIVATE_REASON, Pseudonyms, private_folder
from vmnet_monai.inference.manifest import Manifest
from vmnet_monai.io.tables import read_table
from vmnet_monai.reports.record import Description

DOE, ROE = {"id": "doe", "image": "clinic/doe.jpg"}, {"id": "roe", "image": "clinic/roe.dcm?slice=1"}


def manifest_of(folder: Path, deidentify: bool = True) -> Manifest:
    return Manifest(folder / "out", {}, "m", "t", deidentify=deidentify)


def add_predicted(one: Manifest) -> None:
    """Note the only photograph of a run as predicted."""
    (name,) = one.items
    nothing = Description(width_px=1, height_px=1, findings=[], measures={}, warnings=[], structures=[], heat_maps=[])
    record = one.record_of(name, nothing)
    one.write(record)
    one.note(record)


def links(folder: Path) -> pd.DataFrame:
    return pd.read_csv(private_folder(folder / "out") / "links.csv", keep_default_na=False).set_index("id")


def test_ids_are_sixteen_hexadecimal_digits_and_tell_photographs_apart(tmp_path: Path) -> None:
    ids = [item["id"] for item in Pseudonyms(tmp_path / "out").rename([DOE, ROE])]
    assert len(set(ids)) == 2
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in ids)


def test_the_next_run_gives_the_same_ids_and_another_output_folder_others(tmp_path: Path) -> None:
    first = Pseudonyms(tmp_path / "out").rename([DOE, ROE])
    assert Pseudonyms(tmp_path / "out").rename([ROE, DOE]) == first
    others = Pseudonyms(tmp_path / "b").rename([DOE, ROE])
    assert {item["id"] for item in others}.isdisjoint(item["id"] for item in first)


def test_links_keep_what_looks_like_a_formula(tmp_path: Path) -> None:
    image, reason = "/clinic/a;=1.png", "=HYPERLINK(1)"
    for name in ("one", "two"):
        Pseudonyms(tmp_path / "out").write_links({name: image}, {name: reason})
    table = read_table(private_folder(tmp_path / "out") / "links.csv").rows
    assert table.to_numpy().tolist() == [["one", image, reason], ["two", image, reason]]
    assert "'=HYPERLINK" in (private_folder(tmp_path / "out") / "links.csv").read_text()


def test_the_order_says_nothing(tmp_path: Path) -> None:
    items = [{"id": str(number), "image": f"{number}.jpg"} for number in range(20)]
    ids = [item["id"] for item in Pseudonyms(tmp_path / "out").rename(items)]
    assert ids == sorted(ids)


def test_links_lead_back_also_to_photographs_of_earlier_runs(tmp_path: Path) -> None:
    names = []
    for given in (DOE, ROE):
        one = manifest_of(tmp_path)
        names += [item["id"] for item in one.start([given])]
        one.close()
    assert links(tmp_path)["image"].to_dict() == {
        names[0]: os.path.abspath("clinic/doe.jpg"),
        names[1]: os.path.abspath("clinic/roe.dcm?slice=1"),
    }


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_only_the_owner_may_read_what_leads_back(tmp_path: Path) -> None:
    manifest_of(tmp_path).start([DOE])
    folder = private_folder(tmp_path / "out")
    assert {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())} == {
        "out-private": 0o700,
        "key": 0o600,
        "links.csv": 0o600,
    }


def test_a_damaged_key_is_not_replaced(tmp_path: Path) -> None:
    Pseudonyms(tmp_path / "out")
    key = private_folder(tmp_path / "out") / "key"
    key.write_text("00ff\n")
    with pytest.raises(ValueError, match="key.* 64 "):
        manifest_of(tmp_path)
    assert key.read_text() == "00ff\n"


def test_records_hold_no_path_and_still_know_their_photograph(tmp_path: Path) -> None:
    path = tmp_path / "Jane-Doe.jpg"
    for content, is_done in ((b"1", False), (b"1", True), (b"another", False)):
        path.write_bytes(content)
        os.utime(path, ns=(0, 0))
        one = manifest_of(tmp_path)
        assert (one.start([{"id": "Jane-Doe", "image": str(path)}]) == []) is is_done
        add_predicted(one)
        one.write_tables()
        one.close()
    for file in (tmp_path / "out").rglob("*"):
        assert "Doe" not in file.name
        assert file.is_dir() or b"Doe" not in file.read_bytes()


def test_states_of_files_cannot_be_guessed_without_the_key(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.touch()
    states = set()
    for folder in ("one", "two"):
        one = manifest_of(tmp_path / folder)
        one.start([{"id": "a", "image": str(path)}])
        states |= {made_from["image"] for made_from in one.made_from.values()}
        one.close()
    assert len(states) == 2


def test_reasons_are_kept_apart(tmp_path: Path) -> None:
    one = manifest_of(tmp_path)
    one.start([DOE])
    (name,) = one.items
    one.add_unpredicted(name, "refused", "The table Doe/list.csv has the columns Jane, Doe.")
    one.write_tables()
    manifest = (tmp_path / "out/manifest.csv").read_text()
    assert PRIVATE_REASON in manifest
    assert "Doe" not in manifest + one.summary()
    assert links(tmp_path)["reason"][name] == "The table Doe/list.csv has the columns Jane, Doe."


@pytest.mark.parametrize("first", [True, False])
def test_results_with_and_without_names_do_not_mix(tmp_path: Path, first: bool) -> None:
    one = manifest_of(tmp_path, deidentify=first)
    one.start([DOE])
    add_predicted(one)
    one.close()
    with pytest.raises(ValueError, match="another output folder"):
        manifest_of(tmp_path, deidentify=not first)
    manifest_of(tmp_path, deidentify=first).close()


def test_a_folder_is_marked_before_the_first_result(tmp_path: Path) -> None:
    for deidentify in (True, False):
        manifest_of(tmp_path, deidentify).close()
        marker = json.loads((tmp_path / "out/.vmnet.json").read_text())
        assert marker == {"deidentify": deidentify, "version": importlib.metadata.version("vmnet_monai")}


def test_a_photograph_whose_results_are_being_replaced_still_bears_its_name(tmp_path: Path) -> None:
    one = manifest_of(tmp_path, deidentify=False)
    one.start([{"id": "JOHN_DOE", "image": "JOHN_DOE.jpg"}])
    add_predicted(one)
    one.begin_replacing("JOHN_DOE")
    one.close()
    for _ in range(2):
        with pytest.raises(ValueError, match="with names"):
            manifest_of(tmp_path)
        (tmp_path / "out/.vmnet.json").unlink(missing_ok=True)  # as an earlier version left it


def test_results_without_marker_bear_names(tmp_path: Path) -> None:
    (tmp_path / "out/vessel").mkdir(parents=True)
    (tmp_path / "out/vessel/JOHN_DOE.png").touch()
    with pytest.raises(ValueError, match="with names"):
        manifest_of(tmp_path)
    assert not private_folder(tmp_path / "out").exists()
    manifest_of(tmp_path, deidentify=False).close()


def test_deidentified_results_of_a_version_without_marker_are_known_by_their_records(tmp_path: Path) -> None:
    one = manifest_of(tmp_path)
    one.start([DOE])
    add_predicted(one)
    one.close()
    (tmp_path / "out/.vmnet.json").unlink()
    with pytest.raises(ValueError, match="without names"):
        manifest_of(tmp_path, deidentify=False)
    manifest_of(tmp_path).close()


@pytest.mark.parametrize("content", ["", "[]", '{"deidentify": 1, "version": "0.6.0"}', "{}"])
@pytest.mark.parametrize("deidentify", [True, False])
def test_a_damaged_marker_closes_a_folder_with_results(tmp_path: Path, content: str, deidentify: bool) -> None:
    (tmp_path / "out/vessel").mkdir(parents=True)
    (tmp_path / "out/.vmnet.json").write_text(content)
    with pytest.raises(ValueError, match=r"\.vmnet\.json.*another output folder"):
        manifest_of(tmp_path, deidentify)
    (tmp_path / "out/vessel").rmdir()
    manifest_of(tmp_path, deidentify).close()


@pytest.mark.parametrize("name", ["", "key", "links.csv"])
def test_a_private_folder_that_links_lead_out_of_is_refused_before_anything_is_written(
    tmp_path: Path, name: str
) -> None:
    private = private_folder(tmp_path / "out")
    elsewhere = tmp_path / "elsewhere"
    if name:
        private.mkdir()
        elsewhere.touch()
    else:
        elsewhere.mkdir()
    (private / name).symlink_to(elsewhere)
    with pytest.raises(ValueError, match=r"out-private\S* is a symbolic link: remove the link, or choose another"):
        manifest_of(tmp_path)
    assert list((tmp_path / "out").iterdir()) == []
    assert elsewhere.read_bytes() == b"" if name else list(elsewhere.iterdir()) == []
    manifest_of(tmp_path, deidentify=False).close()


def test_a_file_in_the_place_of_the_private_folder_is_named(tmp_path: Path) -> None:
    private_folder(tmp_path / "out").touch()
    with pytest.raises(NotADirectoryError, match="out-private is a file: move it, or choose another"):
        manifest_of(tmp_path)
