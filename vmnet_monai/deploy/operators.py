"""Operators that predict photographs and write their results.

The SDK's bundle operator takes one output for one label, and its writers take a volume or plain text. Its loader and
selector are made for slices of a volume, and drop photographs (the second of a series at one ImagePositionPatient,
series with a damaged SeriesNumber or a blank Modality): they are given minimal objects, see
:func:`~vmnet_monai.deploy.objects.write_minimal_objects`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai.deploy.core import Fragment, Operator, OperatorSpec

from vmnet_monai.deploy.objects import ManifestRow
from vmnet_monai.deploy.outcome import predict_images, write_outcome
from vmnet_monai.inference.predictor import Predictor
from vmnet_monai.reports.dicom.origin import ModelIdentity

__all__ = ["PredictOperator", "WriteOperator"]


class PredictOperator(Operator):
    """Predicts every frame of every photograph of the selected series.

    Input ``study_selected_series_list``: what the SDK's ``DICOMSeriesSelectorOperator`` emits. Output ``outcomes``: an
    iterator of :class:`~vmnet_monai.deploy.outcome.Outcome`; each file is read, and each frame predicted, when the
    receiver reaches it.

    Args:
        fragment: the application.
        images: SOP Instance UID -> file, see :func:`~vmnet_monai.deploy.objects.find_objects`.
        predictor: the model.
    """

    def __init__(
        self, fragment: Fragment, *args: Any, images: Mapping[str, Path], predictor: Predictor, **kwargs: Any
    ) -> None:
        self.images = images
        self.predictor = predictor
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare input and output."""
        spec.input("study_selected_series_list")
        spec.output("outcomes")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Emit the iterator of outcomes."""
        selected = {
            str(instance.get_native_sop_instance().SOPInstanceUID)
            for study in op_input.receive("study_selected_series_list")
            for series in study.selected_series
            for instance in series.series.get_sop_instances()
        }
        chosen = {uid: path for uid, path in self.images.items() if uid in selected}
        op_output.emit(predict_images(chosen, self.predictor), "outcomes")


class WriteOperator(Operator):
    """Writes DICOM objects and records.

    Input ``outcomes``: an iterable of :class:`~vmnet_monai.deploy.outcome.Outcome`.

    Args:
        fragment: the application.
        output_folder: takes the files.
        model: named in the results as their source.

    Attributes:
        rows: outcome of each photograph, complete when the application has run.
    """

    def __init__(
        self, fragment: Fragment, *args: Any, output_folder: Path, model: ModelIdentity, **kwargs: Any
    ) -> None:
        self.output_folder = output_folder
        self.model = model
        self.rows: list[ManifestRow] = []
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the input."""
        spec.input("outcomes")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Write one photograph after the other."""
        outcomes = op_input.receive("outcomes")
        self.rows = [write_outcome(outcome, self.output_folder, self.model) for outcome in outcomes]
