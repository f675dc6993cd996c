"""Parts by patient."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from layouts import write_chasedb1, write_hrf, write_stare

from vmnet_monai.datasets import (
    DatasetError,
    DatasetWarning,
    Item,
    chasedb1,
    check_disjoint,
    hrf,
    split_by_patient,
    stare,
)


def images(count: int, dataset: str = "d", per_patient: int = 1, **keys: Any) -> list[Item]:
    """Items of ``count`` patients, of whom every tenth has the first disease."""
    return [
        {
            "id": f"{dataset}_{patient}_{n}",
            "patient": f"p_{patient}",
            "dataset": dataset,
            "disease": [float(patient % 10 == 0)],
            **keys,
        }
        for patient in range(count)
        for n in range(per_patient)
    ]


def parts_of(items: list[Item], **arguments: Any) -> dict[str, str]:
    return {item["id"]: part for part, own in split_by_patient(items, **arguments).items() for item in own}


def sizes(items: list[Item], **arguments: Any) -> tuple[int, ...]:
    return tuple(len(own) for own in split_by_patient(items, **arguments).values())


def test_fractions_are_of_patients_rounded_up() -> None:
    assert sizes(images(100)) == (65, 15, 20)
    assert sizes(images(7), val_fraction=0.15, test_fraction=0.2) == (3, 2, 2)


@pytest.mark.parametrize(("count", "expected"), [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1))])
def test_smallest_datasets_train_first_then_validate_then_test(count: int, expected: tuple[int, ...]) -> None:
    assert sizes(images(count)) == expected


def test_draw_does_not_depend_on_the_order_of_the_items() -> None:
    items = images(50)
    shuffled = random.Random(1).sample(items, len(items))
    assert split_by_patient(items) == split_by_patient(shuffled)


def test_another_seed_draws_other_patients() -> None:
    assert parts_of(images(50), split_seed=0) != parts_of(images(50), split_seed=1)


@pytest.mark.parametrize("seed", range(5))
def test_rare_disease_is_in_every_part(seed: int) -> None:
    datalists = split_by_patient(images(100), split_seed=seed)
    present = {part: sum(item["disease"][0] for item in own) for part, own in datalists.items()}
    assert present["train"] in (6, 7)
    assert present["val"] in (1, 2)
    assert present["test"] in (1, 2, 3)


def test_photographs_of_a_patient_stay_together_across_datasets() -> None:
    items = images(30, "a", per_patient=2) + images(40, "b")
    parts = parts_of(items)
    for patient in range(30):
        assert parts[f"a_{patient}_0"] == parts[f"a_{patient}_1"] == parts[f"b_{patient}_0"]


def test_another_dataset_does_not_move_a_datasets_patients() -> None:
    alone = images(30)
    more = [item | {"patient": "q" + item["patient"]} for item in images(20, "b")]
    parts = parts_of(alone + more)
    assert parts_of(alone) == {key: part for key, part in parts.items() if key.startswith("d_")}


def test_official_split_is_kept_and_leaves_the_items() -> None:
    items = images(4, split="train") + [item | {"id": "v", "patient": "v", "split": "val"} for item in images(1)]
    datalists = split_by_patient(items)
    assert [len(own) for own in datalists.values()] == [4, 1, 0]
    assert all("split" not in item for own in datalists.values() for item in own)


def test_drawn_dataset_follows_the_official_part_of_a_shared_patient() -> None:
    official = images(10, "a", split="test")
    assert set(parts_of(official + images(10, "b")).values()) == {"test"}


def test_hrf_validates_on_one_of_each_group(tmp_path: Path) -> None:
    diseases = ["normal", "diabetic_retinopathy", "glaucoma"]
    datalists = split_by_patient(hrf.read(write_hrf(tmp_path), diseases))
    assert [len(own) for own in datalists.values()] == [12, 3, 30]
    assert Counter(tuple(item["disease"]) for item in datalists["val"]) == {(1, 0, 0): 1, (0, 1, 0): 1, (0, 0, 1): 1}


def test_chasedb1_validates_on_both_eyes_of_one_patient(tmp_path: Path) -> None:
    datalists = split_by_patient(chasedb1.read(write_chasedb1(tmp_path), []))
    assert [len(own) for own in datalists.values()] == [6, 2, 20]
    assert len({item["patient"] for item in datalists["val"]}) == 1


def test_stare_is_drawn(tmp_path: Path) -> None:
    assert sizes(stare.read(write_stare(tmp_path), [])) == (13, 3, 4)


def test_patient_in_two_official_parts_stays_held_out() -> None:
    items = images(10, "a", split="train") + images(1, "b", split="test")
    with pytest.warns(DatasetWarning, match=r"\(1\), first p_0.* \(1\) "):
        parts = parts_of(items)
    assert parts["b_0_0"] == "test"
    assert "a_0_0" not in parts


def test_patient_in_two_parts_is_refused() -> None:
    items = images(1)
    with pytest.raises(DatasetError, match=r" 1 .*p_0 \(train, test\)"):
        check_disjoint({"train": items, "val": [], "test": items})


@pytest.mark.parametrize(("val_fraction", "test_fraction"), [(-0.1, 0.2), (0.5, 0.5)])
def test_fractions_that_leave_no_training_are_refused(val_fraction: float, test_fraction: float) -> None:
    with pytest.raises(ValueError, match="must sum to less than 1"):
        split_by_patient(images(3), val_fraction=val_fraction, test_fraction=test_fraction)


def test_fraction_zero_keeps_every_patient_in_training() -> None:
    assert sizes(images(5), val_fraction=0, test_fraction=0) == (5, 0, 0)
