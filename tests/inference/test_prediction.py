"""A prediction is made of one structure after the other."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from feeding import operating_point, small_network

from vmnet_monai.explain import Explainer
from vmnet_monai.inference.findings import FindingMaker
from vmnet_monai.inference.prediction import make_prediction
from vmnet_monai.metrics import probability_levels
from vmnet_monai.transforms import LowerWeakComponentsd, chain, restore_maps

STRUCTURES, THRESHOLDS, HIGH, PARTS = ("artery", "vessel"), (0.3, 0.5), (0.0, 0.98), {"artery": "vessel"}

POINT = dataclasses.replace(
    operating_point(0.3, 0.7), structures=STRUCTURES, structure_thresholds=THRESHOLDS, structure_parts=PARTS
)


def on_grid() -> dict[str, Any]:
    """Probabilities on a grid of 16 pixels, of a photograph of 20 x 30 whose last columns lie outside the field."""
    generator = torch.Generator().manual_seed(0)
    fov = torch.ones(1, 20, 30, dtype=torch.uint8)
    fov[..., 25:] = 0
    return {
        "id": "a",
        "image": torch.zeros(3, 16, 16),
        "fov": fov,
        "fov_box": torch.tensor([-5, 0, 30, 20, 30]),
        **{f"pred_{name}": torch.rand(1, 16, 16, generator=generator) for name in STRUCTURES},
    }


def test_one_structure_after_the_other_is_predicted_as_all_at_once() -> None:
    steps = chain([restore_maps(STRUCTURES), LowerWeakComponentsd(STRUCTURES, THRESHOLDS, HIGH, PARTS)])
    maker, explainer = FindingMaker(POINT), Explainer(small_network(), POINT.diseases)
    seen: list[list[str]] = []

    def step(item: dict[str, Any]) -> Any:
        seen.append([key for key in item if key.startswith("pred_")])
        return steps(item)

    at_once = make_prediction(steps(on_grid()), maker, explainer)
    one_by_one = make_prediction(on_grid(), maker, explainer, step)
    assert seen == [["pred_vessel"], ["pred_artery"]], "the whole first, whose weak components its part loses"
    restored = restore_maps(STRUCTURES)[0](on_grid())
    for name in STRUCTURES:
        np.testing.assert_array_equal(one_by_one.structure_masks[name], at_once.structure_masks[name])
        values = one_by_one.structure_probabilities[name]
        np.testing.assert_array_equal(values, at_once.structure_probabilities[name])
        assert (values < restored[f"pred_{name}"][0].numpy()).any(), "lowered"
    assert one_by_one.measures == at_once.measures


def test_what_is_written_need_not_be_kept() -> None:
    written: dict[str, Any] = {}
    prediction = make_prediction(
        on_grid(),
        FindingMaker(POINT),
        Explainer(small_network(), POINT.diseases),
        chain([restore_maps(STRUCTURES)]),
        write=lambda structure, levels, mask: written.update({structure: (levels, mask)}),
        keep_probabilities=False,
    )
    assert prediction.structure_probabilities == {}
    restored = restore_maps(STRUCTURES)[0](on_grid())
    for name, (levels, mask) in written.items():
        np.testing.assert_array_equal(levels, probability_levels(restored[f"pred_{name}"][0].numpy()))
        np.testing.assert_array_equal(mask, prediction.structure_masks[name])
    assert set(written) == set(STRUCTURES)
