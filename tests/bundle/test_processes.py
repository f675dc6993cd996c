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
from monai.bundle import run

pytestmark = pytest.mark.slow

TWO_PROCESSES = """
import json, os, socket, sys, traceback
from monai.bundle import run
from vmnet_monai import datasets, handlers, losses, metrics, networks, transforms

for task, files, settings in json.loads(sys.argv[1]):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    children = []
    for rank in ("0", "1"):
        children.append(os.fork())
        if not children[-1]:
            os.environ |= {**group, "RANK": rank, "LOCAL_RANK": rank}
            try:
                run(task, config_file=files, **settings)  # its end is that of this process
            except BaseException:
                traceback.print_exc()
            os._exit(1)
    if any([os.waitpid(child, 0)[1] for child in children]):
        sys.exit(f"{task} failed")
"""
"""Runs tasks as torchrun does, which test_readme starts; forked, so that PyTorch is imported once."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX")
def test_two_processes_train_and_evaluate_every_photograph_once(
    phantoms: Path, output_folder: Callable[[Path], Path], tmp_path: Path
) -> None:
    settings = {
        "dataset_name": "phantom",
        "dataset_dir": str(phantoms),
        "output_dir": str(output_folder(tmp_path)),
        **{key: value for key, value in SMALL.items() if key != "device"},
    }
    tasks = [
        ("training", [TRAIN, MULTI_GPU], {**settings, "train#trainer#max_epochs": 1}),
        ("evaluating", [TRAIN, EVALUATE, MULTI_GPU], settings),
    ]
    # Without MLflow's thread that sends how it is used: there must be one thread where processes are forked.
    own = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-c", TWO_PROCESSES, json.dumps(tasks)],
        cwd=ROOT,
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "models/model.pt").exists()
    two = json.loads((tmp_path / "metrics.json").read_text())
    assert two["photographs"] == 4

    run("evaluating", config_file=[TRAIN, EVALUATE], **settings, device="cpu")
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
