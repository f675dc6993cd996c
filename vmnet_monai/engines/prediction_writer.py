"""Writes what the network says about each photograph."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from numpy.typing import NDArray

from vmnet_monai.dicom.photograph import is_dicom, read_dataset
from vmnet_monai.dicom.results import ModelIdentity, result_pictures, write_results
from vmnet_monai.engines.forward import photographs
from vmnet_monai.explain import draw_structures
from vmnet_monai.files import write_png
from vmnet_monai.metrics import probability_levels
from vmnet_monai.operating_point import OperatingPoint
from vmnet_monai.prediction import Explainer, Prediction, make_prediction
from vmnet_monai.records import Record, RecordBook
from vmnet_monai.report import write_index, write_page, write_pdf
from vmnet_monai.slices import parse_slice_address
from vmnet_monai.transforms import read_picture

__all__ = ["PredictionWriter", "ValidationPictures"]

logger = logging.getLogger(__name__)


class PredictionWriter:
    """Writes masks, probabilities, heat maps, report and tables for the photographs of an inference.

    In the book's output folder:

    - ``predictions.csv``: ``id``, ``image``, per disease ``probability_<disease>``, calibrated, and
      ``decision_<disease>`` (1 where that probability reaches the threshold), the vessel measures, and ``warnings``.
    - ``manifest.csv``: what became of each input.
    - ``<structure>/<id>.png``, such as ``vessel/<id>.png``: the mask of each structure, 0 and 255.
    - ``<structure>_probability/<id>.png``: 16-bit grey, value / 65535 is the probability.
    - ``cam/<id>_<disease>.png``: heat map over the photograph, inside the field of view.
    - ``dicom/<id>/``, see :func:`vmnet_monai.dicom.results.write_results`, and ``index.html``, ``report/`` and
      ``pdf/``, where asked for.

    All pictures but those of the report have the photograph's own size. It expects what
    :func:`~vmnet_monai.prediction.make_prediction` reads, and ``image_path`` and ``seconds`` in the batch. A photograph
    whose files cannot be written is noted as failed, and the others go on.

    Args:
        book: keeps the records; its output folder takes the files.
        operating_point: names and thresholds of structures and diseases, and the calibration.
        explainer: draws the heat maps.
        report: whether to write the HTML report.
        pdf: whether to write a PDF page per photograph.
        dicom: whether to write DICOM objects for photographs that are DICOM files.

    Raises:
        ValueError: if the network is not the one that was trained, or DICOM objects are to be de-identified.
    """

    def __init__(
        self,
        book: RecordBook,
        operating_point: OperatingPoint,
        explainer: Explainer,
        report: bool = True,
        pdf: bool = False,
        dicom: bool = False,
    ) -> None:
        if dicom and book.deidentify:
            raise ValueError(
                "DICOM results bear the patient's name and cannot be de-identified: leave out either `--dicom` or "
                "`--deidentify`."
            )
        operating_point.check_network(explainer.network)
        self.book = book
        self.operating_point = operating_point
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
        """Note the time at which the network begins."""
        self.started = time.perf_counter()

    def write_batch(self, engine: Engine) -> None:
        """Write the files of one iteration."""
        entries = [{**batch, **output} for batch, output in photographs(engine)]
        network_seconds = (time.perf_counter() - self.started) / max(1, len(entries))
        for entry in entries:
            started = time.perf_counter()
            name = entry["id"]
            before = float(entry["seconds"]) + network_seconds
            try:
                earlier = self.book.withdraw(name)
                record = self._write(entry)
                record["seconds"] = round(before + time.perf_counter() - started, 3)
                self.book.tidy(earlier, record)
                self.book.add(record)
            except Exception as error:
                logger.debug(name, exc_info=True)
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                self.book.add(self.book.unusable(name, "failed", reason, before + time.perf_counter() - started))

    def _write(self, entry: Mapping[str, Any]) -> Record:
        prediction = make_prediction(entry, self.operating_point, self.explainer)
        record: Record = {
            **self.book.base(prediction.id),
            **prediction.description(),
            "made_from": self.book.made_from[prediction.id],
        }
        record["files"] = self._write_files(entry["image_path"], prediction, record)
        return record

    def _write_files(self, image: str, prediction: Prediction, record: Record) -> list[str]:
        """Write all files of a photograph and return their names."""
        folder, name = self.book.output_dir, prediction.id
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
        photograph = read_picture(image)
        pictures = result_pictures(photograph, prediction)
        for disease in prediction.heat_maps:
            files.append(f"cam/{name}_{disease}.png")
            write_png(folder / files[-1], pictures[f"heat_{disease}"])
        if self.dicom:
            written, remarks = self._write_dicom(image, pictures, prediction)
            files += written
            record["reason"] = " ".join(remarks)
        if self.report:
            files += write_page(folder, record, photograph, prediction.structure_masks, prediction.heat_maps)
        if self.pdf:
            files.append(f"pdf/{name}.pdf")
            write_pdf(folder / files[-1], record, photograph, prediction.structure_masks, prediction.heat_maps)
        return files

    def _write_dicom(
        self, image: str, pictures: Mapping[str, NDArray[np.uint8]], prediction: Prediction
    ) -> tuple[list[str], list[str]]:
        """Write DICOM objects; the names of their files, and remarks on what could not be written."""
        address = parse_slice_address(image)
        path, frame = (image, 0) if address is None else (address.path, address.index)
        if not is_dicom(path):
            return [], ["No DICOM objects were written: the photograph is no DICOM file whose patient they could name."]
        model = ModelIdentity.of(
            self.operating_point, self.book.model_version, str(self.book.settings.get("runtime", "torch"))
        )
        return write_results(
            self.book.output_dir, prediction.id, read_dataset(path), frame, prediction, pictures, model
        )

    def finish(self) -> None:
        """Write tables and index of all photographs that are done."""
        self.book.write_tables()
        if self.report:
            write_index(self.book.output_dir, self.book.ordered())

    def fail(self, engine: Engine, error: BaseException) -> None:
        """Write the tables of the photographs that were finished before an error, and hand the error on."""
        self.finish()
        raise error


class ValidationPictures:
    """Draws the predicted structures over the first photographs of each validation, as ``<output_dir>/<id>.png``.

    Args:
        output_dir: where the pictures go; each validation replaces the pictures of the one before.
        structures: keys of the structures, each in its own colour.
        count: number of photographs.
        threshold: threshold of the drawing.
    """

    def __init__(
        self, output_dir: str, structures: Sequence[str] = ("vessel",), count: int = 4, threshold: float = 0.5
    ) -> None:
        self.output_dir = Path(output_dir)
        self.structures = tuple(structures)
        self.count = count
        self.threshold = threshold
        self.drawn = 0

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.reset)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.draw)

    def reset(self) -> None:
        """Start a new validation."""
        self.drawn = 0

    def draw(self, engine: Engine) -> None:
        """Draw until enough are drawn."""
        for batch, output in photographs(engine):
            if self.drawn == self.count or f"pred_{self.structures[0]}" not in output:
                return
            photograph = read_picture(batch["image_path"])
            masks = [output[f"pred_{structure}"][0].cpu().numpy() >= self.threshold for structure in self.structures]
            pair = np.concatenate([photograph, draw_structures(photograph, masks)], axis=1)
            write_png(self.output_dir / f"{batch['id']}.png", pair)
            self.drawn += 1
