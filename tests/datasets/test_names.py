"""Names of photographs are file names on every system, and lead back to the photograph."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from fuzzing import FUZZ
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vmnet_monai.datasets.names import (
    MAX_NAME_BYTES,
    is_safe_id,
    names_from_paths,
    same_file_key,
    slug,
    unique_names,
)


def test_names_of_equal_stems_in_two_folders_differ() -> None:
    assert names_from_paths([Path("a/1.png"), Path("b/1.png")]) == ["a-1", "b-1"]


@pytest.mark.parametrize("other", ["a-1.png", "a/1.jpg", "A/1.png"])
def test_names_that_would_collide_get_a_digest(other: str) -> None:
    first, second = names_from_paths([Path("a/1.png"), Path(other)])
    assert first.casefold() != second.casefold()
    assert names_from_paths([Path(other), Path("a/1.png")]) == [second, first]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("患者甲", "患者甲"),
        ("Müller_OD", "Müller_OD"),
        ("Mu\u0308ller", "Müller"),
        ("Ελένη", "Ελένη"),
        ("Жуков", "Жуков"),
        ("محمد", "محمد"),
        ("शर्मा", "शर्मा"),
        ("홍길동", "홍길동"),
        ("日本のたろう", "日本のたろう"),
        ("Nguyễn Thị", "Nguyễn-Thị"),
        ("眼（左）", "眼-左"),
        ("a\u202eb\u200bc\u2028d\ue000", "a-b-c-d"),
        ("eye 1 (left)", "eye-1-left"),
        ("=1+1", "1-1"),
        ("@sum", "sum"),
        ('../a\\b:c*d?e"f<g>h|i', "a-b-c-d-e-f-g-h-i"),
        ("v1.2_x-y", "v1.2_x-y"),
        ("...", ""),
        ("\U0001f441\ufe0f", ""),
        ("_-_", ""),
        ("\u0301\u0301", ""),
        ("\u3164\u115f", ""),
        ("eye \U0001f441\ufe0f 1", "eye-1"),
        ("\u845b\U000e0100", "\u845b"),
        ("a\u200b\u202eb", "a-b"),
        ("- \u0301a", "a"),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", "\u0939\u093f\u0928\u094d\u0926\u0940"),
    ],
)
def test_letters_of_every_script_stay(text: str, expected: str) -> None:
    assert slug(text) == expected


@pytest.mark.parametrize("name", ["con", "NUL", "aux.left", "COM1", "lpt9.a.b", "com²"])
def test_devices_of_windows_are_no_names(name: str) -> None:
    (made,) = unique_names([name], [name])
    assert not is_safe_id(name)
    assert is_safe_id(made)
    assert made.startswith(f"{name[:3]}")


@pytest.mark.parametrize(
    "name",
    ["", "-a", ".a", "a.", "a b", "a/b", "Mu\u0308ller", "x" * 151, "甲" * 51]
    + ["_", "\ufe0f", "a\ufe0f", "\u0301", "_\u0301a", "\u3164", "a\u200b", "a\u202e"],
)
def test_unsafe_id_is_told(name: str) -> None:
    assert not is_safe_id(name)


@pytest.mark.parametrize("name", ["a", "_a", "a-", "患者甲", "x" * MAX_NAME_BYTES, "甲" * 50, "console", "a.con"])
def test_safe_id_is_told(name: str) -> None:
    assert is_safe_id(name)


def test_long_names_keep_their_beginning() -> None:
    first, second = unique_names(["甲" * 99, "甲" * 99], ["1", "2"])
    assert first != second
    assert first.startswith("甲" * 47 + "-")
    assert len(first.encode()) == MAX_NAME_BYTES


@pytest.mark.parametrize(
    ("one", "other"), [("é", "e\u0301"), ("Straße", "STRASSE"), ("ΟΔΟΣ", "οδος"), ("\u212bngstrom", "Ångstrom")]
)
def test_twins_of_file_systems_that_ignore_case_and_composition_differ(one: str, other: str) -> None:
    made = unique_names([one, other], ["1", "2"])
    assert len(set(map(same_file_key, made))) == 2


def test_suffix_and_folder_twins_have_names_that_depend_on_their_own_path_alone() -> None:
    paths = [Path(name) for name in ("a.b.jpg", "a.b.png", "x/a.JPG", "x-a.jpg", "other.png")]
    names = dict(zip(paths, names_from_paths(paths), strict=True))
    assert len(set(map(same_file_key, names.values()))) == 5
    assert names[Path("other.png")] == "other"
    assert names_from_paths(paths[::-1]) == list(names.values())[::-1]
    assert names_from_paths(paths[:2]) == list(names.values())[:2]
    added = names_from_paths([*paths, Path("a.b.tif"), Path("new.png")])
    assert added[:5] == list(names.values())


def test_next_origin_is_hashed_where_the_first_is_the_same() -> None:
    first, second, third = unique_names(["1", "1", "1"], ["1.png", "1.png", "1.jpg"], ["a", "b", "c"])
    assert len({first, second, third}) == 3
    assert third == unique_names(["1", "1"], ["1.jpg", "1.bmp"], ["d", "e"])[0]


NAMES = st.one_of(
    st.text(max_size=12),
    st.text("aA.-_ éÉe\u0301ßs甲", max_size=4),
    st.text("a\u0301\ufe0f\u200d\u3164\U0001f441- ", max_size=5),
    st.text("甲x", min_size=40, max_size=200),
)


@settings(FUZZ, max_examples=300)
@given(names=st.lists(NAMES, min_size=1, max_size=8))
@example(names=["a", "A", "a-" + "3" * 8])
def test_any_names_become_safe_distinct_and_independent_of_order(names: list[str]) -> None:
    origins = [f"{number}/{name}" for number, name in enumerate(names)]
    made = unique_names(names, names, origins)
    assert all(map(is_safe_id, made))
    assert all(any(unicodedata.category(sign)[0] in "LN" for sign in name) for name in made)
    assert not set("".join(made)) & set("\ufe0f\u200d\u3164")
    assert len(set(map(same_file_key, made))) == len(made)
    assert unique_names(names[::-1], names[::-1], origins[::-1]) == made[::-1]
    added = "another photograph"
    assert unique_names([*names, added], [*names, added], [*origins, added])[:-1] == made, "which renames none"


def test_file_that_is_called_like_the_digits_of_others_however_often() -> None:
    names, origins = ["a", "a"], ["1", "2"]
    for _ in range(4):
        made = unique_names(names, origins)
        assert len(set(map(same_file_key, made))) == len(made)
        names, origins = [*names, made[0]], [*origins, str(len(origins) + 1)]


def test_a_photograph_that_is_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"named once, got a\.png"):
        names_from_paths([Path("a.png"), Path("a.png")])
