"""Writes the results of an inference."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from numpy.typing import NDArray

from vmnet_monai.errors import error_reason, unwritten
from vmnet_monai.explain import Explainer
from vmnet_monai.handlers.multi_task import decollated
from vmnet_monai.inference.findings import FindingMaker
from vmnet_monai.inference.manifest import Manifest
from vmnet_monai.inference.prediction import make_prediction
from vmnet_monai.io.dicom import is_dicom, read_dataset
from vmnet_monai.io.files import write_png
from vmnet_monai.io.images import read_image
from vmnet_monai.io.remote import is_remote
from vmnet_monai.io.slices import parse_slice_address
from vmnet_monai.metrics import probability_levels
from vmnet_monai.reports.dicom.origin import ModelIdentity
from vmnet_monai.reports.dicom.results import result_images, write_dicom_results
from vmnet_monai.reports.html import write_index, write_page
from vmnet_monai.reports.pdf import write_pdf
from vmnet_monai.reports.prediction import Prediction
from vmnet_monai.reports.record import Record

__all__ = ["PredictionWriter"]

logger = logging.getLogger(__name__)


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

    All images but those of the report have the photograph's own size. It expects what
    :func:`~vmnet_monai.inference.prediction.make_prediction` reads, and ``image_path`` and ``seconds`` in the batch. A
    photograph whose files cannot be written is recorded as failed, and the others go on.

    Args:
        manifest: keeps the records; its output folder takes the files.
        finding_maker: names and thresholds of structures and diseases, and the calibration.
        explainer: makes the heat maps.
        report: whether to write the HTML report.
        pdf: whether to write a PDF page per photograph.
        dicom: whether to write DICOM objects for photographs that are DICOM files.

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
        self.started = 0.0

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.ITERATION_STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.write_batch)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)

    def start(self) -> None:
        """Start the clock of an iteration."""
        self.started = time.perf_counter()

    def write_batch(self, engine: Engine) -> None:
        """Write the files of one iteration."""
        items = [{**batch, **output} for batch, output in decollated(engine)]
        network_seconds = (time.perf_counter() - self.started) / max(1, len(items))
        for item in items:
            started = time.perf_counter()
            name = item["id"]
            before = float(item["seconds"]) + network_seconds
            try:
                earlier = self.manifest.begin_replacing(name)
                record = self._write(item)
                record.seconds = round(before + time.perf_counter() - started, 3)
                self.manifest.remove_superseded(earlier, record)
                self.manifest.add(record)
            except Exception as error:
                logger.debug(name, exc_info=True)
                if isinstance(error, OSError) and error.errno is not None and error.filename is None:
                    error = unwritten(self.manifest.output_dir, error)
                reason = error_reason(error)
                self.manifest.add_unpredicted(name, "failed", reason, before + time.perf_counter() - started)

    def _write(self, item: Mapping[str, Any]) -> Record:
        prediction = make_prediction(item, self.finding_maker, self.explainer)
        record = self.manifest.record_of(prediction.id, prediction.description())
        record.files = self._write_files(item["image_path"], prediction, record)
        return record

    def _write_files(self, path: str, prediction: Prediction, record: Record) -> list[str]:
        """Write all files of a photograph and return their names."""
        folder, name = self.manifest.output_dir, prediction.id
        files = []
        for structure, mask in prediction.structure_masks.items():
            levels = probability_levels(prediction.structure_probabilities[structure]).astype(np.uint16)
            for file, pixels in (
                (f"{structure}_probability/{name}.png", levels),
                (f"{structure}/{name}.png", mask.astype(np.uint8) * 255),
            ):
                write_png(folder / file, pixels)
                files.append(file)
        if not (prediction.heat_maps or self.report or self.pdf or self.dicom):
            return files
        image = read_image(path)
        images = result_images(image, prediction)
        for disease in prediction.heat_maps:
            files.append(f"cam/{name}_{disease}.png")
            write_png(folder / files[-1], images[f"heat_{disease}"])
        if self.dicom:
            written, remarks = self._write_dicom(path, images, prediction)
            files += written
            record.reason = " ".join(remarks)
        if self.report:
            files += write_page(folder, record, image, prediction.structure_masks, prediction.heat_maps)
        if self.pdf:
            files.append(f"pdf/{name}.pdf")
            write_pdf(folder / files[-1], record, image, prediction.structure_masks, prediction.heat_maps)
        return files

    def _write_dicom(
        self, image: str, images: Mapping[str, NDArray[np.uint8]], prediction: Prediction
    ) -> tuple[list[str], list[str]]:
        """Write DICOM objects; the names of their files, and remarks on what could not be written."""
        if is_remote(image):
            return [], ["No DICOM objects were written: they are for files on disk, and the photograph is in a bucket."]
        address = parse_slice_address(image)
        path, frame = (image, 0) if address is None else (address.path, address.index)
        if not is_dicom(path):
            return [], ["No DICOM objects were written: the photograph is no DICOM file whose patient they could name."]
        model = ModelIdentity.of(
            self.finding_maker.operating_point,
            self.manifest.model_version,
            str(self.manifest.settings.get("runtime", "torch")),
            thresholds_version=self.manifest.thresholds_version,
            release=self.manifest.model,
        )
        return write_dicom_results(
            self.manifest.output_dir, prediction.id, read_dataset(path), frame, prediction, images, model
        )

    def finish(self) -> None:
        """Write tables and index of all photographs that are done."""
        self.manifest.write_tables()
        if self.report:
            try:
                write_index(self.manifest.output_dir, self.manifest.ordered())
            except OSError as error:
                raise self.manifest.incomplete("index.html", error) from error

    def fail(self, engine: Engine, error: BaseException) -> None:
        """Write the tables of the photographs that were finished before an error, and hand the error on."""
        self.finish()
        raise error
