"""The comparison of all systems, in small, on phantoms."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import IO, Any

import pandas as pd
import pytest
from in_process import run_module

from vmnet_monai.datasets.phantom import write_phantoms

ROOT = Path(__file__).parents[3]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.chdir(ROOT)
    import systems

    return systems


def test_listed_systems_have_the_overlays_that_are_named(program: ModuleType) -> None:
    plan = json.loads(Path(program.PLAN).read_text())
    assert next(iter(plan["systems"])) == program.cost.REFERENCE
    named = [file for own in plan["systems"].values() for file in own]
    assert [file for file in [*plan["before"], *named, *plan["after"]] if not (ROOT / file).is_file()] == []
    networks = {path.relative_to(ROOT).as_posix() for path in (ROOT / "configs/networks").rglob("*.json")}
    assert networks == set(named)


def run_here(command: Sequence[str], stdout: IO[str], **_: Any) -> SimpleNamespace:
    """Do what ``subprocess.run`` does with a module of Python, in this process, which has imported PyTorch."""
    with redirect_stdout(stdout):
        run_module(command[2:])
    return SimpleNamespace(returncode=0)


@pytest.mark.slow
def test_systems_are_trained_scored_and_costed_once(
    program: ModuleType, output_folder: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "subprocess", SimpleNamespace(run=run_here, STDOUT=subprocess.STDOUT))
    # The memory is measured in test_cost.
    monkeypatch.setattr(program.cost, "_memory_growths_mib", lambda systems: [1.0] * len(systems))
    small = {"grid_size": 64, "crop_size": 64, "disease_size": 64, "batch_size": 4, "max_epochs": 1, "val_interval": 1}
    (tmp_path / "small.json").write_text(json.dumps(small))
    network = {
        "network_def#encoder": {"_target_": "vmnet_monai.networks.UNetEncoder", "features": [4, 8]},
        **{"network_def#decoder_channels": [4], "network_def#guide_channels": [4, 4], "network_def#guided_levels": 1},
        "network_def#shared_stages": None,
        "pretrained": False,
    }
    (tmp_path / "network.json").write_text(json.dumps(network))
    plan = {
        "before": ["bundles/vmnet/configs/train.json"],
        "systems": {"V-MNet": [f"{tmp_path}/network.json"]},
        "after": [f"{tmp_path}/small.json"],
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    write_phantoms(tmp_path / "phantoms", count=24, size_px=64)
    settings = {"dataset_dir": f"{tmp_path}/phantoms", "device": "cpu", "repeats": 1, "min_count": 1}
    output = str(tmp_path / "output")
    output_folder(tmp_path / "output/v-mnet_0")
    text = program.systems(output, str(tmp_path / "plan.json"), **settings)

    scores, costs = (pd.read_csv(tmp_path / "output" / name) for name in ("scores.csv", "costs.csv"))
    assert set(scores["system"]) == set(costs["system"]) == {"V-MNet"}
    assert {"vessel_dice", "vessel_auc", "vessel_cldice", "within_source_auc"} <= set(scores["score"])
    dice = scores[scores["score"] == "vessel_dice"].set_index("system")["mean"]
    photographs = pd.read_csv(tmp_path / "output/v-mnet_0/metrics.csv")
    assert dice["V-MNet"] == pytest.approx(photographs["vessel_inside_fov_dice"].mean())
    assert f"| V-MNet | {dice['V-MNet']:.3f} |" in text
    assert not (tmp_path / "output/v-mnet_0/checkpoints").exists()

    written = (tmp_path / "output/v-mnet_0/models/model.pt").stat().st_mtime_ns
    monkeypatch.setattr(program, "_costs", lambda *_: costs)
    program.systems(output, str(tmp_path / "plan.json"), **settings)
    assert (tmp_path / "output/v-mnet_0/models/model.pt").stat().st_mtime_ns == written


def test_failed_training_names_its_log(program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of MONAI's bundle runs a program that fails at once."""
    stand_in = tmp_path / "monai/bundle"
    stand_in.mkdir(parents=True)
    for package in (stand_in.parent, stand_in):
        (package / "__init__.py").touch()
    (stand_in / "__main__.py").write_text("import sys; sys.exit(f'no such dataset: {sys.argv[1:]}')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    plan = {"before": ["bundles/vmnet/configs/train.json"], "systems": {"V-MNet": []}, "after": []}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(RuntimeError, match=r"exit code 1.*v-mnet_0/training\.log"):
        program.systems(str(tmp_path), str(tmp_path / "plan.json"), dataset_name="unknown")
    log = (tmp_path / "v-mnet_0/training.log").read_text()
    for word in ("no such dataset", "'run', 'training'", "--dataset_name', 'unknown'"):
        assert word in log
