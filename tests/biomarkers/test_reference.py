"""What measures are called, and which are implausible."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vmnet_monai.biomarkers import MEASURES, REFERENCE, implausible_measures, vessel_measures
from vmnet_monai.biomarkers.fit import MIN_PHOTOGRAPHS, summarise

DISC = np.hypot(*(np.mgrid[:300, :300] - 149.5)) < 149


def test_every_measure_has_a_plain_name_and_a_definition_in_a_line() -> None:
    assert list(MEASURES) == list(vessel_measures(np.zeros_like(DISC), DISC))
    for measure in MEASURES.values():
        assert measure.name and measure.definition.endswith(".")
        assert "\n" not in measure.definition and len(measure.definition) < 90
        assert "share" not in measure.unit


def test_every_measure_that_does_not_depend_on_the_camera_has_a_reference() -> None:
    assert list(REFERENCE) == [name for name in MEASURES if not name.endswith("_px")]
    for reference in REFERENCE.values():
        assert reference.low <= reference.median <= reference.high
        low, high = reference.plausible
        assert 0 <= low <= reference.low and reference.high < high


def test_reference_eyes_themselves_are_usual() -> None:
    for part in range(3):
        assert implausible_measures({name: reference[part] for name, reference in REFERENCE.items()}) == []


def test_vessels_that_fill_the_disc_are_implausible() -> None:
    remarks = implausible_measures(vessel_measures(DISC, DISC))
    assert any(remark.startswith("Vessel density is 1 in") for remark in remarks)
    assert all("look at it" in remark and "is usual in reference eyes" in remark for remark in remarks)


def test_an_eye_without_vessels_is_implausible() -> None:
    remarks = implausible_measures(vessel_measures(np.zeros_like(DISC), DISC))
    assert any(remark.startswith("Vessel density is 0 in") for remark in remarks)


@pytest.mark.parametrize("measures", [{}, {"vessel_density_fov_share": None}, {"new_measure": 1e9}])
def test_what_is_unknown_is_not_remarked_on(measures: dict[str, float | None]) -> None:
    assert implausible_measures(measures) == []


def test_summary_of_photographs_is_that_of_their_percentiles() -> None:
    """Values 0 to 100: the 5th, 50th and 95th percentiles are 5, 50 and 95. Measures in pixels are left out."""
    table = pd.DataFrame({"dataset": ["a"] * 100 + ["b"], "branch_points_count": range(101), "width_px": 1.0})
    summary = summarise(table)
    assert summary["measures"] == {"branch_points_count": [5.0, 50.0, 95.0]}
    assert summary["photographs"] == {"a": 100, "b": 1}


def test_too_few_photographs_are_no_reference() -> None:
    with pytest.raises(ValueError, match=f"at least {MIN_PHOTOGRAPHS} photographs, got 3"):
        summarise(pd.DataFrame({"dataset": ["a"] * 3, "branch_points_count": [1.0, 2.0, 3.0]}))
