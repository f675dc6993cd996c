"""What the index of a report costs: to write, on disk, and to open in a browser.

    python tests/benchmarks/report_index.py [--counts 10,100000]

The seconds of the browser run from the start of headless Chromium to its end, after the page was loaded whole and drawn
once. A report of few photographs beside it shows how many of them are Chromium's own.
"""

from __future__ import annotations

import shutil
import subprocess
import time
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import fire
import numpy as np

from vmnet_monai.metrics.comparison import markdown_table
from vmnet_monai.reports.html import write_index
from vmnet_monai.reports.record import DiseaseFinding, InputRecord, Record

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
"""Program; None where there is none."""
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)
"""Without a window, and without looking for anything in the network."""
DISEASES = ("normal", "diabetic_retinopathy", "glaucoma", "cataract", "amd")
REMARKS = ("The photograph is blurred.", "The photograph is dark.", "A part of the field of view is missing.")


def report_index(counts: tuple[int, ...] = (10, 100_000), repeats: int = 3) -> str:
    """Return a Markdown table with a row per count of photographs.

    Args:
        counts: numbers of photographs; one in fifty is refused, one in four has remarks.
        repeats: times that the browser is started; the median counts.
    """
    rows = []
    for count in counts:
        records = make_records(count)
        with TemporaryDirectory() as folder:
            started = time.process_time()
            write_index(Path(folder), records)
            seconds = time.process_time() - started
            tracemalloc.start()
            write_index(Path(folder), records)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            page = Path(folder) / "index.html"
            wall = np.median([_open(page) for _ in range(repeats)]) if CHROMIUM else np.nan
            numbers = seconds, peak / 1e6, page.stat().st_size / 1e6, wall
            rows.append([f"{count:,}", *(f"{number:.2f}" for number in numbers)])
    heads = ["photographs", "writing, CPU-s", "its memory, MB", "file, MB", "browser, s"]
    return markdown_table(heads, rows)


def make_records(count: int, seed: int = 0) -> list[InputRecord]:
    """Make records of photographs with random scores.

    Args:
        count: number of records.
        seed: of the random numbers.
    """
    generator = np.random.default_rng(seed)
    shared = {"model": "V-MNet", "model_version": "0a1b2c3d4e5f", "thresholds_version": "b5bb59398069"}
    records: list[InputRecord] = []
    for row, scores in enumerate(generator.random((count, len(DISEASES)))):
        known = {"id": f"clinic_{row % 97}_eye_{row}", "image": f"/archive/{row}.jpg", **shared}
        if row % 50 == 49:
            records.append(InputRecord(**known, status="refused", reason=f"dark: its bright level is {row % 12}."))
            continue
        records.append(
            Record(
                **known,
                width_px=1500,
                height_px=1500,
                findings=[
                    DiseaseFinding(disease=disease, score=score, percentile=100 * score, sources=["hrf"])
                    for disease, score in zip(DISEASES, scores.tolist(), strict=True)
                ],
                measures={},
                warnings=list(REMARKS[: row % 4]) if row % 16 < 4 else [],
                structures=["vessel"],
                heat_maps=[],
                made_from={},
                files=[],
            )
        )
    return records


def _open(page: Path) -> float:
    """Seconds of wall-clock time that Chromium takes to start, open a page, draw it and end."""
    with TemporaryDirectory() as folder:
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder}", f"--screenshot={folder}/page.png", page.as_uri()]
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return time.perf_counter() - started


if __name__ == "__main__":
    fire.Fire(report_index)
