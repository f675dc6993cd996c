"""Thresholds are chosen on one table and scored on another, within the sources of the operating point."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import disease_thresholds
import pandas as pd
from feeding import operating_point

from vmnet_monai.io.weights import WEIGHTS_NAME


def table(path: Path, scores: list[float], labels: list[int], dataset: str = "a") -> str:
    rows = {"dataset": dataset, "patient": range(len(scores))}
    for disease, turned in (("normal", False), ("glaucoma", True)):
        rows |= {f"probability_{disease}": scores, f"label_{disease}": [1 - y if turned else y for y in labels]}
    pd.DataFrame(rows).to_csv(path, index=False)
    return str(path)


def test_thresholds_are_scored_on_photographs_that_did_not_choose_them(tmp_path: Path) -> None:
    """Of five with the disease all must reach the threshold; the lowest has 0.4, the next lower score is 0.3."""
    validation = table(tmp_path / "val.csv", [0.1, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9], [0, 0, 1, 1, 1, 1, 1])
    test = table(tmp_path / "test.csv", [0.2, 0.36, 0.4, 0.3], [0, 0, 1, 1])
    (tmp_path / WEIGHTS_NAME).write_bytes(b"weights")
    point = dataclasses.replace(operating_point(0.39, 0.5), disease_sources=(("a",), ()))
    point.save(tmp_path)
    lines = disease_thresholds.disease_thresholds(validation, test, str(tmp_path), samples=50).splitlines()[2:]
    cells = [[cell.strip().split(" (")[0] for cell in line.strip("|").split("|")] for line in lines]
    assert cells == [
        ["normal", "a", "Youden's", "0.390", "0.50", "1.00"],
        ["normal", "a", "sensitivity 0.9", "0.350", "0.50", "0.50"],
    ]
