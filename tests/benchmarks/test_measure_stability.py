"""The table of how far alterations move the measures, on a drawn tree."""

from __future__ import annotations

import numpy as np
from drawn_vessels import disc, draw, tree
from measure_stability import _measured, _table


def test_every_measure_of_a_tree_has_its_changes_and_mirroring_moves_none() -> None:
    branches = tree(3, (-200, 0), 0.0, 160)
    vessel = draw(branches, [np.hypot(*(branch[-1] - branch[0])) / 12 for branch in branches], 5)
    masks = {"vessel": vessel, "fov": disc(600), "disc": np.roll(np.pad(disc(60), 270), -150, axis=0)}
    rows = _table(list(_measured("drawn", masks, [30]))).splitlines()
    cells = {row.split("|")[1].strip(" `"): [cell.strip() for cell in row.split("|")[2:-1]] for row in rows[2:]}
    assert {"branch_points", "branching_angle", "tortuosity_curvature", "width_mean", "fractal_dimension_d2"} < set(
        cells
    )
    assert {row[-1] for row in cells.values()} == {"0.0"}
    assert all(float(cells["width_mean"][column].split()[0]) < 3 for column in (0, 1))
    assert any(float(row[0].split()[0]) > 0 for row in cells.values())
