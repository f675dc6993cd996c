"""How far alterations move the measures of a drawn tree."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_vessels import disc, draw, tree
from measure_stability import measured, moved

from vmnet_monai.biomarkers.definitions import Key


def test_every_measure_of_a_tree_has_its_changes_and_mirroring_moves_none() -> None:
    branches = tree(3, (-200, 0), 0.0, 160)
    vessel = draw(branches, [np.hypot(*(branch[-1] - branch[0])) / 12 for branch in branches], 5)
    masks = {"vessel": vessel, "fov": disc(600), "disc": np.roll(np.pad(disc(60), 270), -150, axis=0)}
    found = moved(list(measured("drawn", masks, [30])))
    field = {key.measure: stability for key, stability in found.items() if key[:2] == ("vessel", "field")}
    assert {"branch_points", "branching_angle", "tortuosity_curvature", "width_mean", "fractal_dimension_d2"} < set(
        field
    )
    assert Key("", "", "disc_diameter") in found and Key("vessel", "zone_b", "area_density") in found
    assert all(stability.mirrored == pytest.approx(0, abs=1e-9) for stability in found.values())
    assert max(field["width_mean"][:4]) < 0.03
    assert any(stability.turned > 0 for stability in field.values())


def test_the_largest_of_all_photographs_and_the_median_are_kept_and_what_is_0_does_not_count() -> None:
    key, other = Key("vessel", "field", "width_mean"), Key("vessel", "field", "crossings")
    values = {"none": (10, 10, 10), "7 degrees": (10.1, 9.9, 10), "15 degrees": (10, 9.5, 10.2), "grid": (10, 10, 11)}
    rows = [
        (key, name, alteration, float(value))
        for alteration, three in (values | {"mirror": (10, 10, 10)}).items()
        for name, value in zip("abc", three, strict=True)
    ]
    rows += [(other, "a", "none", 0.0), (other, "a", "7 degrees", 1.0)]
    assert moved(rows) == {key: pytest.approx((0.05, 0.02, 0.1, 0, 0))}
