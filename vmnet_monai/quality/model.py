"""The additive logistic model that tells fundus photographs from other images; its curves are data."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from vmnet_monai.io.files import whole_file
from vmnet_monai.quality.features import FEATURES

__all__ = ["Curve", "FundusModel", "default_model"]


@dataclass(frozen=True)
class Curve:
    """What a feature adds to the log odds of a fundus photograph: linear between points, constant beyond the outer.

    Raises:
        ValueError: if the lists differ in length, or the values do not rise.

    Example:
        >>> Curve(values=(0, 2), log_odds=(-1, 0))(1.5)
        -0.25
    """

    values: tuple[float, ...]
    """Where the curve bends, in the feature's own unit, rising."""
    log_odds: tuple[float, ...]
    """What it adds at each of them; 0 at the median of fundus photographs."""

    def __post_init__(self) -> None:
        if len(self.values) != len(self.log_odds) or not np.all(np.diff(self.values) > 0):
            raise ValueError(
                "a curve needs rising values and as many log_odds, got "
                f"{list(self.values)} and {list(self.log_odds)}: fit it again."
            )

    def __call__(self, value: float) -> float:
        """What a value of the feature adds: 0 for NaN, a colour of a grey image."""
        return 0.0 if math.isnan(value) else float(np.interp(value, self.values, self.log_odds))


@dataclass(frozen=True)
class FundusModel:
    """The log odds of a fundus photograph: an intercept plus a curve of each feature.

    A generalised additive logistic model, Hastie & Tibshirani, Stat Sci 1986, doi:10.1214/ss/1177013604.
    """

    intercept: float
    """Log odds of an image whose features are the medians of fundus photographs."""
    min_log_odds: float
    """Log odds below which an image is refused."""
    curves: dict[str, Curve]
    """By the names of :data:`~vmnet_monai.quality.features.FEATURES`, or some of them."""

    def contributions(self, features: Mapping[str, float]) -> dict[str, float]:
        """What each feature adds to the log odds: above 0 it speaks for a fundus photograph, below 0 against.

        Args:
            features: as :func:`~vmnet_monai.quality.features.image_features` gives them.
        """
        return {name: curve(features[name]) for name, curve in self.curves.items()}

    def log_odds(self, features: Mapping[str, float]) -> float:
        """Logarithm of the odds that an image is a fundus photograph: the intercept and all contributions."""
        return self.intercept + sum(self.contributions(features).values())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FundusModel:
        """Read a model that :meth:`save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file holds no such model, or a curve of an unknown feature.
        """
        text = Path(path).read_text(encoding="utf-8")
        try:
            return cls._of_json(text)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} is no model of the image check ({error}): write one with `python -m vmnet_monai.quality.fit`."
            ) from error

    @classmethod
    def _of_json(cls, text: str) -> FundusModel:
        content = json.loads(text)
        if unknown := set(content["curves"]).difference(FEATURES):
            raise ValueError(f"unknown features {sorted(unknown)}")
        curves = {
            name: Curve(tuple(curve["values"]), tuple(curve["log_odds"])) for name, curve in content["curves"].items()
        }
        return cls(float(content["intercept"]), float(content["min_log_odds"]), curves)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as JSON, a line per curve; the file appears whole or not at all."""
        curves = ",\n".join(
            f"    {json.dumps(name)}: {json.dumps(asdict(curve))}" for name, curve in self.curves.items()
        )
        head = f'  "intercept": {json.dumps(self.intercept)},\n  "min_log_odds": {json.dumps(self.min_log_odds)},\n'
        with whole_file(path) as temporary:
            temporary.write_text(f'{{\n{head}  "curves": {{\n{curves}\n  }}\n}}\n', encoding="utf-8")


@cache
def default_model() -> FundusModel:
    """The model of the package: ``docs/reference/image-check.md`` says what it was fitted to and how often it errs."""
    text = resources.files("vmnet_monai.quality").joinpath("fundus_model.json").read_text(encoding="utf-8")
    return FundusModel._of_json(text)
