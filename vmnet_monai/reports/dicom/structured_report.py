"""The structured report: scores, decisions, vessel measures and remarks by DICOM's template TID 1500."""

from __future__ import annotations

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from vmnet_monai.io.dicom import OWN_MODEL_NAME, eye
from vmnet_monai.reports.dicom.codes import (
    BELOW_THRESHOLD,
    COMMENT,
    DECISION,
    ENGLISH,
    EYE,
    FUNDUS_PHOTOGRAPHY,
    IMAGE_QUALITY,
    NOT_EVALUATED,
    PERCENTILE,
    PROBABILITY,
    QUALITATIVE_EVALUATIONS,
    REACHES_THRESHOLD,
    RETINA,
    SCORE,
    STRUCTURES,
    THRESHOLD,
    WITHHELD,
    disease_code,
    finding_site,
    measure_code,
    measure_unit,
    private_scheme,
)
from vmnet_monai.reports.dicom.origin import (
    ModelIdentity,
    copy_patient_and_study,
    equipment,
    minimal_reference,
    new_uid,
    referenced_frames,
)
from vmnet_monai.reports.prediction import Prediction
from vmnet_monai.reports.record import DiseaseFinding
from vmnet_monai.reports.wording import DISCLAIMER, findings_note, known

__all__ = ["VESSEL_MEASURES", "structured_report"]

VESSEL_MEASURES = "vessel_measures"
"""Tracking identifier of the group of the vessel measures; those of diseases are their keys."""


def structured_report(
    source: Dataset, frame: int, prediction: Prediction, model: ModelIdentity, series_uid: str, series_number: int
) -> ComprehensiveSR:
    """Report a prediction; nobody has verified it, and it says so.

    One measurement group per disease holds its score with percentile, its probability where there is one, threshold
    and decision; one group the vessel measures. An undefined measure is left out; a disease without score is not
    evaluated. What a score is, and for which photographs it is calibrated, stands in a comment.

    Args:
        source: the photograph.
        frame: number of its frame, from 0.
        prediction: with findings or measures; TID 1500 knows no report without either.
        model: what made the prediction.
        series_uid: UID of the series.
        series_number: its number.
    """
    image, side = minimal_reference(source), eye(source, frame)
    frames = referenced_frames(source, frame)
    groups = [_disease_group(finding, side, image, frames, model) for finding in prediction.findings]
    if prediction.measures:
        groups.append(_vessel_group(prediction.measures, side, image, frames, model))
    report = MeasurementReport(
        ObservationContext(
            ObserverContext(
                codes.DCM.Device,
                DeviceObserverIdentifyingAttributes(
                    uid=model.uid(),
                    name=model.name,
                    manufacturer_name=OWN_MODEL_NAME,
                    model_name=f"{OWN_MODEL_NAME} {model.package_version}",
                    serial_number=model.model_version,
                ),
            )
        ),
        FUNDUS_PHOTOGRAPHY,
        groups,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(CodedConcept.from_code(ENGLISH)),
        referenced_images=[image],
    )
    report[0].ContentSequence.append(_remarks(prediction))
    result = ComprehensiveSR(
        [image],
        report,
        series_instance_uid=series_uid,
        series_number=series_number,
        sop_instance_uid=new_uid(),
        instance_number=1,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description="Report, for research only",
        coding_schemes=[private_scheme()],
        **equipment(model),
    )
    copy_patient_and_study(result, source)
    return result


def _disease_group(
    finding: DiseaseFinding, side: str, image: Dataset, frames: list[int] | None, model: ModelIdentity
) -> MeasurementsAndQualitativeEvaluations:
    measurements, decision = [], NOT_EVALUATED
    if known(finding.score):
        unit, percent = codes.UCUM.NoUnits, codes.UCUM.Percent
        given = (
            (SCORE, finding.score, unit),
            (PERCENTILE, finding.percentile, percent),
            (PROBABILITY, finding.probability, unit),
            (THRESHOLD, finding.threshold, unit),
        )
        measurements = [Measurement(name, float(value), unit) for name, value, unit in given if known(value)]
        told = {None: WITHHELD, 0: BELOW_THRESHOLD, 1: REACHES_THRESHOLD}
        decision = told[finding.decision]
    return _group(
        *(finding.disease, disease_code(finding.disease), EYE, side, image, frames, model),
        measurements,
        [QualitativeEvaluation(DECISION, decision)],
    )


def _vessel_group(
    measures: dict[str, float | None], side: str, image: Dataset, frames: list[int] | None, model: ModelIdentity
) -> MeasurementsAndQualitativeEvaluations:
    measurements = [
        Measurement(measure_code(name), float(value), measure_unit(name))
        for name, value in measures.items()
        if known(value)
    ]
    return _group(VESSEL_MEASURES, STRUCTURES["vessel"], RETINA, side, image, frames, model, measurements, [])


def _group(
    name: str,
    finding: Code,
    site: Code,
    side: str,
    image: Dataset,
    frames: list[int] | None,
    model: ModelIdentity,
    measurements: list[Measurement],
    evaluations: list[QualitativeEvaluation],
) -> MeasurementsAndQualitativeEvaluations:
    return MeasurementsAndQualitativeEvaluations(
        TrackingIdentifier(uid=new_uid(), identifier=name),
        finding_type=finding,
        algorithm_id=AlgorithmIdentification(
            model.name,
            model.model_version,
            parameters=[f"{key}={value}" for key, value in model.parameters().items()],
            manufacturer=OWN_MODEL_NAME,
        ),
        finding_sites=[finding_site(site, side)],
        measurements=measurements,
        qualitative_evaluations=evaluations,
        source_images=[SourceImageForMeasurementGroup(image.SOPClassUID, image.SOPInstanceUID, frames)],
    )


def _remarks(prediction: Prediction) -> ContainerContentItem:
    """What stands on every report, what its numbers are, and what was noticed about the photograph, as text."""
    container = ContainerContentItem(QUALITATIVE_EVALUATIONS, relationship_type=RelationshipTypeValues.CONTAINS)
    comments = [DISCLAIMER, *([" ".join(note)] if (note := findings_note(prediction.findings)) else [])]
    texts = [(COMMENT, text) for text in comments] + [(IMAGE_QUALITY, warning) for warning in prediction.warnings]
    container.ContentSequence = ContentSequence(
        [
            # ASCII, which every character set of a photograph can hold.
            TextContentItem(name, text.encode("ascii", "replace").decode(), RelationshipTypeValues.CONTAINS)
            for name, text in texts
        ]
    )
    return container
