"""The stages of a prediction are told apart, and add up to all of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import stages
from small_bundle import small_bundle


def table_rows(table: str) -> dict[str, list[str]]:
    """First cell of each row -> the others."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    return {first: others for first, *others in cells}


def test_every_stage_of_a_prediction_is_measured_once(tmp_path: Path) -> None:
    bundle = str(small_bundle(tmp_path / "bundle"))
    photograph = tmp_path / "eye.jpg"
    stages.write_photograph(photograph, 0.2)
    started = time.process_time()
    measured = stages.measure(str(photograph), str(photograph), bundle, repeats=1, reference_size=64)
    all_seconds = time.process_time() - started
    of = measured["stages"]
    assert list(of) == [*stages.STAGES, stages.REST, stages.OTHER_PROCESSES]
    assert all(of[stage] > 0 for stage in (*stages.STAGES, stages.REST))
    assert sum(of.values()) < all_seconds
    assert measured["machine"]["peak_mb"] > 100


def test_time_inside_another_stage_counts_for_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second inside the network before, and three after, the two that heat maps take."""
    now = [0.0]

    class Explainer:
        def infer(self) -> None:
            now[0] += 1
            self.heat_maps()
            now[0] += 3

        def heat_maps(self) -> None:
            now[0] += 2

    monkeypatch.setattr(stages.time, "process_time", lambda: now[0])
    monkeypatch.setattr(stages, "STAGES", {"network": ("infer",), "heat maps": ("heat_maps",)})
    monkeypatch.setattr(stages, "_places", lambda name: [(Explainer, name, getattr(Explainer, name))])
    with stages.stage_seconds() as seconds:
        now[0] += 5
        Explainer().infer()
    assert seconds == {stages.REST: 5, "network": 4, "heat maps": 2}
    Explainer().infer()
    assert sum(seconds.values()) == 11, "taken down"


def test_a_function_that_is_no_more_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "STAGES", {"read": ("vmnet_monai.io.images.no_such_reader",)})
    with pytest.raises(ValueError, match="no_such_reader"), stages.stage_seconds():
        pass


def test_table_tells_each_size_in_its_own_units() -> None:
    measured = [
        {"stages": {"read": 1.0, "network": 3.0}, "machine": {"w_net": 0.5, "rate": 2e9, "peak_mb": 700.0}},
        {"stages": {"read": 6.0, "network": 3.0}, "machine": {"w_net": 1.0, "rate": 1e9, "peak_mb": 900.0}},
    ]
    rows = table_rows(stages.stage_table([0.5, 12], measured))
    assert rows[""] == ["0.5 megapixels", "12 megapixels"]
    assert rows["network"] == ["6.00", "3.00"]
    assert rows["sum"] == ["8.00", "9.00"]
    assert rows["sum, 10⁹ matrix operations"] == ["8", "9"]
    assert rows["sum, CPU s"] == ["4.0", "9.0"]
    assert rows["peak memory, MB"] == ["700", "900"]


@pytest.mark.slow
def test_sizes_are_measured_in_processes_of_their_own(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    command = [sys.executable, stages.__file__, "--megapixels", "0.2,0.3", "--bundle", str(bundle), "--repeats", "1"]
    environment = {**os.environ, "PYTHONSAFEPATH": ""}  # it imports a file beside it
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    rows = table_rows(done.stdout)
    assert rows[""] == ["0.2 megapixels", "0.3 megapixels"]
    assert all(float(cell) > 0 for cell in rows["network"])
