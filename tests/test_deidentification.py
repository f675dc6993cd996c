"""Hashed ids lead back to photographs only with what lies in the private folder."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from vmnet_monai.deidentification import deidentify, private_folder, shown_name, without_paths
from vmnet_monai.records import RecordBook

DOE, ROE = {"id": "doe", "image": "clinic/doe.jpg"}, {"id": "roe", "image": "clinic/roe.dcm?slice=1"}


def test_ids_are_sixteen_hexadecimal_digits_and_tell_photographs_apart(tmp_path: Path) -> None:
    ids = [item["id"] for item in deidentify([DOE, ROE], tmp_path / "out")]
    assert len(set(ids)) == 2
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in ids)


def test_the_next_run_gives_the_same_ids_and_another_output_folder_others(tmp_path: Path) -> None:
    first = deidentify([DOE, ROE], tmp_path / "out")
    assert deidentify([ROE, DOE], tmp_path / "out") == first
    assert {item["id"] for item in deidentify([DOE, ROE], tmp_path / "b")}.isdisjoint(item["id"] for item in first)


def test_the_order_says_nothing(tmp_path: Path) -> None:
    items = [{"id": str(number), "image": f"{number}.jpg"} for number in range(20)]
    ids = [item["id"] for item in deidentify(items, tmp_path / "out")]
    assert ids == sorted(ids)


def test_links_lead_back_also_to_photographs_of_earlier_runs(tmp_path: Path) -> None:
    (doe,) = deidentify([DOE], tmp_path / "out")
    (roe,) = deidentify([ROE], tmp_path / "out")
    links = pd.read_csv(private_folder(tmp_path / "out") / "links.csv").set_index("id")["image"]
    assert links.to_dict() == {
        doe["id"]: os.path.abspath("clinic/doe.jpg"),
        roe["id"]: os.path.abspath("clinic/roe.dcm?slice=1"),
    }


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_only_the_owner_may_read_what_leads_back(tmp_path: Path) -> None:
    deidentify([DOE], tmp_path / "out")
    folder = private_folder(tmp_path / "out")
    assert {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())} == {
        "out-private": 0o700,
        "key": 0o600,
        "links.csv": 0o600,
    }


def test_a_damaged_key_is_not_replaced(tmp_path: Path) -> None:
    deidentify([DOE], tmp_path / "out")
    key = private_folder(tmp_path / "out") / "key"
    key.write_text("00ff\n")
    with pytest.raises(ValueError, match=r"key must hold 64 hexadecimal digits .*: restore it"):
        deidentify([DOE], tmp_path / "out")
    assert key.read_text() == "00ff\n"


def test_messages_lose_the_paths_and_keep_their_words(tmp_path: Path) -> None:
    (doe,) = deidentify([{"id": "a", "image": "/data/Jane Doe/a.jpg", "fov": "/data/fov.png"}], tmp_path / "out")
    name = doe["id"]
    text = "/data/Jane Doe/a.jpg: a.jpg is a text, not aa.jpg; the mask /data/fov.png is empty"
    assert without_paths(text, doe) == f"{name}: {name} is a text, not aa.jpg; the mask {name} is empty"
    assert shown_name(doe) == name


def test_other_items_are_shown_as_they_are() -> None:
    assert (shown_name(DOE), without_paths("clinic/doe.jpg: dark", DOE)) == ("clinic/doe.jpg", "clinic/doe.jpg: dark")


def test_records_hold_no_path_and_still_know_their_photograph(tmp_path: Path) -> None:
    path = tmp_path / "Jane-Doe.jpg"
    path.write_bytes(b"1")
    items = deidentify([{"id": "Jane-Doe", "image": str(path)}], tmp_path / "out")
    name = items[0]["id"]
    for content, is_done in ((b"1", False), (b"1", True), (b"another", False)):
        path.write_bytes(content)
        os.utime(path, ns=(0, 0))
        book = RecordBook(tmp_path / "out", {}, "m", "t")
        assert (book.open(items) == []) is is_done
        book.add({**book.base(name), "files": [], "made_from": book.made_from[name]})
        book.close()
    assert "Doe" not in (tmp_path / f"out/records/{name}.json").read_text()
    assert "Doe" not in book.unusable(name, "failed", f"OSError: {path} is gone", 0.0)["reason"]
