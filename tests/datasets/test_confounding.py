"""Labels that a dataset gives away are forgotten, the others stay."""

from __future__ import annotations

import math
from typing import Any

import pytest

from vmnet_monai.datasets import confounded_labels, mask_confounded_labels

NAN = math.nan


def items(dataset: str, labels: list[list[float]]) -> list[Any]:
    return [{"id": f"{dataset}{i}", "dataset": dataset, "disease": row} for i, row in enumerate(labels)]


def column(found: list[Any], dataset: str, k: int) -> list[float]:
    return [item["disease"][k] for item in found if item["dataset"] == dataset]


def test_label_is_forgotten_only_in_the_dataset_where_one_class_is_missing() -> None:
    images = items("a", [[1.0, 0.0], [0.0, 0.0]] * 4) + items("b", [[0.0, 1.0], [0.0, 0.0]] * 4)
    found = mask_confounded_labels(images, keep_fraction=0.0)
    assert column(found, "a", 0) == [1.0, 0.0] * 4
    assert all(map(math.isnan, column(found, "a", 1) + column(found, "b", 0)))
    assert column(found, "b", 1) == [1.0, 0.0] * 4
    assert images[0]["disease"] == [1.0, 0.0]  # the caller's items are left alone


def test_fraction_of_either_class_decides() -> None:
    images = items("a", [[1.0, 0.0, NAN]] + [[0.0, 1.0, NAN]] * 19)
    assert column(mask_confounded_labels(images, min_fraction=0.05), "a", 0) == [1.0] + [0.0] * 19
    for k in (0, 1):
        assert math.isnan(column(mask_confounded_labels(images, min_fraction=0.06, keep_fraction=0), "a", k)[0])


def test_kept_fraction_is_drawn_with_the_seed() -> None:
    images = items("a", [[0.0]] * 1000)

    def kept(**options: Any) -> list[int]:
        return [i for i, label in enumerate(column(mask_confounded_labels(images, **options), "a", 0)) if label == 0]

    assert len(kept(keep_fraction=0.25)) == pytest.approx(250, abs=40)
    assert kept(seed=1) == kept(seed=1) != kept(seed=2)
    assert len(kept(keep_fraction=1.0)) == 1000


@pytest.mark.parametrize(("name", "value"), [("min_fraction", 0.6), ("keep_fraction", -0.1)])
def test_fraction_out_of_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}.* {value}"):
        mask_confounded_labels(items("a", [[1.0]]), **{name: value})


def test_labels_are_confounded_by_their_source_alone() -> None:
    labels = [[1.0, NAN], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    found = confounded_labels(labels, ["a", "a", "b", "b"])
    assert found.tolist() == [[True, False], [True, True], [False, False], [False, False]]
