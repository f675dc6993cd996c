"""Writes the index of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from vmnet_monai.reports.html.render import write_html
from vmnet_monai.reports.record import DiseaseFinding, InputRecord, Record, Status
from vmnet_monai.reports.wording import disease_name, file_url, findings_note, known, percentile_text

__all__ = ["PAGE_ROWS", "write_index"]

PAGE_ROWS = 200
"""Rows of the table that a browser holds at a time; it turns over to the others."""

STATUSES: tuple[Status, ...] = tuple(reversed(get_args(Status)))
"""In the order of the table: what needs attention first."""

SCORE_DECIMALS = 6
"""Decimals of the numbers by which the table is sorted; three are shown."""

Value = TypeVar("Value", bound=Hashable)


def write_index(output_dir: Path, records: Sequence[InputRecord]) -> None:
    """Write ``index.html``: how many photographs there are, and a table of them that can be sorted and searched.

    Failed and refused ones stand first, with their reasons; all others follow in the order in which they are given.
    An ``ok`` one links to the page that :func:`~vmnet_monai.reports.html.write_page` made. The same input gives the
    same bytes.

    The first :data:`PAGE_ROWS` rows are markup. All rows are in the page once more as columns of JSON, about 100 bytes
    a photograph with five diseases, from which its script draws those that are asked for: so there is one file, which
    appears whole or not at all, and which a browser opens from disk where it may not read the files beside it.

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
        count=len(rows),
        first_rows=list(zip(rows[:PAGE_ROWS], findings, strict=False)),
        columns=_columns(rows, findings, diseases),
    )


def _model(record: InputRecord) -> str:
    return f"{record.model} ({record.model_version})" if record.model else record.model_version


def _columns(
    rows: Sequence[InputRecord], findings: Sequence[Mapping[str, DiseaseFinding]], diseases: Sequence[str]
) -> dict[str, Any]:
    """All that the table shows, as ``index.js`` reads it: columns with one entry per row, and what they point to."""
    remarks, remark = _coded(
        tuple(record.warnings) if isinstance(record, Record) else (_text(record.reason),) for record in rows
    )
    return {
        "page_rows": PAGE_ROWS,
        "statuses": STATUSES,
        "status": [STATUSES.index(record.status) for record in rows],
        "id": [_text(record.id) for record in rows],
        # Where they differ from the id only, as most do not.
        "url": [_unless(record.id, file_url(record.id)) if record.status == "ok" else "" for record in rows],
        "image": ["" if record.status == "ok" else _unless(record.id, _text(record.image)) for record in rows],
        "remarks": remarks,
        "remark": remark,
        "diseases": [_disease_columns(disease, [found.get(disease) for found in findings]) for disease in diseases],
    }


def _disease_columns(disease: str, findings: Sequence[DiseaseFinding | None]) -> dict[str, Any]:
    """What the table shows of one disease; a value and a percentile of None stand for a dash and for nothing."""
    values = [finding.value if finding else None for finding in findings]
    percentiles = [finding.percentile if finding else None for finding in findings]
    decisions, decision = _coded((finding.decision, finding.threshold) if finding else () for finding in findings)
    return {
        "name": disease_name(disease),
        "value": [round(value, SCORE_DECIMALS) if known(value) else None for value in values],
        "percentile": [int(percentile_text(value)) if known(value) else None for value in percentiles],
        "decisions": decisions,
        "decision": decision,
    }


def _coded(values: Iterable[Value]) -> tuple[list[Value], list[int]]:
    """The distinct values, and the position of each value among them: what many rows share is written once."""
    positions: dict[Value, int] = {}
    codes = [positions.setdefault(value, len(positions)) for value in values]
    return list(positions), codes


def _unless(name: str, text: str) -> str:
    return "" if text == name else text


def _text(text: str) -> str:
    """Text with an escape sequence for each byte that is no UTF-8, as the rest of the page writes it."""
    return text.encode(errors="backslashreplace").decode()
