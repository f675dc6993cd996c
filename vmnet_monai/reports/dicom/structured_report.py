"""The structured report: scores, decisions, vessel measures and remarks by DICOM's template TID 1500."""

from __future__ import annotations

from collections.abc import Sequence

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

from vmnet_monai.biomarkers.tidy import Value
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
    value_code,
    value_unit,
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

VESSEL_MEASURES, EYE_MEASURES = "vessel_measures", "eye"
"""Tracking identifiers of the groups of the vessel measures and of the eye itself; those of diseases are their keys,
those of vessel types and regions such as ``artery_zone_b``."""

UNIT_ORDER = ("um", "disc diameter", "px")
"""Parts of units, the first that is known is taken: microns by an assumed disc are its diameters in another form."""


def structured_report(
    source: Dataset, frame: int, prediction: Prediction, model: ModelIdentity, series_uid: str, series_number: int
) -> ComprehensiveSR:
    """Report a prediction; nobody has verified it, and it says so.

    One measurement group per disease holds its score with percentile, its probability where there is one, threshold
    and decision; one group the vessel measures, or one per vessel type and region those of arteries, veins and disc, in
    microns where the scale is known and else in disc diameters. An undefined measure is left out; a disease without
    score is not evaluated. What a score is, and for which photographs it is calibrated, stands in a comment.

    Args:
        source: the photograph.
        frame: number of its frame, from 0.
        prediction: with findings, measures or values; TID 1500 knows no report without either.
        model: what made the prediction.
        series_uid: UID of the series.
        series_number: its number.
    """
    image, side = minimal_reference(source), eye(source, frame)
    frames = referenced_frames(source, frame)
    groups = [_disease_group(finding, side, image, frames, model) for finding in prediction.findings]
    if prediction.measures:
        groups.append(_vessel_group(prediction.measures, side, image, frames, model))
    groups += _value_groups(prediction.values, side, image, frames, model)
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


def _value_groups(
    values: Sequence[Value], side: str, image: Dataset, frames: list[int] | None, model: ModelIdentity
) -> list[MeasurementsAndQualitativeEvaluations]:
    """A group per vessel type and region that has a value; without vessel type and region that of the eye itself."""
    grouped: dict[tuple[str, str], list[Value]] = {}
    for value in _in_one_unit(values):
        grouped.setdefault((value.vessel_type, value.region), []).append(value)
    groups = []
    for (vessel_type, region), several in grouped.items():
        measurements = [
            Measurement(value_code(value.measure), float(value.value), value_unit(value.unit))
            for value in several
            if known(value.value)
        ]
        finding = STRUCTURES[vessel_type or "vessel"] if region else RETINA
        name = "_".join(filter(None, (vessel_type, region))) or EYE_MEASURES
        groups.append(_group(name, finding, RETINA, side, image, frames, model, measurements, [], region))
    return groups


def _in_one_unit(values: Sequence[Value]) -> list[Value]:
    """Of each measure the value in the first unit of :data:`UNIT_ORDER` in which it is known without an assumption."""
    found: dict[tuple[str, str, str], list[Value]] = {}
    for value in values:
        if known(value.value) and "assumed" not in value.unit:
            found.setdefault((value.vessel_type, value.region, value.measure), []).append(value)
    return [min(several, key=lambda value: _place(value.unit)) for several in found.values()]


def _place(unit: str) -> int:
    return next((place for place, part in enumerate(UNIT_ORDER) if part in unit), len(UNIT_ORDER))


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
    region: str = "",
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
        finding_sites=[finding_site(site, side, region)],
        measurements=measurements,
        qualitative_evaluations=evaluations,
        source_images=[SourceImageForMeasurementGroup(image.SOPClassUID, image.SOPInstanceUID, frames)],
    )


def _remarks(prediction: Prediction) -> ContainerContentItem:
    """What stands on every report, what its numbers are, and what was noticed about the photograph, as text."""
    container = ContainerContentItem(QUALITATIVE_EVALUATIONS, relationship_type=RelationshipTypeValues.CONTAINS)
    comments = [DISCLAIMER, *([" ".join(note)] if (note := findings_note(prediction.findings)) else [])]
    flagged = {(one.region, one.flag): None for one in prediction.values if one.flag and known(one.value)}
    comments += [f"{region.replace('_', ' ') or 'eye'}: {flag}" for region, flag in flagged]
    texts = [(COMMENT, text) for text in comments] + [(IMAGE_QUALITY, warning) for warning in prediction.warnings]
    container.ContentSequence = ContentSequence(
        [
            # ASCII, which every character set of a photograph can hold.
            TextContentItem(name, text.encode("ascii", "replace").decode(), RelationshipTypeValues.CONTAINS)
            for name, text in texts
        ]
    )
    return container
