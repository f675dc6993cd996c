"""The index of a large report opens in a browser, and what it costs is measured."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from report_index import CHROMIUM, FLAGS, make_records, report_index

from vmnet_monai.reports.html import write_index

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")


def test_records_are_distinct_and_one_in_fifty_is_refused() -> None:
    records = make_records(100)
    assert len({record.id for record in records}) == 100
    assert [record.status for record in records].count("refused") == 2


@pytest.mark.slow
@needs_chromium
def test_hundred_thousand_photographs_open_in_chromium_from_disk(tmp_path: Path) -> None:
    write_index(tmp_path, make_records(100_000))
    page = (tmp_path / "index.html").as_uri()
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'chromium'}", "--dump-dom", page]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    assert ">100,000 of 100,000 photographs</output>" in shown
    assert '<output id="pages">500</output>' in shown
    assert shown.count('<tr class="attention">') == 200, "the first page: the refused ones"


@pytest.mark.slow
@needs_chromium
def test_costs_are_measured_for_every_count() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in report_index((5, 500), 1).splitlines()]
    assert [row[0] for row in rows[2:]] == ["5", "500"]
    assert all(float(cell) >= 0 for row in rows[2:] for cell in row[1:])
