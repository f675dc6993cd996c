"""What an archive needs: processes against one on this machine, and more of them in a simulated cluster.

``python tests/benchmarks/archive.py measure [--actors 1 2] [--count 64] [--size 1411]`` predicts turned
copies of scikit-image's retina by ``--engine ray --results table``, with each number of processes, and prints
photographs per hour from the first to the last result, without the start, and the ratio to the first. The table of the
last run is left in ``--output``.

``python tests/benchmarks/archive.py simulate --results DIR [--actors 16 64 256 1024]`` draws the seconds of each
photograph from the rows of that table, and lets so many processes share storage that reads ``--megabytes`` a second,
and one driver that notes a row in ``--row-milliseconds``. It prints photographs per day, and how busy processes,
storage and driver are: the busiest is what saturates first. Nothing else is modelled, no loss of machines and no
latency of the network.
"""

from __future__ import annotations

import argparse
import heapq
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
from many_images import write_photographs
from numpy.typing import NDArray

from vmnet_monai.metrics.comparison import markdown_table

DAY = 86400
BLOCK = 16
"""Photographs that a process takes at once, as in vmnet_monai.inference.ray_engine."""


class Clock:
    """A reporter that remembers when how many inputs were done."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, int]] = []

    def update(self, done: int, total: int) -> None:
        """Note the time."""
        self.seen.append((time.perf_counter(), done))

    def close(self) -> None:
        """Do nothing."""

    @property
    def per_second(self) -> float:
        """Inputs per second between the first results and the last."""
        (first, before), (last, after) = self.seen[1], self.seen[-1]
        return (after - before) / (last - first)


class Simulated(NamedTuple):
    """What a simulation found; fractions of the whole time."""

    photographs_per_day: float
    processes_busy: float
    storage_busy: float
    driver_busy: float


def simulate(
    seconds: NDArray[np.float64], actors: int, count: int, storage_s: float, driver_s: float, seed: int = 0
) -> Simulated:
    """Let processes predict photographs that one storage reads and one driver notes, each in the order of arrival.

    Args:
        seconds: measured ones, from which each photograph's is drawn.
        actors: processes.
        count: photographs.
        storage_s: seconds for which the storage is busy with one photograph.
        driver_s: seconds for which the driver is busy with one.
        seed: of the draw.
    """
    drawn = np.random.default_rng(seed).choice(seconds, count)
    free = [(0.0, actor) for actor in range(actors)]
    storage = driver = worked = end = 0.0
    left = count
    remaining = [0] * actors
    done_at: list[float] = []
    while free:
        now, actor = heapq.heappop(free)
        if remaining[actor] == 0:
            if left == 0:
                continue
            remaining[actor] = min(BLOCK, left)
            left -= remaining[actor]
        storage = max(storage, now) + storage_s
        work = drawn[len(done_at)]
        worked += work
        done_at.append(storage + work)
        remaining[actor] -= 1
        heapq.heappush(free, (done_at[-1], actor))
    for moment in sorted(done_at):
        driver = end = max(driver, moment) + driver_s
    return Simulated(count / end * DAY, worked / (end * actors), count * storage_s / end, count * driver_s / end)


def measure(options: argparse.Namespace) -> str:
    """Predict with each number of processes; a table of rates."""
    from vmnet_monai.inference.ray_engine import predict_on_ray

    rates = []
    with TemporaryDirectory() as temporary:
        write_photographs(Path(temporary) / "in", options.count, options.size)
        for actors in options.actors:
            manifest = predict_on_ray(
                [Path(temporary) / "in"],
                options.output,
                options.bundle,
                actors=actors,
                files=False,
                resume=False,
                **{"manifest#progress": {"_target_": f"{Clock.__module__}.{Clock.__name__}"}},
            )
            assert isinstance(manifest.progress, Clock)
            rates.append(manifest.progress.per_second)
    rows = [
        [str(actors), f"{rate * 3600:.0f}", f"{rate / rates[0]:.2f}"]
        for actors, rate in zip(options.actors, rates, strict=True)
    ]
    return markdown_table(["processes", "photographs per hour", "ratio"], rows)


def simulated(options: argparse.Namespace) -> str:
    """Simulate each number of processes; a table."""
    table = pd.read_parquet(options.results, filters=[("status", "==", "ok")])
    rows = []
    for actors in options.actors:
        found = simulate(
            table["seconds"].to_numpy(),
            actors,
            options.per_actor * actors,
            options.photograph_megabytes / options.megabytes,
            options.row_milliseconds / 1000,
        )
        busy = [f"{fraction:.0%}" for fraction in found[1:]]
        rows.append([str(actors), f"{found.photographs_per_day:.3g}", *busy])
    return markdown_table(["processes", "photographs per day", "processes", "storage", "driver"], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure or simulate, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    real = commands.add_parser("measure")
    real.set_defaults(run=measure)
    real.add_argument("--actors", nargs="+", type=int, default=[1, 2])
    real.add_argument("--count", type=int, default=64)
    real.add_argument("--size", type=int, default=1411, help="side of the photographs in pixels")
    real.add_argument("--bundle", default="bundles/vmnet")
    real.add_argument("--output", default="output/archive")
    drawn = commands.add_parser("simulate")
    drawn.set_defaults(run=simulated)
    drawn.add_argument("--results", default="output/archive/results")
    drawn.add_argument("--actors", nargs="+", type=int, default=[16, 64, 256, 1024])
    drawn.add_argument("--per-actor", type=int, default=200, help="photographs per process")
    drawn.add_argument("--megabytes", type=float, default=1000.0, help="that the storage reads in a second")
    drawn.add_argument("--photograph-megabytes", type=float, default=1.0)
    drawn.add_argument("--row-milliseconds", type=float, default=0.5)
    options = parser.parse_args(arguments)
    print(options.run(options))


if __name__ == "__main__":
    sys.exit(main())
