"""Measures the reference vessels of datasets, to which the measures of a prediction are compared.

    python -m vmnet_monai.biomarkers.fit --dataset NAME --dataset-dir DIR [...] --landmarks FILE --output FILE

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
from numpy.typing import NDArray

from vmnet_monai.biomarkers.definitions import DISC_SIZES
from vmnet_monai.biomarkers.measures import GRID_SIZE, vessel_measures
from vmnet_monai.biomarkers.photograph import MAPS, can_be_measured, measure_photograph, measuring_grid
from vmnet_monai.biomarkers.tables import MICRONS_FROM, wide_row
from vmnet_monai.datasets.catalogue import read_datasets
from vmnet_monai.io.files import whole_file
from vmnet_monai.io.images import read_image, read_mask
from vmnet_monai.transforms.field_of_view import estimate_field_of_view
from vmnet_monai.transforms.preprocessing import chain, load_and_crop

__all__ = ["PERCENTILES", "measure_references", "measure_values", "summarise"]

PERCENTILES = (5, 50, 95)
"""What is kept of the measures of all photographs."""

MIN_PHOTOGRAPHS = 20
"""Fewer do not show where the outer twentieths lie."""

_LEFT_OUT = ("_px", "_px2", *(f"{name}_um" for name in DISC_SIZES), "disc_area_um2")
"""Ends of the names of measures that say nothing of other eyes."""


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


def measure_values(items: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Measure arteries, veins and optic disc of reference masks, with an assumed disc, as those of a prediction are.

    Args:
        items: from a dataset reader, with landmarks; those without ``artery``, ``vein`` and ``disc``, and those whose
            disc the edge of the field cuts, are left out.

    Returns:
        One row per photograph, with ``dataset`` and the columns of :func:`~vmnet_monai.biomarkers.tables.wide_row`.
    """
    rows = []
    for item in items:
        if can_be_measured(item) and not item["disc_cut"]:
            fov = read_mask(item["fov"]) if "fov" in item else _field_of_view(item["image"])
            masks = {name: read_mask(item[name]) for name in MAPS if name in item}
            measured = measure_photograph(masks, measuring_grid(fov))
            rows.append({"dataset": item["dataset"]} | wide_row(measured.values))
    return pd.DataFrame(rows).drop(columns=MICRONS_FROM, errors="ignore")


def _field_of_view(path: str) -> NDArray[np.bool_]:
    return estimate_field_of_view(read_image(path).transpose(2, 0, 1))


def summarise(table: pd.DataFrame) -> dict[str, Any]:
    """Say where the measures of most eyes lie.

    Those in pixels are left out: they depend on the camera. So are the places of landmarks and, because they rest on an
    assumed disc, its sizes.

    Args:
        table: from :func:`measure_references` or :func:`measure_values`.

    Raises:
        ValueError: if there are fewer than :data:`MIN_PHOTOGRAPHS` photographs.
    """
    if len(table) < MIN_PHOTOGRAPHS:
        raise ValueError(
            f"a reference needs the vessels of at least {MIN_PHOTOGRAPHS} photographs, got {len(table)}: add datasets."
        )
    measures = table.drop(columns="dataset").astype(float)
    measures = measures[[name for name in measures if not str(name).endswith(_LEFT_OUT)]]
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
    parser.add_argument(
        "--landmarks", metavar="FILE", help="optic discs and foveas: arteries, veins and calibres are measured too"
    )
    parser.add_argument("--output", required=True, metavar="FILE", help="the reference, as JSON")
    given = parser.parse_args(arguments)
    try:
        items = read_datasets(given.dataset, given.dataset_dir, diseases=[], landmarks=given.landmarks)
        summary = summarise(measure_references(items))
        if given.landmarks is not None:
            summary["values"] = summarise(measure_values(items))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    with whole_file(Path(given.output)) as path:
        path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print(f"Measured {sum(summary['photographs'].values())} photographs. Written: {given.output}")


if __name__ == "__main__":
    main()
