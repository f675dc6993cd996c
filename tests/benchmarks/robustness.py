"""How much an answer changes when the same photograph comes with other pixels: scaled, padded, compressed.

``python tests/benchmarks/robustness.py PHOTO|FOLDER ... [--bundle DIR]`` predicts each photograph as it is and altered,
and prints per alteration, over all photographs: the largest change of a disease probability, the 95th percentile of
these changes, the range of the ratio of vessel densities, and the least and mean Dice between the two vessel masks,
that of the altered photograph put back on the pixels of the original.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vmnet_monai import Prediction, Predictor
from vmnet_monai.datasets import find_images
from vmnet_monai.io.images import read_image
from vmnet_monai.io.tables import write_table

PADDING = 0.15
"""Black added on each side, as a share of the photograph's side."""

DENSITY = "vessel_density_fov_share"


def scaled(factor: float) -> Callable[[Image.Image], Image.Image]:
    return lambda photograph: photograph.resize(
        (round(photograph.width * factor), round(photograph.height * factor)), Image.Resampling.LANCZOS
    )


def _padded(photograph: Image.Image) -> Image.Image:
    return ImageOps.expand(photograph, (round(PADDING * photograph.width), round(PADDING * photograph.height)))


def jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    def compressed(photograph: Image.Image) -> Image.Image:
        stream = io.BytesIO()
        photograph.save(stream, "JPEG", quality=quality)
        return Image.open(stream)

    return compressed


ALTERATIONS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "half the size": scaled(0.5),
    "1.5 times the size": scaled(1.5),
    "padded with black": _padded,
    "JPEG 90": jpeg(90),
}
"""What is done to a photograph, as PNG, that is without loss, unless it says so."""


def on_original(name: str, mask: NDArray[np.bool_], width: int, height: int) -> NDArray[np.bool_]:
    """The vessel mask of an altered photograph on the pixels of the original."""
    if name == "padded with black":
        left, top = round(PADDING * width), round(PADDING * height)
        return mask[top : top + height, left : left + width]
    grey = Image.fromarray(mask.astype(np.uint8) * 255).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(grey) >= 128


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """2 |A and B| / (|A| + |B|); 1 where both are empty."""
    total = first.sum() + second.sum()
    return float(2 * (first & second).sum() / total) if total else 1.0


def compare(original: Prediction, altered: Prediction, name: str) -> dict[str, float]:
    """What an alteration changed in one photograph."""
    height, width = original.vessel_mask.shape
    changes = [abs(altered.scores[key] - value) for key, value in original.scores.items()]
    before, after = original.measures[DENSITY], altered.measures[DENSITY]
    return {
        "probability_change": max(changes),
        "density_ratio": after / before if before and after else np.nan,
        "dice": dice(original.vessel_mask, on_original(name, altered.vessel_mask, width, height)),
    }


def measure(predictor: Predictor, photographs: Sequence[str]) -> pd.DataFrame:
    """One row per photograph and alteration."""
    rows = []
    for path in photographs:
        photograph = Image.fromarray(read_image(path))
        original = predictor(photograph)
        for name, alter in ALTERATIONS.items():
            rows.append({"image": path, "alteration": name, **compare(original, predictor(alter(photograph)), name)})
    return pd.DataFrame(rows)


def summary(table: pd.DataFrame) -> str:
    """The table that is printed, in Markdown."""
    lines = [
        "| Alteration | Largest change of a probability | 95th percentile | Vessel density, ratio "
        "| Vessel Dice, least | mean |",
        "|---|---|---|---|---|---|",
    ]
    for name, rows in table.groupby("alteration", sort=False):
        change, ratio, agreement = rows["probability_change"], rows["density_ratio"], rows["dice"]
        lines.append(
            f"| {name} | {change.max():.3f} | {change.quantile(0.95):.3f} | {ratio.min():.3f} to {ratio.max():.3f} | "
            f"{agreement.min():.3f} | {agreement.mean():.3f} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+", type=Path, metavar="PHOTO|FOLDER")
    parser.add_argument("--bundle", default="bundles/vmnet", help="the bundle (default: %(default)s)")
    parser.add_argument("--csv", type=Path, help="file for the row of each photograph")
    options = parser.parse_args(arguments)
    photographs = [item["image"] for item in find_images(options.inputs)]
    table = measure(Predictor(options.bundle, explain=[]), photographs)
    if options.csv is not None:
        write_table(options.csv, table)
    print(f"{len(photographs)} photographs\n\n{summary(table)}")


if __name__ == "__main__":
    sys.exit(main())
