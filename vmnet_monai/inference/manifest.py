"""The manifest of a run: what became of each input, what an earlier run did already, and what is still to be done."""

from __future__ import annotations

import importlib.metadata
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from vmnet_monai.inference.deidentification import (
    PRIVATE_REASON,
    Pseudonyms,
    check_private_folder,
    mark_output_folder,
)
from vmnet_monai.inference.measuring import write_run_measures
from vmnet_monai.inference.progress import Reporter
from vmnet_monai.inference.record_folder import RecordFolder, refuse_links_out
from vmnet_monai.inference.tables import write_tables
from vmnet_monai.io.files import remove_partial_files
from vmnet_monai.io.remote import State, file_states, is_remote
from vmnet_monai.io.slices import parse_slice_address
from vmnet_monai.reports.record import Description, InputRecord, Record

__all__ = ["Manifest"]

_FILES = ("image", "fov")
"""Keys of an input's files."""

_TOLD = ("eye", "microns_per_px", "field_angle_deg")
"""Keys of what was told of an input, by which it is measured."""

SHOWN = 10
"""Inputs with a reason that a summary names."""


class Manifest:
    """Keeps one record per input, those of predicted images on disk, so that a stopped run goes on where it stood.

    The record of an image is its last file: where it exists, the others are whole. An image counts as done when its
    record was made from the same file with the same settings, is as the run wrote it, and all its files are there;
    whatever else is missing, damaged, altered, refused or failed is tried again. Nothing is deleted but the partial
    files of a killed run, and the results of an image in whose place a file lies now that is refused.

    Args:
        output_dir: the output folder; it is made, and locked against a second run while this object lives.
        settings: what changes the outputs, as JSON can hold it.
        model_version: short name of the weights.
        thresholds_version: short name of thresholds and calibration.
        resume: whether records of an earlier run count; otherwise everything is made anew.
        deidentify: whether ids are hashes, and names and reasons are kept in another folder, see
            :class:`~vmnet_monai.inference.deidentification.Pseudonyms`.
        progress: told how many inputs are done, at the start and after each input; None tells nobody.
        model: name, version and date of the model, as it is read.

    Raises:
        OSError: if the folder cannot be made, or another run is writing to it.
        ValueError: if de-identified results and others would lie in one folder, or a symbolic link leads out of it
            or out of the private folder.

    Attributes:
        items: id -> input of the run, in the order of the inputs.
        records: id -> record of each input that is done.
        done_before: number of inputs that an earlier run predicted.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     manifest = Manifest(folder, {"grid_size": 896}, model_version="abc", thresholds_version="def")
        ...     todo = manifest.start([{"id": "retina", "image": "photographs/retina.png"}])
        ...     manifest.close()
        >>> [item["id"] for item in todo]
        ['retina']
    """

    listing = "manifest.csv"
    """Where a summary sends those who want all reasons; in the output folder."""

    def __init__(
        self,
        output_dir: str | Path,
        settings: Mapping[str, Any],
        model_version: str,
        thresholds_version: str,
        resume: bool = True,
        deidentify: bool = False,
        progress: Reporter | None = None,
        model: str = "",
    ) -> None:
        self.output_dir = Path(output_dir)
        self.deidentify = deidentify
        self.settings = json.loads(json.dumps({**settings, "deidentify": deidentify}))
        self.model = model
        self.model_version = model_version
        self.thresholds_version = thresholds_version
        self._versions = {
            "package": importlib.metadata.version("vmnet_monai"),  # once: it takes a millisecond
            "model_version": model_version,
            "thresholds_version": thresholds_version,
        }
        self.resume = resume
        self.progress = progress
        self.items: dict[str, Mapping[str, Any]] = {}
        self.made_from: dict[str, dict[str, Any]] = {}
        self.records: dict[str, InputRecord] = {}
        self.private_reasons: dict[str, str] = {}
        self.done_before = 0
        self._on_disk = RecordFolder(output_dir)
        self._pseudonyms: Pseudonyms | None = None
        self._open()

    def _open(self) -> None:
        """Make the folder, lock it, and remove what a killed run left half written."""
        try:
            self.output_dir.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise type(error)(
                f"the output must be a folder, and {error.filename} is a file or lies in one: name another."
            ) from error
        except OSError as error:
            raise _cannot_write(self.output_dir, error) from error
        refuse_links_out(self.output_dir)
        if self.deidentify:
            check_private_folder(self.output_dir)
        self._lock = FileLock(self.output_dir / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise OSError(
                f"another prediction is writing to {self.output_dir}: wait until it has ended, or choose another "
                "output folder."
            ) from error
        except OSError as error:
            raise _cannot_write(self.output_dir, error) from error
        try:
            try:
                mark_output_folder(self.output_dir, self.deidentify)
            except OSError as error:
                raise _cannot_write(self.output_dir, error) from error
            if self.deidentify:
                self._pseudonyms = Pseudonyms(self.output_dir)
        except BaseException:
            self._lock.release()
            raise
        remove_partial_files(self.output_dir)

    def start(self, items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Take the inputs of a run, in their order, and return those that are still to be done.

        Args:
            items: each with ``id``, ``image``, and ``fov`` where it has a mask of the field of view. Those in a bucket
                may have ``states``, see :func:`vmnet_monai.datasets.find_images`, which are not asked for again then.
        """
        if self._pseudonyms is not None:
            items = self._pseudonyms.rename(items)
            self._pseudonyms.write_links({item["id"]: item["image"] for item in items}, {})
        # Taken down before an image is read: one that changes afterwards is predicted again by the next run.
        self.made_from = {item["id"]: self._made_from(item) for item in items}
        self.items = {item["id"]: _without_states(item) for item in items}
        self.records = {}
        for name in self.items:
            if self.resume and (record := self.earlier(name)) is not None:
                self.records[name] = _without_values(record)
        self.done_before = len(self.records)
        self._report_progress()
        return [item for name, item in self.items.items() if name not in self.records]

    def earlier(self, name: str) -> InputRecord | None:
        """Return the record of a predicted input if it is done; None where it is not.

        Args:
            name: id of the input.
        """
        record = self._on_disk.read(name)
        return record if record is not None and self._is_done(record) else None

    def begin_replacing(self, name: str) -> list[str]:
        """Mark the record of an image as out of date, because its files are about to be replaced.

        Returns:
            The files that an earlier run wrote for it, for :meth:`remove_superseded` when the new ones are whole.
        """
        record = self._on_disk.read(name)
        if record is None:
            return []
        self._on_disk.write(record.model_copy(update={"made_from": {}}))
        return record.files

    def remove_superseded(self, earlier: Sequence[str], record: Record) -> None:
        """Remove the earlier files of an image that its new record does not have, such as a heat map.

        Args:
            earlier: from :meth:`begin_replacing`.
            record: the new record.
        """
        self._on_disk.remove_files(set(earlier) - set(record.files))

    def record_of(self, name: str, description: Description) -> Record:
        """Make the record of a predicted image, as yet without files.

        Args:
            name: id of the image.
            description: what is said about it.
        """
        known = {**self._known(name), **dict(description)}
        return Record(**known, made_from=self.made_from[name], files=[])

    def write(self, record: Record) -> None:
        """Write the record of a predicted image, after all its other files.

        Raises:
            OSError: if it cannot be written.
        """
        self._on_disk.write(record)

    def note(self, record: InputRecord) -> None:
        """Note the record of an input that is done, in memory only.

        Args:
            record: of a predicted image, as :meth:`write` wrote it, here or in another process; or of one that was
                not predicted.
        """
        if isinstance(record, Record):
            record.made_from = self.made_from[record.id]  # equal, and a fifth of a record's memory
        self.records[record.id] = _without_values(record)
        self._report_progress()

    def add_unpredicted(
        self, name: str, status: Literal["refused", "failed"], reason: str, seconds: float = 0.0
    ) -> None:
        """Note that an input was refused or failed.

        Where another file lies now in the place of a predicted image and is refused, the earlier results, which are not
        those of the new file, are removed.

        Args:
            name: id of the input.
            status: which of the two.
            reason: why, in a line.
            seconds: time spent on it.
        """
        if status == "refused":
            self._discard_replaced(name)
        self.note(self._unpredicted(name, status, reason, seconds))

    def ordered(self) -> list[InputRecord]:
        """Return the records in the order of the inputs; an input that was not reached has failed."""
        reason = "not reached: the run was stopped before. Run it again."
        return [self.records.get(name) or self._unpredicted(name, "failed", reason, 0.0) for name in self.items]

    def write_tables(self) -> None:
        """Write the tables of the run.

        They are those of :func:`~vmnet_monai.inference.tables.write_tables` and
        :func:`~vmnet_monai.inference.measuring.write_run_measures`.

        Raises:
            OSError: if they cannot be written; it says what was kept.
        """
        try:
            if self._pseudonyms is not None:
                images = {name: item["image"] for name, item in self.items.items()}
                self._pseudonyms.write_links(images, self.private_reasons)
            self._write_tables()
        except OSError as error:
            raise self.incomplete("the tables", error) from error

    def _write_tables(self) -> None:
        records = self.ordered()
        write_tables(self.output_dir, records)
        write_run_measures(self.output_dir, records, {name: self._patient(item) for name, item in self.items.items()})

    def _patient(self, item: Mapping[str, Any]) -> str:
        """The patient as the input's list names it, or a pseudonym; empty where it names none."""
        patient = str(item.get("named_patient", ""))
        return patient if self._pseudonyms is None or not patient else self._pseudonyms.patient(patient)

    def incomplete(self, what: str, error: OSError) -> OSError:
        """Return the error that says what a run leaves that could not be written to its end.

        Args:
            what: could not be written.
            error: why.
        """
        return type(error)(
            f"{what} in {self.output_dir} could not be written ({_reason(error)}). {self.counts()} What was predicted "
            "is kept: free space or mend the folder, and run the same command again, which does only what is missing."
        )

    def counts(self) -> str:
        """Say how many photographs there were, and what became of them."""
        records = self.ordered()
        counts = Counter(record.status for record in records)
        before = f" ({self.done_before} of them by an earlier run)" if self.done_before else ""
        return (
            f"{len(records)} photograph{'' if len(records) == 1 else 's'}: {counts['ok']} predicted{before}, "
            f"{counts['refused']} refused, {counts['failed']} failed."
        )

    def close(self) -> None:
        """End the progress and let other runs write to the folder."""
        if self.progress is not None:
            self.progress.close()
        self._lock.release()

    def summary(self) -> str:
        """Say how many photographs there were, what became of them, and where to look."""
        noted = [record for record in self.ordered() if record.reason]
        lines = [self.counts()]
        for record in noted[:SHOWN]:
            reason = record.reason.removeprefix(f"{record.image}: ")  # errors of reading name the file themselves
            lines.append(f"  {record.status}: {record.image}: {reason}")
        if len(noted) > SHOWN:
            lines.append(f"  and {len(noted) - SHOWN} more, all in {self.listing}")
        page = self.output_dir / "index.html"
        lines.append(f"Results: {page if self.settings.get('report') else self.output_dir}")
        return "\n".join(lines)

    def _report_progress(self) -> None:
        if self.progress is not None:
            self.progress.update(len(self.records), len(self.items))

    def _known(self, name: str) -> dict[str, str]:
        """What is known of every input."""
        return {
            "id": name,
            "image": self._image(name),
            "model": self.model,
            "model_version": self.model_version,
            "thresholds_version": self.thresholds_version,
        }

    def _image(self, name: str) -> str:
        """The input as it is named in results."""
        return name if self.deidentify else str(self.items[name]["image"])

    def _unpredicted(self, name: str, status: Literal["refused", "failed"], reason: str, seconds: float) -> InputRecord:
        if self.deidentify:
            self.private_reasons[name], reason = reason, PRIVATE_REASON
        return InputRecord(**self._known(name), status=status, reason=reason, seconds=round(seconds, 3))

    def _is_done(self, record: Record) -> bool:
        """Whether an earlier record is a whole one of the same files and settings, and its own files are there."""
        return (
            record.sha256 != ""
            and record.image == self._image(record.id)
            and record.made_from == self.made_from[record.id]
            and self._on_disk.has_files(record)
        )

    def _made_from(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """What the outputs of an input depend on: size and time of change of its files, versions and settings."""
        known = item.get("states", {})
        states: dict[str, Any] = {key: known.get(key) or _state(item[key]) for key in _FILES if key in item}
        if self._pseudonyms is not None:
            states = {key: self._pseudonyms.hashed(json.dumps(state)) for key, state in states.items()}
        told = {key: item[key] for key in _TOLD if item.get(key) and item[key] == item[key]}  # neither empty nor NaN
        return states | told | self._versions | self.settings

    def _discard_replaced(self, name: str) -> None:
        """Remove the results of an image in whose place another file lies now."""
        record = self._on_disk.read(name)
        if record is None or record.image != self._image(name):
            return
        now = self.made_from[name]["image"]
        is_replaced = record.made_from.get("image", now) != now
        if is_replaced and len(_state(self.items[name]["image"])) > 1:
            self._on_disk.remove(record)


def _without_values(record: InputRecord) -> InputRecord:
    """A record without its longest lists, which stay on disk: with those of a large run the memory would be full."""
    has_values = isinstance(record, Record) and record.values
    return record.model_copy(update={"values": [], "width_profiles": {}}) if has_values else record


def _without_states(item: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in item.items() if key != "states"} if "states" in item else item


def _cannot_write(folder: Path, error: OSError) -> OSError:
    return type(error)(f"nothing can be written to {folder} ({_reason(error)}): name another output folder.")


def _reason(error: OSError) -> str:
    """What the system says, without the number and the path of a temporary file."""
    return error.strerror or str(error)


def _state(name: str) -> State:
    """Name, bytes and time of change of a file, or of the volume of a slice; the name alone where there is none."""
    if is_remote(name):
        return file_states([name])[0]
    try:
        address = parse_slice_address(name)
        stat = Path(name if address is None else address.path).stat()
    except (OSError, ValueError):
        return [name]
    return [name, stat.st_size, stat.st_mtime_ns]
