"""The commands of the README, run as they stand but for small sizes and folders of the test's own."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from dicom_files import retina_dataset, save
from in_process import run_module
from mlflow import MlflowClient
from PIL import Image

from vmnet_monai import bundle_path, cli, export
from vmnet_monai.datasets.phantom import write_phantoms

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), flags=re.DOTALL | re.MULTILINE)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
SMALL_TRAINING = "--train#trainer#max_epochs 1 --grid_size 64 --val_interval 1"
WEIGHTS = ROOT / "bundles/vmnet/models/model.pt"


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def _run(command: str) -> None:
    command = command.replace("$(vmnet bundle-path)", str(bundle_path()))
    if command.startswith("vmnet "):  # here, because each process takes ten seconds to start
        assert cli.main(shlex.split(command)[1:]) == cli.OK
        return
    if command.startswith("python -m "):
        run_module(shlex.split(command)[2:])
        return
    words = [{".venv/bin/python": sys.executable}.get(word, word) for word in shlex.split(command)]
    if words[0] == "torchrun":
        words = [sys.executable, "-m", "torch.distributed.run", *words[1:]]
    result = subprocess.run(
        words,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{command}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"


def _only(pattern: str) -> str:
    (command,) = [command for command in COMMANDS if re.search(pattern, command)]
    return command


def test_every_command_of_the_readme_is_run_here_or_by_ci() -> None:
    patterns = [
        r"train\.json$",
        r"/pytest$",
        r"^pip install \.$",  # by tests/test_wheel.py
        r"^vmnet predict eye",
        r"^vmnet predict photographs",
        r"^vmnet predict study",
        r"^vmnet export",
        r"^vmnet log-model",
        r"inference\.json",
        r"datasets check",
        r"^python.* training .*table",
        r"run evaluating",
        r"torchrun",
    ]
    assert len(COMMANDS) == len(patterns) + COMMANDS.count("")
    for pattern in patterns:
        assert any(re.search(pattern, command) for command in COMMANDS), pattern


@pytest.mark.slow
def test_the_main_job_trains_on_the_embedded_default(tmp_path: Path) -> None:
    install, main_job = _only(r"train\.json$").rsplit(" && ", 1)
    assert install == "python -m venv .venv && .venv/bin/pip install ."
    write_phantoms(tmp_path / "phantom", count=10, size_px=96)
    _run(f"{main_job} --output_dir {tmp_path} {SMALL_TRAINING}")
    assert (tmp_path / "models/model.pt").exists()


@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.exists(), reason="the bundle comes without weights")
def test_prediction_uses_the_weights_of_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(skimage.data.retina()).resize((400, 400)).save(tmp_path / "in/retina.png")
    for pattern, out in (("^vmnet predict photographs", "out"), (r"inference\.json", "again")):
        command = _only(pattern).replace("output/predictions", f"{tmp_path}/{out}")
        _run(command.replace("photographs", f"{tmp_path}/in"))
        assert (tmp_path / out / "vessel/retina.png").exists()
        assert (tmp_path / out / "index.html").exists()
    tables = [(tmp_path / out / "predictions.csv").read_text() for out in ("out", "again")]
    assert tables[0] == tables[1], "the two commands are one"


@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.exists(), reason="the bundle comes without weights")
def test_the_first_prediction_needs_no_folder_of_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(skimage.data.retina()).resize((400, 400)).save("eye.jpg")
    _run(_only("^vmnet predict eye"))
    assert (tmp_path / "out/index.html").exists()


@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.exists(), reason="the bundle comes without weights")
def test_a_study_is_predicted_with_dicom_results(tmp_path: Path) -> None:
    save(retina_dataset(400), tmp_path / "in/IM0001")
    command = _only("^vmnet predict study").replace("output/study", f"{tmp_path}/out")
    _run(command.replace(" study ", f" {tmp_path}/in "))
    assert list((tmp_path / "out/dicom/IM0001").glob("*.dcm"))


@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.exists(), reason="the bundle comes without weights")
def test_the_bundle_is_exported_and_logged(
    tmp_path: Path, output_folder: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{output_folder(tmp_path)}/mlruns.db")
    monkeypatch.setattr(export, "WARM_UP", 0)
    monkeypatch.setattr(export, "REPEATS", 1)
    photograph = np.array(Image.fromarray(skimage.data.retina()).resize((400, 400)))
    monkeypatch.setattr(skimage.data, "retina", lambda: photograph)
    for pattern in ("^vmnet export", "^vmnet log-model"):
        _run(_only(pattern).replace("output/", f"{tmp_path}/"))
    assert (tmp_path / "export/model.ts").exists()
    client = MlflowClient(f"sqlite:///{tmp_path}/mlruns.db")
    (experiment,) = [one for one in client.search_experiments() if one.name == "vmnet"]
    assert len(client.search_logged_models([experiment.experiment_id])) == 1


@pytest.mark.slow
def test_own_data_is_checked_trained_on_and_evaluated(tmp_path: Path, output_folder: Callable[[Path], Path]) -> None:
    output_folder(tmp_path / "output")
    table = write_phantoms(tmp_path / "phantom", count=10, size_px=96)
    for pattern in ("datasets check", "^python.* training .*table", "run evaluating", "torchrun"):
        command = _only(pattern)
        command = command.replace("data/clinic.csv", str(table)).replace("output/clinic", f"{tmp_path}/output")
        small = SMALL_TRAINING.partition("1 ")[2] if "evaluating" in command else SMALL_TRAINING
        _run(command if "datasets check" in command else f"{command} {small}")
    assert (tmp_path / "output/metrics.json").exists()
