"""Training and evaluation in two processes, and tracking to a server, each as its own processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bundle_configs import EVALUATE, MULTI_GPU, ROOT, SMALL, TRAIN
from mlflow import MlflowClient

pytestmark = pytest.mark.slow

TWO_PROCESSES = [
    *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nnodes=1", "--nproc_per_node=2"),
    *("-m", "monai.bundle", "run"),
]
"""What the console script torchrun starts."""


def _arguments(phantoms: Path, output: Path) -> list[str]:
    overrides = {
        "dataset_name": "phantom",
        "dataset_dir": str(phantoms),
        "output_dir": str(output),
        **{key: value for key, value in SMALL.items() if key != "device"},
    }
    return [text for key, value in overrides.items() for text in (f"--{key}", str(value))]


def test_two_processes_train_and_evaluate_every_photograph_once(phantoms: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    arguments = _arguments(phantoms, tmp_path)
    training = [*TWO_PROCESSES, "training", "--config_file", str([TRAIN, MULTI_GPU]), *arguments]
    subprocess.run(
        [*training, "--train#trainer#max_epochs", "1"], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    assert (tmp_path / "models/model.pt").exists()
    evaluating = [*TWO_PROCESSES, "evaluating", "--config_file", str([TRAIN, EVALUATE, MULTI_GPU]), *arguments]
    subprocess.run(evaluating, cwd=ROOT, env=environment, check=True, capture_output=True)
    two = json.loads((tmp_path / "metrics.json").read_text())
    assert two["photographs"] == 4

    one_process = [sys.executable, "-m", "monai.bundle", "run", "evaluating", "--config_file", str([TRAIN, EVALUATE])]
    subprocess.run(
        [*one_process, *arguments, "--device", "cpu"], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    one = json.loads((tmp_path / "metrics.json").read_text())
    assert one["vessel"]["inside_fov"]["phantom"]["pooled"] == pytest.approx(
        two["vessel"]["inside_fov"]["phantom"]["pooled"], abs=1e-3, nan_ok=True
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real MLflow server on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    with open(tmp_path / "server.log", "w") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
                *("--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--workers", "1"),
                *("--artifacts-destination", str(tmp_path / "artifacts"), "--serve-artifacts"),
            ],
            stdout=log,
            stderr=log,
        )
        try:
            for _ in range(120):
                try:
                    urllib.request.urlopen(f"{uri}/health", timeout=1)
                    break
                except (urllib.error.URLError, OSError):
                    assert process.poll() is None, (tmp_path / "server.log").read_text()
                    time.sleep(0.5)
            else:
                pytest.fail((tmp_path / "server.log").read_text())
            yield uri
        finally:
            process.terminate()
            process.wait(timeout=30)


def test_a_server_receives_the_runs_by_argument_and_by_environment_variable(
    server: str, train: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = train(tmp_path / "output", max_epochs=1, tracking_uri=server)
    client = MlflowClient(tracking_uri=server)
    (experiment,) = [e for e in client.search_experiments() if e.name == "vmnet"]
    (run,) = client.search_runs(experiment.experiment_id)
    assert run.info.status == "FINISHED"
    assert "val_dice" in run.data.metrics
    assert "models/model.pt" in {file.path for file in client.list_artifacts(run.info.run_id, "models")}
    assert not (output / "mlruns.db").exists()

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    train(tmp_path / "again", max_epochs=1)
    assert len(client.search_runs(experiment.experiment_id)) == 2
