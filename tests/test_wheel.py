"""The wheel alone, in an empty folder: every door uses the bundle that came with the package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SOURCES = ("LICENSE", "README.md", "pyproject.toml", "setup.cfg", "bundles", "vmnet_monai")
DOORS = """
import runpy, sys
import vmnet_monai
from vmnet_monai import cli
from vmnet_monai.deploy.model import find_model

bundle = vmnet_monai.bundle_path()
assert bundle == find_model(None)
assert str(bundle) == open("bundle-path.txt").read().strip()
assert vmnet_monai.Predictor()("eye.jpg").vessel_mask.any()
assert cli.main(["predict", "eye.jpg", "--output", "out"]) == cli.OK
sys.argv = ["monai.bundle", "run", "--config_file", f"{bundle}/configs/inference.json"]
sys.argv += ["--dataset_dir", "eye.jpg", "--output_dir", "again"]
runpy.run_module(sys.argv[0], run_name="__main__")
assert cli.main(["log-model", "--tracking-uri", "sqlite:///runs.db"]) == cli.OK
"""
"""In one process: each takes ten seconds to import what it needs."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's files only; what the package requires comes from the running environment."""
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", source / "dist", source], check=True
    )
    (wheel,) = (source / "dist").glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True)
    return site


@pytest.fixture(scope="module")
def folder(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one photograph in which all doors were used, and what the command printed of its bundle."""
    folder = tmp_path_factory.mktemp("folder")
    Image.fromarray(skimage.data.retina()).resize((400, 400)).save(folder / "eye.jpg")
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(site / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(site),
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    for command in (["bash", "-euc", "vmnet bundle-path > bundle-path.txt"], [sys.executable, "-c", DOORS]):
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return folder


def test_the_bundle_is_the_one_inside(site: Path, folder: Path) -> None:
    """Predictor and Deploy application have found the same."""
    assert (folder / "bundle-path.txt").read_text().strip() == str(site / "vmnet_monai/bundle")


def test_the_command_and_monai_predict_the_same(folder: Path) -> None:
    assert (folder / "out/vessel/eye.png").read_bytes() == (folder / "again/vessel/eye.png").read_bytes()
    assert (folder / "out/index.html").exists()


def test_the_model_of_mlflow_is_made_from_it(site: Path, folder: Path) -> None:
    (metadata,) = folder.rglob("artifacts/bundle/configs/metadata.json")
    inside = site / "vmnet_monai/bundle/configs/metadata.json"
    assert json.loads(metadata.read_text()) == json.loads(inside.read_text())
