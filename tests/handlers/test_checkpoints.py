"""Which checkpoint a resumed training takes, and what is attached for it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events

from vmnet_monai.handlers import attach_checkpoints, latest_checkpoint, training_summary


def test_the_newest_whole_checkpoint_by_its_number(tmp_path: Path) -> None:
    for epoch in (2, 10):
        torch.save({}, tmp_path / f"checkpoint_epoch={epoch}.pt")
    (tmp_path / "checkpoint_epoch=11.pt").write_bytes(b"half")
    assert latest_checkpoint(str(tmp_path)).endswith("checkpoint_epoch=10.pt")


def test_none_is_looked_for_where_none_is_asked_for(tmp_path: Path) -> None:
    assert latest_checkpoint(str(tmp_path), resume=False) == ""


def test_nothing_to_resume_from_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="--output_dir"):
        latest_checkpoint(str(tmp_path))


def test_a_checkpoint_of_a_later_epoch_than_the_training_has_is_refused(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "checkpoint_epoch=5.pt")
    assert latest_checkpoint(str(tmp_path), max_epochs=5)
    with pytest.raises(ValueError, match=r"max_epochs must be at least 5 .*checkpoint_epoch=5\.pt, got 4: give"):
        latest_checkpoint(str(tmp_path), max_epochs=4)


@pytest.mark.parametrize("is_main", [True, False])
def test_the_best_metric_and_early_stopping_travel_with_the_evaluator(is_main: bool) -> None:
    trainer, evaluator = Engine(lambda *_: None), Engine(lambda *_: None)
    attached: list[Any] = []
    saver = SimpleNamespace(attach=attached.append) if is_main else None
    stops: list[int] = []
    attach_checkpoints(trainer, evaluator, lambda engine: stops.append(engine.state.epoch), saver)  # type: ignore[arg-type]
    evaluator.run([0])
    assert {"best_metric", "best_metric_epoch"} <= set(evaluator.state_dict_user_keys)
    assert stops == [1]
    assert attached == ([trainer] if is_main else [])
    assert not trainer.has_event_handler(attached.append, Events.STARTED)


def test_summary_names_every_place() -> None:
    text = training_summary("out", "out/models", "sqlite:///out/mlruns.db")
    assert all(
        place in text for place in ("out/models", "out/validation", "out/checkpoints", "sqlite:///out/mlruns.db")
    )
    for none in (None, "none"):
        assert "MLflow store: none" in training_summary("out", "out/models", none)
