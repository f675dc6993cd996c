"""What each disease's threshold does on photographs that did not choose it: Youden's, and that of a stated sensitivity.

Takes the ``metrics.csv`` of two evaluations of the same weights, one of the validation part, one of the test part:

    python tests/benchmarks/disease_thresholds.py output/validation/metrics.csv output/test/metrics.csv \
        --model_dir bundles/vmnet/models
"""

from __future__ import annotations

import math

import fire
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vmnet_monai.calibration import OperatingPoint
from vmnet_monai.calibration.own import STATED_SENSITIVITY, threshold_at_sensitivity
from vmnet_monai.metrics import patient_bootstrap_interval
from vmnet_monai.metrics.comparison import markdown_table

SAMPLES = 1000


def disease_thresholds(validation: str, test: str, model_dir: str, samples: int = SAMPLES, seed: int = 0) -> str:
    """Score both thresholds of every disease on the test photographs of the sources for which it is calibrated.

    Args:
        validation: ``metrics.csv`` of the validation part, on which the second threshold is chosen; the first is that
            of the operating point.
        test: ``metrics.csv`` of the test part.
        model_dir: folder of the operating point.
        samples: of the bootstrap by patient, for the 95 % intervals.
        seed: of the resamples.

    Returns:
        A Markdown table: disease, sources, threshold, sensitivity and specificity with their intervals.
    """
    point = OperatingPoint.load(model_dir)
    tables = [pd.read_csv(path) for path in (validation, test)]
    rows = []
    for index, (disease, sources) in enumerate(zip(point.diseases, point.disease_sources, strict=True)):
        chosen, scored = (_labelled(table, disease, sources) for table in tables)
        if chosen.empty or scored.empty:
            continue
        stated = threshold_at_sensitivity(
            chosen["probability"].to_numpy(), chosen["label"].to_numpy() == 1, STATED_SENSITIVITY
        )
        for name, threshold in (
            ("Youden's", point.disease_thresholds[index]),
            (f"sensitivity {STATED_SENSITIVITY:g}", stated),
        ):
            cells = [_fraction(scored, threshold, present, samples, seed) for present in (True, False)]
            rows.append([disease, ", ".join(sources), name, f"{threshold:.3f}", *cells])
    header = ["disease", "sources", "threshold chosen by", "threshold", "sensitivity", "specificity"]
    return markdown_table(header, rows)


def _labelled(table: pd.DataFrame, disease: str, sources: tuple[str, ...]) -> pd.DataFrame:
    columns = {f"probability_{disease}": "probability", f"label_{disease}": "label"}
    known = table[table["dataset"].isin(sources)].rename(columns=columns)
    return known[["patient", *columns.values()]].dropna().reset_index(drop=True)


def _fraction(scored: pd.DataFrame, threshold: float, present: bool, samples: int, seed: int) -> str:
    """Sensitivity, or specificity, with its interval."""
    right = ((scored["probability"] >= threshold) == present).to_numpy()
    asked = (scored["label"] == float(present)).to_numpy()

    def among(rows: NDArray[np.intp]) -> float:
        return float(right[rows][asked[rows]].mean()) if asked[rows].any() else math.nan

    low, high = patient_bootstrap_interval(among, scored["patient"].astype(str).tolist(), samples, seed)
    return f"{among(np.arange(len(scored))):.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    fire.Fire(disease_thresholds)
