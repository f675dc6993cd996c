"""``vmnet train``, ``vmnet evaluate`` and ``vmnet operating-point``: what their options make of the config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vmnet_monai import bundle_path, cli, workflows


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that the options name, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mine").symlink_to(bundle_path())
    for name in ("clinic.csv", "a.json", "b.json", "@seed"):
        (tmp_path / name).write_text("{}")
    for name in ("data/HRF", "data/DRIVE"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("operating_point.json", "model.pt"):
        (tmp_path / "models").mkdir(exist_ok=True)
        (tmp_path / "models" / name).write_text("{}")


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the command hands over in place of a run."""
    given: list[Any] = []
    monkeypatch.setattr(workflows, "run_workflow", lambda *arguments: given.extend(arguments))
    return given


def test_nothing_given_leaves_the_config_as_it_is(handed_over: list[Any]) -> None:
    assert cli.main(["train"]) == cli.OK
    assert handed_over == ["train", None, (), {}]


def test_options_become_keys_of_the_config(handed_over: list[Any]) -> None:
    words = ["--dataset", "table", "--dataset-dir", "clinic.csv", "--output", "out", "--max-epochs", "3", "--resume"]
    settings = ["--set", "diseases=['glaucoma']", "--set", "grid_size=64", "--set", "contrast=clahe"]
    files = ["--bundle", "mine", "--overlay", "a.json", "--overlay", "b.json", "--device", "cuda:1"]
    assert cli.main(["train", *words, *settings, *files]) == cli.OK
    name, bundle, overlays, overrides = handed_over
    assert (name, bundle, overlays) == ("train", "mine", ("a.json", "b.json"))
    assert overrides == {
        "dataset_name": "table",
        "dataset_dir": "clinic.csv",
        "output_dir": "out",
        "max_epochs": 3,
        "resume": True,
        "device": "$torch.device('cuda:1')",
        "diseases": ["glaucoma"],
        "grid_size": 64,
        "contrast": "clahe",
    }


@pytest.mark.parametrize("store", ["none", "sqlite:///runs.db"])
def test_tracking_is_the_key_of_the_store(store: str, handed_over: list[Any]) -> None:
    assert cli.main(["train", "--tracking", store]) == cli.OK
    assert handed_over[3] == {"tracking_uri": store}


def test_a_store_that_cannot_be_used_is_told_before_the_run(
    handed_over: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///gone/runs.db")
    assert cli.main(["train"]) == cli.CANNOT_RUN
    assert "(of MLFLOW_TRACKING_URI) cannot be used" in capsys.readouterr().err
    assert handed_over == []
    assert cli.main(["train", "--tracking", "none"]) == cli.main(["train", "--set", "tracking_uri=none"]) == cli.OK


def test_several_datasets_are_lists(handed_over: list[Any]) -> None:
    words = ["--dataset", "hrf", "--dataset-dir", "data/HRF", "--dataset", "drive", "--dataset-dir", "data/DRIVE"]
    assert cli.main(["evaluate", *words, "--model-dir", "models"]) == cli.OK
    assert handed_over[3] == {
        "dataset_name": ["hrf", "drive"],
        "dataset_dir": ["data/HRF", "data/DRIVE"],
        "model_dir": "models",
    }


def test_names_of_files_are_never_evaluated(handed_over: list[Any]) -> None:
    from monai.bundle import ConfigParser

    assert cli.main(["operating-point", "--pretrained", "@seed", "--output", "$open('evaluated', 'w')"]) == cli.OK
    config = ConfigParser(handed_over[3])
    assert config.get_parsed_content("pretrained") == "@seed"
    assert config.get_parsed_content("output_dir") == "$open('evaluated', 'w')"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset", "hrf", "--dataset", "drive", "--dataset-dir", "d"], "needs its --dataset-dir, got 2 and 1"),
        (["--set", "grid_size"], "KEY=VALUE, such as grid_size=576, got 'grid_size'"),
        (["--set", "=3"], "got '=3'"),
    ],
)
def test_wrong_options_are_usage_errors(
    words: list[str], message: str, handed_over: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", *words]) == cli.CANNOT_RUN
    assert message in capsys.readouterr().err
    assert handed_over == []


def test_a_missing_bundle_says_what_to_give(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--bundle", str(tmp_path)]) == cli.CANNOT_RUN
    assert f"{tmp_path}/configs/train.json is missing" in capsys.readouterr().err
