"""Hashed ids lead back to photographs only with what lies in the private folder."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from vmnet_monai.inference.deidentification import PRIVATE_REASON, Pseudonyms, private_folder
from vmnet_monai.inference.manifest import Manifest

DOE, ROE = {"id": "doe", "image": "clinic/doe.jpg"}, {"id": "roe", "image": "clinic/roe.dcm?slice=1"}


def book(folder: Path, deidentify: bool = True) -> Manifest:
    return Manifest(folder / "out", {}, "m", "t", deidentify=deidentify)


def add_predicted(one: Manifest) -> None:
    """Note the only photograph of a run as predicted."""
    (name,) = one.items
    known = {"findings": [], "measures": {}, "warnings": [], "files": []}
    one.add({**one.base(name), **known, "made_from": one.made_from[name]})  # type: ignore[typeddict-item]


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


def test_the_order_says_nothing(tmp_path: Path) -> None:
    items = [{"id": str(number), "image": f"{number}.jpg"} for number in range(20)]
    ids = [item["id"] for item in Pseudonyms(tmp_path / "out").rename(items)]
    assert ids == sorted(ids)


def test_links_lead_back_also_to_photographs_of_earlier_runs(tmp_path: Path) -> None:
    names = []
    for item in (DOE, ROE):
        one = book(tmp_path)
        names += [opened["id"] for opened in one.open([item])]
        one.close()
    assert links(tmp_path)["image"].to_dict() == {
        names[0]: os.path.abspath("clinic/doe.jpg"),
        names[1]: os.path.abspath("clinic/roe.dcm?slice=1"),
    }


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_only_the_owner_may_read_what_leads_back(tmp_path: Path) -> None:
    book(tmp_path).open([DOE])
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
    with pytest.raises(ValueError, match=r"key must hold 64 hexadecimal digits .*: restore it"):
        book(tmp_path)
    assert key.read_text() == "00ff\n"


def test_records_hold_no_path_and_still_know_their_photograph(tmp_path: Path) -> None:
    path = tmp_path / "Jane-Doe.jpg"
    for content, is_done in ((b"1", False), (b"1", True), (b"another", False)):
        path.write_bytes(content)
        os.utime(path, ns=(0, 0))
        one = book(tmp_path)
        assert (one.open([{"id": "Jane-Doe", "image": str(path)}]) == []) is is_done
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
        one = book(tmp_path / folder)
        one.open([{"id": "a", "image": str(path)}])
        states |= {made_from["image"] for made_from in one.made_from.values()}
        one.close()
    assert len(states) == 2


def test_reasons_are_kept_apart(tmp_path: Path) -> None:
    one = book(tmp_path)
    one.open([DOE])
    (name,) = one.items
    one.add(one.unusable(name, "refused", "The table Doe/list.csv has the columns Jane, Doe.", 0.0))
    one.write_tables()
    manifest = (tmp_path / "out/manifest.csv").read_text()
    assert PRIVATE_REASON in manifest
    assert "Doe" not in manifest + one.summary()
    assert links(tmp_path)["reason"][name] == "The table Doe/list.csv has the columns Jane, Doe."


@pytest.mark.parametrize("first", [True, False])
def test_results_with_and_without_names_do_not_mix(tmp_path: Path, first: bool) -> None:
    one = book(tmp_path, deidentify=first)
    one.open([DOE])
    add_predicted(one)
    one.close()
    with pytest.raises(ValueError, match="choose another output folder"):
        book(tmp_path, deidentify=not first)
    book(tmp_path, deidentify=first).close()
