"""The runtime ``auto`` takes what is fastest of those that agree, remembers it, and goes on with what was begun."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from small_bundle import small_bundle

from vmnet_monai import Predictor
from vmnet_monai.inference import runtime_choice
from vmnet_monai.inference.exports import TOLERANCE
from vmnet_monai.inference.ray_engine import predict_on_ray
from vmnet_monai.inference.run import predict_folder
from vmnet_monai.inference.runtime_choice import RuntimeChoice
from vmnet_monai.inference.runtimes import PACKAGES, ExportedNetwork
from vmnet_monai.reports.record import Record

RETINA = np.ascontiguousarray(skimage.data.retina()[::4, ::4])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache of this module's tests, so that the network is exported once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "vmnet_monai/runtimes"


class Clock:
    """Stands for the module ``time``; a photograph takes as long as it is told for PyTorch and for an export."""

    def __init__(self, torch: float, exported: float) -> None:
        self.now = 0.0
        self.torch = torch
        self.exported = exported

    def perf_counter(self) -> float:
        return self.now

    def predict(self, network: torch.nn.Module, _: torch.Tensor) -> None:
        self.now += self.exported if isinstance(network, ExportedNetwork) else self.torch


def measure_anew(cache: Path, patch: pytest.MonkeyPatch, clock: Clock) -> None:
    for path in cache.glob("*/measured-*.json"):
        path.unlink()
    patch.setattr(runtime_choice, "time", clock)
    patch.setattr(runtime_choice._Comparison, "_predict", clock.predict)


@pytest.fixture
def only_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_choice, "PACKAGES", {"onnx": PACKAGES["onnx"]})


def test_the_fastest_that_agrees_is_taken_remembered_and_recorded(
    bundle: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    measure_anew(cache, monkeypatch, Clock(torch=4.0, exported=1.0))
    prediction = Predictor(bundle, runtime="auto", explain="all")(RETINA)
    said = capfd.readouterr().err
    assert "Comparing the runtimes" in said
    (line,) = [line for line in said.splitlines() if line.startswith("Runtime ")]
    assert "onnx 0.25; openvino 0.25" in line
    taken = line.removeprefix("Runtime ").partition(":")[0]
    assert taken in PACKAGES

    monkeypatch.setattr(runtime_choice._Comparison, "_measure", None)  # is not called again
    Image.fromarray(RETINA).save(tmp_path / "eye.png")
    manifest = predict_folder([tmp_path / "eye.png"], tmp_path / "out", bundle, runtime="auto", report=False)
    (record,) = manifest.ordered()
    assert isinstance(record, Record)
    assert (record.made_from["runtime"], record.made_from["amp"]) == (taken, False)
    assert "Comparing" not in capfd.readouterr().err

    monkeypatch.undo()
    reference = Predictor(bundle, explain="all")(RETINA)
    assert prediction.scores == pytest.approx(reference.scores, abs=TOLERANCE)
    np.testing.assert_allclose(prediction.vessel_probability, reference.vessel_probability, atol=TOLERANCE)
    np.testing.assert_array_equal(prediction.heat_maps["glaucoma"], reference.heat_maps["glaucoma"])


@pytest.mark.usefixtures("only_onnx")
def test_pytorch_is_taken_where_it_is_fastest(
    bundle: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    measure_anew(cache, monkeypatch, Clock(torch=1.0, exported=2.0))
    assert not isinstance(Predictor(bundle, runtime="auto").network, ExportedNetwork)
    assert "Runtime torch: the fastest that agrees with PyTorch (onnx 2.00," in capfd.readouterr().err


@pytest.mark.usefixtures("only_onnx")
def test_what_differs_from_pytorch_is_not_taken_however_fast(
    bundle: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    measure_anew(cache, monkeypatch, Clock(torch=4.0, exported=1.0))
    monkeypatch.setattr(runtime_choice, "TOLERANCE", -1.0)
    assert not isinstance(Predictor(bundle, runtime="auto").network, ExportedNetwork)
    assert "onnx cannot be used, differs from PyTorch by" in capfd.readouterr().err


@pytest.mark.usefixtures("only_onnx")
def test_a_network_that_cannot_be_exported_runs_in_pytorch(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(runtime_choice, "write_exports", fail)
    assert not isinstance(Predictor(bundle, runtime="auto").network, ExportedNetwork)
    assert "onnx cannot be used, RuntimeError: no such operator" in capfd.readouterr().err


def test_nothing_else_happens_where_no_other_runtime_is_installed(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(runtime_choice, "find_spec", lambda name: None)
    assert not isinstance(Predictor(bundle, runtime="auto").network, ExportedNetwork)
    assert "Runtime torch: neither onnxruntime nor openvino is installed." in capfd.readouterr().err
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("only_onnx")
def test_a_cache_that_cannot_be_written_leaves_pytorch(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert not isinstance(Predictor(bundle, runtime="auto").network, ExportedNetwork)
    line = capfd.readouterr().err
    assert "Runtime torch" in line
    assert str(tmp_path / "file") in line


@pytest.mark.usefixtures("only_onnx")
def test_a_folder_goes_on_with_the_runtime_that_began_it(
    bundle: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(RETINA).save(tmp_path / "first.png")
    settings: dict[str, Any] = {"runtime": "auto", "report": False, "explain": []}
    measure_anew(cache, monkeypatch, Clock(torch=4.0, exported=1.0))
    predict_folder([tmp_path / "first.png"], tmp_path / "out", bundle, **settings)

    Image.fromarray(RETINA[::-1]).save(tmp_path / "second.png")
    measure_anew(cache, monkeypatch, Clock(torch=1.0, exported=4.0))
    capfd.readouterr()
    both = [tmp_path / "first.png", tmp_path / "second.png"]
    manifest = predict_folder(both, tmp_path / "out", bundle, **settings)
    assert manifest.done_before == 1
    assert [record.made_from["runtime"] for record in manifest.ordered() if isinstance(record, Record)] == ["onnx"] * 2
    assert f"Runtime onnx: the results in {tmp_path / 'out'} were begun with it." in capfd.readouterr().err

    assert predict_folder(both, tmp_path / "out", bundle, **settings, resume=False).done_before == 0
    assert "Runtime torch: the fastest" in capfd.readouterr().err
    monkeypatch.setattr(runtime_choice, "find_spec", lambda name: None)
    assert predict_folder(both, tmp_path / "out", bundle, **settings).done_before == 2


@pytest.mark.usefixtures("only_onnx")
def test_a_folder_that_was_begun_with_what_is_not_installed_here_is_refused(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_choice, "_begun_runtime", lambda *_: "onnx")
    monkeypatch.setattr(runtime_choice, "find_spec", lambda name: None)
    Image.fromarray(RETINA).save(tmp_path / "eye.png")
    with pytest.raises(ValueError, match=r"begun with the runtime onnx.*onnxruntime.*`--no-resume`"):
        predict_folder([tmp_path / "eye.png"], tmp_path / "out", bundle, runtime="auto")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("only_onnx")
def test_on_a_gpu_pytorch_runs(bundle: Path, capfd: pytest.CaptureFixture[str]) -> None:
    choice = runtime_choice.choose_runtime(
        "auto", bundle / "models", torch.nn.Identity(), None, None, grid_size=256, device="cuda:1"
    )
    assert choice == RuntimeChoice("torch", bundle / "models")
    assert "Runtime torch: the device is cuda:1." in capfd.readouterr().err


def test_two_at_once_measure_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = []
    begun = threading.Event()

    class Slow(runtime_choice._Comparison):
        def _measure(self, candidates: Any) -> dict[str, dict[str, float]]:
            begun.set()
            calls.append(candidates)
            return {"torch": {"seconds": 1.0}}

    explainer: Any = SimpleNamespace(explain=[], method="gradcam", layer="")
    (tmp_path / "model.pt").write_bytes(b"weights")
    both = [Slow(torch.nn.Identity(), SimpleNamespace(), explainer, 32, None, tmp_path) for _ in range(2)]
    found: list[Any] = []
    both[0].folder.mkdir(parents=True)
    with runtime_choice.FileLock(both[0].folder / ".lock"):
        threads = [threading.Thread(target=lambda one=one: found.append(one.remembered(["onnx"]))) for one in both]
        for thread in threads:
            thread.start()
        assert not begun.wait(0.1)
    for thread in threads:
        thread.join()
    assert found == [{"torch": {"seconds": 1.0}}] * 2
    assert calls == [["onnx"]]
    (kept,) = both[0].folder.glob("measured-*.json")
    assert json.loads(kept.read_text())["runtimes"] == found[0]


def test_on_ray_a_runtime_is_named(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"one runtime.*auto.*`vmnet export`"):
        predict_on_ray([tmp_path], tmp_path / "out", bundle, runtime="auto")
    assert not (tmp_path / "out").exists()
