"""Which measures readers are cautioned of, from made-up numbers, and where they meet the caution."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vmnet_monai.biomarkers import reliability
from vmnet_monai.biomarkers.definitions import DEFINITIONS, Key, measures_of
from vmnet_monai.biomarkers.reliability import MOVED, UNREPEATED, Repeatability, Stability, cautions, write_reliability
from vmnet_monai.biomarkers.tables import MeasuredEye, data_dictionary, tidy_table
from vmnet_monai.biomarkers.tidy import Value
from vmnet_monai.reports.measures import measure_groups

WIDTH, COUNT = Key("artery", "zone_b", "width_mean"), Key("vein", "field", "branch_points")


@pytest.mark.parametrize(
    ("icc", "expected"), [(0.75, []), (0.74, [UNREPEATED]), (-0.2, [UNREPEATED]), (None, [UNREPEATED])]
)
def test_a_correlation_below_its_limit_or_none_at_all_cautions(
    icc: float | None, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reliability, "REPEATABILITY", {WIDTH: Repeatability(20, 0.04, icc)})
    monkeypatch.setattr(reliability, "STABILITY", {})
    assert cautions(WIDTH) == expected
    assert cautions(COUNT) == [], "which was not measured"


@pytest.mark.parametrize(
    ("key", "change", "expected"), [(WIDTH, 0.04, [MOVED]), (COUNT, 0.04, []), (COUNT, 0.06, [MOVED])]
)
def test_a_turn_or_another_grid_may_move_counts_further_than_others(
    key: Key, change: float, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reliability, "REPEATABILITY", {})
    for stability in (Stability(change, 0, 0, 0, 0), Stability(0, 0, change, 0, 0)):
        monkeypatch.setattr(reliability, "STABILITY", {key: stability})
        assert cautions(key) == expected


def test_table_dictionary_and_page_say_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reliability, "REPEATABILITY", {WIDTH: Repeatability(20, 0.04, 0.5)})
    monkeypatch.setattr(reliability, "STABILITY", {WIDTH: Stability(0.04, 0, 0, 0, 0)})
    values = [Value(*WIDTH, 61.0, "um", "93 % of it are seen"), Value("artery", "zone_c", "width_mean", 60.0, "um")]
    rows = tidy_table([MeasuredEye("a", "left", values)])
    assert rows["caution"].tolist() == [f"{UNREPEATED}; {MOVED}", ""]
    measure = data_dictionary()["measures"]["width_mean"]
    assert [row["caution"] for row in measure["cautions"]] == [UNREPEATED, MOVED]
    (group,) = measure_groups(values)
    marked, plain = (cell for cell in group.lines[0].cells if cell)
    assert marked.notes == [1, 2, 3] and plain.notes == []
    assert group.notes[1].startswith(UNREPEATED) and group.notes[2].startswith(MOVED)


def test_what_a_program_writes_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_reliability(tmp_path / "some.json", {"photographs": {"a": 2}}, {WIDTH: Repeatability(2, 0.04, None)})
    stored = json.loads((tmp_path / "some.json").read_text(encoding="utf-8"))
    assert stored == {"photographs": {"a": 2}, "values": [[*WIDTH, 2, 0.04, None]]}


@pytest.mark.parametrize("numbers", [reliability.REPEATABILITY, reliability.STABILITY])
def test_what_was_measured_are_measures_of_their_vessels_and_regions(numbers: dict[Key, object]) -> None:
    for key in numbers:
        assert key.measure in DEFINITIONS and key.measure in measures_of(key.vessel_type, key.region)


def test_mirroring_moves_no_measure() -> None:
    assert all(stability.mirrored < 1e-6 for stability in reliability.STABILITY.values())
