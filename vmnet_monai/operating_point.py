"""The operating point: what must travel with the weights so that every door decides alike."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path

from vmnet_monai.files import whole_file

__all__ = ["OperatingPoint"]

FILE_NAME = "operating_point.json"
"""Name of the file beside the weights."""


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """Thresholds chosen on validation photographs, with the head and the grid that they hold for.

    Attributes:
        diseases: keys of the K diseases in the order of the network's logits.
        grid_size: side in pixels of the grid to which the field of view is scaled.
        contrast: contrast method of the preprocessing.
        vessel_threshold: a pixel is vessel where its probability reaches this value; in [0, 1].
        disease_thresholds: K values in [0, 1]; a disease is called where its probability reaches the value.
    """

    diseases: tuple[str, ...]
    grid_size: int
    contrast: str
    vessel_threshold: float
    disease_thresholds: tuple[float, ...]

    def decide(self, probabilities: Sequence[float]) -> list[int | None]:
        """Call each disease: 1 where its probability reaches its threshold, else 0; None where it is NaN.

        Args:
            probabilities: K values in the order of ``diseases``.
        """
        return [
            None if math.isnan(probability) else int(probability >= threshold)
            for probability, threshold in zip(probabilities, self.disease_thresholds, strict=True)
        ]

    def save(self, folder: str | Path) -> Path:
        """Write ``operating_point.json`` into the folder of the weights and return its path."""
        path = Path(folder) / FILE_NAME
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(
        cls,
        folder: str | Path,
        diseases: Sequence[str] | None = None,
        grid_size: int | None = None,
        contrast: str | None = None,
    ) -> OperatingPoint:
        """Read ``operating_point.json`` and compare it with what the caller is about to use.

        Args:
            folder: the folder of the weights.
            diseases: the caller's diseases, to be compared if given.
            grid_size: the caller's grid, likewise.
            contrast: the caller's contrast method, likewise.

        Raises:
            FileNotFoundError: if the file is missing.
            ValueError: if the file and the caller disagree; the message says what to set.
        """
        path = Path(folder) / FILE_NAME
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing: it is written beside the weights by training. Give the folder that holds both "
                "as `--model_dir`, or train first."
            )
        stored = json.loads(path.read_text(encoding="utf-8"))
        point = cls(
            diseases=tuple(stored["diseases"]),
            grid_size=int(stored["grid_size"]),
            contrast=str(stored["contrast"]),
            vessel_threshold=float(stored["vessel_threshold"]),
            disease_thresholds=tuple(map(float, stored["disease_thresholds"])),
        )
        wanted = {
            "diseases": None if diseases is None else tuple(diseases),
            "grid_size": grid_size,
            "contrast": contrast,
        }
        for name, value in wanted.items():
            if value is not None and value != getattr(point, name):
                raise ValueError(
                    f"the weights in {folder} were trained with {name} = {getattr(point, name)}, and the config says "
                    f"{value}: pass the overlay or the override `--{name}` that the training had."
                )
        return point
