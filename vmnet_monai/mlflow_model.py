"""Logs the bundle as an MLflow model, which predicts and serves like any other."""

from __future__ import annotations

import base64
import binascii
import importlib.metadata
import io
import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import skimage.data
from mlflow.models import ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.pyfunc import PythonModel, PythonModelContext
from mlflow.types.schema import ColSpec, DataType, Schema
from packaging.requirements import Requirement
from PIL import Image

from vmnet_monai.biomarkers import vessel_measures
from vmnet_monai.biomarkers.photograph import MAPS, can_be_measured
from vmnet_monai.biomarkers.tables import MICRONS_FROM, wide_columns, wide_row
from vmnet_monai.calibration.operating_point import OperatingPoint, weights_version
from vmnet_monai.handlers import unique_run_name
from vmnet_monai.inference.predictor import Predictor
from vmnet_monai.io.bundle import bundle_path
from vmnet_monai.io.slices import parse_slice_address, slice_address
from vmnet_monai.io.weights import WEIGHTS_NAME
from vmnet_monai.reports.prediction import Prediction

__all__ = ["IMAGE_DIR_VARIABLE", "FundusModel", "input_example", "log_model"]

IMAGE_DIR_VARIABLE = "VMNET_IMAGE_DIR"
"""Environment variable of the model's machine: the folder below which photographs may be named by their path."""

DEFAULT_TRACKING_URI = "sqlite:///output/vmnet/mlruns.db"
"""Store of a training with the bundle's own ``output_dir``."""

EXAMPLE_SIDE_PX = 512
"""Side of the input example: enough for the image check, and small in the store."""

_PACKAGE = __name__.partition(".")[0]
_BUNDLE_FILES = ("configs/inference.json", "configs/metadata.json")
_MODEL_FILES = (WEIGHTS_NAME, "operating_point.json")
_TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
_SQLITE = "sqlite:///"
_ABSOLUTE_FOLDER = re.compile(r"(?<![\w.:/\\])(?:[A-Za-z]:)?[/\\](?:[^\s/\\:;,'\"]+[/\\])+")

_SCRIPT = f"""from mlflow.models import set_model

from {__name__} import FundusModel

set_model(FundusModel())
"""  # MLflow runs it to make the model: a pickle would run whatever it holds


class FundusModel(PythonModel):
    """Predicts a table of photographs: one row in, one row out, in the same order and with the same index.

    Input: a table with the column ``image``, a text. One with a full stop, which base64 does not know, is a path; any
    other, and one that begins with ``data:``, is the base64 of an image file's bytes (JPEG, PNG, TIFF, DICOM, ...).
    Paths are read only below the folder that the environment variable ``VMNET_IMAGE_DIR`` names on the model's machine,
    and are relative to it; without the variable they are refused.

    Output, in which everything but ``error`` is None for a photograph that is refused, and ``error`` for the others:

    - ``score_<disease>`` in [0, 1], a probability for photographs of its calibration only, and
      ``percentile_<disease>``, the percentage of the reference eyes with a lower score, None without reference.
    - the measures, None where one is undefined: of a network that draws arteries, veins and optic disc the columns of
      :func:`~vmnet_monai.biomarkers.tables.wide_row`, of one that draws vessels alone those of
      :func:`~vmnet_monai.biomarkers.vessel_measures`.
    - ``warnings``: remarks on the quality of the photograph and on implausible measures.
    - ``<structure>_mask``, such as ``vessel_mask``: base64 of a PNG of the photograph's own size, 0 and 255.
    - ``error``: why the photograph was refused.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Load the bundle that is the artifact ``bundle``."""
        bundle = Path(context.artifacts["bundle"])
        self._predictor = Predictor(bundle, explain=[])
        self._columns = _columns(OperatingPoint.load(bundle / "models"))
        # MLflow's server predicts in threads, and warnings of decoders are silenced for the whole process.
        self._one_at_a_time = threading.Lock()

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Predict the photographs of a table, see the class."""
        rows = [self._row(image) for image in model_input["image"]]
        # Objects, because JSON has neither NaN nor pandas' NA, and None becomes null.
        return pd.DataFrame(
            [[row.get(column) for column in self._columns] for row in rows],
            index=model_input.index,
            columns=list(self._columns),
            dtype=object,
        )

    def _row(self, image: Any) -> dict[str, Any]:
        path = ""
        with tempfile.TemporaryDirectory() as folder:  # which only this user can open
            try:
                path = _image_path(image, folder)
                with self._one_at_a_time:
                    return _answers(self._predictor(path))
            except ValueError as error:
                return {"error": _without_folders(str(error), os.path.dirname(path), folder)}
            except Exception as error:  # whose text may hold anything; the other rows go on
                return {"error": f"the photograph could not be predicted ({type(error).__name__}): try another one."}


def log_model(
    bundle: str | Path | None = None,
    model_dir: str | Path | None = None,
    tracking_uri: str | None = None,
    experiment: str = "vmnet",
    register: str | None = None,
) -> ModelInfo:
    """Log a bundle as an MLflow model, with its code, requirements, signature and an example.

    Args:
        bundle: folder of the bundle; the one that came with the package by default.
        model_dir: folder of the weights and their operating point; the bundle's own where it is None.
        tracking_uri: MLflow's store; by default what the environment variable ``MLFLOW_TRACKING_URI`` names, else
            :data:`DEFAULT_TRACKING_URI`.
        experiment: name of the experiment, which is made if needed.
        register: name under which the model becomes a new version in the registry; None leaves it out.

    Returns:
        MLflow's description of the model, with its ``model_uri`` and ``registered_model_version``.

    Raises:
        OSError: if the bundle, its weights or the store cannot be used.
        ValueError: if the weights do not fit the bundle.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "bundle"
        _copy_bundle(bundle_path() if bundle is None else Path(bundle), folder, model_dir)
        code = Path(temporary) / _PACKAGE
        # Without the package's own bundle: the one that is logged is an artifact.
        shutil.copytree(Path(__file__).parent, code, ignore=shutil.ignore_patterns("bundle", "__pycache__"))
        script = Path(temporary) / "fundus_model.py"
        script.write_text(_SCRIPT, encoding="utf-8")
        example = input_example()
        signature = _signature(folder, example)
        with (
            _store(tracking_uri),
            mlflow.start_run(experiment_id=_experiment_id(experiment), run_name=unique_run_name("model")),
        ):
            return mlflow.pyfunc.log_model(
                name="vmnet",
                python_model=str(script),
                artifacts={"bundle": str(folder)},
                code_paths=[str(code)],
                pip_requirements=_requirements(),
                signature=signature,
                input_example=example,
                metadata=_metadata(folder),
                registered_model_name=register,
            )


def input_example() -> pd.DataFrame:
    """Return a table of one photograph, ``skimage.data.retina()`` scaled down, as base64 of a JPEG file."""
    image = Image.fromarray(skimage.data.retina()).resize((EXAMPLE_SIDE_PX, EXAMPLE_SIDE_PX), Image.Resampling.BOX)
    return pd.DataFrame({"image": [_base64(image, "JPEG")]})


def _answers(prediction: Prediction) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for finding in prediction.findings:
        row[f"score_{finding.disease}"] = finding.score
        row[f"percentile_{finding.disease}"] = finding.percentile
    row |= prediction.measures | (wide_row(prediction.values) if prediction.values else {})
    row |= {"warnings": " ".join(prediction.warnings)}
    for structure, mask in prediction.structure_masks.items():
        row[f"{structure}_mask"] = _base64(Image.fromarray(mask.astype(np.uint8) * 255), "PNG")
    return row


def _columns(point: OperatingPoint) -> dict[str, DataType]:
    """Columns of the output and their types."""
    columns: dict[str, DataType] = {}
    for disease in point.diseases:
        columns |= {f"score_{disease}": DataType.double, f"percentile_{disease}": DataType.double}
    if can_be_measured(point.structures):
        names = wide_columns(name for name in MAPS if name in point.structures)
        columns |= dict.fromkeys(names, DataType.double) | {MICRONS_FROM: DataType.string}
    elif "vessel" in point.structures:
        nothing = np.zeros((8, 8), dtype=np.bool_)  # whose measures have the same names
        columns |= dict.fromkeys(vessel_measures(nothing, ~nothing), DataType.double)
    texts = ("warnings", *(f"{structure}_mask" for structure in point.structures), "error")
    return columns | dict.fromkeys(texts, DataType.string)


def _signature(bundle: Path, example: pd.DataFrame) -> ModelSignature:
    """Signature of the model, which is tried on the example, so that none that cannot predict is logged."""
    context = PythonModelContext(artifacts={"bundle": str(bundle)}, model_config={})
    model = FundusModel()
    model.load_context(context)
    error = model.predict(context, example)["error"][0]
    if error is not None:
        raise ValueError(f"the bundle cannot predict the example, so it is not logged: {error}")
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "image")]),
        outputs=Schema([ColSpec(kind, name, required=False) for name, kind in model._columns.items()]),
    )


def _base64(image: Image.Image, file_format: str) -> str:
    file = io.BytesIO()
    image.save(file, format=file_format)
    return base64.b64encode(file.getvalue()).decode()


def _without_folders(text: str, *folders: str) -> str:
    """A message without the server's folders: a server does not tell where its files are.

    Args:
        text: the message.
        folders: those that it may name, which may hold blanks; any other absolute path is cut to its last part.
    """
    own = [path for name in (*folders, os.environ.get(IMAGE_DIR_VARIABLE, "")) if name for path in _spellings(name)]
    for folder in sorted(own, key=len, reverse=True):
        text = text.replace(os.path.join(folder, ""), "").replace(folder, "")
    return _ABSOLUTE_FOLDER.sub("", text)


def _spellings(folder: str) -> set[str]:
    return {folder, os.path.abspath(folder), os.path.realpath(folder)}


def _image_path(image: Any, folder: str) -> str:
    """The path, or the address of a frame, that a row gives, or that of its bytes, which are written to the folder.

    Raises:
        ValueError: if the row has no image, or its path may not be read.
    """
    if not isinstance(image, str) or not image.strip():
        raise ValueError("image is blank: give the base64 of an image file, or a path.")
    if "." in image and not image.startswith("data:"):
        return _allowed_path(image)
    path = Path(folder) / "photograph"
    path.write_bytes(_decoded(image))
    return str(path)


def _decoded(text: str) -> bytes:
    """The bytes behind base64, also in lines, and as a data URL."""
    try:
        return base64.b64decode("".join(re.sub(r"^data:[^,]*,", "", text).split()), validate=True)
    except binascii.Error as error:
        raise ValueError(
            f"image is no base64 ({error}): encode the file's bytes. A path must hold a full stop, such as ./IM0001."
        ) from None


def _allowed_path(text: str) -> str:
    """The path or address that a text names, if it lies below the folder that the model's machine allows."""
    root = os.environ.get(IMAGE_DIR_VARIABLE)
    if not root:
        raise ValueError(
            f"paths are read only below the folder that {IMAGE_DIR_VARIABLE} names in the model's environment, and it "
            "names none: set it there, or give the base64 of the file."
        )
    address = parse_slice_address(text)
    path = Path(root, text if address is None else address.path).resolve()
    if not path.is_relative_to(Path(root).resolve()):
        raise ValueError(f"{text} lies outside the folder of {IMAGE_DIR_VARIABLE}: move it there, or give its base64.")
    return str(path) if address is None else slice_address(path, address.index, address.label)


def _copy_bundle(bundle: Path, folder: Path, model_dir: str | Path | None) -> None:
    """Copy the files that a prediction needs."""
    weights = bundle / "models" if model_dir is None else Path(model_dir)
    sources = [(bundle / name, name) for name in _BUNDLE_FILES]
    for source, name in sources + [(weights / name, f"models/{name}") for name in _MODEL_FILES]:
        if not source.is_file():
            raise FileNotFoundError(
                f"{source} is missing: give the folder of the bundle, and as model_dir the folder of {WEIGHTS_NAME} "
                "and operating_point.json."
            )
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / name)


def _metadata(bundle: Path) -> Mapping[str, str]:
    metadata = json.loads((bundle / "configs/metadata.json").read_text(encoding="utf-8"))
    return {
        "version": metadata["version"],
        "package_version": importlib.metadata.version(_PACKAGE),
        "model_version": weights_version(bundle / "models"),
        "thresholds_version": OperatingPoint.load(bundle / "models").thresholds_version,
        "intended_use": metadata["intended_use"],
    }


def _requirements() -> list[str]:
    """What the package requires without its extras; the package itself travels with the model."""
    required = map(Requirement, importlib.metadata.requires(_PACKAGE) or [])
    return [str(one) for one in required if one.marker is None or one.marker.evaluate({"extra": ""})]


@contextmanager
def _store(tracking_uri: str | None) -> Iterator[None]:
    """Let MLflow use a store while the block lasts."""
    before = os.environ.get(_TRACKING_VARIABLE)
    uri = tracking_uri or before or DEFAULT_TRACKING_URI
    if uri.startswith(_SQLITE):
        Path(uri.removeprefix(_SQLITE)).absolute().parent.mkdir(parents=True, exist_ok=True)
    os.environ[_TRACKING_VARIABLE] = uri
    try:
        yield
    finally:
        if before is None:
            del os.environ[_TRACKING_VARIABLE]
        else:
            os.environ[_TRACKING_VARIABLE] = before


def _experiment_id(name: str) -> str:
    """The experiment of a name; a new one in a database keeps its artifacts beside it, as that of a training does."""
    experiment = mlflow.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    uri = mlflow.get_tracking_uri()
    beside = Path(uri.removeprefix(_SQLITE)).absolute().parent / "mlruns"
    return mlflow.create_experiment(name, beside.as_uri() if uri.startswith(_SQLITE) else None)
