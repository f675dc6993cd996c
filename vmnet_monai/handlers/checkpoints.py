"""Checkpoints to resume an interrupted training from."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ignite.engine import Events
from ignite.handlers import EarlyStopping
from monai.engines import Evaluator, Trainer
from monai.handlers import CheckpointLoader, CheckpointSaver

from vmnet_monai.io.tracking_store import is_tracked

__all__ = ["attach_checkpoints", "latest_checkpoint", "training_summary"]


def attach_checkpoints(
    trainer: Trainer,
    evaluator: Evaluator,
    early_stop: EarlyStopping,
    saver: CheckpointSaver | None = None,
    loader: CheckpointLoader | None = None,
) -> None:
    """Attach what makes a training resumable: checkpoints, the best metric so far, and early stopping.

    Args:
        trainer: writes and reads the checkpoints.
        evaluator: its best metric becomes part of its state.
        early_stop: counts the validations of the evaluator.
        saver: None in all processes but the main one.
        loader: None for a training from the start.
    """
    evaluator.state_dict_user_keys.extend(["best_metric", "best_metric_epoch"])
    evaluator.add_event_handler(Events.EPOCH_COMPLETED, early_stop)
    for handler in (saver, loader):
        if handler is not None:
            handler.attach(trainer)


def latest_checkpoint(folder: str, resume: bool = True, max_epochs: int | None = None) -> str:
    """Return the path of the newest whole checkpoint in a folder, or "" without ``resume``.

    Args:
        folder: where ``CheckpointSaver`` wrote ``checkpoint_epoch=*.pt``.
        resume: whether a training is resumed.
        max_epochs: last epoch of the training; None where it is not known.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is of a later epoch than the training has.
    """
    if not resume:
        return ""
    found = sorted(Path(folder).glob("checkpoint_epoch=*.pt"), key=_epoch)
    whole = [path for path in found if zipfile.is_zipfile(path)]
    if not whole:
        raise FileNotFoundError(
            f"{folder} holds no checkpoint to resume from: give the `--output_dir` of the interrupted training, or "
            "leave out `--resume`."
        )
    if max_epochs is not None and _epoch(whole[-1]) > max_epochs:
        raise ValueError(
            f"max_epochs must be at least {_epoch(whole[-1])} to resume from {whole[-1]}, got {max_epochs}: give the "
            "number of epochs that the interrupted training had, or start anew in another output folder."
        )
    return str(whole[-1])


def _epoch(checkpoint: Path) -> int:
    return int(checkpoint.stem.rpartition("=")[2])


def training_summary(output_dir: str, model_dir: str, tracking_uri: str | None) -> str:
    """Return the text that says where a training wrote its results.

    Args:
        output_dir: the training's output folder.
        model_dir: folder of the weights.
        tracking_uri: MLflow's store; None or ``"none"`` where the training is not tracked.
    """
    return "\n".join(
        [
            "",
            f"Weights and operating point: {model_dir}",
            f"Validation images: {output_dir}/validation",
            f"Checkpoints to resume from: {output_dir}/checkpoints",
            f"MLflow store: {tracking_uri if is_tracked(tracking_uri) else 'none'}",
        ]
    )
