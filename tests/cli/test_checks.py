"""What is wrong with paths, names and options is told at once, in a line, and before PyTorch is imported."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path

import pytest
from bundle_configs import ROOT

from vmnet_monai import cli
from vmnet_monai.cli import checks

HEAVY = ("torch", "monai", "mlflow", "pandas")

WRONG = {
    "predict gone.png --output out": "gone.png: no such file",
    "predict photo.png --output out --bundle gone": "gone is no bundle",
    "predict photo.png --output photo.png/out": "photo.png is a file",
    "predict photo.png --output out --model-dir gone": "gone/operating_point.json is missing",
    "predict photo.png --output out --model-dir empty": "empty/model.pt is empty",
    "predict photo.png --output out --threshold _target_=0.5": "one of vessel, artery,",
    "predict photo.png --output out --explain keratoconus": "got keratoconus",
    "predict photo.png --output out --runtime onnx --model-dir empty": "empty",
    "predict photo.png --output out --engine ray --runtime auto": "need one runtime",
    "train --bundle gone": "gone/configs/train.json is missing",
    "train --overlay gone.json": "gone.json is missing",
    "train --overlay photo.json": "photo.json must hold JSON",
    "train --set grid_sise=3": "did you mean grid_size?",
    "train --set grid_size": "KEY=VALUE",
    "train --dataset hrf --dataset-dir gone": "dataset hrf must exist, and gone does not",
    "train --output photo.png": "photo.png is a file",
    "evaluate --model-dir gone": "gone/operating_point.json is missing",
    "operating-point --pretrained gone.pt": "gone.pt are missing",
    "calibrate gone.csv --output out": "gone.csv: no such file",
    "calibrate photo.json --output photo.png": "photo.png is a file",
    "predict photo.png --output out --calibration gone.json": "gone.json: no such file",
    "compare --reference a=gone": "gone/metrics.csv is missing",
    "export gone.png": "gone.png: no such file",
    "export --runtimes tensorrt": "one of torchscript, onnx, openvino, got 'tensorrt'",
    "export --bundle gone": "gone is no bundle",
    "log-model --model-dir gone": "gone/operating_point.json is missing",
}
"""Commands that cannot run, and what is said of them."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photo.png").touch()
    (tmp_path / "photo.json").write_text("{")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/operating_point.json").write_text("{}")
    (tmp_path / "empty/model.pt").touch()
    return tmp_path


def test_no_command_imports_pytorch_to_say_what_is_wrong(folder: Path) -> None:
    code = f"""
import json, sys
from vmnet_monai import cli
for words in {list(WRONG)}:
    print("#", words, file=sys.stderr)
    assert cli.main(words.split()) == cli.CANNOT_RUN, words
print(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == []
    told = [block.splitlines() for block in run.stderr.split("# ")[1:]]
    assert {words: len(lines) for words, *lines in told} == dict.fromkeys(WRONG, 1)
    for words, line in told:
        assert line.startswith("error: "), words
        assert WRONG[words] in line, line


def test_each_part_that_takes_time_is_announced_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        with checks.loading("Training"):
            pass
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Training: loading")


def test_garbage_is_looked_for_again_when_all_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_for, frozen = [], []
    monkeypatch.setattr(checks.gc, "freeze", lambda: frozen.append(gc.isenabled()))
    monkeypatch.setitem(sys.modules, "torch", checks)
    with checks.loading("Training"):
        looked_for.append(gc.isenabled())
    monkeypatch.delitem(sys.modules, "torch")
    with pytest.raises(ImportError), checks.loading("Training"):
        looked_for.append(gc.isenabled())
        raise ImportError
    assert looked_for == [True, False], "what is loaded already takes no time"
    assert gc.isenabled() and frozen == [False]


def test_what_could_be_right_is_left_to_the_part_that_uses_it(folder: Path) -> None:
    checks.check_inputs(["gone.png", str(folder / "photo.png")])
    checks.check_inputs([f"{folder}/photo.png?slice=3"])
    checks.check_inputs(["memory://archive/gone.jpg"])
    checks.check_output(str(folder / "new/folder"))
    checks.check_datasets([], [str(folder)])
    checks.check_datasets(["phantom"], ["gone"])
    point = checks.check_model(cli_bundle(), None)
    checks.check_names(point, ["vessel", "amd"], ["positive"])
    checks.check_names({}, ["anything"], ["anything"])
    checks.check_keys([cli_bundle() / "configs/train.json"], [], ["train::sampler::balance", "pictures"])
    for damaged in ("", "[]", "[" * 100_000):
        (folder / "empty/model.pt").write_bytes(b"weights")
        (folder / "empty/operating_point.json").write_text(damaged or " ")
        assert checks.check_model(cli_bundle(), str(folder / "empty")) == {}


def test_buckets_are_read_and_not_written() -> None:
    with pytest.raises(ValueError, match="s4://archive"):
        checks.check_inputs(["s4://archive"])
    with pytest.raises(ValueError, match="memory://out is in a bucket: name a folder"):
        checks.check_output("memory://out")


def cli_bundle() -> Path:
    return checks.check_bundle(None)


def test_an_export_stands_for_a_bundle(folder: Path) -> None:
    assert checks.check_bundle(str(folder / "photo.png"), or_file=True) == folder / "photo.png"
    assert checks.check_model(folder / "photo.png", None) == {}
    assert cli.main(["bundle-path"]) == cli.OK
