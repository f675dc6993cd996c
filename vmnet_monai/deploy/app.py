"""The MONAI Deploy application: find, load, select, predict, write."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application
from monai.deploy.operators import DICOMDataLoaderOperator, DICOMSeriesSelectorOperator

from vmnet_monai.deploy.model import find_model, model_identity
from vmnet_monai.deploy.objects import ManifestRow, find_objects, write_minimal_objects
from vmnet_monai.deploy.operators import PredictOperator, WriteOperator
from vmnet_monai.inference.predictor import Predictor
from vmnet_monai.io.files import whole_file
from vmnet_monai.reports.dicom.origin import ModelIdentity
from vmnet_monai.reports.wording import DISCLAIMER

__all__ = ["NOTHING_PREDICTED", "OK", "VMNetApplication", "prepare", "run"]

logger = logging.getLogger(__name__)

OK, NOTHING_PREDICTED = 0, 1
"""Exit codes: at least one photograph was predicted; none was."""

RULES = {"selections": [{"name": "photographs", "conditions": {"Modality": "^(OP|XC|OT)$"}}]}
"""Selects the series of ophthalmic photography, external-camera photography, and other modalities."""


class VMNetApplication(Application):
    """Predicts the photographs of a folder of DICOM files.

    Args:
        input_folder: files of any name, at any depth.
        output_folder: folder of the results.
        predictor: the model.
        model: named in the results as their source.
        argv: the program and its arguments.
    """

    def __init__(
        self, input_folder: Path, output_folder: Path, predictor: Predictor, model: ModelIdentity, argv: Sequence[str]
    ) -> None:
        self.input_folder = input_folder
        self.output_folder = output_folder
        self.predictor = predictor
        self.model = model
        self.refused: list[ManifestRow] = []
        self._folder = tempfile.TemporaryDirectory(prefix="vmnet-")
        self.minimal_objects = Path(self._folder.name)
        super().__init__(list(argv))

    def compose(self) -> None:
        """Read the headers and connect the operators."""
        once = CountCondition(self, 1)
        images, self.refused = find_objects(self.input_folder)
        write_minimal_objects(images, self.minimal_objects)
        load = DICOMDataLoaderOperator(self, once, input_folder=self.minimal_objects, must_load=False, name="load")
        select = DICOMSeriesSelectorOperator(self, rules=json.dumps(RULES), all_matched=True, name="select")
        predict = PredictOperator(self, images=images, predictor=self.predictor, name="predict")
        self.writer = WriteOperator(self, output_folder=self.output_folder, model=self.model, name="write")
        self.add_flow(load, select, {("dicom_study_list", "dicom_study_list")})
        self.add_flow(select, predict, {("study_selected_series_list", "study_selected_series_list")})
        self.add_flow(predict, self.writer, {("outcomes", "outcomes")})

    @property
    def rows(self) -> list[ManifestRow]:
        """Outcome of each file, complete when the application has run."""
        return [*self.writer.rows, *self.refused]


def prepare(argv: Sequence[str]) -> VMNetApplication:
    """Make the application from its arguments; no file of the input is read.

    Args:
        argv: the program and its arguments, see ``--help``; the SDK's environment variables replace missing ones.

    Raises:
        OSError: if input, model or output cannot be used.
        ValueError: if the model cannot be used.
    """
    context = Application.init_app_context(list(argv))
    _keep_patients_out_of_logs()
    folder, output = Path(context.input_path), Path(context.output_path)
    if not folder.is_dir():
        raise NotADirectoryError(f"the input must be a folder of DICOM files, {folder} is none: correct `--input`.")
    output.mkdir(parents=True, exist_ok=True)
    if not os.access(output, os.W_OK | os.X_OK):
        raise PermissionError(f"the output must be a folder that can be written to, {output} is none: allow it.")
    is_named = any(option.partition("=")[0] in ("-m", "--model") for option in argv) or os.environ.get(
        "HOLOSCAN_MODEL_PATH"
    )
    model_path = find_model(Path(context.model_path) if is_named else None)
    return VMNetApplication(folder, output, Predictor(model_path), model_identity(model_path), argv)


def run(application: VMNetApplication) -> int:
    """Run the application, and write ``manifest.json``.

    Args:
        application: from :func:`prepare`.

    Returns:
        Exit code, :data:`OK` or :data:`NOTHING_PREDICTED`.
    """
    application.run()
    rows = application.rows
    manifest = {"research_only": DISCLAIMER, "model": asdict(application.model), "objects": rows}
    with whole_file(application.output_folder / "manifest.json") as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    counts = Counter(row["status"] for row in rows)
    summary = f"{counts['ok']} predicted, {counts['refused']} refused, {counts['failed']} failed: see manifest.json."
    logger.log(logging.INFO if counts["ok"] else logging.ERROR, summary)
    return OK if counts["ok"] else NOTHING_PREDICTED


def _keep_patients_out_of_logs() -> None:
    """Silence loggers that quote values of DICOM objects, whatever ``--log-level`` is; this package's log has none."""
    logging.getLogger("vmnet_monai").setLevel(logging.getLogger().level)
    logging.getLogger().setLevel(logging.WARNING)
    for name in ("pydicom", "highdicom"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
