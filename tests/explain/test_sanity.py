"""The bundle's heat maps depend on what the network has learnt (Adebayo et al., NeurIPS 2018, arXiv 1810.03292)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import explanations
import numpy as np
import pytest
import torch
from explanations import CASCADE
from monai.bundle import ConfigParser

from vmnet_monai.cli.predict import predict
from vmnet_monai.datasets.phantom import write_phantoms
from vmnet_monai.explain import DEFAULT_METHOD, METHODS, disease_heat_maps, recorded_pass, target_layer
from vmnet_monai.networks import FineVMNet, UNetEncoder

ROOT = Path(__file__).parents[2]
LIMIT = 0.5
"""A rank correlation below it leaves less than a quarter of the variance of the ranks in common."""


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    """The bundle's network, scikit-image's photograph with its field of view, and the diseases."""
    network, parser = explanations.load(f"{ROOT}/bundles/vmnet/models", {"device": "cpu"})
    image, field_of_view = explanations.retina(parser)
    diseases = parser.get_parsed_content("diseases")
    layer = parser.get_parsed_content("cam_layer")
    return {
        "network": network,
        "image": image,
        "diseases": diseases,
        "field_of_view": field_of_view,
        "target_layer": layer,
    }


def test_default_maps_have_16_cells_across(shipped: dict[str, Any]) -> None:
    """Whatever the grid: the disease head reads 256 pixels of it."""
    with recorded_pass(shipped["network"], shipped["target_layer"]) as record, torch.no_grad():
        shipped["network"](shipped["image"])
    assert record.features is not None
    assert record.features.shape[2:] == (16, 16)


@pytest.mark.parametrize(
    ("method", "layer"), [("gradcam", "classifier.features"), ("layercam", "disease_encoder.stages.4")]
)
def test_grad_cam_looks_at_the_layer_that_it_was_made_for(method: str, layer: str) -> None:
    parser = ConfigParser()
    parser.read_config(explanations.INFERENCE)
    parser["cam_method"] = method
    assert parser.get_parsed_content("cam_layer") == layer


@pytest.mark.parametrize(("shared_stages", "layer"), [(1, "disease_encoder.levels.1"), (None, "classifier.features")])
def test_layer_is_that_of_the_second_deepest_map_unless_the_tasks_share_their_encoder(
    shared_stages: int | None, layer: str
) -> None:
    network = small(shared_stages=shared_stages)
    assert target_layer(network, DEFAULT_METHOD) == layer
    maps = disease_heat_maps(network, torch.rand(1, 3, 32, 32), ["amd"], layer)
    assert maps["amd"].shape == (1, 32, 32)


def test_config_command_and_python_have_the_same_default() -> None:
    config = ConfigParser.load_config_file(explanations.INFERENCE)
    command = next(option for option in predict.params if option.name == "method")
    assert config["cam_method"] == command.default == DEFAULT_METHOD
    assert isinstance(command.type, click.Choice)
    assert tuple(command.type.choices) == METHODS


@pytest.mark.parametrize(
    ("method", "layer", "cascade"),
    [
        (DEFAULT_METHOD, "", (1, len(CASCADE))),
        ("gradcam", "classifier.features", (1, len(CASCADE))),
        ("gradcam++", "classifier.features", (len(CASCADE),)),
    ],
)
def test_maps_of_a_random_network_are_others(
    method: str, layer: str, cascade: tuple[int, ...], shipped: dict[str, Any]
) -> None:
    shipped = shipped | {"target_layer": layer or shipped["target_layer"]}
    before = disease_heat_maps(**shipped, method=method)
    assert explanations.rank_correlation(before, before, shipped["field_of_view"]) == pytest.approx(1)
    for parts in cascade:
        random = explanations.randomise(shipped["network"], CASCADE[:parts], seed=0)
        after = disease_heat_maps(**{**shipped, "network": random}, method=method)
        assert explanations.rank_correlation(before, after, shipped["field_of_view"]) < LIMIT, parts


def small(*diseases: str, shared_stages: int | None = 1) -> FineVMNet:
    torch.manual_seed(0)
    channels = {"decoder_channels": (6, 4), "guide_channels": (4, 4, 4)}
    encoder = UNetEncoder((4, 8, 12))
    return FineVMNet(diseases or ["amd"], encoder, **channels, shared_stages=shared_stages, guided_levels=2).eval()


def test_randomising_changes_the_named_parts_of_a_copy() -> None:
    network = small()
    random = explanations.randomise(network, ["classifier.head", "decoder"], seed=1)
    changed = {
        name.split(".")[0] if name.startswith("decoder") else name.rsplit(".", 2)[0]
        for (name, before), after in zip(network.state_dict().items(), random.state_dict().values(), strict=True)
        if not torch.equal(before, after)
    }
    assert changed == {"classifier.head", "decoder"}
    assert all(torch.equal(value, small().state_dict()[name]) for name, value in network.state_dict().items())


def test_cascade_ends_with_every_weight() -> None:
    names = [name for name, _ in small().named_parameters()]
    assert [name for name in names if not name.startswith(explanations.CASCADE)] == []


def test_rank_correlation_by_hand() -> None:
    """Reversed ranks are at -1, equal ones at 1, their mean is 0; what lies outside does not count."""
    rising, falling = torch.tensor([[[1.0, 2.0, 5.0, 0.0]]]), torch.tensor([[[9.0, 8.0, 1.0, 0.0]]])
    inside = torch.tensor([[[1, 1, 1, 0]]])
    assert explanations.rank_correlation({"a": rising}, {"a": falling}, inside) == pytest.approx(-1)
    both = {"a": rising, "b": rising}
    assert explanations.rank_correlation(both, {"a": falling, "b": rising}, inside) == pytest.approx(0)


def test_map_that_vanishes_counts_as_0_and_one_that_never_was_does_not_count() -> None:
    some, none, inside = torch.tensor([[[1.0, 2.0]]]), torch.zeros(1, 1, 2), torch.ones(1, 1, 2)
    assert explanations.rank_correlation({"a": some}, {"a": none}, inside) == 0
    assert explanations.rank_correlation({"a": some, "b": none}, {"a": some, "b": some}, inside) == pytest.approx(1)
    assert np.isnan(explanations.rank_correlation({"a": none}, {"a": some}, inside))


def test_localisation_by_hand() -> None:
    """Two eyes of 2 x 2 pixels; the map of the first lies in its lesion, that of the second beside its own."""
    one, other = np.array([[True, False], [False, False]]), np.array([[False, False], [True, True]])
    everything = np.ones((2, 2), dtype=bool)
    scores = explanations.localisation([one * 1.0, one * 1.0], [one, other], [everything, everything], cells=1)
    assert scores == {
        "hits": 0.5,
        "hits, other eye": 0.5,
        "hits, chance": 0.375,
        "energy": 0.5,
        "energy, other eye": 0.5,
        "energy, chance": 0.375,
        "energy, ideal cells": 0.375,
    }


@pytest.mark.slow
def test_table_has_a_row_for_each_disease_method_and_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_phantoms(tmp_path, count=25, size_px=96)
    _, parser = explanations.load(f"{ROOT}/bundles/vmnet/models", {"device": "cpu", "grid_size": 64})
    network = small(*parser.get_parsed_content("diseases"))
    monkeypatch.setattr(explanations, "load", lambda *_: (network, parser))
    layers = ["classifier.features", "disease_encoder.levels.2"]
    table = explanations.lesions("", str(tmp_path), methods=["gradcam", "occlusion"], layers=layers, photographs=1)
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert [[row[0], *row[2:4]] for row in rows] == [
        [disease, *method]
        for disease in explanations.LOCAL_DISEASES
        for method in (("gradcam", layers[0]), ("gradcam", layers[1]), ("occlusion", ""))
    ]
    chance = [float(row[header.index("energy, chance")]) for row in rows]
    assert chance[0] == chance[2], "the same eye"
    assert all(0 < value < 15 for value in chance), "per cent of the field of view"
