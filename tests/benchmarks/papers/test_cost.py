"""The cost benchmark counts what can be counted by hand, and measures V-MNet as one of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cost
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from vmnet_monai.networks import FineVMNet, UNetEncoder

ROOT = Path(__file__).parents[3]
TRAIN = f"{ROOT}/bundles/vmnet/configs/train.json"
FEATURES = (4, 6, 8, 12)
SIZES: dict[str, Any] = {
    **{"decoder_channels": (8, 6, 4), "guide_channels": (4, 4, 4, 4), "shared_stages": 1, "guided_levels": 2},
    "guidance": "concat",
}
TWO_LAYERS = (
    "$torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(32), torch.nn.Flatten(), "
    "torch.nn.Linear(3 * 32 * 32, 2000), torch.nn.Linear(2000, len(@diseases)))"
)


def write(path: Path, content: dict) -> str:
    path.write_text(json.dumps(content))
    return str(path)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """A small V-MNet and two fully connected layers as a network of diseases only, by system."""
    folder = tmp_path_factory.mktemp("configs")
    encoder = {"_target_": "vmnet_monai.networks.UNetEncoder", "features": FEATURES}
    small = {"network_def#encoder": encoder, **{f"network_def#{name}": value for name, value in SIZES.items()}}
    small["disease_size"] = 32
    layers = {"_target_": "vmnet_monai.networks.SingleTask", "task": "classification", "label_names": "@diseases"}
    base = write(folder / "small.json", {**small, "diseases": ["glaucoma", "cataract", "amd"]})
    overlay = write(folder / "layers.json", {"network_def": {**layers, "network": TWO_LAYERS}})
    systems = {"two layers": [overlay]}
    frame = cost.rows(systems, size=64, crop=32, batch_size=2, repeats=1, base=[TRAIN, base])
    return frame.set_index("system")


@pytest.mark.slow
def test_parameters_are_those_of_the_networks(measured: pd.DataFrame) -> None:
    network = FineVMNet(["glaucoma", "cataract", "amd"], UNetEncoder(FEATURES), **SIZES)
    assert list(measured.index) == ["V-MNet", "two layers"]
    assert measured.loc["V-MNet", "parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert measured.loc["two layers", "parameters"] == (3072 * 2000 + 2000) + (2000 * 3 + 3)


@pytest.mark.slow
def test_multiply_adds_are_those_of_the_layers(measured: pd.DataFrame) -> None:
    assert measured.loc["two layers", "multiply_adds"] == 3072 * 2000 + 2000 * 3


def test_multiply_adds_of_a_convolution_and_an_attention() -> None:
    """8 x 8 outputs of 4 channels from 3 x 3 x 3 inputs; each of 64 pixels to each other, in 4 channels, and back."""

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(3, 4, kernel_size=3, padding=1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            tokens = self.convolution(image).flatten(2)
            return tokens @ (tokens.transpose(1, 2) @ tokens).softmax(dim=-1)

    expected = 64 * 4 * 27 + 64 * 64 * 4 + 4 * 64 * 64
    assert cost.multiply_adds(Attention(), torch.rand(1, 3, 8, 8)) == expected


@pytest.mark.slow
def test_vmnet_is_the_unit_of_the_ratios(measured: pd.DataFrame) -> None:
    ratios = [column for column in measured if column.endswith("_ratio")]
    assert ratios == ["train_seconds_ratio", "inference_seconds_ratio", "peak_memory_ratio"]
    assert measured.loc["V-MNet", ratios].tolist() == [1, 1, 1]
    assert (measured.loc["two layers", ratios] > 0).all()


@pytest.mark.slow
def test_memory_holds_the_gradients_and_the_moments_of_adam(measured: pd.DataFrame) -> None:
    """Three times 6.1 million weights of 4 bytes, one part in ten less for what was there to be used again."""
    assert measured.loc["two layers", "peak_memory_mib"] > 0.9 * 3 * 3072 * 2000 * 4 / 2**20


def test_ratio_is_the_median_of_pairs() -> None:
    """V-MNet takes turns with a system that takes twice as long, while the machine becomes ten times slower."""
    own, other = np.array([[1.0, 1.0]]), np.array([[1.0, 2.0], [10.0, 20.0], [10.0, 25.0]])
    seconds, ratios = cost._summary([own, other])
    assert seconds == [5.5, 20]
    assert ratios == [1, 2]


def test_table_says_what_the_unit_is() -> None:
    frame = pd.DataFrame(
        {
            "system": ["V-MNet", "other"],
            "parameters": [1_500_000, 3_000_000],
            "multiply_adds": [4_000_000_000, 250_000_000],
            "train_seconds": [1.5, 3.0],
            "train_seconds_ratio": [1.0, 2.0],
            "inference_seconds": [0.25, 0.1],
            "inference_seconds_ratio": [1.0, 0.4],
            "peak_memory_mib": [600.0, 300.0],
            "peak_memory_ratio": [1.0, 0.5],
        }
    )
    assert cost.cost_table(frame).splitlines()[2:] == [
        "| V-MNet | 1.50 | 4.00 | 1.00 (1.50 s) | 1.00 (0.25 s) | 1.00 (600 MiB) |",
        "| other | 3.00 | 0.25 | 2.00 | 0.40 | 0.50 |",
    ]


def test_name_and_files_of_a_system_are_read_from_a_word(tmp_path: Path) -> None:
    first, second = write(tmp_path / "unetr.json", {}), write(tmp_path / "window.json", {})
    assert cost._system(f"{first},{second}") == ("unetr+window", [first, second])
    assert cost._system(f"UNETR={first}") == ("UNETR", [first])


def test_command_refuses_systems_that_are_not_there_or_share_a_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "unetr.json", {})
    for words, said in (
        ([str(tmp_path / "none.json")], "there is no file"),
        ([file, file], "each system needs a name of its own, got V-MNet, unetr, unetr"),
        ([f"V-MNet={file}"], "each system needs a name of its own"),
    ):
        with pytest.raises(SystemExit) as caught:
            cost.main(["--systems", *words])
        assert caught.value.code == 2
        assert said in capsys.readouterr().err
    with pytest.raises(ValueError, match="V-MNet.*name"):
        cost.rows({"V-MNet": [file]})
