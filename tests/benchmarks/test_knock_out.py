"""The knock-out of the guidance changes what it says, and nothing where the guidance has learnt nothing."""

from __future__ import annotations

from collections.abc import Callable
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
from vmnet_monai.networks import FineVMNet, UNetEncoder, VesselGuidance, VMNet

ROOT = Path(__file__).parents[2]
TRAIN = f"{ROOT}/bundles/vmnet/configs/train.json"


class ReadsVessels(nn.Module):
    """Its vessel map is the image, and its only disease logit is the fraction of vessels through a gate."""

    def __init__(self, mode: str = "gate") -> None:
        super().__init__()
        self.guidance = nn.ModuleList([VesselGuidance(1, mode)])
        for parameter in self.guidance.parameters():
            nn.init.ones_(parameter)

    def classifier(self, levels: list[torch.Tensor]) -> torch.Tensor:
        return levels[0].mean(dim=(2, 3))

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        ones = torch.ones_like(image[:, :1, ::2, ::2])
        vessel = 80 * image[:, :1] - 40
        return {"vessel": vessel, "disease": self.classifier([self.guidance[0](ones, ones, vessel)])}


def test_each_knock_out_does_what_it_says() -> None:
    """W = 1 and a bias of 1: the logit is 2 sigmoid(1 + decoder features, 1, + fraction of vessels, 0, 1/2 or 1)."""
    image = torch.zeros(3, 3, 4, 4)
    image[1, :, :, ::2], image[2] = 1, 1
    logits = knock_out.knocked_out_logits(ReadsVessels(), iter([image]))
    expected = {
        "as trained": [2, 2.5, 3],
        "vessel map zero": [2, 2, 2],
        "decoder features zero": [1, 1.5, 2],
        "both zero": [1, 1, 1],
        "another eye's vessel map": [2.5, 3, 2],
        "another eye's vessel map and decoder features": [2.5, 3, 2],
    }
    assert logits.keys() == expected.keys()
    for name, sums in expected.items():
        np.testing.assert_allclose(logits[name][:, 0], 2 / (1 + np.exp(-np.array(sums))), rtol=1e-6)


NETWORKS = {
    "VMNet": lambda: VMNet(["amd"], features=(4, 8, 12), guided_levels=2, disease_size=16),
    "FineVMNet": lambda: FineVMNet(
        ["amd"], UNetEncoder((4, 8, 12)), decoder_channels=(6, 4), guided_levels=2, disease_size=16
    ),
}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_as_trained_is_what_the_network_says(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    network = make().eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    images = torch.rand(4, 3, 32, 32)
    logits = knock_out.knocked_out_logits(network, iter(images.split(2)))
    with torch.no_grad():
        np.testing.assert_allclose(logits["as trained"], network(images)["disease"].numpy(), rtol=1e-4)
    assert not np.allclose(logits["both zero"], logits["as trained"])


def test_a_network_without_guidance_is_refused() -> None:
    with pytest.raises(ValueError, match="ReadsVessels"):
        knock_out.knocked_out_logits(ReadsVessels("none"), iter([torch.zeros(2, 3, 4, 4)]))


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
    write_phantoms(folder / "phantom", count=60, size_px=64)
    settings = {
        **{"dataset_name": "phantom", "dataset_dir": str(folder / "phantom"), "output_dir": str(folder)},
        **{"device": "cpu", "grid_size": 64, "disease_size": 32},
        **{"network_def#features": [4, 6, 8], "network_def#guided_levels": 2},
    }
    parser = ConfigParser(ConfigParser.load_config_file(TRAIN))
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


def test_guidance_that_has_learnt_nothing_makes_no_difference(untrained: tuple[Path, dict[str, Any]]) -> None:
    words = ["--config_file", TRAIN, "--split", "train", "--min_count", "5", "--batch_size", "4"]
    for key, value in untrained[1].items():
        words += [f"--{key}", str(value)]
    table = fire.Fire(knock_out.knock_out, command=words)
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert header[-2:] == ["mean", "difference"]
    assert "phantom: glaucoma" in header
    assert [row[0] for row in rows] == list(knock_out.KNOCK_OUTS)
    assert all(row[1:-1] == rows[0][1:-1] for row in rows)
    assert [row[-1] for row in rows[1:]] == ["+0.000 [+0.000, +0.000]"] * 5
