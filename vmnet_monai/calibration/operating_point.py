"""The operating point: what must travel with the weights so that every door decides alike."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import reprlib
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from vmnet_monai.calibration.percentile import QUANTILES, percentile
from vmnet_monai.calibration.platt import platt_scaled
from vmnet_monai.io.files import whole_file
from vmnet_monai.io.weights import OPERATING_POINT_NAME, TORCHSCRIPT_NAME, WEIGHTS_NAME, weights_sha256
from vmnet_monai.structures import check_parts, check_structures, is_file_safe
from vmnet_monai.transforms.contrast import CONTRAST_METHODS
from vmnet_monai.transforms.field_of_view import FIELD_OF_VIEW_METHODS

__all__ = ["OperatingPoint", "network_settings", "trained_date", "weights_version"]

RENAMED_KEYS = {"vessel_threshold": "structure_thresholds, a list with one value per key of structures"}
"""Keys of ``operating_point.json`` before version 0.3.0, and what holds their values since."""


def _one_of(choices: Sequence[str]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return AfterValidator(check)


def _disease_keys(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or len(set(names)) < len(names) or not all(map(is_file_safe, names)):
        raise ValueError("must be one or more different names that begin with a letter or digit and hold no slash")
    return names


def _iso_date(text: str | None) -> str | None:
    if text is not None:
        try:
            date.fromisoformat(text)
        except ValueError:
            raise ValueError("must be a date such as 2026-12-01") from None
    return text


def _quantile_table(values: tuple[float, ...]) -> tuple[float, ...]:
    if len(values) not in (0, QUANTILES) or list(values) != sorted(values):
        raise ValueError(f"must be {QUANTILES} values that do not fall, or none")
    return values


Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
QuantileTable = Annotated[tuple[Fraction, ...], AfterValidator(_quantile_table)]
Side = Annotated[int, Field(ge=1, le=16384)]
# A fit to scores that hardly differ gives scales of thousands; the bounds keep the arithmetic from overflowing.
Scale = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
Shift = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class OperatingPoint:
    """Calibration and thresholds from validation images, with the head and the grid that they hold for.

    Every value is checked, also of a copy by :func:`dataclasses.replace`; a wrong one raises pydantic's
    ``ValidationError``, which is a ValueError.

    Attributes:
        diseases: keys of the K diseases in the order of the network's logits; different, and fit for file names.
        grid_size: side in pixels of the grid to which the field of view is scaled, at least 1.
        disease_size: width in pixels to which the disease head averages the grid down, see
            :class:`~vmnet_monai.networks.VMNet`; None where it sees the whole grid.
        contrast: contrast method of the preprocessing, one of
            :data:`~vmnet_monai.transforms.contrast.CONTRAST_METHODS`.
        field_of_view: where the preprocessing finds the field of view: ``"estimate"``, or ``"whole"`` for images that
            have none.
        network: what :func:`network_settings` says of the network.
        structures: keys of the structures that are segmented, see :func:`~vmnet_monai.structures.check_structures`.
        structure_parts: part -> whole, for structures that are parts of others, such as arteries of vessels, see
            :func:`~vmnet_monai.structures.check_parts`; empty where none is.
        structure_thresholds: values in [0, 1]; a pixel of the field of view belongs to a structure where its
            probability reaches the value.
        structure_high_thresholds: values in [0, 1]; a connected component of a structure's mask counts where one of its
            pixels reaches the value (:class:`~vmnet_monai.transforms.LowerWeakComponentsd`); none where all count.
        disease_calibration: K pairs of scale, above 0, and shift, from
            :func:`~vmnet_monai.calibration.platt_scaling`; (1, 0) leaves the probability as it is.
        disease_thresholds: K values in [0, 1]; a disease is positive where its score, the calibrated probability,
            reaches the value.
        disease_sources: per disease the names of the datasets for which its scores are calibrated; none where nothing
            is known of them.
        disease_reference: per disease a table of quantiles of the scores of the reference eyes, from
            :func:`~vmnet_monai.calibration.score_quantiles`, or an empty one; none where there is no table at all.
        trained: ISO date on which the weights were saved by their training; None where it is unknown.

    Example:
        >>> from vmnet_monai import bundle_path
        >>> point = OperatingPoint.load(bundle_path() / "models", thresholds={"glaucoma": 0.3})
        >>> point.diseases[2], point.disease_thresholds[2]
        ('glaucoma', 0.3)
        >>> point.decide([0.1, 0.1, 0.3, 0.1, float("nan")])
        [0, 0, 1, 0, None]
    """

    diseases: Annotated[tuple[str, ...], AfterValidator(_disease_keys)]
    grid_size: Side
    disease_size: Side | None
    contrast: Annotated[str, _one_of(CONTRAST_METHODS)]
    field_of_view: Annotated[str, _one_of(FIELD_OF_VIEW_METHODS)]
    network: str
    structures: tuple[str, ...]
    structure_thresholds: tuple[Fraction, ...]
    disease_calibration: tuple[tuple[Scale, Shift], ...]
    disease_thresholds: tuple[Fraction, ...]
    structure_parts: dict[str, str] = dataclasses.field(default_factory=dict)
    structure_high_thresholds: tuple[Fraction, ...] = ()
    disease_sources: tuple[tuple[str, ...], ...] = ()
    disease_reference: tuple[QuantileTable, ...] = ()
    trained: Annotated[str | None, AfterValidator(_iso_date)] = None

    @model_validator(mode="after")
    def _check_lists(self) -> OperatingPoint:
        check_structures(self.structures, self.diseases)
        check_parts(self.structure_parts, self.structures)
        for names, values in (
            ("structures", "structure_thresholds"),
            ("diseases", "disease_calibration"),
            ("diseases", "disease_thresholds"),
        ):
            wanted, given = len(getattr(self, names)), len(getattr(self, values))
            if wanted != given:
                raise ValueError(f"{values} must have one value for each of the {wanted} {names}, got {given}")
        for names, optional in (
            ("structures", "structure_high_thresholds"),
            ("diseases", "disease_sources"),
            ("diseases", "disease_reference"),
        ):
            wanted, given = len(getattr(self, names)), len(getattr(self, optional))
            if given not in (0, wanted):
                raise ValueError(
                    f"{optional} must have one entry for each of the {wanted} {names} or none, got {given}"
                )
        return self

    def calibrate(self, probabilities: ArrayLike) -> NDArray[np.float64]:
        """Calibrate the network's probabilities by :func:`~vmnet_monai.calibration.platt_scaled`; their order stays.

        Args:
            probabilities: (N, K) or (K,), 0 to 1, in the order of ``diseases``; NaN stays NaN.

        Returns:
            The same shape, float64.

        Raises:
            ValueError: if there are not K columns, or a probability is outside 0 to 1.
        """
        return platt_scaled(probabilities, self.disease_calibration)

    def decide(self, probabilities: Sequence[float]) -> list[int | None]:
        """Decide on each disease: 1 where its probability reaches its threshold, else 0; None where it is NaN.

        Args:
            probabilities: K values from :meth:`calibrate`, in the order of ``diseases``.
        """
        return [
            None if math.isnan(probability) else int(probability >= threshold)
            for probability, threshold in zip(probabilities, self.disease_thresholds, strict=True)
        ]

    def percentiles(self, scores: Sequence[float]) -> list[float | None]:
        """Rank each disease's score among the reference eyes, see :func:`~vmnet_monai.calibration.percentile`.

        Args:
            scores: K values from :meth:`calibrate`, in the order of ``diseases``.

        Returns:
            0 to 100; None where the score is NaN or there is no table.
        """
        tables = self.disease_reference or ((),) * len(self.diseases)
        return [percentile(score, table) for score, table in zip(scores, tables, strict=True)]

    @property
    def thresholds_version(self) -> str:
        """Twelve hexadecimal digits that change with any threshold, calibration or reference."""
        values = [self.structures, self.structure_thresholds, self.diseases, self.disease_calibration]
        values.append(self.disease_thresholds)
        if self.disease_sources or self.disease_reference:
            values += [self.disease_sources, self.disease_reference]
        if self.structure_high_thresholds:
            values.append(self.structure_high_thresholds)
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12]

    @property
    def scores_version(self) -> str:
        """Twelve hexadecimal digits that change with the calibration, and so with every score of the same weights."""
        return hashlib.sha256(json.dumps([self.diseases, self.disease_calibration]).encode()).hexdigest()[:12]

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
            earlier = ""
            if self.network.startswith("VMNet(") and given.startswith("FineVMNet("):
                earlier = " Those up to version 0.5 had what is `configs/networks/vmnet_unet.json` now."
            raise ValueError(
                f"the weights were trained as {self.network}, and the network is {given}: pass the overlays and "
                f"overrides of the network that the training had.{earlier}"
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
        *,
        network: object | None = None,
        thresholds: Mapping[str, float] | None = None,
        **settings: Any,
    ) -> OperatingPoint:
        """Read ``operating_point.json`` and compare it with what the caller is about to use.

        Args:
            folder: the folder of the weights.
            network: the caller's network, to be compared if given, see :meth:`check_network`.
            thresholds: what replaces some of the thresholds, see :meth:`with_thresholds`.
            **settings: the caller's ``diseases``, ``grid_size``, ``disease_size``, ``contrast``, ``field_of_view`` and
                ``structures``, each to be compared if given; None is a value of ``disease_size``.

        Raises:
            FileNotFoundError: if the file or the weights are missing.
            ValueError: if the file is damaged, is of an earlier version or belongs to other weights, or if the file
                and the caller disagree; the message says what to do.
        """
        _check_folder(folder)
        path = Path(folder) / OPERATING_POINT_NAME
        point, sha256 = _read(path)
        if sha256 != weights_sha256(folder):
            raise ValueError(
                f"{path} belongs to other weights than the {WEIGHTS_NAME} beside it: training was stopped between "
                "writing the two, or one was replaced. Continue it with `--resume True`, take both from the same "
                f"training, or {_make_anew(path)}"
            )
        if network is not None:
            point.check_network(network)
        for name, value in settings.items():
            used = tuple(value) if name in ("diseases", "structures") else value
            if used != getattr(point, name):
                raise ValueError(
                    f"the weights in {folder} were trained with {name} = {getattr(point, name)}, and the config says "
                    f"{used}: pass the overlay or the override `--{name}` that the training had."
                )
        return point.with_thresholds(thresholds or {})


def _read(path: Path) -> tuple[OperatingPoint, str]:
    """The operating point of a file, and the SHA-256 of the weights that it belongs to.

    Raises:
        ValueError: if the file is damaged or of an earlier version.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must hold JSON and does not ({error}): {_make_anew(path)}") from None
    if not isinstance(stored, dict):
        raise ValueError(f"{path} must hold a JSON object, got {reprlib.repr(stored)}: {_make_anew(path)}")
    renamed = [f"{key} is now {new}" for key, new in RENAMED_KEYS.items() if key in stored]
    if renamed:
        raise ValueError(f"{path} has keys of an earlier version, {'; '.join(renamed)}: {_make_anew(path)}")
    required = [
        field.name
        for field in dataclasses.fields(OperatingPoint)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    missing = {*required, "weights_sha256"} - stored.keys()
    if missing:
        raise ValueError(
            f"{path} lacks {', '.join(sorted(missing))}, because it is damaged or an earlier version wrote it: "
            f"{_make_anew(path)}"
        )
    sha256 = stored.pop("weights_sha256")
    try:
        # As JSON, so that lists are tuples and nothing else is converted.
        return TypeAdapter(OperatingPoint).validate_json(json.dumps(stored), strict=True), str(sha256)
    except ValidationError as error:
        wrong = "; ".join(map(_sentence, error.errors()))
        raise ValueError(f"{path} is damaged, {wrong}: {_make_anew(path)}") from None


def _sentence(error: ErrorDetails) -> str:
    """What is wrong with a value in a line; that of several values together names them itself."""
    rule = error["msg"].removeprefix("Value error, ").removesuffix(".")
    key = ".".join(map(str, error["loc"]))
    return f"{key}: {rule}, got {reprlib.repr(error['input'])}" if key else rule


def _make_anew(path: Path) -> str:
    return (
        "choose it anew on validation images with "
        f"`vmnet operating-point --pretrained {path.with_name(WEIGHTS_NAME)} --output FOLDER`."
    )


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


def trained_date(weights: str | Path) -> str | None:
    """The ISO date that the operating point beside some weights states for them; None where it states none.

    Args:
        weights: the file of the weights.
    """
    try:
        stored = json.loads(Path(weights).with_name(OPERATING_POINT_NAME).read_text(encoding="utf-8"))
        trained = stored.get("trained")
        return None if trained is None else date.fromisoformat(trained).isoformat()
    except (OSError, ValueError, AttributeError, TypeError):
        return None  # the file is about to be chosen anew, whatever is wrong with it


def _check_folder(folder: str | Path) -> None:
    has_export = (Path(folder) / TORCHSCRIPT_NAME).is_file()
    for needed in (Path(folder) / OPERATING_POINT_NAME, Path(folder) / WEIGHTS_NAME):
        if not needed.is_file() and not (needed.name == WEIGHTS_NAME and has_export):
            raise FileNotFoundError(
                f"{needed} is missing: training writes {WEIGHTS_NAME} and {OPERATING_POINT_NAME} into one "
                "folder. Give the folder that holds both as `--model_dir` (`--model-dir` of vmnet predict), or train "
                "first."
            )
