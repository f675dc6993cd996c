"""Exports the network for other runtimes, checks it against PyTorch on photographs, and measures it."""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import skimage.data
import torch
from monai.bundle import ConfigParser
from numpy.typing import ArrayLike
from tqdm import tqdm

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.inference.exports import TOLERANCE, export_files, write_exports
from vmnet_monai.inference.predictor import ImageInput, Predictor
from vmnet_monai.inference.runtimes import EXPORTED, runtime_package
from vmnet_monai.io.bundle import CONFIG_NAME, bundle_path, literal
from vmnet_monai.io.files import whole_file
from vmnet_monai.io.weights import OPERATING_POINT_NAME, WEIGHTS_NAME, WEIGHTS_SHA256, weights_sha256
from vmnet_monai.reports.prediction import Prediction

__all__ = ["export_models"]

WARM_UP = 2
"""Runs of each network before it is timed; TorchScript optimises itself in the first two."""

REPEATS = 5
"""Timed runs of each network."""

COLUMNS = (
    *("runtime", "file", "structure_difference", "disease_difference", "mask_pixels"),
    *("size_mb", "size_ratio", "seconds", "seconds_ratio", "remark"),
)
"""Columns of the table."""


def export_models(
    bundle: str | Path | None = None,
    output_dir: str | Path | None = None,
    model_dir: str | Path | None = None,
    runtimes: Sequence[str] | None = None,
    images: Sequence[ImageInput] = (),
    overlays: Sequence[str | Path] = (),
) -> pd.DataFrame:
    """Write a bundle's network for other runtimes, and compare each with PyTorch on photographs.

    Every file is float32 and names the SHA-256 of the weights that it was made from. The grid's size is that of the
    operating point; ONNX and OpenVINO take one photograph at a time. ``model.ts`` holds ``inference.json``,
    ``metadata.json`` and ``operating_point.json`` as well, so that :class:`~vmnet_monai.inference.predictor.Predictor`
    needs no other file. A network that cannot be scripted is traced, on the grid's size. Nothing is written unless all
    exports pass the check, and every file appears whole or not at all.

    Args:
        bundle: folder of the bundle; the one that came with the package by default.
        output_dir: where the files go; by default the folder of the weights, where the key ``runtime`` looks for them.
        model_dir: folder of the weights and the operating point; the bundle's by default.
        runtimes: which of ``torchscript``, ``onnx`` and ``openvino``; by default all whose package is installed.
        images: photographs to compare on, through the whole preprocessing; by default ``skimage.data.retina()``.
        overlays: files that are merged over ``inference.json``, such as those of ``configs/networks``.

    Returns:
        One row per runtime, PyTorch first, with the columns

        - ``runtime``, ``file``; ``remark``, why there is no file;
        - ``structure_difference``, ``disease_difference``: largest difference of a probability to PyTorch, of any pixel
          and of any disease after calibration, over all photographs; NaN where the network has no such head;
        - ``mask_pixels``: pixels of the masks that differ, of all photographs together;
        - ``size_mb``, ``size_ratio``: of the files, and over the size of ``model.pt``;
        - ``seconds``, ``seconds_ratio``: of the network alone per photograph, the median over :data:`REPEATS` runs in
          turn, with :func:`torch.get_num_threads` threads on the CPU, and over PyTorch's in float32.

    Raises:
        FileNotFoundError: if there is no bundle, or no weights.
        ImportError: if the package of a runtime that was asked for is not installed.
        ValueError: if a runtime is unknown, a photograph cannot be used, the weights do not fit the network, or a
            probability differs by more than :data:`~vmnet_monai.inference.exports.TOLERANCE`.
    """
    unknown = sorted(set(runtimes or ()) - EXPORTED.keys())
    if unknown:
        raise ValueError(f"the network can be exported for {', '.join(EXPORTED)}, got {', '.join(unknown)}.")
    bundle = bundle_path() if bundle is None else Path(bundle)
    source = bundle / "models" if model_dir is None else Path(model_dir)
    target = source if output_dir is None else Path(output_dir)
    remarks = _missing_packages(runtimes or EXPORTED)
    if runtimes and remarks:
        raise ImportError(" ".join(remarks.values()))
    chosen = [runtime for runtime in EXPORTED if runtime in (runtimes or EXPORTED) and runtime not in remarks]
    operating_point = OperatingPoint.load(source)
    photographs = images or [skimage.data.retina()]
    opened = 1 + len(chosen)
    steps = len(chosen) + opened * (1 + len(photographs) + WARM_UP + REPEATS)
    with (
        tempfile.TemporaryDirectory(prefix="vmnet-export-") as temporary,
        tqdm(total=steps, desc="Exporting", unit="step", leave=False) as bar,
    ):
        folder = Path(temporary)
        for name in (WEIGHTS_NAME, OPERATING_POINT_NAME):
            shutil.copyfile(source / name, folder / name)
        predictors = {"torch": _predictor(bundle, overlays, folder, "torch")}
        bar.update()
        extras = _extras(bundle, overlays, folder)
        write_exports(predictors["torch"].network, operating_point.grid_size, extras, folder, chosen, bar.update)
        for runtime in chosen:
            predictors[runtime] = _predictor(bundle, overlays, folder, runtime)
            bar.update()
        table = _measure(predictors, photographs, bar.update)
        _check(table)
        sizes = {
            runtime: sum((folder / name).stat().st_size for name in export_files(runtime)) for runtime in predictors
        }
        for runtime in chosen:
            for name in export_files(runtime):
                with whole_file(target / name) as path:
                    shutil.copyfile(folder / name, path)
    table["file"] = [
        str((source if runtime == "torch" else target) / export_files(runtime)[-1]) for runtime in predictors
    ]
    size_bytes = pd.Series(sizes)
    table["size_mb"] = size_bytes / 1e6
    table["size_ratio"] = size_bytes / size_bytes.iloc[0]
    table["seconds_ratio"] = table["seconds"] / table["seconds"].iloc[0]
    table = pd.concat([table, pd.DataFrame({"remark": pd.Series(remarks, dtype=str)})])
    table = table.astype({"mask_pixels": "Int64"}).fillna({"file": "", "remark": ""})
    return table.rename_axis("runtime").reset_index().reindex(columns=list(COLUMNS))


def _missing_packages(runtimes: Iterable[str]) -> dict[str, str]:
    """Runtime -> why it cannot be used."""
    reasons = {}
    for runtime in runtimes:
        try:
            runtime_package(runtime)
        except ImportError as error:
            reasons[runtime] = str(error)
    return reasons


def _predictor(bundle: str | Path, overlays: Sequence[str | Path], folder: Path, runtime: str) -> Predictor:
    settings = {"model_dir": literal(folder), "runtime": runtime, "device": "cpu", "amp": False, "explain": []}
    return Predictor(bundle, overlays, **settings)


def _extras(bundle: Path, overlays: Sequence[str | Path], folder: Path) -> dict[str, str]:
    """Files that are stored with the exported network: name -> contents."""
    config = ConfigParser.load_config_files([bundle / CONFIG_NAME, *overlays])
    metadata = bundle / "configs/metadata.json"
    return {
        "inference.json": json.dumps(config),
        "metadata.json": metadata.read_text(encoding="utf-8") if metadata.is_file() else "{}",
        OPERATING_POINT_NAME: (folder / OPERATING_POINT_NAME).read_text(encoding="utf-8"),
        WEIGHTS_SHA256: weights_sha256(folder),
    }


def _measure(
    predictors: Mapping[str, Predictor], images: Sequence[ImageInput], advance: Callable[[], object]
) -> pd.DataFrame:
    """Differences to PyTorch over all photographs, and seconds on the first, one row per runtime."""
    per_image = []
    for image in images:
        predictions = {}
        for runtime, predictor in predictors.items():
            predictions[runtime] = predictor(image)
            advance()
        rows = {runtime: _differences(prediction, predictions["torch"]) for runtime, prediction in predictions.items()}
        per_image.append(pd.DataFrame.from_dict(rows, orient="index"))
    by_runtime = pd.concat(per_image).groupby(level=0, sort=False)
    table = by_runtime.max()
    table["mask_pixels"] = by_runtime["mask_pixels"].sum()
    table["seconds"] = pd.Series(_seconds(predictors, images[0], advance))
    return table


def _differences(prediction: Prediction, reference: Prediction) -> dict[str, float]:
    """Largest differences of one photograph's probabilities, and the pixels of its masks that differ."""
    of_structures = [
        _largest_difference(prediction.structure_probabilities.get(structure, np.nan), values)
        for structure, values in reference.structure_probabilities.items()
    ]
    return {
        "structure_difference": max(of_structures, default=np.nan),
        "disease_difference": _largest_difference(
            [prediction.scores.get(disease, np.nan) for disease in reference.scores],
            list(reference.scores.values()),
        ),
        "mask_pixels": sum(
            int(np.count_nonzero(prediction.structure_masks.get(structure, ~mask) != mask))
            for structure, mask in reference.structure_masks.items()
        ),
    }


def _largest_difference(values: ArrayLike, reference: ArrayLike) -> float:
    """Infinite where only one of two is NaN; NaN where nothing is to compare."""
    first, second = np.asarray(values, dtype=float), np.asarray(reference, dtype=float)
    differences = np.abs(first - second)[~(np.isnan(first) & np.isnan(second))]
    return float(np.nan_to_num(differences, nan=np.inf).max()) if differences.size else np.nan


def _seconds(predictors: Mapping[str, Predictor], image: ImageInput, advance: Callable[[], object]) -> dict[str, float]:
    """Median time of each network alone; they run in turn, so that a busy machine slows all alike."""
    grid = predictors["torch"].prepare(image)["image"][None]
    times: dict[str, list[float]] = {runtime: [] for runtime in predictors}
    for _ in range(WARM_UP + REPEATS):
        for runtime, predictor in predictors.items():
            started = time.perf_counter()
            with torch.no_grad():
                predictor.network(grid)
            times[runtime].append(time.perf_counter() - started)
            advance()
    return {runtime: statistics.median(taken[WARM_UP:]) for runtime, taken in times.items()}


def _check(table: pd.DataFrame) -> None:
    """Raise if a probability of a runtime is too far from PyTorch's."""
    for runtime, row in table[["structure_difference", "disease_difference"]].iterrows():
        if (row > TOLERANCE).any():
            raise ValueError(
                f"the export for {runtime} differs from PyTorch by {row.max():.1e} in a probability, and at most "
                f"{TOLERANCE:.0e} is accepted: nothing was written. Use the runtimes that agree, by `--runtimes`."
            )
