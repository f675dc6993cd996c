"""``vmnet compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from vmnet_monai.cli.base import EXIT_CODES, NAMED_LIST, Command
from vmnet_monai.cli.checks import loading

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compare", "read_run", "scores_path"]

System = tuple[str, list[str]]
SYSTEM = "NAME=RUN[,RUN...]"


@click.command(cls=Command, epilog=EXIT_CODES)
@click.option(
    "--reference",
    required=True,
    type=NAMED_LIST,
    metavar=SYSTEM,
    help="The system that the others are compared with; a run is the output folder of an evaluation.",
)
@click.option(
    "--candidate",
    "candidates",
    multiple=True,
    type=NAMED_LIST,
    metavar=SYSTEM,
    help="A system that is compared with it; may be repeated.",
)
@click.option(
    "--pair",
    "pairs",
    multiple=True,
    type=NAMED_LIST,
    metavar="DATASET=DISEASE[,DISEASE...]",
    help="The diseases that are scored within a dataset; may be repeated [default: all with enough photographs].",
)
@click.option(
    "--min-count",
    type=click.IntRange(1),
    default=10,
    metavar="N",
    help="Photographs with the disease, and without, from which it is scored in a dataset.",
)
@click.option(
    "--bootstrap-samples", type=click.IntRange(1), default=1000, metavar="N", help="Resamples behind an interval."
)
@click.option("--seed", type=int, default=0, metavar="N", help="Seed of the resamples.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A CSV file to write, one row per score and system.",
)
def compare(
    reference: System,
    candidates: tuple[System, ...],
    pairs: tuple[System, ...],
    min_count: int,
    bootstrap_samples: int,
    seed: int,
    output: Path | None,
) -> None:
    """Compare evaluated systems: mean, spread over the runs and paired bootstrap, as a Markdown table."""
    named = (reference, *candidates)
    names = [name for name, _ in named]
    if len(set(names)) < len(names):
        raise click.UsageError(f"Each system needs a name of its own, got {', '.join(names)}.")
    for folder in (folder for _, runs in named for folder in runs):
        scores_path(folder)
    with loading("Comparing"):
        from vmnet_monai.io.tables import write_table
        from vmnet_monai.metrics.comparison import compare_systems, comparison_table

    comparison = compare_systems(
        {name: [read_run(folder) for folder in runs] for name, runs in named},
        reference[0],
        dict(pairs) or None,
        min_count,
        bootstrap_samples,
        seed,
    )
    print(comparison_table(comparison))
    if output is not None:
        write_table(output, comparison)


def read_run(folder: str | Path) -> pd.DataFrame:
    """Read the scores of the photographs, ``metrics.csv``, that an evaluation left in its output folder.

    Raises:
        FileNotFoundError: when there is none.
        ValueError: when it cannot be read.
    """
    from vmnet_monai.io.tables import read_table

    table = read_table(scores_path(folder))
    # Names are text, also "NA" and "007"; only an empty cell is undefined.
    scores = [column for column in table.rows.columns if column not in ("id", "dataset", "patient", "sex")]
    rows = table.with_decimal_points(scores).reset_index(drop=True)
    rows = rows.mask(rows == "")
    return rows.assign(**{column: _numbers(rows[column]) for column in scores})


def _numbers(column: pd.Series) -> pd.Series:
    """The numbers that a column of text holds; the column itself where it holds others."""
    import pandas as pd

    try:
        return pd.to_numeric(column)
    except ValueError:
        return column


def scores_path(folder: str | Path) -> Path:
    """Return the path of the scores of an evaluation.

    Raises:
        FileNotFoundError: when there are none.
    """
    path = Path(folder) / "metrics.csv"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: give the output folder of an evaluation, or evaluate first")
    return path
