"""Writes the results of an inference."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from ignite.engine import Engine, Events
from numpy.typing import NDArray

from vmnet_monai.errors import error_reason, root_cause, unwritten
from vmnet_monai.explain import Explainer, draw_heat_map
from vmnet_monai.handlers.multi_task import decollated
from vmnet_monai.inference.findings import FindingMaker
from vmnet_monai.inference.manifest import Manifest
from vmnet_monai.inference.prediction import Postprocessing, make_prediction
from vmnet_monai.inference.workers import WritingProcesses, return_freed_memory, useful_workers
from vmnet_monai.io.dicom import is_dicom, read_dataset
from vmnet_monai.io.files import write_png
from vmnet_monai.io.images import read_image
from vmnet_monai.io.remote import is_remote
from vmnet_monai.io.slices import parse_slice_address
from vmnet_monai.reports.html import write_index, write_page
from vmnet_monai.reports.prediction import Prediction
from vmnet_monai.reports.record import Record
from vmnet_monai.reports.wording import heat_map_title
from vmnet_monai.transforms.photograph import kept_photograph

__all__ = ["PredictionWriter"]

logger = logging.getLogger(__name__)

LARGE_PHOTOGRAPH_BYTES = 30_000_000
"""Bytes of a photograph of ten megapixels. From this size on its maps take more memory than the network does, unless
what was freed is given back; a smaller one is not worth the 0.1 to 0.2 CPU-seconds that it costs."""


class _Failure(NamedTuple):
    """A photograph whose results could not be made or written."""

    id: str
    reason: str
    seconds: float


class PredictionWriter:
    """Writes masks, probabilities, heat maps, report and tables for the photographs of an inference.

    In the manifest's output folder:

    - ``predictions.csv``: ``id``, ``image``, per disease ``score_<disease>`` and ``percentile_<disease>``, the vessel
      measures where vessels alone are drawn, and ``warnings``; with a calibration of one's own
      ``probability_<disease>``, and where decisions are told ``decision_<disease>`` (1 where the threshold is reached).
    - ``manifest.csv``: status and reason of each input.
    - ``measures.csv`` and its like where arteries, veins and optic disc are drawn, see
      :func:`~vmnet_monai.biomarkers.tables.write_measures`.
    - ``<structure>/<id>.png``, such as ``vessel/<id>.png``: the mask of each structure, 0 and 255.
    - ``<structure>_probability/<id>.png``: 16-bit grey, value / 65535 is the probability.
    - ``cam/<id>_<disease>.png``: heat map over the photograph, inside the field of view.
    - ``dicom/<id>/``, see :func:`vmnet_monai.reports.dicom.results.write_dicom_results`, and ``index.html``,
      ``report/`` and ``pdf/``, where asked for.

    All images but those of the report have the photograph's own size. Batch and output of the evaluator hold, after
    ``postprocessing``, what :func:`~vmnet_monai.inference.prediction.make_prediction` reads, and ``image_path`` and
    ``seconds``; and ``photograph``, its pixels (:class:`~vmnet_monai.transforms.photograph.KeepPhotographd`), without
    which the file is read again. A photograph whose files cannot be written is recorded as failed, and the others go
    on.

    With processes, these do all of that while the network computes, except heat maps that need the network once more.
    The files are the same, byte for byte.

    Args:
        manifest: keeps the records; its output folder takes the files.
        finding_maker: names and thresholds of structures and diseases, and the calibration.
        explainer: makes the heat maps.
        report: whether to write the HTML report.
        pdf: whether to write a PDF page per photograph.
        dicom: whether to write DICOM objects for photographs that are DICOM files.
        postprocessing: turns batch and output of a photograph into what is written; None where the evaluator does.
        structure_postprocessing: see :func:`~vmnet_monai.inference.prediction.make_prediction`.
        num_workers: processes that write, see :mod:`vmnet_monai.inference.workers`; 0 writes in the own process.

    Raises:
        ValueError: if the network is not the one that was trained, or DICOM objects are to be de-identified.
    """

    def __init__(
        self,
        manifest: Manifest,
        finding_maker: FindingMaker,
        explainer: Explainer,
        report: bool = True,
        pdf: bool = False,
        dicom: bool = False,
        postprocessing: Postprocessing | None = None,
        structure_postprocessing: Postprocessing | None = None,
        num_workers: int = 0,
    ) -> None:
        if dicom and manifest.deidentify:
            raise ValueError(
                "DICOM results bear the patient's name and cannot be de-identified: leave out either `--dicom` or "
                "`--deidentify`."
            )
        finding_maker.operating_point.check_network(explainer.network)
        self.manifest = manifest
        self.finding_maker = finding_maker
        self.explainer = explainer
        self.report = report
        self.pdf = pdf
        self.dicom = dicom
        self.postprocessing = postprocessing
        self.structure_postprocessing = structure_postprocessing
        self.num_workers = num_workers
        self.started = 0.0
        self._processes: WritingProcesses[Record | _Failure] | None = None

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.STARTED, self.begin)
        engine.add_event_handler(Events.ITERATION_STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.write_batch)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)

    def begin(self) -> None:
        """Start the processes that write, where there are any and more than one photograph is to be done."""
        count = useful_workers(self.num_workers, len(self.manifest.items) - len(self.manifest.records))
        if count:
            self._processes = WritingProcesses(self._written, count)

    def start(self, engine: Engine) -> None:
        """Start the clock of an iteration."""
        batch = engine.state.batch
        self._return_freed_memory(batch.get("photograph", ()) if isinstance(batch, Mapping) else ())  # of the reading
        self.started = time.perf_counter()

    def write_batch(self, engine: Engine) -> None:
        """Write the files of one iteration, or give them to the processes that write."""
        items = [{**batch, **output} for batch, output in decollated(engine)]
        network_seconds = (time.perf_counter() - self.started) / max(1, len(items))
        self._return_freed_memory([item.get("photograph", b"") for item in items])  # of the network's pass
        for item in items:
            item["seconds"] = float(item["seconds"]) + network_seconds
            if self._processes is None or self._asks_network(item):
                self._note(self._written(item))
            else:
                for written in self._processes.put(_sent(item)):
                    self._note(written)

    def _return_freed_memory(self, photographs: Iterable[bytes]) -> None:
        """Give freed memory back where this process does all, and maps of a photograph's size are large."""
        if self._processes is None and any(len(pixels) >= LARGE_PHOTOGRAPH_BYTES for pixels in photographs):
            return_freed_memory()

    def _asks_network(self, item: Mapping[str, Any]) -> bool:
        """Whether heat maps are asked for that were not prepared in the network's own pass."""
        return bool(self.explainer.explain) and "disease" in item.get("pred", ()) and "evidence" not in item["pred"]

    def _note(self, written: Record | _Failure) -> None:
        if isinstance(written, Record):
            self.manifest.note(written)
        else:
            self.manifest.add_unpredicted(written.id, "failed", written.reason, written.seconds)

    def _written(self, item: dict[str, Any]) -> Record | _Failure:
        """Write the files of a photograph, the record last; nothing is noted in the manifest's memory."""
        started = time.perf_counter()
        name, before = item["id"], item["seconds"]
        try:
            earlier = self.manifest.begin_replacing(name)
            record = self._write(item if self.postprocessing is None else self.postprocessing(item))
            record.seconds = round(before + time.perf_counter() - started, 3)
            self.manifest.remove_superseded(earlier, record)
            self.manifest.write(record)
            return record
        except Exception as error:
            logger.debug(name, exc_info=True)
            cause = root_cause(error)
            if isinstance(cause, OSError) and cause.errno is not None and cause.filename is None:
                cause = unwritten(self.manifest.output_dir, cause)
            return _Failure(name, error_reason(cause), before + time.perf_counter() - started)

    def _write(self, item: Mapping[str, Any]) -> Record:
        folder, name, files = self.manifest.output_dir, item["id"], []

        def write(structure: str, levels: NDArray[np.uint16], mask: NDArray[np.bool_]) -> None:
            for file, pixels in (
                (f"{structure}_probability/{name}.png", levels),
                (f"{structure}/{name}.png", mask.view(np.uint8) * 255),
            ):
                write_png(folder / file, pixels)
                files.append(file)
            self._return_freed_memory([item.get("photograph", b"")])  # of this structure

        prediction = make_prediction(
            item,
            self.finding_maker,
            self.explainer,
            self.structure_postprocessing,
            write,
            keep_probabilities=self.dicom,
        )
        self._return_freed_memory([item.get("photograph", b"")])  # of the measures
        record = self.manifest.record_of(prediction.id, prediction.description())
        record.files = [*files, *self._write_files(item, prediction, record)]
        return record

    def _write_files(self, item: Mapping[str, Any], prediction: Prediction, record: Record) -> list[str]:
        """Write all files of a photograph but those of its structures, and return their names."""
        folder, name, path = self.manifest.output_dir, prediction.id, item["image_path"]
        files: list[str] = []
        if not (prediction.heat_maps or self.report or self.pdf or self.dicom):
            return files
        kept = item.get("photograph")
        image = read_image(path) if kept is None else kept_photograph(kept, *prediction.field_of_view.shape)
        for disease, heat in prediction.heat_maps.items():
            files.append(f"cam/{name}_{disease}.png")
            title = heat_map_title(disease, prediction.heat_map_method)
            write_png(folder / files[-1], draw_heat_map(image, heat, title))
        if self.dicom:
            written, remarks = self._write_dicom(path, image, prediction)
            files += written
            record.reason = " ".join(remarks)
        if self.report:
            files += write_page(folder, record, image, prediction.structure_masks, prediction.heat_maps)
        if self.pdf:
            from vmnet_monai.reports.pdf import write_pdf  # with ReportLab; most runs do without

            files.append(f"pdf/{name}.pdf")
            write_pdf(folder / files[-1], record, image, prediction.structure_masks, prediction.heat_maps)
        return files

    def _write_dicom(self, name: str, image: NDArray[np.uint8], prediction: Prediction) -> tuple[list[str], list[str]]:
        """Write DICOM objects; the names of their files, and remarks on what could not be written."""
        # With highdicom; most runs do without.
        from vmnet_monai.reports.dicom.origin import ModelIdentity
        from vmnet_monai.reports.dicom.results import result_images, write_dicom_results

        if is_remote(name):
            return [], ["No DICOM objects were written: they are for files on disk, and the photograph is in a bucket."]
        address = parse_slice_address(name)
        path, frame = (name, 0) if address is None else (address.path, address.index)
        if not is_dicom(path):
            return [], ["No DICOM objects were written: the photograph is no DICOM file whose patient they could name."]
        model = ModelIdentity.of(
            self.finding_maker.operating_point,
            self.manifest.model_version,
            str(self.manifest.settings.get("runtime", "torch")),
            thresholds_version=self.manifest.thresholds_version,
            release=self.manifest.model,
        )
        images = result_images(image, prediction)
        return write_dicom_results(
            self.manifest.output_dir, prediction.id, read_dataset(path), frame, prediction, images, model
        )

    def finish(self) -> None:
        """Write tables and index of all photographs that are done, when all files are written."""
        if self._processes is not None:
            for written in self._processes.finish():
                self._note(written)
        self.stop()
        self.manifest.write_tables()
        if self.report:
            try:
                write_index(self.manifest.output_dir, self.manifest.ordered())
            except OSError as error:
                raise self.manifest.incomplete("index.html", error) from error

    def stop(self) -> None:
        """End the processes that write, each when the photograph that it works on is done."""
        if self._processes is None:
            return
        processes, self._processes = self._processes, None
        for written in processes.stop():
            self._note(written)

    def fail(self, engine: Engine, error: BaseException) -> None:
        """Write the tables of the photographs that were finished before an error, and hand the error on."""
        self.stop()
        self.finish()
        raise error


def _sent(item: Mapping[str, Any]) -> dict[str, Any]:
    """What a process needs to write a photograph: no labels, and the network's input by its shape; both are large."""
    kept = {key: value for key, value in item.items() if key != "label"}
    return kept | {"image": torch.zeros(1).expand(item["image"].shape)}
