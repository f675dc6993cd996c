"""Heat maps of a small network that has learnt to tell eyes with drusen from the same eyes without."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from vmnet_monai.datasets.phantom import Phantom, generate_phantom
from vmnet_monai.explain import METHODS, disease_heat_maps, energy_fraction
from vmnet_monai.networks import VMNet

pytestmark = pytest.mark.slow

SIZE_PX = 96
STEPS, EYES_PER_STEP = 100, 4
TRAIN, TEST = range(12), range(10_000, 10_004)
"""Seeds of the eyes."""


def images(phantoms: list[Phantom]) -> torch.Tensor:
    return torch.from_numpy(np.stack([phantom.image for phantom in phantoms])).movedim(-1, 1) / 255


def eyes(seeds: range, *diseases: str) -> list[Phantom]:
    return [generate_phantom(seed, SIZE_PX, diseases) for seed in seeds]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums in the same order on every machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def network() -> VMNet:
    pairs = torch.stack([images(eyes(TRAIN)), images(eyes(TRAIN, "amd"))])
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = VMNet(["amd"], features=(8, 16, 32), guided_levels=2, guidance="none", dropout=0.0)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.005)
    reference = torch.tensor([[0.0], [1.0]]).expand(2, EYES_PER_STEP)
    for _ in range(STEPS):
        drawn = pairs[:, torch.randperm(len(TRAIN), generator=generator)[:EYES_PER_STEP]]
        axes = [axis for axis in (-1, -2) if torch.rand((), generator=generator) < 0.5]
        logits = network(drawn.flip(axes).flatten(0, 1))["disease"].view(2, EYES_PER_STEP)
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(logits, reference).backward()
        optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def ill() -> list[Phantom]:
    return eyes(TEST, "amd")


def shares(network: nn.Module, phantoms: list[Phantom], method: str) -> tuple[float, float]:
    """Mean share of the maps' energy in the lesions, and mean share of the field of view that these cover."""
    energy = []
    for phantom, photograph in zip(phantoms, images(phantoms), strict=True):
        inside = torch.from_numpy(phantom.fov)[None]
        heat = disease_heat_maps(network, photograph[None], ["amd"], method=method, field_of_view=inside)["amd"]
        energy.append(energy_fraction(heat[0].numpy(), phantom.lesions["amd"]))
    covered = [phantom.lesions["amd"][phantom.fov].mean() for phantom in phantoms]
    return float(np.mean(energy)), float(np.mean(covered))


def test_network_tells_the_eyes_apart(network: VMNet, ill: list[Phantom]) -> None:
    with torch.no_grad():
        with_drusen, without = (network(images(part))["disease"] for part in (ill, eyes(TEST)))
    assert (with_drusen > without.T).float().mean() > 0.9, "the area under the ROC curve"


@pytest.mark.parametrize("method", METHODS)
def test_energy_lies_in_the_lesions_more_than_by_chance(method: str, network: VMNet, ill: list[Phantom]) -> None:
    energy, chance = shares(network, ill, method)
    assert energy > 2 * chance
