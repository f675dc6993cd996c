"""A bundle's training, evaluation and calibration, run by MONAI from any folder."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from monai.bundle import ConfigParser, ConfigWorkflow

from vmnet_monai.errors import plain_errors
from vmnet_monai.inference.config_keys import check_keys
from vmnet_monai.io.bundle import RENAMED_KEYS, bundle_path, literal
from vmnet_monai.io.files import whole_file
from vmnet_monai.io.weights import WEIGHTS_NAME

logger = logging.getLogger(__name__)

__all__ = ["RENAMED_KEYS", "WORKFLOWS", "Workflow", "run_workflow"]


class Workflow(NamedTuple):
    """What one workflow of a bundle is made of.

    Attributes:
        configs: files in the bundle's folder ``configs``; overlays are laid over the first.
        run_id: key of the expressions that are run.
        record: file in the output folder that holds the config as it was run.
        weights: key of the weights, or of their folder, that must be there; empty where none is needed.
    """

    configs: tuple[str, ...]
    run_id: str
    record: str
    weights: str = ""


WORKFLOWS: Mapping[str, Workflow] = {
    "train": Workflow(("train.json",), "training", "executed_config.json"),
    "evaluate": Workflow(
        ("train.json", "evaluate.json"),
        "evaluating",
        "executed_config_evaluate.json",
        "model_dir",
    ),
    "calibrate": Workflow(
        ("train.json", "calibrate.json"), "calibrating", "executed_config_calibrate.json", "pretrained"
    ),
}
"""The workflows by name. Each has a record of its own, since an evaluation usually writes into a training's folder."""


def run_workflow(
    name: str,
    bundle: str | Path | None = None,
    overlays: Sequence[str | Path] = (),
    overrides: Mapping[str, Any] | None = None,
) -> None:
    """Run a workflow as ``python -m monai.bundle run`` does, and write the merged config to the output folder first.

    With several processes (``torchrun``) the first one writes it.

    Args:
        name: one of :data:`WORKFLOWS`.
        bundle: folder of the bundle; the one that came with the package by default.
        overlays: config files that are laid over ``train.json``, in this order.
        overrides: key of the config -> its value; ``#`` leads into a key.

    Raises:
        OSError: if a config file, the weights or what the config names cannot be read, or the output folder cannot be
            written.
        ValueError: if an override or overlay has a key under an old name, or the config has no key of an override.
    """
    workflow = WORKFLOWS[name]
    configs = (bundle_path() if bundle is None else Path(bundle)) / "configs"
    first, *rest = (configs / file for file in workflow.configs)
    files = [first, *map(Path, overlays), *rest]
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(
                f"the config file {file} is missing: give the folder of a bundle as `--bundle`, a JSON or YAML file as "
                "`--overlay`."
            )
    for overlay in overlays:
        _refuse_old_keys(ConfigParser.load_config_file(overlay), str(overlay))
    overrides = {_normalised(key): value for key, value in (overrides or {}).items()}
    _refuse_old_keys(overrides, "`--set`")
    merged = ConfigParser.load_config_files(files)
    # The overlays of networks say how inference explains them as well.
    known = {*ConfigParser.load_config_file(first), *ConfigParser.load_config_file(configs / "inference.json")}
    for overlay in overlays:
        _warn_of_unread_keys(merged, ConfigParser.load_config_file(overlay), known, str(overlay))
    with plain_errors():
        run = ConfigWorkflow(
            str(first),
            meta_file=str(configs / "metadata.json"),
            logging_file=str(configs / "logging.conf"),
            run_id=workflow.run_id,
            workflow_type="train",
        )
        run.parser.update(merged)
        check_keys(run.parser, overrides)
        run.parser.update(overrides if bundle is None else {"bundle_root": literal(bundle), **overrides})
        if workflow.weights:
            _check_weights(run.parser, workflow.weights)
        if int(os.environ.get("RANK", 0)) == 0:
            with whole_file(Path(run.parser.get_parsed_content("output_dir")) / workflow.record) as path:
                ConfigParser.export_config_file(run.parser.get(), path, indent=4)
        run.initialize()
        run.run()
        run.finalize()


def _warn_of_unread_keys(config: Mapping[str, Any], overlay: Mapping[str, Any], known: Set[str], place: str) -> None:
    """Warn of keys at the top of an overlay that nothing reads, such as a misspelt one."""
    text = json.dumps(config)
    for key in overlay:
        name = _normalised(key).removeprefix("+")
        if name.partition("#")[0] not in known and not re.search(rf"@{re.escape(name)}\b", text):
            near = get_close_matches(name, known)
            hint = f": did you mean {' or '.join(near)}?" if near else "."
            logger.warning(f"{place} sets the config key {key}, which nothing reads{hint}")


def _check_weights(config: ConfigParser, key: str) -> None:
    """Raise, before anything is read or written, if the weights are missing."""
    path = Path(config.get_parsed_content(key))
    path = path / WEIGHTS_NAME if key == "model_dir" else path
    if not path.is_file():
        raise FileNotFoundError(
            f"the weights {path} are missing: give the output folder of a training as `--output`, or the folder of its "
            "weights by `--set model_dir=DIR`."
        )


def _normalised(key: str) -> str:
    """A key with ``#`` between its parts, for which MONAI takes ``::`` as well."""
    return key.replace("::", "#")


def _refuse_old_keys(keys: Iterable[str], place: str) -> None:
    """Refuse keys that have had another name since version 0.6.0."""
    for key in keys:
        name = _normalised(key).removeprefix("+")
        for old, new in RENAMED_KEYS.items():
            if name == old or name.startswith(f"{old}#"):
                raise ValueError(
                    f"{place} names the config key {key}, which is called {new}{name.removeprefix(old)} since version "
                    "0.6.0: rename it."
                )
