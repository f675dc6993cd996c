"""Codes of what DICOM results say: SNOMED CT, DICOM and UCUM where a term was verified, 99VMNET otherwise."""

from __future__ import annotations

from collections.abc import Mapping

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import FindingSite
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from vmnet_monai.biomarkers.definitions import DEFINITIONS
from vmnet_monai.biomarkers.regions import REGIONS
from vmnet_monai.diseases import VOCABULARY
from vmnet_monai.reports.wording import disease_name, readable

__all__ = [
    "BELOW_THRESHOLD",
    "COMMENT",
    "DECISION",
    "ENGLISH",
    "EYE",
    "FUNDUS_PHOTOGRAPHY",
    "IMAGE_QUALITY",
    "NOT_EVALUATED",
    "PERCENTILE",
    "PRIVATE_SCHEME",
    "PROBABILITY",
    "QUALITATIVE_EVALUATIONS",
    "REACHES_THRESHOLD",
    "RETINA",
    "SCORE",
    "STRUCTURES",
    "THRESHOLD",
    "WITHHELD",
    "disease_code",
    "finding_site",
    "laterality_code",
    "measure_code",
    "measure_unit",
    "private_scheme",
    "region_code",
    "structure_codes",
    "value_code",
    "value_unit",
]

PRIVATE_SCHEME = "99VMNET"
"""Designator of this package's own codes; DICOM reserves names that begin with 99 for private schemes (PS3.16, 8)."""

MEANING_CHARACTERS = 64
"""Most characters of a code's meaning: value representation LO (PS3.5, 6.2)."""


def _private(value: str, meaning: str) -> Code:
    return Code(value, PRIVATE_SCHEME, meaning[:MEANING_CHARACTERS])


RETINA: Code = codes.SCT.Retina
"""Where vessels lie: SNOMED CT 5665001, in CID 4209 Ophthalmic Anatomic Structure Imaged."""

EYE = codes.SCT.Eye
"""Where diseases are found: SNOMED CT 81745001, in CID 4209. Not the retina: a cataract lies in the lens."""

FUNDUS_PHOTOGRAPHY = Code("20067007", "SCT", "Ocular fundus photography")
"""The procedure reported. Not in DICOM's own lists; a member of the value set Retinal or Dilated Eye Exam of the US
quality measures (VSAC 2.16.840.1.113883.3.464.1003.115.12.1088)."""

ENGLISH = Code("en", "RFC5646", "English")
"""Language of the report, a tag of RFC 5646 as CID 5000 asks for."""

SCORE = _private("score", "Score, no calibrated probability")
"""What the network gives; DICOM's Probability is left to what is calibrated for these photographs."""

PERCENTILE = _private("percentile", "Percentile of the score among reference eyes")
"""In percent."""

PROBABILITY = codes.DCM.Probability
"""DCM 122157; by a calibration of one's own."""

THRESHOLD = codes.DCM.ThresholdValue
"""DCM 122411."""

DECISION = _private("decision", "Decision: value against threshold")
"""Name of the evaluation that is one of the next four; DICOM has no such name."""

REACHES_THRESHOLD = _private("at_or_above", "At or above the threshold")
BELOW_THRESHOLD = _private("below", "Below the threshold, which does not exclude the disease")
"""Not SNOMED CT's Present and Absent: a number below a threshold does not say that a disease is absent."""

WITHHELD = _private("withheld", "Withheld: the score is not calibrated for this source")
"""Of a score on which nobody asked for a decision."""

NOT_EVALUATED = codes.SCT.NotEvaluated
"""SNOMED CT 373121007, in CID 3703; of a disease without score."""

QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
"""The container of text in TID 1500 Measurement Report."""

COMMENT = codes.DCM.Comment
"""DCM 121106."""

IMAGE_QUALITY = codes.DCM.ImageQuality
"""DCM 111101; names the remarks on the quality of the photograph."""

STRUCTURES: Mapping[str, Code] = {
    "vessel": codes.SCT.BloodVessel,
    "artery": codes.SCT.Artery,
    "vein": codes.SCT.Vein,
    "disc": codes.SCT.OpticNerveHead,
    "fovea": codes.SCT.FoveaCentralis,
    "fovea_region": codes.SCT.FoveaCentralis,
}
"""Structure -> property type of its segment: SNOMED CT 59820001, 51114001 and 29092000, in CID 7151, and 81016008 and
67046006, in CID 4209. DICOM has no code for all vessels of the retina: the region beside it says where they lie."""

TISSUE = codes.SCT.Tissue
"""Category of a structure without code, which may be healthy or not: SNOMED CT 85756007, in CID 7150."""


def structure_codes(structure: str) -> tuple[Code, Code]:
    """The category and the type of a segment: of SNOMED CT where a code was verified, else its key in 99VMNET.

    Args:
        structure: key of the structure.
    """
    if structure in STRUCTURES:
        return codes.SCT.AnatomicalStructure, STRUCTURES[structure]
    return TISSUE, _private(structure, readable(structure))


def private_scheme() -> CodingSchemeIdentificationItem:
    """What a DICOM object says of the private codes in it."""
    return CodingSchemeIdentificationItem(
        designator=PRIVATE_SCHEME, name="Private codes of vmnet_monai", responsible_organization="vmnet_monai"
    )


def disease_code(disease: str) -> Code:
    """The code of a disease: SNOMED CT where the vocabulary has a concept, otherwise its key in 99VMNET.

    Args:
        disease: key of the disease.
    """
    concept = VOCABULARY[disease].snomed_ct if disease in VOCABULARY else None
    name = disease_name(disease)
    return Code(concept, "SCT", name) if concept else _private(disease, name)


def measure_code(measure: str) -> Code:
    """The code of a vessel measure: its name in 99VMNET, because DICOM's lengths and widths are defined otherwise.

    Args:
        measure: name of the measure, see docs/reference/measures.md.
    """
    return _private(measure, readable(measure))


def measure_unit(measure: str) -> Code:
    """The UCUM unit of a measure by the end of its name: pixels, counts, or 1 for fractions and ratios.

    Args:
        measure: name of the measure.
    """
    if measure.endswith("_px"):
        return Code("{pixels}", "UCUM", "Pixels")
    unit: Code = codes.UCUM.Counts if measure.endswith("_count") else codes.UCUM.NoUnits
    return unit


def region_code(region: str) -> Code:
    """The code of a region of the retina: its name in 99VMNET.

    Args:
        region: one of :data:`~vmnet_monai.biomarkers.REGIONS`.
    """
    return _private(region, REGIONS[region][:1].upper() + REGIONS[region][1:])


def value_code(measure: str) -> Code:
    """The code of a measure by vessel type and region: its name in 99VMNET.

    Args:
        measure: one of :data:`~vmnet_monai.biomarkers.definitions.DEFINITIONS`.
    """
    return _private(measure, DEFINITIONS[measure].name)


UNITS = {
    "px": Code("{pixels}", "UCUM", "Pixels"),
    "px2": Code("{square_pixels}", "UCUM", "Square pixels"),
    "1/px": Code("/{pixel}", "UCUM", "Per pixel"),
    "disc diameters": Code("{disc_diameters}", "UCUM", "Disc diameters"),
    "square disc diameters": Code("{square_disc_diameters}", "UCUM", "Square disc diameters"),
    "1/disc diameter": Code("/{disc_diameter}", "UCUM", "Per disc diameter"),
    "um": Code("um", "UCUM", "micrometer"),
    "um2": Code("um2", "UCUM", "square micrometer"),
    "1/um": Code("/um", "UCUM", "per micrometer"),
    "deg": codes.UCUM.Degree,
    "count": codes.UCUM.Counts,
}
"""Unit of tables -> that of UCUM; what stands in braces is an annotation, with the unit 1 (UCUM, section 6)."""


def value_unit(unit: str) -> Code:
    """The UCUM unit of a value; 1 for fractions, ratios and dimensions.

    Args:
        unit: as tables have it, without what is assumed.
    """
    code: Code = UNITS.get(unit, codes.UCUM.NoUnits)
    return code


def laterality_code(eye: str) -> Code | None:
    """The SNOMED CT code of a side, CID 247; None where it is unknown.

    Args:
        eye: ``"left"``, ``"right"`` or ``""``.
    """
    return {"left": codes.SCT.Left, "right": codes.SCT.Right}.get(eye)


def finding_site(structure: Code, eye: str, region: str = "") -> FindingSite:
    """Where something was found.

    Args:
        structure: :data:`EYE` or :data:`RETINA`.
        eye: ``"left"``, ``"right"`` or ``""``.
        region: part of the retina, the site's topographical modifier; empty for none.
    """
    return FindingSite(structure, laterality_code(eye), region_code(region) if region else None)
