"""The two operators that the SDK lacks: one predicts photographs, one writes what was predicted.

The SDK's own ones do not fit: its bundle operator takes one output for one label, its writers a volume or plain text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai.deploy.core import Fragment, Operator, OperatorSpec

from vmnet_monai.deploy.objects import Entry
from vmnet_monai.deploy.outcome import predict_photographs, write_outcome
from vmnet_monai.dicom.results import ModelIdentity
from vmnet_monai.predict import Predictor

__all__ = ["PredictOperator", "WriteOperator"]


class PredictOperator(Operator):
    """Predicts every frame of every object of the selected series.

    Input ``study_selected_series_list``: what ``DICOMSeriesSelectorOperator`` emits. Output ``outcomes``: an iterator
    of :class:`~vmnet_monai.deploy.outcome.Outcome`; each photograph is predicted when the receiver asks for it.

    Args:
        fragment: the application.
        predictor: the model.
    """

    def __init__(self, fragment: Fragment, *args: Any, predictor: Predictor, **kwargs: Any) -> None:
        self.predictor = predictor
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare input and output."""
        spec.input("study_selected_series_list")
        spec.output("outcomes")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Hand on the iterator."""
        studies = op_input.receive("study_selected_series_list")
        sources = [
            instance.get_native_sop_instance()
            for study in studies
            for selected in study.selected_series
            for instance in selected.series.get_sop_instances()
        ]
        op_output.emit(predict_photographs(sources, self.predictor), "outcomes")


class WriteOperator(Operator):
    """Writes DICOM objects and records.

    Input ``outcomes``: an iterable of :class:`~vmnet_monai.deploy.outcome.Outcome`.

    Args:
        fragment: the application.
        output_folder: takes the files.
        model: what the results name as their maker.

    Attributes:
        entries: what became of each photograph, complete when the application has run.
    """

    def __init__(
        self, fragment: Fragment, *args: Any, output_folder: Path, model: ModelIdentity, **kwargs: Any
    ) -> None:
        self.output_folder = output_folder
        self.model = model
        self.entries: Sequence[Entry] = []
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the input."""
        spec.input("outcomes")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Write one photograph after the other."""
        outcomes = op_input.receive("outcomes")
        self.entries = [write_outcome(outcome, self.output_folder, self.model) for outcome in outcomes]
