"""Whether a large folder takes more memory, or more time per photograph, than a small one.

``python tests/benchmarks/many_images.py [--counts 100 2000] [--size 512] [--bundle DIR] [-- OPTION ...]`` runs
``vmnet predict`` on folders of that many photographs, turned copies of scikit-image's retina, and prints for each the
peak memory of the process, the seconds per photograph, and their ratios to the first; and the CPU-seconds of all its
processes together, start included, also as the part that they are of the time of all cores. Options after ``--`` are
handed to ``vmnet predict``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import skimage.data
from PIL import Image

from vmnet_monai.metrics.comparison import markdown_table

MIB = 2**20


def write_photographs(folder: Path, count: int, size_px: int) -> None:
    """Write turned copies of the retina as JPEG."""
    folder.mkdir()
    retina = Image.fromarray(skimage.data.retina()).resize((size_px, size_px))
    for index in range(count):
        retina.rotate(360 * index / count).save(folder / f"{index:05d}.jpg", quality=90)


def run(folder: Path, output: Path, options: Sequence[str]) -> tuple[float, float, float]:
    """Predict a folder in a process of its own; its peak memory in MiB, its seconds, and CPU-seconds with children."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "vmnet_monai", "predict", str(folder), "--output", str(output), *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}.")
    return usage.ru_maxrss * 1024 / MIB, time.perf_counter() - started, usage.ru_utime + usage.ru_stime


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", nargs="+", type=int, default=[100, 2000])
    parser.add_argument("--size", type=int, default=512, help="side of the photographs in pixels")
    parser.add_argument("--bundle", default="bundles/vmnet")
    parser.add_argument("options", nargs="*", help="further options of vmnet predict")
    options = parser.parse_args(arguments)
    rows = []
    for count in options.counts:
        with TemporaryDirectory() as temporary:
            write_photographs(Path(temporary) / "in", count, options.size)
            output = Path(temporary) / "out"
            peak, seconds, used = run(Path(temporary) / "in", output, ["--bundle", options.bundle, *options.options])
            own = pd.read_csv(output / "manifest.csv")["seconds"]
        rows.append((count, peak, seconds, used, own.mean()))
    first, cores = rows[0], len(os.sched_getaffinity(0))
    print(
        markdown_table(
            [
                *("photographs", "peak memory", "ratio", "whole run", "CPU", "cores busy"),
                *("seconds per photograph", "ratio"),
            ],
            [
                [
                    str(count),
                    f"{peak:.0f} MiB",
                    f"{peak / first[1]:.2f}",
                    f"{seconds:.0f} s",
                    f"{used:.0f} s",
                    f"{used / seconds / cores:.0%}",
                    f"{own:.3f}",
                    f"{own / first[4]:.2f}",
                ]
                for count, peak, seconds, used, own in rows
            ],
        )
    )


if __name__ == "__main__":
    sys.exit(main())
