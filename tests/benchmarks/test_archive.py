"""The simulated cluster is bound by whatever is slowest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from archive import DAY, Clock, Costs, first_to_saturate, main, simulate

SECONDS = np.array([2.0])


def test_processes_that_share_nothing_work_all_the_time() -> None:
    found = simulate(SECONDS, actors=4, count=4 * 160, costs=Costs())
    assert found.photographs_per_day == pytest.approx(4 * DAY / 2)
    assert found.processes_busy == pytest.approx(1)
    assert first_to_saturate(SECONDS, Costs()) == "Nothing saturates."


@pytest.mark.parametrize("costs", [Costs(read=0.1), Costs(written=0.1), Costs(read=0.04, written=0.06)])
def test_a_storage_that_is_slower_than_all_processes_bounds_them(costs: Costs) -> None:
    """A thousand processes could do 500 a second; the storage moves 10."""
    found = simulate(SECONDS, actors=1000, count=16000, costs=costs)
    assert found.photographs_per_day == pytest.approx(10 * DAY, rel=0.03)
    assert found.storage_busy > 0.97
    assert found.processes_busy < 0.03
    assert first_to_saturate(SECONDS, costs) == "The storage saturates first, from 21 processes on."


def test_a_driver_that_is_slower_than_all_processes_bounds_them() -> None:
    costs = Costs(read=0.01, noted=0.1)
    found = simulate(SECONDS, actors=1000, count=16000, costs=costs)
    assert found.photographs_per_day == pytest.approx(10 * DAY, rel=0.01)
    assert found.driver_busy > 0.99
    assert first_to_saturate(SECONDS, costs) == "The driver saturates first, from 20 processes on."


def test_a_storage_that_answers_late_is_free_for_others() -> None:
    """Each photograph takes a process two seconds more, and the storage nothing."""
    found = simulate(SECONDS, actors=10, count=1600, costs=Costs(latency=2.0))
    assert found.photographs_per_day == pytest.approx(10 * DAY / 4)
    assert found.processes_busy == pytest.approx(0.5)


def test_the_simulation_draws_from_the_table_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "status=ok").mkdir()
    pd.DataFrame({"seconds": SECONDS}).to_parquet(tmp_path / "status=ok/part-000000.parquet")
    main(["simulate", "--results", str(tmp_path), "--actors", "4", "100", "--photograph-megabytes", "100"])
    header, _, one, four, hundred, _, said = capsys.readouterr().out.splitlines()
    assert [line.split("|")[3].strip() for line in (header, one)] == ["ratio", "1"]
    assert float(four.split("|")[3]) == pytest.approx(4, rel=0.05)
    assert float(hundred.split("|")[3]) == pytest.approx(21, rel=0.05)
    assert said == "The storage saturates first, from 21 processes on."


def test_the_rate_leaves_out_the_start() -> None:
    clock = Clock()
    clock.seen = [(0.0, 9.0, 0), (100.0, 10.0, 4), (102.0, 10.5, 8), (104.0, 11.0, 12)]
    assert clock.rates() == (2.0, 0.125)


def test_the_results_of_the_first_block_are_left_out_though_they_come_one_by_one() -> None:
    clock = Clock()
    clock.seen = [(0.0, 9.0, 0), (100.0, 10.0, 1), (100.1, 10.0, 2), (104.0, 11.0, 3), (104.1, 11.0, 4)]
    rate, used = clock.rates()
    assert rate == pytest.approx(2 / 4) and used == pytest.approx(0.5)
    clock.seen = clock.seen[:3]
    with pytest.raises(ValueError, match="several blocks, got one.*above 16"):
        clock.rates()
