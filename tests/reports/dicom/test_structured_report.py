"""The structured report, read back by highdicom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import photograph_dataset
from hand_made_prediction import FINDINGS, MEASURES, MODEL, hand_made_prediction
from highdicom.sr import ComprehensiveSR, MeasurementsAndQualitativeEvaluations, srread
from highdicom.sr.utils import find_content_items
from pydicom import Dataset

from vmnet_monai.biomarkers.tidy import Value
from vmnet_monai.reports.dicom.results import write_dicom_results
from vmnet_monai.reports.prediction import Prediction


def photograph(frames: int = 1, **options: object) -> Dataset:
    return photograph_dataset(np.zeros((frames, 24, 40, 3), np.uint8), **options)


def report(
    folder: Path, source: Dataset | None = None, frame: int = 0, prediction: Prediction | None = None
) -> ComprehensiveSR:
    """The report, written and read."""
    source = source or photograph()
    prediction = prediction or hand_made_prediction(structure_probabilities={}, structure_masks={})
    write_dicom_results(folder, "retina", source, frame, prediction, {}, MODEL)
    return srread(folder / "dicom/retina/report.dcm")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> ComprehensiveSR:
    """The report of the right eye, of the prediction that was made by hand."""
    return report(tmp_path_factory.mktemp("report"))


def groups(document: ComprehensiveSR) -> dict[str, MeasurementsAndQualitativeEvaluations]:
    return {group.tracking_identifier: group for group in document.content.get_image_measurement_groups()}


def numbers(group: MeasurementsAndQualitativeEvaluations) -> dict[str, tuple[float, str]]:
    return {item.name.meaning: (item.value, item.unit.value) for item in group.get_measurements()}


def texts(document: ComprehensiveSR) -> list[tuple[str, str]]:
    (container,) = [
        item for item in document.content[0].ContentSequence if item.name.meaning == "Qualitative Evaluations"
    ]
    return [(item.name.meaning, item.value) for item in container.ContentSequence]


def test_every_number_and_decision_is_that_of_the_prediction(document: ComprehensiveSR) -> None:
    read = groups(document)
    for finding in FINDINGS:
        group = read[finding.disease]
        given = {
            "Score, no calibrated probability": (finding.score, "1"),
            "Percentile of the score among reference eyes": (finding.percentile, "%"),
            "Probability": (finding.probability, "1"),
            "Threshold Value": (finding.threshold, "1"),
        }
        assert numbers(group) == {name: value for name, value in given.items() if value[0] is not None}
        (decision,) = group.get_qualitative_evaluations()
        assert decision.name.value == "decision"


def test_a_decision_is_withheld_unless_it_was_made_and_never_says_absent(document: ComprehensiveSR) -> None:
    said = {name: group.get_qualitative_evaluations() for name, group in groups(document).items()}
    assert {name: evaluations[0].value.meaning for name, evaluations in said.items() if evaluations} == {
        "normal": "Below the threshold, which does not exclude the disease",
        "glaucoma": "At or above the threshold",
        "cataract": "Withheld: the score is not calibrated for this source",
        "amd": "Not Evaluated",
    }
    assert "Absent" not in str(document)


def test_disease_without_score_has_no_number(document: ComprehensiveSR) -> None:
    assert numbers(groups(document)["amd"]) == {}


def test_nan_is_no_score(tmp_path: Path) -> None:
    finding = FINDINGS[3].model_copy(update={"score": float("nan")})
    group = groups(report(tmp_path, prediction=hand_made_prediction(findings=[finding], measures={})))["amd"]
    assert numbers(group) == {}
    assert group.get_qualitative_evaluations()[0].value.meaning == "Not Evaluated"


def test_finding_is_coded_by_snomed_or_privately(document: ComprehensiveSR) -> None:
    read = groups(document)
    assert (read["glaucoma"].finding_type.scheme_designator, read["glaucoma"].finding_type.value) == ("SCT", "23986001")
    assert (read["normal"].finding_type.scheme_designator, read["normal"].finding_type.value) == ("99VMNET", "normal")


def test_every_defined_measure_is_that_of_the_prediction(document: ComprehensiveSR) -> None:
    group = groups(document)["vessel_measures"]
    read = {item.name.value: (item.value, item.unit.value) for item in group.get_measurements()}
    assert read == {
        "vessel_density_fov_share": (MEASURES["vessel_density_fov_share"], "1"),
        "skeleton_length_px": (MEASURES["skeleton_length_px"], "{pixels}"),
        "branch_points_count": (MEASURES["branch_points_count"], "{counts}"),
    }
    assert group.finding_type.meaning == "Blood Vessel"
    assert group.finding_sites[0].value.meaning == "Retina"


@pytest.mark.parametrize(("laterality", "expected"), [("L", "Left"), ("R", "Right"), ("", None)])
def test_side_stands_at_every_finding_site(laterality: str, expected: str | None, tmp_path: Path) -> None:
    for group in groups(report(tmp_path, photograph(kind="vl", laterality=laterality))).values():
        (site,) = group.finding_sites
        assert (site.laterality.meaning if site.laterality else None) == expected


def test_frame_of_several_is_referred_to_by_its_number_from_1(tmp_path: Path) -> None:
    source = photograph(frames=3)
    for group in groups(report(tmp_path, source, frame=2)).values():
        (image,) = group.source_images
        assert image.referenced_sop_instance_uid == source.SOPInstanceUID
        assert image.referenced_frame_numbers == [3]


def test_only_frame_needs_no_number(document: ComprehensiveSR) -> None:
    (image,) = groups(document)["glaucoma"].source_images
    assert image.referenced_frame_numbers is None


def test_photograph_is_the_evidence(tmp_path: Path) -> None:
    source = photograph()
    evidence = report(tmp_path, source).get_evidence()
    assert [tuple(map(str, item)) for item in evidence] == [
        (source.StudyInstanceUID, source.SeriesInstanceUID, source.SOPInstanceUID, source.SOPClassUID)
    ]


def test_report_says_who_made_it_and_that_nobody_verified_it(document: ComprehensiveSR) -> None:
    assert document.VerificationFlag == "UNVERIFIED"
    assert document.PreliminaryFlag == "PRELIMINARY"
    (observer,) = document.content.get_observer_contexts()
    attributes = observer.observer_identifying_attributes
    assert observer.observer_type.meaning == "Device"
    assert (attributes.name, attributes.manufacturer_name, attributes.model_name, attributes.serial_number) == (
        *("V-MNet", "vmnet_monai", "vmnet_monai 0.4.0", "abc123"),
    )
    items = find_content_items(document.content[0], recursive=True)
    stated = {(item.name.meaning, item.value) for item in items if item.name.meaning.startswith("Algorithm")}
    assert stated >= {
        ("Algorithm Name", "V-MNet"),
        ("Algorithm Version", "abc123"),
        ("Algorithm Parameters", "thresholds=def456"),
        ("Algorithm Parameters", "runtime=torch"),
    }
    assert document.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99VMNET"


def test_observer_is_the_same_device_for_the_same_model(tmp_path: Path) -> None:
    uids = [
        report(tmp_path / name).content.get_observer_contexts()[0].observer_identifying_attributes.uid
        for name in ("1", "2")
    ]
    assert uids[0] == uids[1]


def test_research_only_and_warnings_stand_as_text(document: ComprehensiveSR) -> None:
    (name, disclaimer), (_, note), warning = texts(document)
    assert "A score is no probability" in note and "ODIR-5K" in note and "Clinic A" in note
    assert name == "Comment"
    assert disclaimer.startswith("Not a medical device. For research only")
    assert warning == ("Image Quality", "The photograph is blurred ? retake it.")


def test_report_of_diseases_alone_is_written(tmp_path: Path) -> None:
    assert set(groups(report(tmp_path, prediction=hand_made_prediction(measures={})))) == {
        "normal",
        "glaucoma",
        "cataract",
        "amd",
    }


def test_without_findings_and_measures_no_report_is_written_and_it_is_said(tmp_path: Path) -> None:
    prediction = hand_made_prediction(findings=[], measures={})
    files, remarks = write_dicom_results(tmp_path, "retina", photograph(), 0, prediction, {}, MODEL)
    assert files == ["dicom/retina/probability.dcm", "dicom/retina/mask.dcm"]
    assert remarks == ["No DICOM report was written: there are neither scores nor measures."]


VALUES = [
    Value("", "", "disc_diameter", 30.0, "px"),
    Value("", "", "disc_diameter", 1800.0, "um (assumed: disc diameter 1800 um)"),
    Value("artery", "zone_b", "crae_knudtson", 12.5, "px"),
    Value("artery", "zone_b", "crae_knudtson", 0.0625, "disc diameters"),
    Value("artery", "zone_b", "crae_knudtson", 112.5, "um (assumed: disc diameter 1800 um)"),
    Value("artery", "zone_b", "crae_hubbard", 120.0, "um (assumed: disc diameter 1800 um)"),
    Value("", "zone_b", "avr_knudtson", 0.6875, "ratio", "93% of the region lie in the field of view"),
    Value("vein", "field", "length_density", 1.25, "1/disc diameter"),
    Value("vein", "zone_c", "width_mean", None, "px", "the region has no vessel to measure it on"),
]


def test_measures_have_a_group_per_vessel_type_and_region_in_units_without_assumption(tmp_path: Path) -> None:
    read = groups(report(tmp_path, prediction=hand_made_prediction(findings=[], measures={}, values=VALUES)))
    assert {name: numbers(group) for name, group in read.items()} == {
        "eye": {"Optic disc diameter": (30.0, "{pixels}")},
        "artery_zone_b": {"Central retinal arteriolar equivalent (CRAE), Knudtson": (0.0625, "{disc_diameters}")},
        "zone_b": {"Arteriole to venule ratio (AVR), Knudtson": (0.6875, "1")},
        "vein_field": {"Density by length": (1.25, "/{disc_diameter}")},
    }
    assert [read[name].finding_type.meaning for name in read] == ["Retina", "Artery", "Blood Vessel", "Vein"]
    (site,) = read["artery_zone_b"].finding_sites
    assert (site.value.meaning, site.topographical_modifier.value) == ("Retina", "zone_b")
    assert [code.value for code in (item.name for item in read["vein_field"].get_measurements())] == ["length_density"]


def test_microns_are_reported_where_the_scale_is_known(tmp_path: Path) -> None:
    known = [value._replace(unit=value.unit.partition(" (")[0]) for value in VALUES]
    read = groups(report(tmp_path, prediction=hand_made_prediction(findings=[], measures={}, values=known)))
    assert numbers(read["eye"]) == {"Optic disc diameter": (1800.0, "um")}
    assert [unit for _, unit in numbers(read["artery_zone_b"]).values()] == ["um", "um"]


def test_what_a_reader_has_to_know_of_a_value_stands_as_text(tmp_path: Path) -> None:
    document = report(tmp_path, prediction=hand_made_prediction(findings=[], measures={}, values=VALUES))
    comments = [text for meaning, text in texts(document) if meaning == "Comment"]
    assert comments[1:] == ["zone b: 93% of the region lie in the field of view"]
