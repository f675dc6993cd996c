"""Names of structures that cannot be confused with anything else."""

from __future__ import annotations

import pytest

from vmnet_monai.structures import DEFAULT_COLOURS, STRUCTURE_LOOKS, check_parts, check_structures, structure_looks


def test_names_come_back_as_a_list() -> None:
    assert check_structures(("irf", "srf"), ["intraretinal_fluid"]) == ["irf", "srf"]


@pytest.mark.parametrize(
    ("structures", "rule"),
    [
        ("lesion", r"'lesion'.*\['lesion'\]"),
        ([], "one or more different"),
        (["disc", "disc"], "one or more different"),
        (["image"], "got 'image'"),
        (["disc", "drusen"], "got 'drusen'"),
        (["disc", "../vessel"], r"got '\.\./vessel'"),
        (["disc", "a\\b"], r"no slash, got 'a\\\\b'"),
        (["disc", ""], "got ''"),
        (["disc", "disc_1"], "with a number, got 'disc_1'"),
    ],
)
def test_names_that_could_be_confused_are_refused(structures: list[str], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        check_structures(structures, ["amd", "drusen"])


def test_parts_and_their_wholes_are_structures_and_no_part_has_parts() -> None:
    assert check_parts({"artery": "vessel"}, ["vessel", "artery"]) == {"artery": "vessel"}
    assert check_parts(None, ["vessel"]) == {}
    for parts in ({"artery": "vessel"}, {"vessel": "disc", "disc": "vessel"}, {"disc": "disc"}):
        with pytest.raises(ValueError, match="parts must map structures out of vessel, disc to their whole"):
            check_parts(parts, ["vessel", "disc"])


def test_known_structures_keep_their_colour_whatever_stands_beside_them() -> None:
    looks = structure_looks(["lesion", "vein", "artery", "disc"])
    assert list(looks) == ["lesion", "vein", "artery", "disc"]
    assert looks["vein"] == STRUCTURE_LOOKS["vein"]
    assert looks["disc"].outlined and not looks["vein"].outlined
    assert looks["lesion"].colour == DEFAULT_COLOURS[0]


def test_other_structures_take_the_default_colours_in_turn_and_start_over() -> None:
    looks = structure_looks(["a", "b", "c", "d"])
    assert [look.colour for look in looks.values()] == [*DEFAULT_COLOURS, DEFAULT_COLOURS[0]]
    assert structure_looks(["vessel", "irf"])["irf"].colour != looks["a"].colour, "that is the vessels'"
