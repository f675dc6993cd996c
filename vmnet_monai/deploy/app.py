"""The MONAI Deploy application: load, select, predict, write."""

from __future__ import annotations

import json
import logging
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application
from monai.deploy.operators import DICOMDataLoaderOperator, DICOMSeriesSelectorOperator

from vmnet_monai.deploy.model import find_model, model_identity
from vmnet_monai.deploy.objects import Entry, find_objects
from vmnet_monai.deploy.operators import PredictOperator, WriteOperator
from vmnet_monai.dicom.results import ModelIdentity
from vmnet_monai.files import whole_file
from vmnet_monai.predict import Predictor

__all__ = ["NOTHING_PREDICTED", "OK", "VMNetApplication", "run"]

logger = logging.getLogger(__name__)

OK, NOTHING_PREDICTED = 0, 1
"""Exit codes: at least one photograph was predicted; none was."""

RULES = {"selections": [{"name": "photographs", "conditions": {"Modality": "^(OP|XC|OT)$"}}]}
"""Every series of ophthalmic photography, external-camera photography, or other modality."""

RESEARCH_ONLY = "Not a medical device. For research only; not for diagnosis, screening or treatment decisions."


class VMNetApplication(Application):
    """Predicts the photographs of a folder of DICOM files.

    Args:
        input_folder: files that the SDK's loader can read: it stops at the first damaged one.
        output_folder: takes the results.
        predictor: the model.
        model: what the results name as their maker.
        argv: the program and its arguments.

    Attributes:
        writer: has what became of each photograph, when the application has run.
    """

    def __init__(
        self, input_folder: Path, output_folder: Path, predictor: Predictor, model: ModelIdentity, argv: Sequence[str]
    ) -> None:
        self.input_folder = input_folder
        self.output_folder = output_folder
        self.predictor = predictor
        self.model = model
        super().__init__(list(argv))

    def compose(self) -> None:
        """Connect the operators."""
        once = CountCondition(self, 1)
        load = DICOMDataLoaderOperator(self, once, input_folder=self.input_folder, must_load=False, name="load")
        select = DICOMSeriesSelectorOperator(self, rules=json.dumps(RULES), all_matched=True, name="select")
        predict = PredictOperator(self, predictor=self.predictor, name="predict")
        self.writer = WriteOperator(self, output_folder=self.output_folder, model=self.model, name="write")
        self.add_flow(load, select, {("dicom_study_list", "dicom_study_list")})
        self.add_flow(select, predict, {("study_selected_series_list", "study_selected_series_list")})
        self.add_flow(predict, self.writer, {("outcomes", "outcomes")})


def run(argv: Sequence[str]) -> int:
    """Run the application over a folder, and write ``manifest.json``.

    Args:
        argv: the program and its arguments, see ``--help``; the SDK's environment variables stand in for missing ones.

    Returns:
        Exit code, :data:`OK` or :data:`NOTHING_PREDICTED`.

    Raises:
        OSError: if input, model or output cannot be used.
        ValueError: if the model cannot be used.
    """
    context = Application.init_app_context(list(argv))
    _keep_patients_out_of_logs()
    folder, output = Path(context.input_path), Path(context.output_path)
    if not folder.is_dir():
        raise NotADirectoryError(f"the input must be a folder of DICOM files, {folder} is none: correct `--input`.")
    model_path = find_model(Path(context.model_path))
    predictor, model = Predictor(model_path), model_identity(model_path)
    content = find_objects(folder)
    entries = _predict(content.photographs, output, predictor, model, argv) if content.photographs else []
    entries = [*entries, *_left_out(content.photographs, entries), *content.refused]
    manifest = {"research_only": RESEARCH_ONLY, "model": asdict(model), "objects": entries}
    with whole_file(output / "manifest.json") as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    counts = Counter(entry["status"] for entry in entries)
    summary = f"{counts['ok']} predicted, {counts['refused']} refused, {counts['failed']} failed: see manifest.json."
    logger.log(logging.INFO if counts["ok"] else logging.ERROR, summary)
    return OK if counts["ok"] else NOTHING_PREDICTED


def _predict(
    photographs: Mapping[str, Path], output: Path, predictor: Predictor, model: ModelIdentity, argv: Sequence[str]
) -> list[Entry]:
    with tempfile.TemporaryDirectory() as links:
        for uid, path in photographs.items():
            (Path(links) / uid).symlink_to(path.resolve())
        application = VMNetApplication(Path(links), output, predictor, model, argv)
        application.run()
    return sorted(application.writer.entries, key=lambda entry: (entry["sop_instance_uid"], entry.get("frame", 0)))


def _keep_patients_out_of_logs() -> None:
    """Silence what quotes values of DICOM objects, whatever ``--log-level`` says; this package's log has none."""
    logging.getLogger("vmnet_monai").setLevel(logging.getLogger().level)
    logging.getLogger().setLevel(logging.WARNING)
    for name in ("monai.deploy.operators.dicom_data_loader_operator", "pydicom", "highdicom"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _left_out(photographs: Mapping[str, Path], entries: Sequence[Entry]) -> list[Entry]:
    """Those that the SDK's operators kept back."""
    reached = {entry["sop_instance_uid"] for entry in entries}
    reason = "the SDK left the object out: it needs UIDs of study and series, and its series the modality OP, XC or OT."
    return [
        {"sop_instance_uid": uid, "status": "refused", "reason": reason, "files": []}
        for uid in photographs
        if uid not in reached
    ]
