"""What is exported, what travels with it, and when nothing is written; that the runtimes agree is in test_runtimes."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import skimage.data
import torch
from monai.data import load_net_with_metadata
from small_bundle import SIZE_PX, small_bundle
from tqdm import tqdm

from vmnet_monai import Prediction, Predictor, export
from vmnet_monai.calibration.operating_point import OperatingPoint, network_settings
from vmnet_monai.export import export_models
from vmnet_monai.networks import SingleTask, SlidingWindows
from vmnet_monai.reports.record import DiseaseFinding

RETINA = np.ascontiguousarray(skimage.data.retina()[::4, ::4])


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "WARM_UP", 0)
    monkeypatch.setattr(export, "REPEATS", 1)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return small_bundle(tmp_path / "bundle")


def test_torchscript_brings_config_metadata_and_operating_point(bundle: Path, tmp_path: Path) -> None:
    (bundle / "configs/metadata.json").write_text('{"version": "1.2.3"}')
    export_models(bundle, tmp_path / "new/folder", runtimes=["torchscript"], images=[RETINA])
    names = ["inference.json", "operating_point.json"]
    _, metadata, extras = load_net_with_metadata(str(tmp_path / "new/folder/model.ts"), more_extra_files=names)
    assert metadata == {"version": "1.2.3"}
    assert json.loads(extras["inference.json"]) == json.loads((bundle / "configs/inference.json").read_text())
    assert json.loads(extras["operating_point.json"]) == json.loads(
        (bundle / "models/operating_point.json").read_text()
    )
    assert [path.name for path in (tmp_path / "new/folder").iterdir()] == ["model.ts"]


def test_onnx_alone_tells_the_names_of_its_outputs_and_labels(bundle: Path, tmp_path: Path) -> None:
    export_models(bundle, tmp_path / "new", runtimes=["onnx"], images=[RETINA])
    session = onnxruntime.InferenceSession(tmp_path / "new/model.onnx", providers=["CPUExecutionProvider"])
    point = json.loads(session.get_modelmeta().custom_metadata_map["operating_point.json"])
    expected = OperatingPoint.load(bundle / "models")
    assert point["diseases"] == list(expected.diseases)
    assert [output.name for output in session.get_outputs()] == [*expected.structures, "disease"]


@pytest.mark.parametrize("runtimes", [["torchscript"], ["openvino"]])
def test_a_bar_shows_from_the_start_how_far_the_export_is(
    bundle: Path,
    tmp_path: Path,
    runtimes: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    bars = []
    monkeypatch.setattr("vmnet_monai.export.tqdm", lambda **settings: bars.append(tqdm(**settings)) or bars[-1])
    export_models(bundle, tmp_path / "new", runtimes=runtimes, images=[RETINA, RETINA])
    assert "Exporting:   0%" in capfd.readouterr().err
    (bar,) = bars
    assert bar.n == bar.total


def test_weights_of_another_folder_are_exported_into_it(bundle: Path, tmp_path: Path) -> None:
    models = (bundle / "models").rename(tmp_path / "models of a training")
    export_models(bundle, model_dir=models, runtimes=["torchscript"], images=[RETINA])
    assert Predictor(bundle, model_dir=str(models), runtime="torchscript", explain=[])(RETINA).scores["normal"] > 0


def test_a_network_of_an_overlay_that_cannot_be_scripted_is_traced(bundle: Path, tmp_path: Path) -> None:
    """It segments in windows and has no disease head, whose difference is therefore unknown."""
    convolution = {"in_channels": 3, "out_channels": 1, "kernel_size": 3, "padding": 1}
    network = SingleTask(SlidingWindows(torch.nn.Conv2d(**convolution), SIZE_PX // 2), "segmentation")
    torch.save(network.state_dict(), bundle / "models/model.pt")
    point = OperatingPoint.load(small_bundle(tmp_path / "other") / "models")
    dataclasses.replace(point, network=network_settings(network)).save(bundle / "models")
    windows = {
        "_target_": "vmnet_monai.networks.SlidingWindows",
        "network": {"_target_": "torch.nn.Conv2d", **convolution},
        "window_size": SIZE_PX // 2,
    }
    single_task = {"_target_": "vmnet_monai.networks.SingleTask", "task": "segmentation", "network": windows}
    overlay = tmp_path / "overlay.json"
    overlay.write_text(json.dumps({"network_def": single_task}))

    table = export_models(bundle, runtimes=["torchscript"], images=[RETINA], overlays=[overlay])
    assert table["structure_difference"][1] < 1e-6
    assert np.isnan(table["disease_difference"][1])
    alone = Predictor(bundle / "models/model.ts")(RETINA)
    reference = Predictor(bundle, [overlay])(RETINA)
    np.testing.assert_allclose(alone.vessel_probability, reference.vessel_probability, atol=1e-6)


def test_nothing_is_written_where_an_export_differs_from_pytorch(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(ValueError, match="differs .* probability"):
        export_models(bundle, tmp_path / "out", runtimes=["torchscript"], images=[RETINA])
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_missing_is_the_largest_difference() -> None:
    """Of two pixels, both differ."""
    vessels = {"vessel": np.array([[0.0, 1.0]], dtype=np.float32)}
    finding = DiseaseFinding(disease="amd", score=0.5)
    reference = Prediction(
        "eye", vessels, {"vessel": vessels["vessel"] > 0.5}, [finding], {}, np.ones((1, 2), bool), {}, []
    )
    missing = dataclasses.replace(reference, structure_probabilities={}, structure_masks={}, findings=[])
    assert list(export._differences(missing, reference).values()) == [np.inf, np.inf, 2]


@pytest.mark.parametrize(
    ("values", "reference", "largest"),
    [
        ([0.1, 0.5], [0.1, 0.25], 0.25),
        ([np.nan, 0.5], [np.nan, 0.5], 0.0),
        ([np.nan, 0.5], [0.5, 0.5], np.inf),
        ([], [], np.nan),
    ],
)
def test_a_probability_that_is_missing_on_one_side_is_the_largest_difference(
    values: list[float], reference: list[float], largest: float
) -> None:
    np.testing.assert_equal(export._largest_difference(values, reference), largest)


def test_runtimes_without_package_are_left_out_with_the_reason_unless_asked_for(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("onnxruntime", "openvino"):
        monkeypatch.setitem(sys.modules, package, None)
    table = export_models(bundle, images=[RETINA]).set_index("runtime")
    assert list(table.index) == ["torch", "torchscript", "onnx", "openvino"]
    assert list(table["remark"] != "") == [False, False, True, True]
    assert "the package openvino: install it with `pip install" in table["remark"]["openvino"]
    assert {path.name for path in (bundle / "models").glob("model.*")} == {"model.pt", "model.ts"}
    with pytest.raises(ImportError, match="onnxruntime.*install"):
        export_models(bundle, runtimes=["torchscript", "onnx"])


def test_unknown_runtimes_are_refused(bundle: Path) -> None:
    with pytest.raises(ValueError, match="torchscript, onnx, openvino.*tensorrt, torch"):
        export_models(bundle, runtimes=["torch", "onnx", "tensorrt"])


def test_a_torchscript_file_of_another_tool_is_refused_with_the_way_out(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Identity()).save(str(tmp_path / "model.ts"))
    with pytest.raises(ValueError, match=r"operating_point\.json.*`vmnet export --runtimes torchscript`"):
        Predictor(tmp_path / "model.ts")


def test_a_file_that_is_no_torchscript_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "model.ts").write_text("text")
    with pytest.raises(ValueError, match=r"model\.ts.*`vmnet export`"):
        Predictor(tmp_path / "model.ts")
