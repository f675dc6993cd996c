"""The bundle as an MLflow model: what is logged, and that it says what the Predictor says, from every door."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import skimage.data
from dicom_files import retina_dataset, save
from mlflow import MlflowClient
from mlflow.models.model import ModelInfo
from mlflow.pyfunc import PyFuncModel, PythonModelContext
from PIL import Image
from small_bundle import BUNDLE, small_bundle

from vmnet_monai import Predictor
from vmnet_monai.mlflow_model import FundusModel, _without_folders, input_example, log_model

RETINA = np.ascontiguousarray(skimage.data.retina()[::4, ::4])
PATIENT = "Doe^Jane"
PATIENT_ID = "MRN-4711"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_bundle(tmp_path_factory.mktemp("bundle"))
    shutil.copyfile(BUNDLE / "configs/metadata.json", folder / "configs/metadata.json")
    prediction = Predictor(folder, explain=[])(RETINA)
    middle = float(np.median(prediction.vessel_probability[prediction.field_of_view]))
    set_thresholds(folder / "models", structure_thresholds=[middle])  # so that the mask is neither empty nor full
    return folder


def set_thresholds(models: Path, **thresholds: list[float]) -> None:
    path = models / "operating_point.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | thresholds))


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = f"sqlite:///{tmp_path_factory.mktemp('store') / 'new/mlruns.db'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield store


@pytest.fixture(scope="module")
def logged(bundle: Path, uri: str) -> ModelInfo:
    return log_model(bundle, tracking_uri=uri, register="fundus")


@pytest.fixture(scope="module")
def loaded(logged: ModelInfo, uri: str) -> PyFuncModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        patch.setattr(sys, "path", list(sys.path))  # MLflow puts the model's own code in front
        return mlflow.pyfunc.load_model("models:/fundus/1")


@pytest.fixture(scope="module")
def model(bundle: Path) -> FundusModel:
    model = FundusModel()
    model.load_context(context(bundle))
    return model


def context(bundle: Path) -> PythonModelContext:
    return PythonModelContext(artifacts={"bundle": str(bundle)}, model_config={})


def file_bytes(pixels: np.ndarray, file_format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format=file_format)
    return file.getvalue()


def encoded(pixels: np.ndarray = RETINA) -> str:
    return base64.b64encode(file_bytes(pixels)).decode()


def answer(model: FundusModel, *images: Any) -> list[dict[str, Any]]:
    table = model.predict(context(BUNDLE), pd.DataFrame({"image": list(images)}, dtype=object))
    return list(table.to_dict("records"))


def decoded_mask(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def check_agrees(row: dict[str, Any], bundle: Path, picture: Any = RETINA) -> None:
    """A row, also one that went through JSON, says what the Predictor says."""
    prediction = Predictor(bundle, explain=[])(picture)
    for disease, score in prediction.scores.items():
        assert row[f"score_{disease}"] == pytest.approx(score, abs=1e-6)
        assert row[f"percentile_{disease}"] == pytest.approx(prediction.percentiles[disease], abs=1e-3)
    for name, value in prediction.measures.items():
        assert row[name] == (None if value is None else pytest.approx(value, rel=1e-3))
    assert row["warnings"] == " ".join(prediction.warnings)
    mask = decoded_mask(row["vessel_mask"])
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) == {0, 255}
    # Another process may round the last digit of a probability at the threshold otherwise.
    assert (mask != prediction.vessel_mask * 255).mean() < 1e-3
    assert row["error"] is None


def test_registered_model_says_what_the_predictor_says(loaded: PyFuncModel, bundle: Path) -> None:
    table = loaded.predict(pd.DataFrame({"image": [encoded()]}))
    check_agrees(table.to_dict("records")[0], bundle)


def test_refused_photograph_leaves_the_other_rows_and_the_index_alone(loaded: PyFuncModel, bundle: Path) -> None:
    astronaut = encoded(skimage.data.astronaut())
    table = loaded.predict(pd.DataFrame({"image": [astronaut, encoded()]}, index=[7, 3]))
    assert list(table.index) == [7, 3]
    refused, accepted = table.to_dict("records")
    assert "fundus" in refused.pop("error")
    assert set(refused.values()) == {None}
    check_agrees(accepted, bundle)


def test_columns_and_types_are_those_of_the_signature(logged: ModelInfo, model: FundusModel) -> None:
    signature = logged.signature
    assert signature is not None
    (row,) = answer(model, encoded())
    types = {"double": float, "long": int, "string": str}
    for column in signature.outputs.to_dict():
        value = row.pop(column["name"])
        assert not column["required"]
        assert value is None or type(value) is types[column["type"]], column
    assert row == {}
    assert [(column.name, str(column.type)) for column in signature.inputs.inputs] == [("image", "DataType.string")]


@pytest.mark.slow
def test_command_line_predicts_json(logged: ModelInfo, uri: str, bundle: Path, tmp_path: Path) -> None:
    table = pd.DataFrame({"image": ["no picture", encoded()]})
    question, reply = tmp_path / "input.json", tmp_path / "output.json"
    question.write_text(json.dumps({"dataframe_split": table.to_dict("split")}))
    options = ["-m", "models:/fundus/1", "-i", question, "-o", reply, "--env-manager", "local"]
    run = subprocess.run(
        [sys.executable, "-m", "mlflow", "models", "predict", *map(str, options)],
        env={**os.environ, "MLFLOW_TRACKING_URI": uri},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    check_reply(reply, bundle)


def test_csv_is_predicted(
    logged: ModelInfo, uri: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the function behind ``mlflow models predict -t csv``, in this process."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setattr(sys, "path", list(sys.path))
    question, reply = tmp_path / "input.csv", tmp_path / "output.json"
    pd.DataFrame({"image": ["no picture", encoded()]}).to_csv(question, index=False)
    mlflow.models.predict("models:/fundus/1", None, str(question), "csv", str(reply), env_manager="local")
    check_reply(reply, bundle)


def check_reply(reply: Path, bundle: Path) -> None:
    """The file holds strict JSON, which knows no NaN: a refused and a predicted photograph."""
    refused, accepted = json.loads(reply.read_text(), parse_constant=pytest.fail)["predictions"]
    assert "is no base64" in refused["error"]
    check_agrees(accepted, bundle)


def test_store_holds_what_a_prediction_needs_and_no_more(logged: ModelInfo, uri: str) -> None:
    client = MlflowClient(uri)
    assert client.get_experiment_by_name("vmnet").artifact_location.endswith("new/mlruns")  # type: ignore[union-attr]
    folder = Path(client.get_logged_model(logged.model_id).artifact_location.removeprefix("file://"))
    files = sorted(str(path.relative_to(folder)) for path in (folder / "artifacts").rglob("*") if path.is_file())
    assert files == [
        "artifacts/bundle/configs/inference.json",
        "artifacts/bundle/configs/metadata.json",
        "artifacts/bundle/models/model.pt",
        "artifacts/bundle/models/operating_point.json",
    ]
    assert (folder / "code/vmnet_monai/reports/html/templates").is_dir()
    assert not (folder / "code/vmnet_monai/bundle").exists(), "the weights travel once, as an artifact"
    assert not list(folder.rglob("*.pyc"))
    assert not list(folder.rglob("*.pkl"))
    requirements = (folder / "requirements.txt").read_text()
    assert "torch<2.14,>=2.8" in requirements
    assert "vmnet" not in requirements
    assert "pytest" not in requirements


def test_versions_and_intended_use_travel_with_the_model(logged: ModelInfo, bundle: Path) -> None:
    metadata = logged.metadata
    assert metadata is not None
    assert metadata["model_version"] == hashlib.sha256((bundle / "models/model.pt").read_bytes()).hexdigest()[:12]
    assert len(metadata["thresholds_version"]) == 12
    assert metadata["intended_use"].startswith("Research only. Not a medical device")
    assert metadata["version"] == json.loads((BUNDLE / "configs/metadata.json").read_text())["version"]


def test_weights_of_a_training_replace_those_of_the_bundle(bundle: Path, uri: str, tmp_path: Path) -> None:
    shutil.copytree(bundle / "models", tmp_path / "models")
    set_thresholds(tmp_path / "models", disease_thresholds=[0.25, 0.75])
    info = log_model(bundle, tmp_path / "models", tracking_uri=uri, experiment="clinic")
    (folder,) = Path(uri.removeprefix("sqlite:///")).parent.glob(f"mlruns/models/{info.model_id}/artifacts/artifacts")
    assert json.loads((folder / "bundle/models/operating_point.json").read_text())["disease_thresholds"] == [0.25, 0.75]
    assert MlflowClient(uri).search_registered_models(filter_string="name = 'clinic'") == []


def test_a_given_store_wins_over_the_environment_variable_which_is_left_as_it_was(
    bundle: Path, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: ModelInfo
) -> None:
    assert "MLFLOW_TRACKING_URI" not in os.environ
    other = f"sqlite:///{tmp_path / 'other.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other)
    info = log_model(bundle, tracking_uri=uri)
    assert not (tmp_path / "other.db").exists()
    assert MlflowClient(uri).get_logged_model(info.model_id).name == "vmnet"
    assert os.environ["MLFLOW_TRACKING_URI"] == other


def test_without_a_given_store_the_environment_variable_names_it(
    bundle: Path, uri: str, monkeypatch: pytest.MonkeyPatch, logged: ModelInfo
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert MlflowClient(uri).get_logged_model(log_model(bundle).model_id).name == "vmnet"


def test_folder_without_weights_is_refused_before_anything_is_logged(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model\.pt.*model_dir"):
        log_model(bundle, tmp_path, tracking_uri=f"sqlite:///{tmp_path / 'mlruns.db'}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "data:image/png;base64," + encoded(),
        "data:image/vnd.x.y;base64," + encoded(),
        base64.encodebytes(file_bytes(RETINA)).decode(),
    ],
    ids=["data URL", "data URL with full stops", "lines"],
)
def test_usual_spellings_of_base64_are_read(text: str, model: FundusModel) -> None:
    assert answer(model, text) == answer(model, encoded())


def test_simultaneous_requests_get_their_own_answers(model: FundusModel) -> None:
    images = [encoded(), "no picture", encoded(RETINA[:, ::-1])] * 2
    with ThreadPoolExecutor(3) as threads:
        rows = [row for (row,) in threads.map(lambda image: answer(model, image), images)]
    assert rows[:3] == rows[3:] == answer(model, *images[:3])
    assert rows[0]["vessel_mask"] != rows[2]["vessel_mask"]


def test_jpeg_that_begins_like_an_absolute_path_is_no_path(model: FundusModel) -> None:
    text = base64.b64encode(file_bytes(RETINA, "JPEG")).decode()
    assert text.startswith("/9j/")
    assert answer(model, text)[0]["error"] is None


def test_paths_below_the_allowed_folder_are_read(
    model: FundusModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMNET_IMAGE_DIR", str(tmp_path))
    (tmp_path / "eyes").mkdir()
    (tmp_path / "eyes/left.png").write_bytes(file_bytes(RETINA))
    (tmp_path / "IM0001").write_bytes(file_bytes(RETINA))
    expected = answer(model, encoded())[0]
    for row in answer(model, "eyes/left.png", str(tmp_path / "eyes/left.png"), "./IM0001"):
        assert row == expected


def test_no_other_path_is_read(model: FundusModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed, secret = tmp_path / "allowed", tmp_path / "secret.png"
    allowed.mkdir()
    secret.write_bytes(file_bytes(RETINA))
    (allowed / "link.png").symlink_to(secret)
    monkeypatch.delenv("VMNET_IMAGE_DIR", raising=False)
    assert "VMNET_IMAGE_DIR names" in answer(model, str(secret))[0]["error"]
    monkeypatch.setenv("VMNET_IMAGE_DIR", str(allowed))
    for row in answer(model, str(secret), "../secret.png", "link.png", "../secret.png?slice=0"):
        assert "lies outside the folder of VMNET_IMAGE_DIR" in row["error"]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "image is blank"),
        (float("nan"), "image is blank"),
        ("  ", "image is blank"),
        ("retina", r"is no base64 .*must hold a full stop"),
        ("bm9waWN0dXJl", "photograph: the file is no image"),
        (encoded(np.zeros((100, 100, 3), np.uint8)), "the photograph is dark"),
        (base64.b64encode(file_bytes(RETINA)[:5000]).decode(), "photograph: the file is damaged"),
        ("missing.png", "^missing.png: the file does not exist"),
        ("missing.mhd?slice=1", "^missing.mhd"),
        ("a" * 5000 + ".png", "cannot be opened"),
        ("null\0.png", "null"),
    ],
)
def test_what_is_no_photograph_is_refused_with_the_reason_and_no_path(
    image: Any, message: str, model: FundusModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMNET_IMAGE_DIR", str(tmp_path))
    (row,) = answer(model, image)
    assert re.search(message, row["error"])
    assert "/tmp" not in row["error"]


@pytest.mark.parametrize("data", ["/etc/passwd", "../passwd", "passwd"])
def test_header_of_a_volume_gives_no_other_file(
    data: str, model: FundusModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "allowed folder"
    folder.mkdir()
    (tmp_path / "passwd").write_bytes(bytes(24))
    (folder / "passwd").symlink_to("/etc/passwd")
    (folder / "v.mhd").write_text(
        f"ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementType = MET_UCHAR\nElementDataFile = {data}\n"
    )
    monkeypatch.setenv("VMNET_IMAGE_DIR", str(folder))
    (row,) = answer(model, "v.mhd?slice=0")
    assert re.fullmatch(r"v\.mhd\?slice=0: v\.mhd must name one data file that lies beside it.*", row["error"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/srv/a b/eyes/x.mhd?slice=0: the voxels of /srv/a b/eyes/x.mhd", "x.mhd?slice=0: the voxels of x.mhd"),
        ("no such file '/opt/model/data/model.pt': PNG/JPEG, 1 / 2", "no such file 'model.pt': PNG/JPEG, 1 / 2"),
        ("/srv/a b: the folder", ": the folder"),
        ("C:\\data\\eyes\\x.png is damaged", "x.png is damaged"),
    ],
)
def test_message_names_no_folder_of_the_server(text: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMNET_IMAGE_DIR", "/srv/a b")
    assert _without_folders(text, "/srv/a b/eyes") == expected


def test_input_example_is_small_and_is_predicted(model: FundusModel) -> None:
    (text,) = input_example()["image"]
    picture = Image.open(io.BytesIO(base64.b64decode(text)))
    assert (picture.format, picture.size) == ("JPEG", (512, 512))
    assert answer(model, text)[0]["error"] is None


def test_dicom_is_read_and_its_patient_is_named_nowhere(
    model: FundusModel,
    bundle: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    person = {"patient_name": PATIENT, "patient_id": PATIENT_ID}
    whole = save(retina_dataset(**person), tmp_path / "whole.dcm").read_bytes()
    other = save(retina_dataset(**person, Modality="DOE"), tmp_path / "other.dcm").read_bytes()
    caplog.set_level("DEBUG")
    files = (whole, whole[: len(whole) // 2], other)
    rows = answer(model, *(base64.b64encode(content).decode() for content in files))
    assert [row["error"] is None for row in rows] == [True, False, False]
    check_agrees(rows[0], bundle, tmp_path / "whole.dcm")
    assert Image.open(io.BytesIO(base64.b64decode(rows[0].pop("vessel_mask")))).info == {}
    said = " ".join([json.dumps(rows), caplog.text, *capfd.readouterr(), *(str(one.message) for one in recwarn)])
    assert not [secret for secret in ("Doe", "DOE", "Jane", PATIENT_ID) if secret in said]
