"""The ablation runs what is missing, trains what it says, and finds a difference that was put there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ablation
import numpy as np
import pandas as pd
import pytest
import torch
from bundle_configs import SMALL_NETWORK
from knock_out import AS_TRAINED
from monai.bundle import ConfigParser

from vmnet_monai.datasets.phantom import write_phantoms

SMALL: dict[str, Any] = {
    **{"device": "cpu", "num_workers": 0, "pretrained": False, "network_def#encoder#pretrained": False},
    **{"dataset_name": "phantom", "structures": ["vessel", "disc"], "structure_parts": {}},
    **SMALL_NETWORK,
    **{"grid_size": 64, "disease_size": 32, "batch_size": 4, "max_epochs": 1, "val_interval": 1},
    "validate#metrics#val_auc#min_count": 1,
}


def drawn(gain: float, seed: int, maps: str = AS_TRAINED, patients: int = 150) -> pd.DataFrame:
    """Scores of two eyes of each patient, of whom half have the disease, which raises the score by ``gain``."""
    label = np.repeat(np.arange(patients) % 2, 2)
    eyes = np.random.default_rng(0).normal(size=2 * patients)
    logit = gain * label + eyes + 0.3 * np.random.default_rng([seed, int(1000 * (10 + gain))]).normal(size=2 * patients)
    return pd.DataFrame(
        {
            **{"maps": maps, "id": [str(eye) for eye in range(2 * patients)], "dataset": "drawn"},
            **{"patient": np.repeat(np.arange(patients), 2), "label_amd": label},
            "probability_amd": 1 / (1 + np.exp(-logit)),
        }
    )


def rows_of(table: str) -> dict[str, list[str]]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {row[0]: row[1:] for row in cells}


def test_report_finds_the_difference_that_was_drawn(tmp_path: Path) -> None:
    gains = {"none": 1.0, "gate_vessels": 1.0, "gate": 1.1, "concat": 1.6, "other_eye": 1.0}
    runs = {(arm, seed): drawn(gain, 10 * seed + len(arm)) for arm, gain in gains.items() for seed in range(5)}
    for seed in range(5):
        knocked_out = drawn(1.0, seed, "all maps zero")
        runs["concat", seed] = pd.concat([runs["concat", seed], knocked_out], ignore_index=True)
    arms, differences, knock_outs = ablation.report(runs, tmp_path / "d.svg", samples=200).split("\n\n")
    means = {arm: float(rows_of(arms)[arm][1]) for arm in gains}
    # The AUC of two normal distributions of equal variance, 1 + 0.09, whose means differ by the gain.
    assert means["none"] == pytest.approx(0.751, abs=0.05)
    assert means["concat"] == pytest.approx(0.861, abs=0.05)
    found = rows_of(differences)
    assert list(found)[2] == "concat - none"
    change, p, corrected = found["concat - none"]
    value, lower, upper = (float(part) for part in change.replace("[", "").replace("]", "").replace(",", "").split())
    assert value == pytest.approx(means["concat"] - means["none"], abs=0.0011)
    assert 0 < lower < value < upper
    assert float(p) == pytest.approx(2 / 201, abs=1e-4)  # no resample reaches 0
    assert corrected == ""
    assert float(found["gate_vessels - none"][1]) > 0.05
    assert float(found["gate_vessels - none"][2]) >= float(found["gate_vessels - none"][1])
    assert rows_of(knock_outs)["concat"][1].startswith("-0.1")
    assert "concat - none" in (tmp_path / "d.svg").read_text()


def test_interval_covers_the_truth_and_is_wider_where_seeds_vary(tmp_path: Path) -> None:
    def half_width(spread: float) -> float:
        rng = np.random.default_rng(3)
        runs = {(arm, seed): drawn(1.0 + spread * rng.normal(), seed) for arm in ablation.ARMS for seed in range(5)}
        change = rows_of(ablation.report(runs, tmp_path / "d.svg", samples=100))["concat - none"][0]
        lower, upper = (float(part) for part in change.split("[")[1].rstrip("]").split(","))
        assert lower < 0 < upper
        return (upper - lower) / 2

    assert half_width(0.5) > 2 * half_width(0.02)


def test_runs_of_other_photographs_are_refused(tmp_path: Path) -> None:
    runs = {(arm, 0): drawn(1.0, 0, patients=40 if arm == "gate" else 50) for arm in ablation.ARMS}
    with pytest.raises(ValueError, match="others for gate, seed 0: remove gate_0.csv"):
        ablation.report(runs, tmp_path / "d.svg", samples=2)


def test_p_values_are_corrected_by_holm() -> None:
    # 4 x 0.01, 3 x 0.02, 2 x 0.03 which is not below the one before, 1 x 0.04 neither
    assert ablation.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert ablation.holm([0.9, 0.6]) == [1.0, 1.0]
    assert ablation.holm([0.01, 0.2, 0.05]) == pytest.approx([0.03, 0.2, 0.1])


def test_p_value_is_twice_the_smaller_tail() -> None:
    resampled = np.concatenate([np.full(95, 1.0), np.full(4, -1.0), [np.nan]])
    assert ablation.tested(0.9, resampled).p == pytest.approx(2 * 5 / 100)
    assert ablation.tested(0.0, np.zeros(9)).p == 1.0
    assert np.isnan(ablation.tested(0.5, np.array([0.1, np.nan, np.nan]))[1:]).all()


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The names of the runs that were trained, in their order; what they find is drawn."""
    trained: list[str] = []

    def train(folder: Path, settings: Mapping[str, Any]) -> None:
        trained.append(folder.name)
        if trained.count("concat_1") == 1 and folder.name == "concat_1":
            raise KeyboardInterrupt

    monkeypatch.setattr(ablation, "train", train)
    monkeypatch.setattr(ablation, "score", lambda settings: drawn(1.0, settings["seed"], patients=50))
    monkeypatch.chdir(tmp_path)
    return trained


def test_what_is_there_is_not_run_again(stubbed: list[str]) -> None:
    settings = {**SMALL, "seeds": [0, 1], "bootstrap_samples": 5}
    with pytest.raises(KeyboardInterrupt):
        ablation.ablation(**settings)
    assert stubbed == [*(f"{arm}_0" for arm in ablation.ARMS), "none_1", "gate_vessels_1", "gate_1", "concat_1"]
    stubbed.clear()
    stubbed.append("concat_1")  # that it was interrupted
    table = ablation.ablation(**settings)
    assert stubbed[1:] == ["concat_1", "other_eye_1"]
    assert ablation.ablation(**settings) == table
    assert len(stubbed) == 3
    assert Path("output/ablation/results/differences.svg").is_file()


def test_another_config_is_refused_by_the_name_of_its_key(stubbed: list[str]) -> None:
    settings = {**SMALL, "seeds": 0, "bootstrap_samples": 5}
    ablation.ablation(**settings)
    ablation.ablation(**settings, data_root="elsewhere")
    with pytest.raises(ValueError, match="none.json, got learning_rate = 0.0005 then, 0.1 now"):
        ablation.ablation(**settings, learning_rate=0.1)
    with pytest.raises(ValueError, match="network_def#guided_levels = 2 then, 1 now"):
        ablation.ablation(**{**settings, "network_def#guided_levels": 1})
    with pytest.raises(ValueError, match="none_0/config.json, got batch_size = 4 then, 5 now"):
        ablation.ablation(**{**settings, "batch_size": 5}, results_dir="anew")
    assert len(stubbed) == len(ablation.ARMS)


def test_seeds_that_are_none_or_twice_are_refused(tmp_path: Path) -> None:
    for seeds in ([], [1, 1]):
        with pytest.raises(ValueError, match="seeds must be one or more different numbers"):
            ablation.ablation(str(tmp_path), seeds=seeds)


def test_a_training_that_was_interrupted_goes_on_and_one_that_is_done_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(ablation.subprocess, "run", lambda words, check: calls.append(words))
    ablation.train(tmp_path, {"seed": 3})
    assert "--resume" not in calls[0]
    assert calls[0][calls[0].index("--seed") + 1] == "3"
    (tmp_path / "trained").unlink()
    (tmp_path / "checkpoints").mkdir()
    torch.save({}, tmp_path / "checkpoints/checkpoint_epoch=2.pt")
    ablation.train(tmp_path, {"seed": 3})
    assert calls[1][-2:] == ["--resume", "True"]
    ablation.train(tmp_path, {"seed": 3})
    assert len(calls) == 2


def test_arms_differ_in_what_guides_and_the_control_in_no_parameter() -> None:
    parameters = {}
    for arm, changes in ablation.ARMS.items():
        parser = ablation.configured({**SMALL, **changes})
        network = parser.get_parsed_content("network_def")
        parameters[arm] = sum(parameter.numel() for parameter in network.parameters())
        assert network.guided == (arm != "none")
        assert network.guiding == ([0] if arm == "gate_vessels" else [0, 1])
        assert parser.get_parsed_content("prepare_batch").other_eye == (arm == "other_eye")
    assert parameters["other_eye"] == parameters["concat"]
    assert parameters["none"] < parameters["gate_vessels"] < parameters["gate"] < parameters["concat"]


def test_budget_is_that_which_is_stated() -> None:
    """1774 photographs of the training part, see docs/explanation/vmnet.md."""
    config = ConfigParser.load_config_files(ablation.CONFIG_FILES)
    assert config["max_epochs"] * -(-1774 // config["batch_size"]) == 1554 >= 1500
    assert config["disease_size"] == 256


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Overrides of runs on phantoms, whose folder has the weights of an untrained network of the guided arms."""
    folder = tmp_path_factory.mktemp("ablation")
    write_phantoms(folder / "phantom", count=30, size_px=64)
    settings = {**SMALL, "dataset_dir": str(folder / "phantom"), "cache_dir": str(folder / "cache")}
    settings["output_dir"] = str(folder)
    torch.manual_seed(1)
    network = ablation.configured({**settings, "network_def#guidance": "concat"}).get_parsed_content("network_def")
    for parameter in network.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    (folder / "models").mkdir()
    torch.save(network.state_dict(), folder / "models/model.pt")
    return settings | {"pretrained": str(folder / "models/model.pt")}


def test_control_is_scored_with_maps_of_another_eye(untrained: dict[str, Any]) -> None:
    concat, other_eye = (ablation.score({**untrained, **ablation.ARMS[arm]}) for arm in ("concat", "other_eye"))
    assert list(concat["maps"].unique()) == list(ablation.KNOCK_OUTS)
    assert list(other_eye["maps"].unique()) == [AS_TRAINED, "vessels zero", "all maps zero"]
    own, others = (table[table["maps"] == AS_TRAINED] for table in (concat, other_eye))
    assert own["id"].is_unique
    scores = [column for column in concat if column.startswith("probability_")]
    assert own[["id", "label_amd"]].equals(others[["id", "label_amd"]])
    assert (own[scores] - others[scores]).abs().to_numpy().max() > 1e-3
    without = [table[table["maps"] == "all maps zero"][scores].to_numpy() for table in (concat, other_eye)]
    np.testing.assert_allclose(*without)


@pytest.mark.slow
def test_trainings_share_their_maps_and_go_on_after_an_interruption(
    untrained: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arms = ("none", "gate_vessels", "concat")
    monkeypatch.setattr(ablation, "ARMS", {arm: ablation.ARMS[arm] for arm in arms})
    monkeypatch.setattr(ablation, "SECONDARY", (("gate_vessels", "none"),))
    monkeypatch.setattr(ablation, "MIN_COUNT", 1)
    settings = {**untrained, "output_dir": str(tmp_path), "cache_dir": str(tmp_path / "cache"), "seeds": [0]}
    table = ablation.ablation(**settings, bootstrap_samples=20)
    assert set(arms) <= rows_of(table).keys()
    assert len(list((tmp_path / "results").iterdir())) == 2 * len(arms) + 1
    assert len(list((tmp_path / "cache").glob("*.pt"))) <= 30  # photographs
    (tmp_path / "results/concat_0.csv").unlink()
    (tmp_path / "concat_0/trained").unlink()
    assert ablation.ablation(**settings, bootstrap_samples=20) == table
