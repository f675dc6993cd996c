"""The simulated cluster is bound by whatever is slowest."""

from __future__ import annotations

import numpy as np
import pytest
from archive import DAY, Clock, simulate

SECONDS = np.array([2.0])


def test_processes_that_share_nothing_work_all_the_time() -> None:
    found = simulate(SECONDS, actors=4, count=4 * 160, storage_s=0, driver_s=0)
    assert found.photographs_per_day == pytest.approx(4 * DAY / 2)
    assert found.processes_busy == pytest.approx(1)


def test_a_storage_that_is_slower_than_all_processes_bounds_them() -> None:
    """A thousand processes could do 500 a second; the storage reads 10."""
    found = simulate(SECONDS, actors=1000, count=16000, storage_s=0.1, driver_s=0)
    assert found.photographs_per_day == pytest.approx(10 * DAY, rel=0.01)
    assert found.storage_busy > 0.99
    assert found.processes_busy < 0.03


def test_a_driver_that_is_slower_than_all_processes_bounds_them() -> None:
    found = simulate(SECONDS, actors=1000, count=16000, storage_s=0, driver_s=0.1)
    assert found.photographs_per_day == pytest.approx(10 * DAY, rel=0.01)
    assert found.driver_busy > 0.99


def test_the_rate_leaves_out_the_start() -> None:
    clock = Clock()
    clock.seen = [(0.0, 0), (100.0, 4), (102.0, 8), (104.0, 12)]
    assert clock.per_second == 2.0
