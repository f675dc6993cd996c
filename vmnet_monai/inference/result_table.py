"""The results of a run as a Parquet data set: a row per photograph, written as the run goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vmnet_monai.biomarkers import MEASURES
from vmnet_monai.biomarkers.photograph import MAPS, can_be_measured
from vmnet_monai.biomarkers.tables import MICRONS_FROM, wide_columns, wide_row
from vmnet_monai.inference.findings import FindingMaker
from vmnet_monai.inference.tables import prediction_row
from vmnet_monai.io.files import whole_file
from vmnet_monai.reports.record import InputRecord, Record

__all__ = ["FOLDER", "ResultTable"]

FOLDER = "results"
"""Folder of the data set inside the output folder."""

SECONDS_PER_PART = 60.0
"""A part is written when its first row is that old: what a killed run may lose where nothing else is written, against
the number of files, at most 1440 a day and status."""

_STATUS = "status="


class ResultTable:
    """Writes ``results/status=<status>/part-<number>.parquet``, a row per input that is done.

    A row has the columns of ``manifest.csv`` and of ``predictions.csv``, ``width_px`` and ``height_px``, and
    ``made_from``, the input's file and all settings that change the outputs, as JSON; ``status`` is in the names of the
    folders, as Hive does it, and a column for every reader of such data sets. Columns are the same in all parts; what
    an input does not have is null. A part appears whole or not at all, and no input has two rows.

    Args:
        output_dir: the output folder, which the run has locked.
        finding_maker: names the diseases and structures.

    Example:
        ``pandas.read_parquet("output/results", filters=[("status", "==", "ok")])``
    """

    def __init__(self, output_dir: str | Path, finding_maker: FindingMaker) -> None:
        self.folder = Path(output_dir) / FOLDER
        self.with_probability = finding_maker.calibration is not None
        self.with_decision = self.with_probability or finding_maker.decide
        self.schema = self._schema(finding_maker)
        self._waiting: list[tuple[str, dict[str, Any]]] = []
        self._first = 0.0

    def made_from(self) -> dict[str, str]:
        """Return what the predictions of earlier runs were made from: id -> the column ``made_from``."""
        return {
            name: made_from
            for path in self._parts()
            if path.parent.name == f"{_STATUS}ok"
            for name, made_from in zip(*_columns(path, "id", "made_from"), strict=True)
        }

    def start(
        self,
        done: Collection[str],
        made_from: Mapping[str, Mapping[str, Any]],
        read: Callable[[str], InputRecord | None],
    ) -> None:
        """Take out the rows of inputs that are about to be done again, and add those that are done and have no row.

        Rows of photographs that are no inputs of this run stay.

        Args:
            done: ids of the inputs that an earlier run did.
            made_from: id -> what the outputs depend on, for all inputs of the run.
            read: gives the whole record of an input that was done, from disk; None where it is there no more.
        """
        has_row = set()
        for path in self._parts():
            kept = []
            for name, made in zip(*_columns(path, "id", "made_from"), strict=True):
                is_own = path.parent.name == f"{_STATUS}ok" and name in done and made == _text(made_from[name])
                kept.append(name not in made_from or (is_own and name not in has_row))
                if kept[-1]:
                    has_row.add(name)
            if not any(kept):
                path.unlink()
            elif not all(kept):
                rows = pq.read_table(path, partitioning=None).filter(pa.array(np.array(kept)))
                with whole_file(path) as temporary:
                    pq.write_table(rows, temporary)
        for name in set(done) - has_row:
            if (record := read(name)) is not None:
                self.add(record, made_from[name])

    def add(self, record: InputRecord, made_from: Mapping[str, Any]) -> None:
        """Add the row of an input.

        Args:
            record: of the input, predicted or not.
            made_from: what its outputs depend on.

        Raises:
            OSError: if a part cannot be written.
        """
        row = record.model_dump(include={*InputRecord.model_fields, "width_px", "height_px"})
        if isinstance(record, Record):
            row |= prediction_row(record, self.with_probability, self.with_decision)
            row |= {"eye": record.eye, **wide_row(record.values)} if record.values else {}
        row["made_from"] = _text(made_from)
        self._first = self._first if self._waiting else time.monotonic()
        self._waiting.append((row.pop("status"), {name: _writable(value) for name, value in row.items()}))
        if time.monotonic() - self._first >= SECONDS_PER_PART:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait.

        Raises:
            OSError: if a part cannot be written.
        """
        for status in sorted({status for status, _ in self._waiting}):
            folder = self.folder / f"{_STATUS}{status}"
            numbers = [int(path.stem.rpartition("-")[2]) for path in folder.glob("part-*.parquet")]
            rows = [row for own, row in self._waiting if own == status]
            with whole_file(folder / f"part-{max(numbers, default=-1) + 1:06d}.parquet") as temporary:
                pq.write_table(pa.Table.from_pylist(rows, schema=self.schema), temporary)
            self._waiting = [(own, row) for own, row in self._waiting if own != status]

    def _parts(self) -> Iterator[Path]:
        return iter(sorted(self.folder.glob(f"{_STATUS}*/part-*.parquet")))

    def _schema(self, finding_maker: FindingMaker) -> pa.Schema:
        point = finding_maker.operating_point
        types: dict[str, pa.DataType] = {name: pa.string() for name in InputRecord.model_fields if name != "status"}
        types |= {"seconds": pa.float64(), "width_px": pa.int32(), "height_px": pa.int32()}
        for disease in point.diseases:
            types |= {f"score_{disease}": pa.float64(), f"percentile_{disease}": pa.float64()}
            if self.with_probability:
                types[f"probability_{disease}"] = pa.float64()
            if self.with_decision:
                types[f"decision_{disease}"] = pa.int8()
        if can_be_measured(point.structures):
            names = wide_columns(name for name in MAPS if name in point.structures)
            types |= {name: pa.float64() for name in names} | {"eye": pa.string(), MICRONS_FROM: pa.string()}
        elif "vessel" in point.structures:
            types |= {name: pa.float64() for name in MEASURES}
        return pa.schema({**types, "warnings": pa.string(), "made_from": pa.string()})


def _columns(path: Path, *names: str) -> list[list[str]]:
    """Columns of a part.

    Raises:
        ValueError: if it is no part, or damaged.
    """
    try:
        table = pq.read_table(path, columns=list(names), partitioning=None)
        return [table[name].to_pylist() for name in names]
    except (pa.ArrowException, KeyError, OSError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{path} must be a part of the results and cannot be read ({reason}): move it away, and the same command "
            "does again what is missing."
        ) from error


def _text(made_from: Mapping[str, Any]) -> str:
    return json.dumps(made_from, sort_keys=True)


def _writable(value: Any) -> Any:
    """Texts with the bytes of a file's name that are no UTF-8 as escapes, as in the tables."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
