"""What is said of parts that are too poor to select weights by."""

from __future__ import annotations

from typing import Any

import pytest

from vmnet_monai.datasets import DatasetError, items_of_part
from vmnet_monai.datasets.selection import selection_warnings

NAN = float("nan")


def item(*labels: float, dataset: str = "a", **masks: str) -> Any:
    return {"dataset": dataset, "disease": list(labels), "image": "x.png", **masks}


def warned(val: list[Any], test: list[Any], *diseases: str, train: list[Any] | None = None) -> list[str]:
    datalists = {"train": [item(1.0), item(0.0)] if train is None else train, "val": val, "test": test}
    return selection_warnings(datalists, diseases, ("vessel",))


BOTH = [item(1.0), item(0.0)]


def test_parts_with_both_classes_cause_no_warning() -> None:
    assert warned(BOTH, BOTH, "glaucoma") == []


def test_without_positives_the_last_validation_is_kept() -> None:
    (message,) = warned([item(0.0)], BOTH, "glaucoma")
    assert "validation part" in message
    assert "with and without glaucoma" in message
    assert "the weights of the last validation are kept" in message


def test_masks_and_other_diseases_select_alone() -> None:
    (message,) = warned([item(0.0, 1.0, vessel="v.png"), item(0.0, 0.0)], [], "glaucoma", "amd", train=[])[1:]
    assert "without glaucoma:" in message
    assert "selected by the Dice of the masks and the AUC of amd alone" in message


def test_classes_in_two_datasets_do_not_count() -> None:
    (message,) = warned([item(0.0), item(1.0, dataset="b")], BOTH, "glaucoma")
    assert "no dataset has" in message


def test_the_test_part_is_named_too() -> None:
    (message,) = warned(BOTH, [item(1.0)], "glaucoma")
    assert "In the test part" in message
    assert "AUC empty" in message


def test_a_disease_without_any_label_is_told_elsewhere() -> None:
    val = [item(1.0, NAN), item(0.0, NAN)]
    assert warned(val, val, "glaucoma", "amd", train=[]) == []


def test_empty_parts_are_named_with_what_is_needed() -> None:
    messages = warned([], [], "glaucoma")
    assert ["val" in message or "test" in message for message in messages] == [True, True]
    assert all("two patients" in message for message in messages)


def test_a_part_without_photographs_is_refused() -> None:
    datalists: dict[str, list[Any]] = {"train": BOTH, "val": []}
    assert items_of_part(datalists, "train") == BOTH
    with pytest.raises(DatasetError, match=r"part val .* none \(train 2, val 0\): add patients"):
        items_of_part(datalists, "val")
    with pytest.raises(DatasetError, match="one of train, val, got 'vall'"):
        items_of_part(datalists, "vall")
