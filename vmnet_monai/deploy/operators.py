"""The operators: one finds photographs, one predicts them, one writes what was predicted.

The SDK's own ones do not fit. Its loader and selector are made for slices of a volume, and drop photographs (the second
of a series at one ImagePositionPatient, series with a damaged SeriesNumber or a blank Modality); its bundle operator
takes one output for one label; its writers take a volume or plain text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.deploy.core import Fragment, Operator, OperatorSpec

from vmnet_monai.deploy.objects import Entry, find_objects
from vmnet_monai.deploy.outcome import predict_photographs, write_outcome
from vmnet_monai.dicom.origin import ModelIdentity
from vmnet_monai.predict import Predictor

__all__ = ["FindOperator", "PredictOperator", "WriteOperator"]


class FindOperator(Operator):
    """Finds the photographs of a folder.

    Output ``photographs``: SOP Instance UID -> file, see :func:`~vmnet_monai.deploy.objects.find_objects`.

    Args:
        fragment: the application.
        input_folder: has the files.

    Attributes:
        refused: every other file with the reason, complete when the application has run.
    """

    def __init__(self, fragment: Fragment, *args: Any, input_folder: Path, **kwargs: Any) -> None:
        self.input_folder = input_folder
        self.refused: list[Entry] = []
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the output."""
        spec.output("photographs")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Look at the headers."""
        photographs, self.refused = find_objects(self.input_folder)
        op_output.emit(photographs, "photographs")


class PredictOperator(Operator):
    """Predicts every frame of every photograph.

    Input ``photographs``: from :class:`FindOperator`. Output ``outcomes``: an iterator of
    :class:`~vmnet_monai.deploy.outcome.Outcome`; each file is read, and each frame predicted, when the receiver asks
    for it.

    Args:
        fragment: the application.
        predictor: the model.
    """

    def __init__(self, fragment: Fragment, *args: Any, predictor: Predictor, **kwargs: Any) -> None:
        self.predictor = predictor
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare input and output."""
        spec.input("photographs")
        spec.output("outcomes")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Hand on the iterator."""
        op_output.emit(predict_photographs(op_input.receive("photographs"), self.predictor), "outcomes")


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
        self.entries: list[Entry] = []
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare the input."""
        spec.input("outcomes")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        """Write one photograph after the other."""
        outcomes = op_input.receive("outcomes")
        self.entries = [write_outcome(outcome, self.output_folder, self.model) for outcome in outcomes]
