"""Runs in an MLflow database: what is sent, how a crash shows, and the record of the config."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ignite.engine import Engine, Events
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from monai.handlers import StatsHandler

from vmnet_monai.handlers import LossProgressBar, RunTracker, is_untracked, tracking_uri, unique_run_name

EXPERIMENT = "vmnet"


@pytest.fixture
def uri(tmp_path: Path, output_folder: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return f"sqlite:///{output_folder(tmp_path) / 'mlruns.db'}"


def tracker(uri: str, run_name: str, **arguments: Any) -> RunTracker:
    return RunTracker(
        tracking_uri=uri,
        experiment_name=EXPERIMENT,
        run_name=run_name,
        **{"iteration_log": False, "close_on_complete": True, **arguments},
    )


def train(*handlers: Any, metrics: dict[str, float] | None = None, crash: bool = False, epochs: int = 1) -> None:
    def step(engine: Engine, batch: int) -> list[dict[str, float]]:
        if crash:
            raise MemoryError("out of memory")
        return [{"loss": 0.25}]

    engine = Engine(step)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: engine.state.metrics.update(metrics or {}))
    for handler in handlers:
        handler.attach(engine)
    engine.run([0, 1], max_epochs=epochs)


def runs(uri: str) -> dict[str, Run]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def test_defined_metrics_are_sent_and_undefined_ones_left_out(uri: str) -> None:
    train(tracker(uri, "r"), metrics={"val_dice": 0.75, "val_auc": math.nan, "loss": math.inf}, epochs=2)
    run = runs(uri)["r"]
    assert run.data.metrics == {"val_dice": 0.75}
    assert run.info.status == "FINISHED"
    assert [item.step for item in MlflowClient(uri).get_metric_history(run.info.run_id, "val_dice")] == [1, 2]


def test_a_given_store_wins_over_the_environment_variable(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other)
    train(tracker(uri, "r"), metrics={"val_dice": 0.75})
    assert runs(uri)["r"].data.metrics == {"val_dice": 0.75}
    assert runs(uri)["r"].info.artifact_uri.startswith((tmp_path / "mlruns").as_uri())
    assert not (tmp_path / "other.db").exists()
    assert os.environ["MLFLOW_TRACKING_URI"] == other


def test_without_a_given_store_the_environment_variable_names_it(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracking_uri("out") == f"sqlite:///{Path('out').absolute()}/mlruns.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert tracking_uri("out") == uri
    train(RunTracker(experiment_name=EXPERIMENT, run_name="r", iteration_log=False, close_on_complete=True))
    assert list(runs(uri)) == ["r"]


def test_one_process_tracks_and_none_where_no_store_is_named(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/runs.db"
    assert [is_untracked(store), is_untracked(store, main_process=False)] == [False, True]
    assert [is_untracked(none) for none in (None, "none")] == [True, True]
    gone = f"sqlite:///{tmp_path}/gone/runs.db"
    assert is_untracked(gone, main_process=False)
    with pytest.raises(OSError, match="cannot be used"):
        is_untracked(gone)


def test_a_store_that_mlflow_cannot_use_is_named_with_the_ways_out(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*arguments: Any) -> Any:
        raise MlflowException("API request failed with error code 404 != 200.\nResponse body: ''")

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", answer)
    with pytest.raises(OSError, match=rf"{uri} cannot be used .*404 .*`--tracking none`"):
        train(tracker(uri, "r"))


def test_nothing_defined_sends_nothing(uri: str) -> None:
    train(tracker(uri, "r"), metrics={"val_auc": math.nan})
    assert runs(uri)["r"].data.metrics == {}


def test_loss_and_parameters_are_sent(uri: str) -> None:
    handler = tracker(
        uri,
        "r",
        iteration_log=True,
        output_transform=lambda output: output[0]["loss"],
        experiment_param={"dataset": ["drive", "hrf"], "seed": 0},
    )
    train(handler)
    data = runs(uri)["r"].data
    assert data.metrics == {"Loss": 0.25}
    assert {key: data.params[key] for key in ("dataset", "seed")} == {"dataset": "['drive', 'hrf']", "seed": "0"}


def test_crashed_run_is_failed_the_error_goes_on_and_the_next_run_is_a_new_one(uri: str) -> None:
    """The order is that of the bundle: after StatsHandler, ignite would call no further handler."""
    crashed, next_run = unique_run_name("drive"), unique_run_name("drive")
    with pytest.raises(MemoryError, match="out of memory"):
        train(tracker(uri, crashed), StatsHandler(name="vmnet"), crash=True)
    train(tracker(uri, next_run), metrics={"val_dice": 0.5})
    found = runs(uri)
    assert {name: run.info.status for name, run in found.items()} == {crashed: "FAILED", next_run: "FINISHED"}
    assert found[crashed].data.metrics == {}


def test_error_before_the_run_has_begun_goes_on_unchanged(uri: str) -> None:
    engine = Engine(lambda engine, batch: None)
    handler = tracker(uri, "r")
    handler.attach(engine)
    with pytest.raises(RuntimeError, match="no run yet"):
        handler.fail(engine, RuntimeError("no run yet"))


def test_trainer_and_evaluator_share_a_run(uri: str) -> None:
    name = unique_run_name("drive")
    evaluation = Engine(lambda engine, batch: None)
    evaluation.add_event_handler(Events.EPOCH_COMPLETED, lambda: evaluation.state.metrics.update(val_dice=0.5))
    tracker(uri, name, close_on_complete=False).attach(evaluation)

    class Validate:
        def attach(self, engine: Engine) -> None:
            engine.add_event_handler(Events.EPOCH_COMPLETED, lambda: evaluation.run([0]))

    train(tracker(uri, name), Validate(), metrics={"train_loss": 0.25})
    assert list(runs(uri)) == [name]
    assert runs(uri)[name].data.metrics == {"train_loss": 0.25, "val_dice": 0.5}
    assert runs(uri)[name].info.status == "FINISHED"


def test_artifacts_keep_their_folders_and_absent_ones_are_passed_over(uri: str, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model.pt").write_bytes(b"weights")
    (tmp_path / "config.json").write_text("{}")
    artifacts = [tmp_path / "config.json", str(tmp_path / "models"), tmp_path / "absent", ""]
    train(tracker(uri, "r", artifacts=artifacts))
    client, run_id = MlflowClient(uri), runs(uri)["r"].info.run_id
    assert [file.path for file in client.list_artifacts(run_id)] == ["config.json", "models"]
    assert [file.path for file in client.list_artifacts(run_id, "models")] == ["models/model.pt"]


def test_run_names_say_the_datasets_and_never_repeat() -> None:
    assert len({unique_run_name("drive") for _ in range(50)}) == 50
    assert unique_run_name("drive").startswith("drive-")
    assert unique_run_name(["drive", "odir5k"]).startswith("drive+odir5k-")


def test_command_line_is_kept_with_the_run(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["run", "training", "--dataset_dir", "my eyes"])
    train(tracker(uri, "r"))
    assert runs(uri)["r"].data.tags["command"] == "run training --dataset_dir 'my eyes'"


def test_progress_bar_shows_the_loss(capsys: pytest.CaptureFixture[str]) -> None:
    train(LossProgressBar())
    assert "loss=0.25" in capsys.readouterr().err
