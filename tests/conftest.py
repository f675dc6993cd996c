"""The tests run in two processes of one thread each, the long files first, so that both end at about the same time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

os.environ.setdefault("OMP_NUM_THREADS", "1")
# Programs that tests start import the package that is installed, not the clone that they are started in.
os.environ.setdefault("PYTHONSAFEPATH", "1")

LONG = ("test_readme.py", "test_processes.py", "test_networks.py")
"""Files that take longest, the first two of the slow tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the long files first."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[..., Path]:
    """``once(name, make)`` is a folder that ``make`` fills once per run of the tests, for both processes.

    The tests may read what is in it and add files, but change none.
    """
    own = tmp_path_factory.getbasetemp()
    root = own if worker_id == "master" else own.parent

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        path, made = root / name, root / f"{name}.made"
        with FileLock(root / f"{name}.lock"):
            if not made.exists():
                shutil.rmtree(path, ignore_errors=True)
                path.mkdir()
                make(path)
                made.touch()
        return path

    return folder
