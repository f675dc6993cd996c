"""Codes: those of a standard are what the standard says, and everything that is said has one."""

from __future__ import annotations

import pytest
from pydicom.sr._concepts_dict import concepts
from pydicom.sr.coding import Code

from vmnet_monai.biomarkers import REGIONS, definitions
from vmnet_monai.biomarkers.definitions import DEFINITIONS
from vmnet_monai.diseases import VOCABULARY
from vmnet_monai.reports.dicom import codes


@pytest.mark.parametrize(
    ("code", "scheme", "value", "meaning"),
    [
        (codes.RETINA, "SCT", "5665001", "Retina"),
        (codes.EYE, "SCT", "81745001", "Eye"),
        (codes.STRUCTURES["vessel"], "SCT", "59820001", "Blood Vessel"),
        (codes.STRUCTURES["artery"], "SCT", "51114001", "Artery"),
        (codes.STRUCTURES["vein"], "SCT", "29092000", "Vein"),
        (codes.STRUCTURES["disc"], "SCT", "81016008", "Optic nerve head"),
        (codes.STRUCTURES["fovea"], "SCT", "67046006", "Fovea centralis"),
        (codes.STRUCTURES["fovea_region"], "SCT", "67046006", "Fovea centralis"),
        (codes.TISSUE, "SCT", "85756007", "Tissue"),
        (codes.PROBABILITY, "DCM", "122157", "Probability"),
        (codes.THRESHOLD, "DCM", "122411", "Threshold Value"),
        (codes.NOT_EVALUATED, "SCT", "373121007", "Not Evaluated"),
        (codes.COMMENT, "DCM", "121106", "Comment"),
        (codes.IMAGE_QUALITY, "DCM", "111101", "Image Quality"),
        (codes.laterality_code("left"), "SCT", "7771000", "Left"),
        (codes.laterality_code("right"), "SCT", "24028007", "Right"),
        (codes.measure_unit("branch_points_count"), "UCUM", "{counts}", "Counts"),
        (codes.measure_unit("vessel_density_fov_share"), "UCUM", "1", "no units"),
        (codes.value_unit("count"), "UCUM", "{counts}", "Counts"),
        (codes.value_unit("um"), "UCUM", "um", "micrometer"),
        (codes.value_unit("um2"), "UCUM", "um2", "square micrometer"),
        (codes.value_unit("deg"), "UCUM", "deg", "Degree"),
        (codes.value_unit("ratio"), "UCUM", "1", "no units"),
    ],
)
def test_standard_code_is_in_the_standard(code: Code, scheme: str, value: str, meaning: str) -> None:
    assert (code.scheme_designator, code.value, code.meaning) == (scheme, value, meaning)
    assert any(value in terms and terms[value][0] == meaning for terms in concepts[scheme].values())


@pytest.mark.parametrize(
    ("disease", "code"),
    [
        ("diabetic_retinopathy", ("4855003", "SCT", "Diabetic retinopathy")),
        ("glaucoma", ("23986001", "SCT", "Glaucoma")),
        ("cataract", ("193570009", "SCT", "Cataract")),
        ("amd", ("267718000", "SCT", "Age-related macular degeneration")),
        ("normal", ("normal", "99VMNET", "Normal")),
        ("not_in_the_vocabulary", ("not_in_the_vocabulary", "99VMNET", "Not in the vocabulary")),
    ],
)
def test_disease_without_concept_has_a_private_code(disease: str, code: tuple[str, str, str]) -> None:
    assert codes.disease_code(disease)[:3] == code


def test_every_disease_has_a_code_of_its_own() -> None:
    of_diseases = [codes.disease_code(disease) for disease in VOCABULARY]
    assert len({code.value for code in of_diseases}) == len(VOCABULARY)
    assert all(0 < len(code.meaning) <= 64 for code in of_diseases)


def test_long_name_of_a_private_code_is_cut_to_what_dicom_allows() -> None:
    assert codes.measure_code("m" * 100).meaning == "M" + "m" * 63


@pytest.mark.parametrize(
    ("measure", "unit"),
    [("skeleton_length_px", "{pixels}"), ("end_points_count", "{counts}"), ("tortuosity_arc_chord_mean", "1")],
)
def test_unit_follows_from_the_name_of_the_measure(measure: str, unit: str) -> None:
    assert codes.measure_unit(measure).value == unit
    assert codes.measure_code(measure)[:2] == (measure, "99VMNET")


def test_decisions_are_private_and_none_says_that_a_disease_is_absent() -> None:
    values = [codes.REACHES_THRESHOLD, codes.BELOW_THRESHOLD, codes.WITHHELD]
    assert {code.scheme_designator for code in values} == {"99VMNET"}
    assert all(len(code.value) <= 16 and len(code.meaning) <= 64 for code in values), "SH and LO (PS3.5, 6.2)"
    assert not any("absent" in code.meaning.lower() for code in values)


def test_unknown_side_has_no_code() -> None:
    assert codes.laterality_code("") is None
    assert "ContentSequence" not in codes.finding_site(codes.EYE, "")


def test_every_unit_of_the_tables_has_one_of_ucum_and_every_measure_and_region_a_code() -> None:
    units = {unit for measure in DEFINITIONS for unit in definitions.units(measure)}
    assert all(codes.value_unit(unit).scheme_designator == "UCUM" for unit in units)
    without = {unit for unit in units if codes.value_unit(unit).value == "1"}
    assert without == {"fraction", "ratio", "dimension"}
    assert len({codes.value_code(measure).value for measure in DEFINITIONS}) == len(DEFINITIONS)
    for code in (*map(codes.value_code, DEFINITIONS), *map(codes.region_code, REGIONS)):
        assert code.scheme_designator == "99VMNET" and 0 < len(code.meaning) <= 64
