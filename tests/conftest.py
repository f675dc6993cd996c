"""The tests run in two processes of one thread each, the long files first, so that both end at about the same time."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

LONG = ("test_readme.py", "test_training.py", "test_processes.py", "test_benchmarks.py", "test_systems_benchmark.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the long files first."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))
