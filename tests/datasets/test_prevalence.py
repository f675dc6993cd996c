"""How often each disease is present."""

from __future__ import annotations

import pytest

from vmnet_monai.datasets.prevalence import balanced_probabilities, prevalences

NAN = float("nan")


def test_unknown_labels_do_not_count() -> None:
    labels = [[1.0, 1.0, NAN], [0.0, NAN, NAN], [0.0, 1.0, NAN], [1.0, 0.0, NAN]]
    assert prevalences([{"disease": row} for row in labels]) == [1 / 2, 2 / 3, 0.0]


def test_balance_offers_every_disease_of_every_dataset_alike() -> None:
    """Of dataset a one eye is ill and three are well, b has one: at full balance each of the three groups weighs 1."""
    items = [{"dataset": "a", "disease": [label]} for label in (1.0, 0.0, 0.0, 0.0)]
    items.append({"dataset": "b", "disease": [0.0]})
    assert balanced_probabilities(items, 1.0).tolist() == pytest.approx([1 / 3, 1 / 9, 1 / 9, 1 / 9, 1 / 3])
    assert balanced_probabilities(items, 0.0).tolist() == pytest.approx([0.2] * 5)
