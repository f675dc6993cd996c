"""The shared steps: joined flat, changed by name, and the same on every road."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.transforms import Flipd, RandFlipd
from PIL import Image

from vmnet_monai.datasets.phantom import write_phantoms
from vmnet_monai.transforms import (
    chain,
    contrast_and_labels,
    finish_augmentation,
    load_and_crop,
    normalise,
    references_for_scoring,
    restore_predictions,
)


def test_steps_are_joined_in_their_order_whatever_holds_them() -> None:
    first, second, third = Flipd("image"), RandFlipd("image"), Flipd("mask")
    assert list(chain([[first], {"named": second}, third]).transforms) == [first, second, third]


@pytest.fixture(scope="module")
def item(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = write_phantoms(tmp_path_factory.mktemp("phantom"), count=1, size_px=96, seed=0).parent
    return {
        "image": str(next((folder / "images").iterdir())),
        "vessel": str(next((folder / "vessel").iterdir())),
        "disease": [1.0, float("nan")],
        "id": "a",
    }


def prepared(item: dict, structures: tuple[str, ...] = ("vessel",)) -> dict:
    steps = [load_and_crop(structures, 64), contrast_and_labels(structures, 2), normalise(structures)]
    return chain(steps)(item)


def test_an_item_becomes_what_the_network_reads(item: dict) -> None:
    result = prepared(item, ("vessel", "disc"))
    assert {key: tuple(result[key].shape) for key in ("image", "vessel", "disc", "fov")} == {
        "image": (3, 64, 64),
        "vessel": (1, 64, 64),
        "disc": (1, 64, 64),
        "fov": (1, 64, 64),
    }
    assert result["image"].min() >= 0 and result["image"].max() <= 1
    assert not result["image"][:, result["fov"][0] == 0].any(), "black outside the field of view"
    assert (bool(result["has_vessel"]), bool(result["has_disc"])) == (True, False)
    assert result["disease"].isnan().tolist() == [False, True]


def test_a_trainer_gets_nothing_but_what_it_reads(item: dict) -> None:
    result = chain([finish_augmentation(["vessel"])])(prepared(item))
    assert set(result) == {"image", "vessel", "fov", "has_vessel", "disease"}
    assert {value.dtype for key, value in result.items() if key in ("image", "vessel", "fov")} == {torch.float32}


def test_logits_come_back_as_probabilities_on_the_images_own_pixels(item: dict) -> None:
    logits = {"vessel": torch.zeros(1, 64, 64), "disease": torch.tensor([0.0, 2.0])}
    result = chain([restore_predictions(["vessel"])])({**prepared(item), "pred": logits})
    inside = result["fov"] > 0
    assert result["pred_vessel"].shape == (1, 96, 96)
    assert result["pred_vessel"][inside].unique().tolist() == [0.5]
    assert not result["pred_vessel"][~inside].any()
    torch.testing.assert_close(result["pred_disease"], torch.tensor([0.5, 0.8808]), atol=1e-4, rtol=0)


def test_references_are_loaded_as_drawn_and_cut_to_the_field_of_view(item: dict) -> None:
    prediction = {"pred_vessel": torch.full((1, 96, 96), 0.4), "fov": torch.zeros(1, 96, 96)}
    prediction["fov"][:, :48] = 1
    data = {**prediction, "label": {"disease": torch.zeros(2)}, "vessel_path": item["vessel"], "fov_path": ""}
    result = chain([references_for_scoring(["vessel"], [0.4])])(data)
    drawn = np.asarray(Image.open(item["vessel"])) > 0
    assert np.array_equal(np.asarray(result["vessel_reference"][0]) > 0, drawn)
    assert result["pred_vessel_inside_fov"].sum() == 48 * 96, "at the threshold is a vessel, outside the field is not"
    assert result["vessel_reference_inside_fov"].sum() == drawn[:48].sum()


def test_a_scored_mask_lies_inside_both_fields_of_view_whatever_the_threshold(tmp_path: Path) -> None:
    """Of four pixels the network sees the first three, and the first, second and fourth are scored."""
    masks = {"vessel": [255, 255, 255, 255], "fov": [255, 255, 0, 255]}
    for key, row in masks.items():
        Image.fromarray(np.array([row], dtype=np.uint8)).save(tmp_path / f"{key}.png")
    item = {
        "label": {"disease": torch.zeros(1)},
        "pred_vessel": torch.tensor([[[0.7, 0.0, 0.2, 0.0]]]),
        "fov": torch.tensor([[[1.0, 1.0, 1.0, 0.0]]]),
        **{f"{key}_path": str(tmp_path / f"{key}.png") for key in masks},
    }
    scored = chain([references_for_scoring(["vessel"], thresholds=[0.0])])(item)
    assert scored["pred_vessel_inside_fov"].flatten().tolist() == [1, 1, 0, 0]
    assert scored["vessel_reference_inside_fov"].flatten().tolist() == [1, 1, 0, 1]
