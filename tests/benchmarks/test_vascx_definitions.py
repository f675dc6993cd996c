"""VascX's definitions on a drawn eye: by hand where that is possible, and what the documentation says of both."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from vascx_definitions import (
    FORK_DEG,
    TRUNKS_PX,
    Branch,
    compare,
    drawn_branches,
    vascx_angles,
    vascx_equivalent,
)

PAGE = Path(__file__).parents[2] / "docs/reference/biomarkers.md"


def test_lines_have_the_measures_with_which_they_were_drawn() -> None:
    branches = drawn_branches()
    straight, curved = branches[0], branches[3]
    assert straight.tortuosity == pytest.approx(1) and straight.curvature == pytest.approx(0, abs=1e-9)
    assert curved.steps.sum() * curved.curvature == pytest.approx(1.4, rel=0.01), "what the arc turns"
    assert sum(branch.parent >= 0 for branch in branches) == 8
    assert vascx_angles(branches) == pytest.approx([FORK_DEG[0] - FORK_DEG[1]] * 4, abs=0.5)


def test_the_equivalent_joins_the_narrowest_with_the_widest_and_takes_fewer_than_six() -> None:
    def artery(width: float) -> Branch:
        return Branch(np.column_stack([np.zeros(800), np.arange(50, 250, 0.25)]), width)

    assert vascx_equivalent([artery(3), artery(4)], constant=1) == pytest.approx(5)
    assert vascx_equivalent([artery(5)]) == 5
    three = 0.88 * math.hypot(0.88 * math.hypot(3, 5), 4)
    assert vascx_equivalent([artery(4), artery(5), artery(3)]) == pytest.approx(three)
    eight = [artery(width) for width in TRUNKS_PX]
    assert vascx_equivalent(eight) == pytest.approx(vascx_equivalent(eight[:6])), "the six widest"


def test_what_both_define_alike_is_measured_alike_and_the_page_has_these_numbers() -> None:
    found = compare()
    for name, tolerance in (("tortuosity_arc_chord_median", 0.01), ("branching_angle", 0.03), ("area_density", 0.01)):
        ((vascx, here),) = [(one, other) for measure, _, _, one, other in found if measure == name]
        assert here == pytest.approx(vascx, rel=tolerance), name
    vascx, here = found[-2][3:]
    assert here == pytest.approx(vascx, rel=0.02)
    section = PAGE.read_text(encoding="utf-8").partition("## Definitions beside VascX")[2]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \| ([\d.]+) \| ([\d.]+) \|$", section, flags=re.MULTILINE)
    assert [row[:3] for row in rows] == [one[:3] for one in found]
    for row, one in zip(rows, found, strict=True):
        assert [float(cell) for cell in row[3:]] == pytest.approx(one[3:], rel=0.03), one[0]
