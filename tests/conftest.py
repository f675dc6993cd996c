"""The tests run in two processes of one thread each, the long files first, so that both end at about the same time."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock

os.environ.setdefault("OMP_NUM_THREADS", "1")
# Programs that tests start import the package that is installed, not the clone that they are started in.
os.environ.setdefault("PYTHONSAFEPATH", "1")
# The garbage collector takes a ninth of the time in which PyTorch, MONAI and the tests are imported.
gc.disable()

LONG = (
    *("test_readme.py", "test_ray_engine.py", "test_processes.py", "test_networks.py", "test_systems.py"),
    *("test_wheel.py", "test_network_cost.py", "test_resformer.py", "test_other_tasks.py", "test_vmnet.py"),
)
"""Files that take longest, longest first; most of them by their slow tests."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for garbage again once all is imported, but not among that."""
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the long files first."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(scope="session", autouse=True)
def _one_table_of_components() -> Iterator[None]:
    """MONAI looks through its 430 modules for each config that it parses, half of the time that this takes.

    Here it does so when a module was added only.
    """
    monai = sys.modules.get("monai.bundle.config_item")
    if monai is None:  # nor is any of the tests that were chosen in need of it
        yield
        return
    find = monai.ComponentLocator._find_classes_or_functions
    table = cache(lambda names: find(None, names))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(monai.ComponentLocator, "_find_classes_or_functions", lambda self, names: table(tuple(names)))
        yield


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


@pytest.fixture(scope="session")
def output_folder(once: Callable[..., Path]) -> Callable[[Path], Path]:
    """Makes an output folder with an MLflow database without runs.

    MLflow takes 2 s of computing and up to 10 s of waiting for the disk to make one, which is here done once.
    """
    from mlflow import MlflowClient  # which takes seconds, and most files of tests do without

    name = "mlruns.db"
    store = once("store", lambda folder: MlflowClient(f"sqlite:///{folder / name}").search_experiments())

    def make(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / name).exists():
            shutil.copy(store / name, folder)
        return folder

    return make


@pytest.fixture
def no_cautions(monkeypatch: pytest.MonkeyPatch) -> None:
    """No measure has a caution: the programs that measure how measures repeat may be run anew."""
    for numbers in ("REPEATABILITY", "STABILITY"):
        monkeypatch.setattr(f"vmnet_monai.biomarkers.reliability.{numbers}", {})
