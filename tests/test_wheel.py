"""The wheel alone, in an empty folder: every door uses the bundle that came with the package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SOURCES = ("LICENSE", "README.md", "pyproject.toml", "setup.cfg", "bundles", "vmnet_monai")
DOORS_OF_PYTHON = """
import vmnet_monai
from vmnet_monai.deploy.model import find_model

assert vmnet_monai.bundle_path() == find_model(None)
print(vmnet_monai.bundle_path())
print(vmnet_monai.Predictor()("eye.jpg").vessel_mask.any())
"""

Run = Callable[[str], str]


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


@pytest.fixture
def run(site: Path, tmp_path: Path) -> Run:
    """Runs a command in an empty folder with one photograph, and returns what it prints."""
    Image.fromarray(skimage.data.retina()).resize((400, 400)).save(tmp_path / "eye.jpg")
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(site / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(site),
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("MLFLOW_TRACKING_URI", None)

    def run(command: str) -> str:
        result = subprocess.run(
            ["bash", "-euc", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, f"{command}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
        return result.stdout

    return run


def test_predictor_and_deploy_application_find_the_bundle_inside(site: Path, run: Run) -> None:
    assert run(f"python -W ignore -c '{DOORS_OF_PYTHON}'").splitlines() == [str(site / "vmnet_monai/bundle"), "True"]


def test_the_command_and_monai_predict_the_same(run: Run, tmp_path: Path) -> None:
    run("vmnet predict eye.jpg --output out")
    run(
        'python -m monai.bundle run --config_file "$(vmnet bundle-path)/configs/inference.json" --dataset_dir eye.jpg '
        "--output_dir again"
    )
    assert (tmp_path / "out/vessel/eye.png").read_bytes() == (tmp_path / "again/vessel/eye.png").read_bytes()
    assert (tmp_path / "out/index.html").exists()


def test_the_model_of_mlflow_is_made_from_it(site: Path, run: Run, tmp_path: Path) -> None:
    run("vmnet log-model --tracking-uri sqlite:///runs.db")
    (metadata,) = tmp_path.rglob("artifacts/bundle/configs/metadata.json")
    inside = site / "vmnet_monai/bundle/configs/metadata.json"
    assert json.loads(metadata.read_text()) == json.loads(inside.read_text())
