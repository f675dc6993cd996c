"""Each runtime says what PyTorch says, from Python and over folders, and what cannot be right is refused."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skimage.data
import torch
from PIL import Image
from small_bundle import SIZE_PX, small_bundle

from vmnet_monai import Prediction, Predictor
from vmnet_monai.calibration.operating_point import weights_version
from vmnet_monai.explain import heat_maps
from vmnet_monai.export import export_models
from vmnet_monai.inference.exports import TOLERANCE
from vmnet_monai.inference.run import predict_folder
from vmnet_monai.inference.runtimes import EXPORTED, RUNTIMES, open_runtime, openvino_core
from vmnet_monai.reports.record import Record

RETINA = np.ascontiguousarray(skimage.data.retina()[::4, ::4])
IMAGES = {"report": False, "explain": "all"}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A bundle with exports in its models, and the table of the export."""
    bundle = small_bundle(tmp_path_factory.mktemp("bundle"))
    return bundle, export_models(bundle, images=[RETINA, RETINA[:, ::-1]])


@pytest.fixture(scope="module")
def bundle(exported: tuple[Path, pd.DataFrame]) -> Path:
    return exported[0]


@pytest.fixture(scope="module")
def reference(bundle: Path) -> Prediction:
    return Predictor(bundle, explain="all")(RETINA)


def same(prediction: Prediction, reference: Prediction) -> None:
    """Probabilities within the tolerance, and masks wherever the probability keeps that far from the threshold 0.5."""
    assert prediction.scores == pytest.approx(reference.scores, abs=TOLERANCE)
    np.testing.assert_allclose(prediction.vessel_probability, reference.vessel_probability, atol=TOLERANCE)
    certain = np.abs(reference.vessel_probability - 0.5) > 2 * TOLERANCE
    np.testing.assert_array_equal(prediction.vessel_mask[certain], reference.vessel_mask[certain])


def test_export_measures_every_runtime_beside_pytorch(exported: tuple[Path, pd.DataFrame]) -> None:
    bundle, table = exported
    assert list(table["runtime"]) == list(RUNTIMES)
    assert (table["remark"] == "").all()
    assert list(table["file"]) == [str(bundle / "models" / name) for name in ("model.pt", *EXPORTED.values())]
    assert (table[["structure_difference", "disease_difference"]] <= TOLERANCE).all(axis=None)
    assert list(table.loc[0, ["structure_difference", "disease_difference", "mask_pixels"]]) == [0, 0, 0]
    bytes_of = {path.name: path.stat().st_size for path in (bundle / "models").iterdir()}
    assert table["size_ratio"][3] == (bytes_of["model.xml"] + bytes_of["model.bin"]) / bytes_of["model.pt"]
    assert list(table["seconds_ratio"]) == [seconds / table["seconds"][0] for seconds in table["seconds"]]


@pytest.mark.parametrize("runtime", EXPORTED)
def test_predictor_says_the_same_with_each_runtime(runtime: str, bundle: Path, reference: Prediction) -> None:
    """Heat maps come from PyTorch with the same weights, so they are equal to the last digit."""
    prediction = Predictor(bundle, runtime=runtime, explain="all")(RETINA)
    same(prediction, reference)
    for disease, heat in reference.heat_maps.items():
        np.testing.assert_array_equal(prediction.heat_maps[disease], heat)


def test_occlusion_is_that_of_pytorch_too(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network behind it has the weights of the TorchScript file; few patches, because they take long."""
    monkeypatch.setattr(heat_maps, "PATCHES_ACROSS", 2)
    first, second = (
        Predictor(path, explain=["glaucoma"], cam_method="occlusion")(RETINA).heat_maps["glaucoma"]
        for path in (bundle, bundle / "models/model.ts")
    )
    assert first.any()
    np.testing.assert_array_equal(first, second)


def predict_several(bundle: Path, runtime: str) -> list[Prediction]:
    return Predictor(bundle, runtime=runtime, batch_size=3, flips=True, explain=[])([RETINA, RETINA[::-1], RETINA])


@pytest.fixture(scope="module")
def references(bundle: Path) -> list[Prediction]:
    return predict_several(bundle, "torch")


@pytest.mark.parametrize("runtime", EXPORTED)
def test_several_photographs_at_once_and_mirror_images_too(
    runtime: str, bundle: Path, references: list[Prediction]
) -> None:
    for prediction, reference in zip(predict_several(bundle, runtime), references, strict=True):
        same(prediction, reference)


def test_a_folder_gives_the_same_with_each_runtime_and_is_predicted_anew_with_another(
    bundle: Path, tmp_path: Path
) -> None:
    Image.fromarray(RETINA).save(tmp_path / "eye.png")
    tables, maps = [], []
    for runtime in RUNTIMES:
        manifest = predict_folder([tmp_path / "eye.png"], tmp_path / "out", bundle, runtime=runtime, **IMAGES)
        assert manifest.done_before == 0
        assert [record.status for record in manifest.ordered()] == ["ok"]
        tables.append(pd.read_csv(tmp_path / "out/predictions.csv"))
        maps.append((tmp_path / "out/cam/eye_glaucoma.png").read_bytes())
    again = predict_folder([tmp_path / "eye.png"], tmp_path / "out", bundle, runtime=RUNTIMES[-1], **IMAGES)
    assert again.done_before == 1
    for table in tables[1:]:
        for column in ("score_normal", "score_glaucoma"):
            np.testing.assert_allclose(table[column], tables[0][column], atol=TOLERANCE)
    assert maps[1:] == maps[:-1]


def test_torchscript_file_needs_no_bundle(bundle: Path, reference: Prediction, tmp_path: Path) -> None:
    alone = Path(shutil.copy(bundle / "models/model.ts", tmp_path / "elsewhere.ts"))
    same(Predictor(alone, explain="all")(RETINA), reference)
    in_pytorch = Predictor(str(alone), runtime="torch", explain="all")(RETINA)
    np.testing.assert_array_equal(in_pytorch.heat_maps["glaucoma"], reference.heat_maps["glaucoma"])

    Image.fromarray(RETINA).save(tmp_path / "eye.png")
    manifest = predict_folder([tmp_path / "eye.png"], tmp_path / "out", alone, **IMAGES)
    (record,) = manifest.ordered()
    assert isinstance(record, Record)
    assert record.made_from["runtime"] == "torchscript"
    assert record.model_version == weights_version(bundle / "models")
    assert (tmp_path / "out/cam/eye_glaucoma.png").exists()


def test_torchscript_computes_in_float32_where_the_caller_computes_in_bfloat16(bundle: Path) -> None:
    opened = open_runtime("torchscript", bundle / "models", torch.nn.Identity())
    image = torch.rand(1, 3, SIZE_PX, SIZE_PX)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        inside = opened(image)
    with torch.no_grad():
        outside = opened(image)
    for name, logits in outside.items():
        torch.testing.assert_close(inside[name], logits, rtol=0, atol=0)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_network_behind_the_heat_maps_is_set_to_evaluation(runtime: str, bundle: Path) -> None:
    network = torch.nn.Dropout().train()
    assert not open_runtime(runtime, bundle / "models", network).training
    assert not network.training


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_another_grid_is_refused(runtime: str, bundle: Path) -> None:
    opened = open_runtime(runtime, bundle / "models", torch.nn.Identity())
    with pytest.raises(ValueError, match=r"\(256, 256\).*\(64, 64\).* torch"):
        opened(torch.rand(1, 3, 64, 64))


@pytest.mark.parametrize("runtime", EXPORTED)
def test_an_export_of_other_weights_is_refused(runtime: str, bundle: Path, tmp_path: Path) -> None:
    for path in (bundle / "models").glob("model.*"):
        shutil.copy(path, tmp_path)
    (tmp_path / "model.pt").write_bytes(b"other weights")
    with pytest.raises(ValueError, match=rf"other weights.*model\.pt.*`vmnet export --runtimes {runtime}`"):
        open_runtime(runtime, tmp_path, torch.nn.Identity())


@pytest.mark.parametrize("runtime", EXPORTED)
def test_a_network_that_was_not_exported_is_told_how(runtime: str, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"model.*`vmnet export --runtimes {runtime}"):
        Predictor(bundle, runtime=runtime)


@pytest.mark.parametrize(("runtime", "package"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_a_missing_package_is_named(runtime: str, package: str, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf'{package}.*`pip install "vmnet_monai\[runtimes\]"`'):
        Predictor(bundle, runtime=runtime)


def test_unknown_runtime_is_refused(bundle: Path) -> None:
    with pytest.raises(ValueError, match="torch, torchscript, onnx, openvino.*'tensorrt'"):
        Predictor(bundle, runtime="tensorrt")


def test_openvino_stays_loaded_until_the_process_ends() -> None:
    """A core that goes takes its plugins along, and threads that have used them crash as they end."""
    pytest.importorskip("openvino")
    assert openvino_core() is openvino_core()
