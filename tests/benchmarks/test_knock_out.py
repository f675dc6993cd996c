"""The knock-out of the guidance changes what it says, and nothing where the guidance has learnt nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fire
import knock_out
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from torch import nn

from vmnet_monai.calibration.operating_point import OperatingPoint, network_settings
from vmnet_monai.datasets.phantom import write_phantoms
from vmnet_monai.networks import FineVMNet, UNetEncoder

ROOT = Path(__file__).parents[2]
TRAIN = f"{ROOT}/bundles/vmnet/configs/train.json"


class ReadsMaps(nn.Module):
    """Its maps are the image's first two channels; its only disease logit is their means' sum, weighted 1 and 10."""

    guided = True
    structures = ("vessel", "disc")

    def draw(self, image: torch.Tensor) -> torch.Tensor:
        return image[:, :2]

    def disease_input(self, image: torch.Tensor) -> torch.Tensor:
        return image

    def forward(self, image: torch.Tensor, guide: torch.Tensor) -> dict[str, torch.Tensor]:
        means = guide.mean(dim=(2, 3))
        return {"disease": means[:, :1] + 10 * means[:, 1:]}


def test_each_knock_out_does_what_it_says() -> None:
    image = torch.zeros(3, 3, 4, 4)
    image[:, 0] = torch.tensor([0.0, 0.5, 1.0]).reshape(3, 1, 1)
    image[:, 1] = torch.tensor([0.1, 0.2, 0.3]).reshape(3, 1, 1)
    logits = knock_out.knocked_out_logits(ReadsMaps(), iter([image]))
    expected = {
        "as trained": [1, 2.5, 4],
        "vessels zero": [1, 2, 3],
        "all maps zero": [0, 0, 0],
        "another eye's vessels": [1.5, 3, 3],
        "another eye's maps": [2.5, 4, 1],
    }
    assert logits.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(logits[name][:, 0], values, rtol=1e-6)


def small(guidance: str = "gate") -> FineVMNet:
    """A network on a U-Net of three levels."""
    return FineVMNet(
        ["amd"],
        UNetEncoder((4, 8, 12)),
        decoder_channels=(6, 4),
        guide_channels=(4, 4, 4),
        guided_levels=2,
        guidance=guidance,
        disease_size=16,
    )


def test_as_trained_is_what_the_network_says() -> None:
    torch.manual_seed(0)
    network = small().eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    images = torch.rand(4, 3, 32, 32)
    logits = knock_out.knocked_out_logits(network, iter(images.split(2)))
    with torch.no_grad():
        np.testing.assert_allclose(logits["as trained"], network(images)["disease"].numpy(), rtol=1e-4)
    assert not np.allclose(logits["all maps zero"], logits["as trained"])


@pytest.mark.parametrize("network", [small("none"), nn.Identity()], ids=["none", "no maps"])
def test_a_network_without_maps_that_guide_is_refused(network: nn.Module) -> None:
    with pytest.raises(ValueError, match=type(network).__name__):
        knock_out.knocked_out_logits(network, iter([torch.zeros(2, 3, 32, 32)]))


def test_another_eye_is_of_the_same_dataset_and_another_patient() -> None:
    items = [{"dataset": source, "patient": f"{source}{i // 2}"} for source in "ab" for i in range(11)]
    items.append({"dataset": "c", "patient": "alone"})
    batches = knock_out.batches_of_other_eyes(items, 2)
    assert sorted(index for batch in batches for index in batch) == list(range(22))
    for batch in batches:
        assert len({items[index]["dataset"] for index in batch}) == 1
        assert len({items[index]["patient"] for index in batch}) == len(batch) >= 2


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Folder with phantoms and the untrained weights of a small network, and the overrides that make it."""
    folder = tmp_path_factory.mktemp("knock_out")
    write_phantoms(folder / "phantom", count=25, size_px=64)
    settings = {
        **{"dataset_name": "phantom", "dataset_dir": str(folder / "phantom"), "output_dir": str(folder)},
        **{"device": "cpu", "grid_size": 64, "disease_size": 32},
        "network_def#encoder": {"_target_": "vmnet_monai.networks.UNetEncoder", "features": [4, 6, 8]},
        **{"network_def#guided_levels": 2, "network_def#decoder_channels": [6, 4]},
        "network_def#guide_channels": [4, 4, 4],
        "network_def#shared_stages": None,
    }
    parser = ConfigParser()
    parser.read_config(TRAIN)
    parser.update(settings)
    torch.manual_seed(0)
    network = parser.get_parsed_content("network")
    (folder / "models").mkdir()
    torch.save(network.state_dict(), folder / "models/model.pt")
    diseases = parser.get_parsed_content("diseases")
    OperatingPoint(
        diseases=tuple(diseases),
        grid_size=64,
        disease_size=32,
        contrast="none",
        field_of_view="estimate",
        network=network_settings(network),
        structures=("vessel",),
        structure_thresholds=(0.5,),
        disease_calibration=((1.0, 0.0),) * len(diseases),
        disease_thresholds=(0.5,) * len(diseases),
    ).save(folder / "models")
    return folder, settings


@pytest.mark.slow
def test_guidance_that_has_learnt_nothing_makes_no_difference(untrained: tuple[Path, dict[str, Any]]) -> None:
    words = ["--config_file", str(TRAIN), "--split", "train", "--min_count", "3", "--batch_size", "4"]
    for key, value in untrained[1].items():
        words += [f"--{key}", str(value)]
    table = fire.Fire(knock_out.knock_out, command=words)
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert header[-2:] == ["mean", "difference"]
    assert "phantom: glaucoma" in header
    assert [row[0] for row in rows] == list(knock_out.KNOCK_OUTS)
    assert all(row[1:-1] == rows[0][1:-1] for row in rows)
    assert [row[-1] for row in rows[1:]] == ["+0.000 [+0.000, +0.000]"] * 4
