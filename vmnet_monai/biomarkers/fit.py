"""Measures the reference vessels of datasets, to which the measures of a prediction are compared.

    python -m vmnet_monai.biomarkers.fit --dataset NAME --dataset-dir DIR [...] --output FILE

The file written is what ``vmnet_monai.biomarkers.reference`` reads.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vmnet_monai.biomarkers.measures import GRID_SIZE, vessel_measures
from vmnet_monai.datasets.catalogue import read_datasets
from vmnet_monai.io.files import whole_file
from vmnet_monai.transforms.preprocessing import chain, load_and_crop

__all__ = ["PERCENTILES", "measure_references", "summarise"]

PERCENTILES = (5, 50, 95)
"""What is kept of the measures of all photographs."""

MIN_PHOTOGRAPHS = 20
"""Fewer do not show where the outer twentieths lie."""


def measure_references(items: Sequence[dict[str, Any]], grid_size: int = GRID_SIZE) -> pd.DataFrame:
    """Measure the reference masks of vessels as those of a prediction are measured.

    Args:
        items: from a dataset reader; those without ``vessel`` are left out.
        grid_size: side of the grid in pixels.

    Returns:
        One row per photograph, with ``dataset`` and the measures of :func:`~vmnet_monai.biomarkers.vessel_measures`;
        lengths in pixels are those of the grid.
    """
    load = chain([load_and_crop(["vessel"], grid_size)])
    rows = []
    for item in items:
        if "vessel" in item:
            loaded: Any = load(dict(item))
            mask, fov = (np.asarray(loaded[key][0]) >= 128 for key in ("vessel", "fov"))
            rows.append({"dataset": item["dataset"]} | vessel_measures(mask & fov, fov))
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame) -> dict[str, Any]:
    """Say where the measures of most eyes lie.

    Those in pixels are left out: they depend on the camera.

    Args:
        table: from :func:`measure_references`.

    Raises:
        ValueError: if there are fewer than :data:`MIN_PHOTOGRAPHS` photographs.
    """
    if len(table) < MIN_PHOTOGRAPHS:
        raise ValueError(
            f"a reference needs the vessels of at least {MIN_PHOTOGRAPHS} photographs, got {len(table)}: add datasets."
        )
    measures = table.drop(columns="dataset").astype(float)
    measures = measures[[name for name in measures if not str(name).endswith("_px")]]
    return {
        "photographs": {str(name): int(count) for name, count in table["dataset"].value_counts(sort=False).items()},
        "percentiles": list(PERCENTILES),
        "measures": {
            str(name): [float(f"{value:.4g}") for value in np.nanpercentile(values, PERCENTILES)]
            for name, values in measures.items()
        },
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the module's docstring shows."""
    parser = argparse.ArgumentParser(
        prog="python -m vmnet_monai.biomarkers.fit", description="Measure the reference vessels of datasets."
    )
    parser.add_argument("--dataset", action="append", required=True, metavar="NAME", help="may be repeated")
    parser.add_argument("--dataset-dir", action="append", required=True, metavar="DIR", help="one per dataset")
    parser.add_argument("--output", required=True, metavar="FILE", help="the reference, as JSON")
    given = parser.parse_args(arguments)
    try:
        summary = summarise(measure_references(read_datasets(given.dataset, given.dataset_dir, diseases=[])))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    with whole_file(Path(given.output)) as path:
        path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print(f"Measured {sum(summary['photographs'].values())} photographs. Written: {given.output}")


if __name__ == "__main__":
    main()
