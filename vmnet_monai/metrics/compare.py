"""Compare evaluated systems, each by one output folder per seed: mean, spread and paired bootstrap."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vmnet_monai.io.files import whole_file
from vmnet_monai.metrics.comparison import compare_systems, comparison_table


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comparison as a Markdown table.

    Returns:
        Exit code: 0, or 1 when the runs cannot be compared.
    """
    parser = argparse.ArgumentParser(prog="python -m vmnet_monai.metrics.compare", description=__doc__)
    system: dict[str, Any] = {"type": _named_list, "metavar": "NAME=RUN[,RUN...]"}
    parser.add_argument("--reference", required=True, **system, help="the system that the others are compared with")
    parser.add_argument(
        "--candidate", nargs="+", action="extend", default=[], **system, help="systems that are compared with it"
    )
    parser.add_argument(
        "--pairs",
        nargs="+",
        action="extend",
        type=_named_list,
        metavar="DATASET=DISEASE[,DISEASE...]",
        help="the diseases that are scored within each dataset (default: all with enough photographs)",
    )
    parser.add_argument(
        "--min_count",
        type=int,
        default=10,
        help="photographs with the disease, and without, from which it is scored in a dataset (default: %(default)s)",
    )
    parser.add_argument(
        "--bootstrap_samples", type=int, default=1000, help="resamples behind an interval (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the resamples (default: %(default)s)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="a CSV file to write, one row per score and system")
    options = parser.parse_args(arguments)

    reference, _ = options.reference
    names = [name for name, _ in (options.reference, *options.candidate)]
    if len(set(names)) < len(names):
        parser.error(f"each system needs a name of its own, got {', '.join(names)}")
    try:
        systems = {
            name: [read_run(folder) for folder in runs] for name, runs in (options.reference, *options.candidate)
        }
        comparison = compare_systems(
            systems,
            reference,
            None if options.pairs is None else dict(options.pairs),
            options.min_count,
            options.bootstrap_samples,
            options.seed,
        )
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(comparison_table(comparison))
    if options.output:
        with whole_file(options.output) as path:
            comparison.to_csv(path, index=False)
    return 0


def read_run(folder: str | Path) -> pd.DataFrame:
    """Read the scores of the photographs, ``metrics.csv``, that an evaluation left in its output folder.

    Raises:
        FileNotFoundError: when there is none.
    """
    path = Path(folder) / "metrics.csv"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: give the output folder of an evaluation, or evaluate first")
    # Names are text, also "NA" and "007"; only an empty cell is undefined.
    names = {"id": str, "dataset": str, "patient": str}
    return pd.read_csv(path, dtype=names, keep_default_na=False, na_values=[""])


def _named_list(text: str) -> tuple[str, list[str]]:
    name, _, values = text.partition("=")
    if not name or not all(values.split(",")):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE[,VALUE...]")
    return name, values.split(",")


if __name__ == "__main__":
    sys.exit(main())
