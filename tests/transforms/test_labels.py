"""Known stays known and unknown stays unknown, from the item to the tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vmnet_monai.transforms import FillMissingMasksd, LabelVectord, LoadReferenceMasksd, RecordLabelPathsd

NAN = float("nan")


def labels(item: dict[Any, Any], num_labels: int = 4) -> torch.Tensor:
    return LabelVectord("disease", num_labels)(item)["disease"]


@pytest.mark.parametrize("values", [[1, 0, NAN, None], (1.0, 0.0, None, NAN), np.array([1, 0, NAN, NAN])])
def test_nan_and_none_are_unknown(values: Any) -> None:
    vector = labels({"disease": values})
    assert vector.dtype == torch.float32
    torch.testing.assert_close(vector, torch.tensor([1, 0, NAN, NAN]), equal_nan=True)


def test_missing_labels_are_all_unknown() -> None:
    vector = labels({"image": "a.png"})
    assert vector.shape == (4,)
    assert vector.isnan().all()


@pytest.mark.parametrize("values", [[1, 0, 0], [1, 0, 0, 0, 0], []])
def test_wrong_number_of_labels_is_refused_by_name(values: list[float]) -> None:
    with pytest.raises(ValueError, match=f"^rfmid-3: .* 4 .* {len(values)}"):
        labels({"disease": values, "id": "rfmid-3"})


@pytest.mark.parametrize("value", [2, -1, 0.5, float("inf")])
def test_label_that_is_neither_present_nor_absent_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="^rfmid-3: .* 0 .* 1 .* NaN"):
        labels({"disease": [1, 0, value, NAN], "id": "rfmid-3"})


def test_truth_is_noted_before_loading() -> None:
    item = RecordLabelPathsd()({"image": Path("a.jpg"), "vessel": "v.png", "fov": "f.png"})
    assert (item["image_path"], item["vessel_path"], item["fov_path"]) == ("a.jpg", "v.png", "f.png")
    assert item["has_vessel"].item() is True


def test_unknown_truth_is_an_empty_path_and_a_false_flag() -> None:
    item = RecordLabelPathsd()({"image": "a.jpg"})
    assert (item["vessel_path"], item["fov_path"]) == ("", "")
    assert item["has_vessel"].item() is False


def test_each_structure_is_noted_filled_and_loaded(masks: dict[Any, Any]) -> None:
    item = RecordLabelPathsd(("irf", "srf"))({"image": "a.png", "irf": masks["vessel_path"]})
    assert [item[f"has_{name}"].item() for name in ("irf", "srf")] == [True, False]
    filled = FillMissingMasksd(("irf", "srf"))(item | {"image": torch.ones(3, 4, 6)})
    assert filled["irf"] == masks["vessel_path"]
    assert not filled["srf"].any()
    loaded = LoadReferenceMasksd(("irf", "srf"))(item | {"fov": torch.ones(1, 4, 6)})
    assert loaded["irf_reference"].sum() == 6
    assert not loaded["srf_reference"].any()


def test_missing_vessels_are_filled_with_zeros_of_the_photographs_kind() -> None:
    vessel = FillMissingMasksd("vessel")({"image": torch.full((3, 4, 5), 9, dtype=torch.uint8)})["vessel"]
    assert torch.equal(vessel, torch.zeros(1, 4, 5, dtype=torch.uint8))


def test_known_vessels_are_not_touched() -> None:
    vessel = torch.ones(1, 4, 5)
    assert FillMissingMasksd("vessel")({"image": torch.zeros(3, 4, 5), "vessel": vessel})["vessel"] is vessel


@pytest.fixture
def masks(tmp_path: Path) -> dict[Any, Any]:
    """A vessel mask of 0 and 255 and a field of view of 0 and 1, both 4 x 6 pixels."""
    vessel, fov = np.zeros((4, 6), dtype=np.uint8), np.ones((4, 6), dtype=np.uint8)
    vessel[1], fov[:, 0] = 255, 0
    Image.fromarray(vessel).save(tmp_path / "vessel.png")
    Image.fromarray(fov).save(tmp_path / "fov.gif")
    return {"vessel_path": str(tmp_path / "vessel.png"), "fov_path": str(tmp_path / "fov.gif")}


def test_truth_is_loaded_as_drawn(masks: dict[Any, Any]) -> None:
    item = LoadReferenceMasksd()({"fov": torch.zeros(1, 4, 6), **masks})
    for key in ("vessel_reference", "fov_reference"):
        assert (item[key].shape, item[key].dtype) == ((1, 4, 6), torch.uint8)
    assert item["vessel_reference"][0].sum(dim=1).tolist() == [0, 6, 0, 0]
    assert item["fov_reference"][0].sum(dim=0).tolist() == [0, 4, 4, 4, 4, 4]


def test_without_masks_the_estimate_counts_and_vessels_are_empty() -> None:
    fov = torch.tensor([[[0.0, 0.4, 0.6, 1.0]]])
    item = LoadReferenceMasksd()({"fov": fov, "vessel_path": "", "fov_path": ""})
    assert item["fov_reference"].tolist() == [[[0, 0, 1, 1]]]
    assert item["vessel_reference"].tolist() == [[[0, 0, 0, 0]]]


def test_mask_of_another_size_is_refused(masks: dict[Any, Any]) -> None:
    with pytest.raises(ValueError, match=r"vessel\.png.*\(4, 6\).*\(6, 4\)"):
        LoadReferenceMasksd()({"fov": torch.zeros(1, 6, 4), "vessel_path": masks["vessel_path"], "fov_path": ""})
