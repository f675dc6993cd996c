"""Names of structures that cannot be confused with anything else."""

from __future__ import annotations

import pytest

from vmnet_monai.structures import check_structures


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
