"""A bundle applied to folders of images on one machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vmnet_monai.errors import plain_errors
from vmnet_monai.inference.bundle import read_inference_config
from vmnet_monai.inference.manifest import Manifest
from vmnet_monai.inference.writer import PredictionWriter
from vmnet_monai.io.bundle import literal

__all__ = ["predict_folder"]


def predict_folder(
    inputs: Sequence[str | Path], output_dir: str | Path, bundle: str | Path | None = None, **overrides: Any
) -> Manifest:
    """Run a bundle's ``inference.json`` over photographs, folders and lists; print progress and a summary.

    Args:
        inputs: photographs, folders and lists, see :func:`vmnet_monai.datasets.find_images`.
        output_dir: where the predictions go.
        bundle: folder of the bundle, or a ``model.ts`` of ``vmnet export``.
        **overrides: further keys of ``inference.json``.

    Returns:
        The manifest with the record of every input.

    Raises:
        OSError: if bundle, weights or output folder cannot be used.
        ValueError: if an override does not fit the weights.
    """
    paths = {"dataset_dir": [literal(path) for path in inputs], "output_dir": literal(output_dir)}
    config = read_inference_config(bundle, **paths, **overrides)
    with plain_errors():
        for key in ("finding_maker", "explainer", "runtime_network"):
            config.get_parsed_content(key)  # what does not fit the weights is told before anything is written
        config.get_parsed_content("load_weights")()
        manifest: Manifest = config.get_parsed_content("manifest")
        try:
            writer: PredictionWriter = config.get_parsed_content("writer")
            config.get_parsed_content("initialize")
            try:
                config.get_parsed_content("run")
            finally:
                writer.stop()  # before another run may write to the folder
        finally:
            manifest.close()
    return manifest
