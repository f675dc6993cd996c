"""The inference config of a bundle, with what is laid over it."""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.inference.config_keys import check_keys
from vmnet_monai.io.bundle import CONFIG_NAME, bundle_path, expression, literal
from vmnet_monai.io.weights import OPERATING_POINT_NAME, TORCHSCRIPT_NAME, torchscript_extra

METADATA_NAME = "configs/metadata.json"
"""What says which bundle it is, in its folder and, without the folder, in a TorchScript export."""

__all__ = ["model_release", "read_inference_config"]


def read_inference_config(
    bundle: str | Path | None = None, overlays: Sequence[str | Path] = (), **overrides: Any
) -> ConfigParser:
    """Read a bundle's ``inference.json`` and lay overlays and overrides over it.

    Args:
        bundle: folder of the bundle, by default :func:`bundle_path`; or a ``model.ts`` of ``vmnet export``, whose
            ``runtime`` is then ``torchscript``: it is unpacked into a folder that lives as long as the config.
        overlays: files that are merged over the config, such as ``configs/networks/resnet18.json``.
        **overrides: keys of the config and their values. Those of ``thresholds`` are names, never keys that MONAI
            reads, such as ``_target_``.

    Raises:
        FileNotFoundError: if the folder is no bundle.
        ValueError: if the config has no such key, the file was not written by ``vmnet export``, or the runtime needs
            another file.
    """
    bundle = bundle_path() if bundle is None else bundle
    unpacked = None
    if Path(bundle).is_file():
        unpacked = _unpacked(Path(bundle))
        overrides = {"runtime": "torchscript", **overrides}
        if overrides["runtime"] not in ("torch", "torchscript"):
            raise ValueError(
                f"a TorchScript file runs by torchscript or torch, got {overrides['runtime']!r}: give the bundle "
                "beside whose weights `vmnet export` wrote that runtime's file."
            )
        bundle = unpacked.name
    path = Path(bundle) / CONFIG_NAME
    if not path.is_file():
        raise FileNotFoundError(
            f"{bundle} is no bundle, {path} is missing: give the folder of the bundle (`--bundle`), or leave it "
            "out for the one that came with the package."
        )
    config = ConfigParser(ConfigParser.load_config_files([path, *overlays]))
    if unpacked is not None:
        weakref.finalize(config, unpacked.cleanup)
    check_keys(config, overrides)
    if isinstance(overrides.get("thresholds"), Mapping):
        pairs = [f"({expression(name)}, float('{value}'))" for name, value in overrides["thresholds"].items()]
        overrides["thresholds"] = f"$dict([{', '.join(pairs)}])"
    config.update({"bundle_root": literal(bundle), **overrides})
    return config


def model_release(bundle_root: str | Path, operating_point: OperatingPoint) -> str:
    """Name a model as it is read, such as ``V-MNet 0.6.0, weights of 2026-12-01``; what is unknown is left out.

    Args:
        bundle_root: folder of the bundle, whose ``metadata.json`` has its name, up to a colon, and its version.
        operating_point: that of the weights, with the network's class, the name where there is no metadata, and date.
    """
    try:
        metadata = json.loads((Path(bundle_root) / METADATA_NAME).read_text(encoding="utf-8"))
        name = f"{str(metadata['name']).partition(':')[0]} {metadata['version']}"
    except (OSError, ValueError, KeyError, TypeError):
        name = operating_point.network.partition("(")[0]
    return f"{name}, weights of {operating_point.trained}" if operating_point.trained else name


def _unpacked(torchscript: Path) -> tempfile.TemporaryDirectory[str]:
    """A temporary bundle of what a TorchScript file holds.

    Raises:
        ValueError: if it was not written by ``vmnet export``.
    """
    extras = {f"models/{OPERATING_POINT_NAME}": OPERATING_POINT_NAME}
    extras |= {name: Path(name).name for name in (CONFIG_NAME, METADATA_NAME)}
    contents = {name: torchscript_extra(torchscript, extra) for name, extra in extras.items()}
    folder = tempfile.TemporaryDirectory(prefix="vmnet-")
    for name, content in contents.items():
        path = Path(folder.name) / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    shutil.copyfile(torchscript, Path(folder.name) / "models" / TORCHSCRIPT_NAME)
    return folder
