"""The tables of a run: ``manifest.csv`` and ``predictions.csv``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vmnet_monai.io.tables import write_table
from vmnet_monai.reports.record import InputRecord, Record

__all__ = ["prediction_row", "write_tables"]


def write_tables(output_dir: Path, records: Sequence[InputRecord]) -> None:
    """Write ``manifest.csv``, one row per input, and ``predictions.csv``, one row per predicted image.

    Args:
        output_dir: the output folder.
        records: one per input, in the order of the rows.

    Raises:
        OSError: if they cannot be written.
    """
    columns = list(InputRecord.model_fields)
    manifest = pd.DataFrame([record.model_dump(include={*columns}) for record in records], columns=columns)
    predicted = [record for record in records if isinstance(record, Record)]
    findings = [finding for record in predicted for finding in record.findings]
    # Columns of what nobody asked for would be empty, and an empty decision reads like a negative one.
    with_probability = any(finding.probability is not None for finding in findings)
    with_decision = any(finding.decision is not None for finding in findings)
    rows = [prediction_row(record, with_probability, with_decision) for record in predicted]
    predictions = pd.DataFrame(rows or None, columns=None if rows else ["id", "image"])
    for name, table in (("manifest.csv", manifest), ("predictions.csv", predictions)):
        decisions = [column for column in table.columns.astype(str) if column.startswith("decision_")]
        write_table(output_dir / name, table.astype(dict.fromkeys(decisions, "Int64")), float_format="%.6f")


def prediction_row(record: Record, with_probability: bool, with_decision: bool) -> dict[str, Any]:
    """Return the row of a predicted image in ``predictions.csv``, column -> value.

    Args:
        record: of the image.
        with_probability: whether there are columns of probabilities.
        with_decision: whether there are columns of decisions.
    """
    row: dict[str, Any] = {"id": record.id, "image": record.image}
    for finding in record.findings:
        row[f"score_{finding.disease}"] = finding.score
        row[f"percentile_{finding.disease}"] = finding.percentile
        if with_probability:
            row[f"probability_{finding.disease}"] = finding.probability
        if with_decision:
            row[f"decision_{finding.disease}"] = finding.decision
    return row | record.measures | {"warnings": " ".join(record.warnings)}
