"""What an archive needs: processes against one on this machine, and more of them in a simulated cluster.

``python tests/benchmarks/archive.py measure [--actors 1 2] [--count 64] [--size 1411]`` predicts turned
copies of scikit-image's retina by ``--engine ray --results table``, with each number of processes. It prints, from the
first to the last result, without the start: photographs per hour, the ratio to the first number of processes, and the
driver's processor time for each photograph. The table of the last run is left in ``--output``.

``python tests/benchmarks/archive.py simulate --results DIR [--actors 16 64 256 1024]`` draws the seconds of each
photograph from the rows of that table. So many processes share storage that moves ``--megabytes`` a second and answers
after ``--latency-milliseconds``, from which each photograph is read and to which its files are written, and one driver
that notes a row in ``--row-milliseconds``. It prints photographs per day, the ratio to one process, how busy processes,
storage and driver are, and which of the two that all share saturates first, from how many processes on. Nothing else is
modelled, no loss of machines and no start.
"""

from __future__ import annotations

import argparse
import heapq
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
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

GAP_SECONDS = 0.5
"""Results that come within this time of one another are of the same block."""


class Clock:
    """A reporter that remembers when how many inputs were done, and with how much processor time of this process."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, float, int]] = []

    def update(self, done: int, total: int) -> None:
        """Note the times."""
        self.seen.append((time.perf_counter(), time.process_time(), done))

    def close(self) -> None:
        """Do nothing."""

    def rates(self) -> tuple[float, float]:
        """Inputs per second, and seconds of processor time per input, between the first results and the last.

        The results of a block come at once: those of the first are left out.

        Raises:
            ValueError: if there is one block only.
        """
        later = range(2, len(self.seen))
        gap = next((k for k in later if self.seen[k][0] - self.seen[k - 1][0] > GAP_SECONDS), None)
        if gap is None:
            raise ValueError(
                f"a rate needs results of several blocks, got one: give a --count above {BLOCK} for each process."
            )
        (first, used_first, before), (last, used_last, after) = self.seen[gap - 1], self.seen[-1]
        return (after - before) / (last - first), (used_last - used_first) / (after - before)


class Simulated(NamedTuple):
    """What a simulation found; fractions of the whole time."""

    photographs_per_day: float
    processes_busy: float
    storage_busy: float
    driver_busy: float


@dataclass(frozen=True)
class Costs:
    """Seconds for which what all processes share is busy with one photograph."""

    read: float = 0.0
    """Of the storage."""
    written: float = 0.0
    """Of the storage."""
    noted: float = 0.0
    """Of the driver."""
    latency: float = 0.0
    """Until the storage answers a process; it is busy with others meanwhile."""


def simulate(seconds: NDArray[np.float64], actors: int, count: int, costs: Costs, seed: int = 0) -> Simulated:
    """Let processes predict photographs that one storage moves and one driver notes, each in the order of arrival.

    Args:
        seconds: measured ones, from which each photograph's is drawn.
        actors: processes.
        count: photographs.
        costs: of each photograph.
        seed: of the draw.
    """
    drawn = np.random.default_rng(seed).choice(seconds, count)
    events = [(0.0, actor, "free") for actor in range(actors)]
    storage = driver = end = 0.0
    started = 0
    remaining = [0] * actors
    left = count
    done: list[float] = []
    while events:
        now, actor, state = heapq.heappop(events)
        if state == "predicted":
            storage = max(storage, now) + costs.written
            done.append(storage)
            heapq.heappush(events, (storage, actor, "free"))
        elif state == "read":
            heapq.heappush(events, (now + drawn[started], actor, "predicted"))
            started += 1
        else:
            if remaining[actor] == 0:
                remaining[actor] = min(BLOCK, left)
                left -= remaining[actor]
            if remaining[actor]:
                remaining[actor] -= 1
                storage = max(storage, now) + costs.read
                heapq.heappush(events, (storage + costs.latency, actor, "read"))
    for moment in done:  # which is their order: the storage writes one after the other
        driver = end = max(driver, moment) + costs.noted
    moved = costs.read + costs.written
    return Simulated(count / end * DAY, drawn.sum() / (end * actors), count * moved / end, count * costs.noted / end)


def first_to_saturate(seconds: NDArray[np.float64], costs: Costs) -> str:
    """Say which of what all processes share is busy all the time first, and from how many processes on.

    A process asks for it once in the time of a photograph, so that it is that time over the time of its own part.
    """
    moved = costs.read + costs.written
    whole = float(seconds.mean()) + moved + costs.latency
    shared = {"storage": moved, "driver": costs.noted}
    name = max(shared, key=lambda one: shared[one])
    if shared[name] == 0:
        return "Nothing saturates."
    return f"The {name} saturates first, from {whole / shared[name]:.0f} processes on."


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
            rates.append(manifest.progress.rates())
    rows = [
        [str(actors), f"{rate * 3600:.0f}", f"{rate / rates[0][0]:.2f}", f"{1000 * used:.1f} ms"]
        for actors, (rate, used) in zip(options.actors, rates, strict=True)
    ]
    return markdown_table(["processes", "photographs per hour", "ratio", "driver"], rows)


def simulated(options: argparse.Namespace) -> str:
    """Simulate each number of processes; a table."""
    table = pd.read_parquet(options.results, filters=[("status", "==", "ok")])
    seconds = table["seconds"].to_numpy()
    costs = Costs(
        read=options.photograph_megabytes / options.megabytes,
        written=options.written_megabytes / options.megabytes,
        noted=options.row_milliseconds / 1000,
        latency=options.latency_milliseconds / 1000,
    )
    counts = [1, *options.actors]
    found = [simulate(seconds, actors, options.per_actor * actors, costs) for actors in counts]
    rows = [
        [str(actors), f"{rate:.3g}", f"{rate / found[0].photographs_per_day:.4g}", *(f"{part:.0%}" for part in busy)]
        for actors, (rate, *busy) in zip(counts, found, strict=True)
    ]
    header = ["processes", "photographs per day", "ratio", "processes", "storage", "driver"]
    return f"{markdown_table(header, rows)}\n\n{first_to_saturate(seconds, costs)}"


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
    drawn.add_argument("--megabytes", type=float, default=1000.0, help="that the storage moves in a second")
    drawn.add_argument("--photograph-megabytes", type=float, default=1.0)
    drawn.add_argument("--written-megabytes", type=float, default=0.0, help="for a photograph; 0 for a table alone")
    drawn.add_argument("--latency-milliseconds", type=float, default=0.0, help="of the storage, such as 50 of a bucket")
    drawn.add_argument("--row-milliseconds", type=float, default=0.5)
    options = parser.parse_args(arguments)
    print(options.run(options))


if __name__ == "__main__":
    sys.exit(main())
