"""How often each disease is present."""

from __future__ import annotations

from vmnet_monai.datasets import prevalences

NAN = float("nan")


def test_unknown_labels_do_not_count() -> None:
    labels = [[1.0, 1.0, NAN], [0.0, NAN, NAN], [0.0, 1.0, NAN], [1.0, 0.0, NAN]]
    assert prevalences([{"disease": row} for row in labels]) == [1 / 2, 2 / 3, 0.0]
