"""Writes the index of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from vmnet_monai.reports.html.render import write_html
from vmnet_monai.reports.record import DiseaseFinding, InputRecord, Record, Status
from vmnet_monai.reports.wording import findings_note, known

__all__ = ["write_index"]

STATUSES: tuple[Status, ...] = tuple(reversed(get_args(Status)))
"""In the order of the table: what needs attention first."""


def write_index(output_dir: Path, records: Sequence[InputRecord]) -> None:
    """Write ``index.html``: how many photographs there are, and a table of them that can be sorted and searched.

    Failed and refused ones stand first, with their reasons; all others follow in the order in which they are given.
    An ``ok`` one links to the page that :func:`~vmnet_monai.reports.html.write_page` made. The same input gives the
    same bytes.

    Args:
        output_dir: where ``report`` lies.
        records: one per input.
    """
    rows = sorted(records, key=lambda record: STATUSES.index(record.status))
    findings = [
        {finding.disease: finding for finding in record.findings} if isinstance(record, Record) else {}
        for record in rows
    ]
    diseases = list(dict.fromkeys(disease for found in findings for disease in found))
    counts = Counter(record.status for record in records)
    every = [finding for found in findings for finding in found.values()]
    write_html(
        Path(output_dir) / "index.html",
        "index",
        counts={status: counts[status] for status in get_args(Status)},
        models=list(dict.fromkeys(map(_model, records))),
        thresholds_versions=list(dict.fromkeys(record.thresholds_version for record in records)),
        diseases=diseases,
        notes=findings_note(every),
        has_probability=any(finding.probability is not None for finding in every),
        decided=any(finding.decision is not None for finding in every),
        reached={
            disease: sum(found[disease].decision == 1 for found in findings if disease in found) for disease in diseases
        },
        rows=[
            (record, found, _sort_keys(record, found, diseases)) for record, found in zip(rows, findings, strict=True)
        ],
    )


def _model(record: InputRecord) -> str:
    return f"{record.model} ({record.model_version})" if record.model else record.model_version


def _sort_keys(
    record: InputRecord, found: Mapping[str, DiseaseFinding], diseases: Sequence[str]
) -> list[str | float | None]:
    """What each column is sorted by; None, which stands last in either direction, where there is nothing."""
    values = [found[disease].value if disease in found else None for disease in diseases]
    return [
        record.id,
        STATUSES.index(record.status),
        *(value if known(value) else None for value in values),
        len(record.warnings) if isinstance(record, Record) else 0,
    ]
