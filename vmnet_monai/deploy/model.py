"""Finds the model of the application and its name and versions."""

from __future__ import annotations

from pathlib import Path

from vmnet_monai.calibration.operating_point import weights_version
from vmnet_monai.inference.bundle import model_release, read_inference_config
from vmnet_monai.io.bundle import CONFIG_NAME, bundle_path
from vmnet_monai.reports.dicom.origin import ModelIdentity

__all__ = ["find_model", "model_identity"]


def find_model(path: Path | None) -> Path:
    """Find the model in a container's folder of models, where packagers put it into a subfolder.

    Args:
        path: None, for the bundle that came with the package; a TorchScript export, a bundle, or a folder with one of
            these at any depth; a bundle is preferred to the exports inside it.

    Raises:
        FileNotFoundError: if there is none, or more than one.
    """
    if path is None:
        return bundle_path()
    if path.is_file() or (path / CONFIG_NAME).is_file():
        return path
    found = [config.parents[1] for config in path.rglob(CONFIG_NAME)] or list(path.rglob("*.ts"))
    if len(found) != 1:
        raise FileNotFoundError(
            f"the model must be one TorchScript export (.ts) or one bundle, {path} has {len(found)}: give its own path "
            "as `--model`."
        )
    return found[0]


def model_identity(path: Path) -> ModelIdentity:
    """Read the name and versions that results state as their source.

    Args:
        path: from :func:`find_model`.
    """
    config = read_inference_config(path)
    point = config.get_parsed_content("operating_point")
    return ModelIdentity.of(
        point,
        weights_version(config.get_parsed_content("model_dir")),
        config.get_parsed_content("runtime"),
        release=model_release(config.get_parsed_content("bundle_root"), point),
    )
