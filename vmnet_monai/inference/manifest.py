"""The record of one photograph, and the manifest that keeps the records of a folder of predictions."""

from __future__ import annotations

import importlib.metadata
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout
from tqdm import tqdm

from vmnet_monai.inference.deidentification import PRIVATE_REASON, Pseudonyms
from vmnet_monai.io.files import remove_partial_files, whole_file
from vmnet_monai.io.slices import parse_slice_address
from vmnet_monai.reports.record import InputRecord, Record, Status

__all__ = ["Manifest"]

FOLDER = "records"
"""Folder of the records inside the output folder."""


SHOWN = 10
"""Inputs with a reason that a summary names."""


class Manifest:
    """Keeps one record per input on disk, so that a run that was stopped goes on where it stood.

    The record of a photograph is its last file: where it exists, the others are whole. A record counts as done when
    its photograph was predicted, from the same file and with the same settings, and all its files are there; whatever
    else is missing, refused or failed is tried again. Nothing is deleted but the partial files of a killed run, and the
    results of a photograph in whose place a file lies now that is refused.

    Args:
        output_dir: the output folder; it is made, and locked against a second run while this object lives.
        settings: what changes the outputs, as JSON can hold it.
        model_version: short name of the weights.
        thresholds_version: short name of thresholds and calibration.
        resume: whether records of an earlier run count; otherwise everything is made anew.
        deidentify: whether ids are hashes, and names and reasons are kept in another folder, see
            :class:`~vmnet_monai.inference.deidentification.Pseudonyms`.

    Raises:
        OSError: if the folder cannot be made, or another run is writing to it.
        ValueError: if it holds results of a run that was de-identified and this one is not, or the other way round.
    """

    def __init__(
        self,
        output_dir: str | Path,
        settings: Mapping[str, Any],
        model_version: str,
        thresholds_version: str,
        resume: bool = True,
        deidentify: bool = False,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.deidentify = deidentify
        self.settings = json.loads(json.dumps({**settings, "deidentify": deidentify}))
        self.model_version = model_version
        self.thresholds_version = thresholds_version
        self.resume = resume
        self.items: dict[str, Mapping[str, Any]] = {}
        self.made_from: dict[str, dict[str, Any]] = {}
        self.records: dict[str, Record] = {}
        self.private_reasons: dict[str, str] = {}
        self.done_before = 0
        self._progress: tqdm[Any] | None = None
        self.output_dir.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.output_dir / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise OSError(
                f"another prediction is writing to {self.output_dir}: wait until it has ended, or choose another "
                "output folder."
            ) from error
        try:
            self._check_earlier_results()
            self._pseudonyms = Pseudonyms(self.output_dir) if deidentify else None
        except BaseException:
            self._lock.release()
            raise
        remove_partial_files(self.output_dir)

    def open(self, items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Note the inputs of a run, in their order, and return those that are still to be done.

        Args:
            items: each with ``id``, ``image``, and ``fov`` where it has a mask of the field of view.
        """
        if self._pseudonyms is not None:
            items = self._pseudonyms.rename(items)
            self._pseudonyms.note({item["id"]: item["image"] for item in items}, {})
        self.items = {item["id"]: item for item in items}
        # Noted before a photograph is read: one that changes afterwards is predicted again by the next run.
        self.made_from = {name: self._made_from(item) for name, item in self.items.items()}
        self.records = {}
        for name, item in self.items.items():
            record = self._read(name)
            if self.resume and record is not None and self._holds(record, item):
                self.records[name] = record
        self.done_before = len(self.records)
        self._progress = tqdm(total=len(items), initial=self.done_before, unit=" photographs", mininterval=0.5)
        return [item for name, item in self.items.items() if name not in self.records]

    def withdraw(self, name: str) -> list[str]:
        """Declare that the files of a photograph are about to be replaced.

        Returns:
            The files that an earlier run wrote for it, to be handed to :meth:`tidy` when the new ones are whole.
        """
        record = self._read(name)
        if record is None:
            return []
        self._keep(record | {"made_from": {}})
        return list(record.get("files", []))

    def tidy(self, earlier: Sequence[str], record: Record) -> None:
        """Remove the earlier files of a photograph that its new record does not have, such as a heat map."""
        for file in set(earlier) - set(record["files"]):
            (self.output_dir / file).unlink(missing_ok=True)

    def base(self, name: str) -> Record:
        """The record of an input of which nothing is known but the names."""
        return {
            "id": name,
            "image": name if self.deidentify else self.items[name]["image"],
            "status": "ok",
            "reason": "",
            "seconds": 0.0,
            "model_version": self.model_version,
            "thresholds_version": self.thresholds_version,
        }

    def unusable(self, name: str, status: Status, reason: str, seconds: float) -> Record:
        """The record of an input that was refused or failed."""
        if self.deidentify:
            self.private_reasons[name], reason = reason, PRIVATE_REASON
        return {**self.base(name), "status": status, "reason": reason, "seconds": round(seconds, 3)}

    def add(self, record: Record) -> None:
        """Keep a record; that of a predicted photograph also on disk, after all its other files.

        Where a photograph was replaced by what is none, its earlier results, which are not those of the new file, go.

        Raises:
            OSError: if it cannot be written.
        """
        if record["status"] == "ok":
            self._keep(record)
        elif record["status"] == "refused":
            self._discard_replaced(record["id"])
        self.records[record["id"]] = record
        if self._progress is not None:
            self._progress.update()

    def ordered(self) -> list[Record]:
        """The records in the order of the inputs; an input that was not reached has failed."""
        reason = "not reached: the run was stopped before. Run it again."
        return [self.records.get(name) or self.unusable(name, "failed", reason, 0.0) for name in self.items]

    def write_tables(self) -> None:
        """Write ``manifest.csv``, one row per input, and ``predictions.csv``, one row per predicted photograph.

        Raises:
            OSError: if they cannot be written.
        """
        records = self.ordered()
        if self._pseudonyms is not None:
            self._pseudonyms.note({name: item["image"] for name, item in self.items.items()}, self.private_reasons)
        manifest = pd.DataFrame(
            [{key: dict(record)[key] for key in InputRecord.__annotations__} for record in records],
            columns=list(InputRecord.__annotations__),
        )
        rows = [prediction_row(record) for record in records if record["status"] == "ok"]
        predictions = pd.DataFrame(rows or None, columns=None if rows else ["id", "image"])
        for name, table in (("manifest.csv", manifest), ("predictions.csv", predictions)):
            with whole_file(self.output_dir / name) as temporary:
                decisions = [column for column in table.columns.astype(str) if column.startswith("decision_")]
                table.astype(dict.fromkeys(decisions, "Int64")).to_csv(temporary, index=False, float_format="%.6f")

    def close(self) -> None:
        """End the progress bar and let other runs write to the folder."""
        if self._progress is not None:
            self._progress.close()
        self._lock.release()

    def summary(self) -> str:
        """Say how many photographs there were, what became of them, and where to look."""
        records = self.ordered()
        noted = [record for record in records if record["reason"]]
        counts = Counter(record["status"] for record in records)
        before = f" ({self.done_before} of them by an earlier run)" if self.done_before else ""
        lines = [
            f"{len(records)} photographs: {counts['ok']} predicted{before}, "
            f"{counts['refused']} refused, {counts['failed']} failed."
        ]
        lines += [f"  {record['status']}: {record['image']}: {record['reason']}" for record in noted[:SHOWN]]
        if len(noted) > SHOWN:
            lines.append(f"  and {len(noted) - SHOWN} more, all in manifest.csv")
        page = self.output_dir / "index.html"
        lines.append(f"Results: {page if self.settings.get('report') else self.output_dir}")
        return "\n".join(lines)

    def _path(self, name: str) -> Path:
        return self.output_dir / FOLDER / f"{name}.json"

    def _keep(self, record: Record) -> None:
        with whole_file(self._path(record["id"])) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    def _read(self, name: str) -> Record | None:
        """The record of an earlier run, None where there is none or it is damaged."""
        try:
            record: Record = json.loads(self._path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) else None

    def _holds(self, record: Record, item: Mapping[str, Any]) -> bool:
        """Whether an earlier record is that of the same files and settings, and its own files are there."""
        return (
            record.get("image") == self.base(item["id"])["image"]
            and record.get("made_from") == self.made_from[item["id"]]
            and all((self.output_dir / file).is_file() for file in record.get("files", []))
        )

    def _made_from(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """What the outputs of an input depend on: size and time of change of its files, versions and settings."""
        versions = {
            "package": importlib.metadata.version("vmnet_monai"),
            "model_version": self.model_version,
            "thresholds_version": self.thresholds_version,
        }
        states: dict[str, Any] = {key: _state(item[key]) for key in ("image", "fov") if key in item}
        if self._pseudonyms is not None:
            states = {key: self._pseudonyms.hashed(json.dumps(state)) for key, state in states.items()}
        return states | versions | self.settings

    def _check_earlier_results(self) -> None:
        """Refuse to mix results with and without names."""
        for path in sorted((self.output_dir / FOLDER).glob("*.json")):
            record = self._read(path.stem)
            made_from = record.get("made_from") if record else None
            if made_from and bool(made_from.get("deidentify")) != self.deidentify:
                raise ValueError(
                    f"{self.output_dir} holds results {'with' if self.deidentify else 'without'} names, which must not "
                    f"lie beside {'de-identified ones' if self.deidentify else 'others'}: choose another output folder."
                )

    def _discard_replaced(self, name: str) -> None:
        """Remove the results of a photograph in whose place another file lies now."""
        record = self._read(name)
        if record is None or record.get("image") != self.base(name)["image"]:
            return
        now = self.made_from[name]["image"]
        is_replaced = record.get("made_from", {}).get("image", now) != now
        if is_replaced and len(_state(self.items[name]["image"])) > 1:
            self._path(name).unlink()
            for file in record.get("files", []):
                (self.output_dir / file).unlink(missing_ok=True)


def _state(name: str) -> list[int | str]:
    """Name, bytes and time of change of a file, or of the volume of a slice; the name alone where there is none."""
    try:
        address = parse_slice_address(name)
        stat = Path(name if address is None else address.path).stat()
    except (OSError, ValueError):
        return [name]
    return [name, stat.st_size, stat.st_mtime_ns]


def prediction_row(record: Record) -> dict[str, Any]:
    """The row of ``predictions.csv`` of a predicted photograph."""
    row: dict[str, Any] = {"id": record["id"], "image": record["image"]}
    for finding in record["findings"]:
        row[f"probability_{finding['disease']}"] = finding["probability"]
        row[f"decision_{finding['disease']}"] = finding["decision"]
    return row | record["measures"] | {"warnings": " ".join(record["warnings"])}
