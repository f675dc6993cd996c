"""The operating point: what must travel with the weights so that every door decides alike."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vmnet_monai.calibration.platt import platt_scaled
from vmnet_monai.io.files import whole_file
from vmnet_monai.io.weights import OPERATING_POINT_NAME, TORCHSCRIPT_NAME, WEIGHTS_NAME, weights_sha256

__all__ = ["OperatingPoint", "network_settings", "weights_version"]


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """Calibration and thresholds from validation photographs, with the head and the grid that they hold for.

    Attributes:
        diseases: keys of the K diseases in the order of the network's logits.
        grid_size: side in pixels of the grid to which the field of view is scaled.
        disease_size: width in pixels to which the disease head averages the grid down, see
            :class:`~vmnet_monai.networks.VMNet`.
        contrast: contrast method of the preprocessing.
        field_of_view: where the preprocessing finds the field of view: ``"estimate"``, or ``"whole"`` for pictures that
            have none.
        network: what :func:`network_settings` says of the network.
        structures: keys of the structures that are segmented.
        structure_thresholds: values in [0, 1]; a pixel belongs to a structure where its probability reaches the value.
        disease_calibration: K pairs of scale and shift, from :func:`~vmnet_monai.metrics.platt_scaling`; (1, 0) leaves
            the probability as it is.
        disease_thresholds: K values in [0, 1]; a disease is called where its calibrated probability reaches the value.
    """

    diseases: tuple[str, ...]
    grid_size: int
    disease_size: int
    contrast: str
    field_of_view: str
    network: str
    structures: tuple[str, ...]
    structure_thresholds: tuple[float, ...]
    disease_calibration: tuple[tuple[float, float], ...]
    disease_thresholds: tuple[float, ...]

    def calibrate(self, probabilities: ArrayLike) -> NDArray[np.float64]:
        """Calibrate the network's probabilities by :func:`~vmnet_monai.metrics.platt_scaled`; their order stays.

        Args:
            probabilities: (N, K) or (K,), 0 to 1, in the order of ``diseases``; NaN stays NaN.

        Returns:
            The same shape, float64.

        Raises:
            ValueError: if there are not K columns, or a probability is outside 0 to 1.
        """
        return platt_scaled(probabilities, self.disease_calibration)

    def decide(self, probabilities: Sequence[float]) -> list[int | None]:
        """Call each disease: 1 where its probability reaches its threshold, else 0; None where it is NaN.

        Args:
            probabilities: K values from :meth:`calibrate`, in the order of ``diseases``.
        """
        return [
            None if math.isnan(probability) else int(probability >= threshold)
            for probability, threshold in zip(probabilities, self.disease_thresholds, strict=True)
        ]

    @property
    def thresholds_version(self) -> str:
        """Twelve hexadecimal digits that change with any threshold or calibration."""
        values = (self.structures, self.structure_thresholds, self.diseases, self.disease_calibration)
        return hashlib.sha256(json.dumps([*values, self.disease_thresholds]).encode()).hexdigest()[:12]

    def with_thresholds(self, thresholds: Mapping[str, float]) -> OperatingPoint:
        """Replace some thresholds.

        Args:
            thresholds: structure or disease -> value in [0, 1].

        Raises:
            ValueError: if a name is unknown or a value lies outside.
        """
        known = (*self.structures, *self.diseases)
        for name, value in thresholds.items():
            if name not in known:
                raise ValueError(f"a threshold must be of one of {', '.join(known)}, got {name!r}.")
            if not 0 <= value <= 1:
                raise ValueError(f"the threshold of {name} must lie within 0 to 1, got {value}.")

        def replaced(names: Sequence[str], values: Sequence[float]) -> tuple[float, ...]:
            return tuple(float(thresholds.get(name, value)) for name, value in zip(names, values, strict=True))

        return dataclasses.replace(
            self,
            structure_thresholds=replaced(self.structures, self.structure_thresholds),
            disease_thresholds=replaced(self.diseases, self.disease_thresholds),
        )

    def check_network(self, network: object) -> None:
        """Compare the network with the one that was trained.

        Raises:
            ValueError: if their settings differ: the weights might load and mean something else.
        """
        given = network_settings(network)
        if given != self.network:
            raise ValueError(
                f"the weights were trained as {self.network}, and the network is {given}: pass the overlays and "
                "overrides of the network that the training had."
            )

    def save(self, folder: str | Path) -> Path:
        """Write ``operating_point.json`` beside the weights that it holds for and return its path.

        Raises:
            FileNotFoundError: if the folder has no weights, whose SHA-256 is written as well.
        """
        path = Path(folder) / OPERATING_POINT_NAME
        contents = {**dataclasses.asdict(self), "weights_sha256": weights_sha256(folder)}
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(
        cls,
        folder: str | Path,
        diseases: Sequence[str] | None = None,
        grid_size: int | None = None,
        disease_size: int | None = None,
        contrast: str | None = None,
        field_of_view: str | None = None,
        structures: Sequence[str] | None = None,
        network: object | None = None,
        thresholds: Mapping[str, float] | None = None,
    ) -> OperatingPoint:
        """Read ``operating_point.json`` and compare it with what the caller is about to use.

        Args:
            folder: the folder of the weights.
            diseases: the caller's diseases, to be compared if given.
            grid_size: the caller's grid, likewise.
            disease_size: the caller's width for the disease head, likewise.
            contrast: the caller's contrast method, likewise.
            field_of_view: where the caller finds the field of view, likewise.
            structures: the caller's structures, likewise.
            network: the caller's network, likewise.
            thresholds: what replaces some of the thresholds, see :meth:`with_thresholds`.

        Raises:
            FileNotFoundError: if the file or the weights are missing.
            ValueError: if the file is of an earlier version or belongs to other weights, or if the file and the caller
                disagree; the message says what to do.
        """
        _check_folder(folder)
        path = Path(folder) / OPERATING_POINT_NAME
        stored = json.loads(path.read_text(encoding="utf-8"))
        missing = {*(field.name for field in dataclasses.fields(cls)), "weights_sha256"} - stored.keys()
        if missing:
            raise ValueError(
                f"{path} lacks {', '.join(sorted(missing))}, because an earlier version wrote it: choose it anew on "
                "validation photographs with `run calibrating` (calibrate.json over train.json) and "
                f"`--pretrained {path.with_name(WEIGHTS_NAME)}`."
            )
        if stored["weights_sha256"] != weights_sha256(folder):
            raise ValueError(
                f"{path} belongs to other weights than the {WEIGHTS_NAME} beside it: training was stopped between "
                "writing the two, or one was replaced. Continue it with `--resume True`, take both from the same "
                "training, or choose the operating point anew with `run calibrating` (calibrate.json over train.json) "
                f"and `--pretrained {path.with_name(WEIGHTS_NAME)}`."
            )
        point = cls(
            diseases=tuple(stored["diseases"]),
            grid_size=int(stored["grid_size"]),
            disease_size=int(stored["disease_size"]),
            contrast=str(stored["contrast"]),
            field_of_view=str(stored["field_of_view"]),
            network=str(stored["network"]),
            structures=tuple(stored["structures"]),
            structure_thresholds=tuple(map(float, stored["structure_thresholds"])),
            disease_calibration=tuple((float(scale), float(shift)) for scale, shift in stored["disease_calibration"]),
            disease_thresholds=tuple(map(float, stored["disease_thresholds"])),
        )
        if network is not None:
            point.check_network(network)
        wanted = {
            "diseases": None if diseases is None else tuple(diseases),
            "grid_size": grid_size,
            "disease_size": disease_size,
            "contrast": contrast,
            "field_of_view": field_of_view,
            "structures": None if structures is None else tuple(structures),
        }
        for name, value in wanted.items():
            if value is not None and value != getattr(point, name):
                raise ValueError(
                    f"the weights in {folder} were trained with {name} = {getattr(point, name)}, and the config says "
                    f"{value}: pass the overlay or the override `--{name}` that the training had."
                )
        return point.with_thresholds(thresholds or {})


def network_settings(network: object) -> str:
    """Tell what the weights do not: a network's class, and its settings that change the result but no weight's name.

    Args:
        network: a network, wrapped for distributed training or not; ``settings`` maps names to values, if it has any.
    """
    network = getattr(network, "module", network)
    settings: dict[str, str] = getattr(network, "settings", {})
    return f"{type(network).__name__}({', '.join(f'{name}={value}' for name, value in settings.items())})"


def weights_version(folder: str | Path) -> str:
    """Twelve hexadecimal digits that tell weights apart: the beginning of their SHA-256; an export's are the same.

    Args:
        folder: the folder of the weights.

    Raises:
        FileNotFoundError: if it has none, or no operating point.
    """
    _check_folder(folder)
    return weights_sha256(folder)[:12]


def _check_folder(folder: str | Path) -> None:
    has_export = (Path(folder) / TORCHSCRIPT_NAME).is_file()
    for needed in (Path(folder) / OPERATING_POINT_NAME, Path(folder) / WEIGHTS_NAME):
        if not needed.is_file() and not (needed.name == WEIGHTS_NAME and has_export):
            raise FileNotFoundError(
                f"{needed} is missing: training writes {WEIGHTS_NAME} and {OPERATING_POINT_NAME} into one "
                "folder. Give the folder that holds both as `--model_dir` (`--model-dir` of vmnet predict), or train "
                "first."
            )
