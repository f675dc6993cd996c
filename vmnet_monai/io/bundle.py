"""Where the bundle that came with the package lies. Imports nothing that takes time."""

from __future__ import annotations

from pathlib import Path

__all__ = ["CONFIG_NAME", "bundle_path"]

CONFIG_NAME = "configs/inference.json"
"""Path of the inference config in a bundle."""


def bundle_path() -> Path:
    """Return the folder of the bundle that came with the package: inside it, or beside it in a clone.

    Raises:
        FileNotFoundError: if the installation lacks it.
    """
    package = Path(__file__).parents[1]
    for path in (package / "bundle", package.parent / "bundles/vmnet"):
        if (path / CONFIG_NAME).is_file():
            return path
    raise FileNotFoundError(f"{package / 'bundle'} is missing: install vmnet_monai again, or give `--bundle`.")
