"""MONAI bundle parts for V-MNet: retinal vessels and diseases from one colour fundus photograph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmnet_monai.inference.predictor import Predictor
    from vmnet_monai.io.bundle import bundle_path
    from vmnet_monai.reports.prediction import Prediction

__all__ = ["Prediction", "Predictor", "bundle_path"]


def __getattr__(name: str) -> Any:
    """Import PyTorch and MONAI, which take seconds, only for those who predict."""
    if name == "Predictor":
        from vmnet_monai.inference.predictor import Predictor

        return Predictor
    if name == "bundle_path":
        from vmnet_monai.io.bundle import bundle_path

        return bundle_path
    if name == "Prediction":
        from vmnet_monai.reports.prediction import Prediction

        return Prediction
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
