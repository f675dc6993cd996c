"""The disease vocabulary: one key per disease, its codes, and its name in each public dataset."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

__all__ = [
    "DEFAULT_DISEASES",
    "NORMAL",
    "VOCABULARY",
    "Disease",
    "get_disease",
    "label_vector",
    "near_matches",
]


@dataclass(frozen=True)
class Disease:
    """A finding in a fundus photograph, a skin photograph or a slice of an OCT volume.

    Args:
        key: name used in configs, tables and file names (snake case).
        name: name used in prose and reports.
        snomed_ct: SNOMED CT concept identifier, None where no concept was verified.
    """

    key: str
    name: str
    snomed_ct: str | None = None


NORMAL = "normal"
"""Key of an image without any disease; it excludes every other key."""

DEFAULT_DISEASES = (NORMAL, "diabetic_retinopathy", "glaucoma", "cataract", "amd")
"""The columns of the default disease head."""

_DISEASES = (
    Disease(NORMAL, "normal"),
    Disease("diabetic_retinopathy", "diabetic retinopathy", "4855003"),
    Disease("glaucoma", "glaucoma", "23986001"),
    Disease("cataract", "cataract", "193570009"),
    Disease("amd", "age-related macular degeneration", "267718000"),
    Disease("hypertensive_retinopathy", "hypertensive retinopathy", "6962006"),
    Disease("myopia", "pathological myopia"),
    Disease("other", "other disease"),
    Disease("media_haze", "media haze"),
    Disease("drusen", "drusen"),
    Disease("branch_retinal_vein_occlusion", "branch retinal vein occlusion"),
    Disease("tessellation", "tessellation"),
    Disease("epiretinal_membrane", "epiretinal membrane"),
    Disease("laser_scar", "laser scar"),
    Disease("macular_scar", "macular scar"),
    Disease("central_serous_retinopathy", "central serous retinopathy"),
    Disease("optic_disc_cupping", "optic disc cupping"),
    Disease("central_retinal_vein_occlusion", "central retinal vein occlusion"),
    Disease("tortuous_vessels", "tortuous vessels"),
    Disease("asteroid_hyalosis", "asteroid hyalosis"),
    Disease("optic_disc_pallor", "optic disc pallor"),
    Disease("optic_disc_edema", "optic disc edema"),
    Disease("optociliary_shunt", "optociliary shunt"),
    Disease("anterior_ischemic_optic_neuropathy", "anterior ischemic optic neuropathy"),
    Disease("parafoveal_telangiectasia", "parafoveal telangiectasia"),
    Disease("retinal_traction", "retinal traction"),
    Disease("retinitis", "retinitis"),
    Disease("chorioretinitis", "chorioretinitis"),
    Disease("exudation", "exudation"),
    Disease("retinal_pigment_epithelium_changes", "retinal pigment epithelium changes"),
    Disease("macular_hole", "macular hole"),
    Disease("retinitis_pigmentosa", "retinitis pigmentosa"),
    Disease("cotton_wool_spots", "cotton wool spots"),
    Disease("coloboma", "coloboma"),
    Disease("optic_disc_pit_maculopathy", "optic disc pit maculopathy"),
    Disease("preretinal_hemorrhage", "preretinal hemorrhage"),
    Disease("myelinated_nerve_fibers", "myelinated nerve fibers"),
    Disease("hemorrhagic_retinopathy", "hemorrhagic retinopathy"),
    Disease("central_retinal_artery_occlusion", "central retinal artery occlusion"),
    Disease("tilted_disc", "tilted disc"),
    Disease("cystoid_macular_edema", "cystoid macular edema"),
    Disease("post_traumatic_choroidal_rupture", "post-traumatic choroidal rupture"),
    Disease("choroidal_folds", "choroidal folds"),
    Disease("vitreous_hemorrhage", "vitreous hemorrhage"),
    Disease("macroaneurysm", "macroaneurysm"),
    Disease("vasculitis", "vasculitis"),
    Disease("branch_retinal_artery_occlusion", "branch retinal artery occlusion"),
    Disease("plaque", "plaque"),
    Disease("hemorrhagic_pigment_epithelial_detachment", "hemorrhagic pigment epithelial detachment"),
    Disease("collateral", "collateral"),
    Disease("melanoma", "melanoma"),
    Disease("seborrheic_keratosis", "seborrheic keratosis"),
    Disease("nevus", "melanocytic nevus", "400096001"),
    Disease("intraretinal_fluid", "intraretinal fluid"),
    Disease("subretinal_fluid", "subretinal fluid"),
    Disease("pigment_epithelial_detachment", "pigment epithelial detachment"),
)
"""Patients are stratified by these in this order: what is added goes to the end, or published splits move."""

VOCABULARY: Mapping[str, Disease] = {disease.key: disease for disease in _DISEASES}
"""Every known disease by key."""

RFMID_CODES: Mapping[str, str] = {
    "DR": "diabetic_retinopathy",
    "ARMD": "amd",
    "MH": "media_haze",
    "DN": "drusen",
    "MYA": "myopia",
    "BRVO": "branch_retinal_vein_occlusion",
    "TSLN": "tessellation",
    "ERM": "epiretinal_membrane",
    "LS": "laser_scar",
    "MS": "macular_scar",
    "CSR": "central_serous_retinopathy",
    "ODC": "optic_disc_cupping",
    "CRVO": "central_retinal_vein_occlusion",
    "TV": "tortuous_vessels",
    "AH": "asteroid_hyalosis",
    "ODP": "optic_disc_pallor",
    "ODE": "optic_disc_edema",
    "ST": "optociliary_shunt",
    "AION": "anterior_ischemic_optic_neuropathy",
    "PT": "parafoveal_telangiectasia",
    "RT": "retinal_traction",
    "RS": "retinitis",
    "CRS": "chorioretinitis",
    "EDN": "exudation",
    "RPEC": "retinal_pigment_epithelium_changes",
    "MHL": "macular_hole",
    "RP": "retinitis_pigmentosa",
    "CWS": "cotton_wool_spots",
    "CB": "coloboma",
    "ODPM": "optic_disc_pit_maculopathy",
    "PRH": "preretinal_hemorrhage",
    "MNF": "myelinated_nerve_fibers",
    "HR": "hemorrhagic_retinopathy",
    "CRAO": "central_retinal_artery_occlusion",
    "TD": "tilted_disc",
    "CME": "cystoid_macular_edema",
    "PTCR": "post_traumatic_choroidal_rupture",
    "CF": "choroidal_folds",
    "VH": "vitreous_hemorrhage",
    "MCA": "macroaneurysm",
    "VS": "vasculitis",
    "BRAO": "branch_retinal_artery_occlusion",
    "PLQ": "plaque",
    "HPED": "hemorrhagic_pigment_epithelial_detachment",
    "CL": "collateral",
}
"""RFMiD's 45 column codes (Pachade et al., Data 2021, doi:10.3390/data6020014)."""

ODIR_LETTERS: Mapping[str, str] = {
    "N": NORMAL,
    "D": "diabetic_retinopathy",
    "G": "glaucoma",
    "C": "cataract",
    "A": "amd",
    "H": "hypertensive_retinopathy",
    "M": "myopia",
    "O": "other",
}
"""ODIR-5K's eight letters; O is any finding besides the seven others."""

ODIR_KEYWORD_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile("normal fundus"), "N"),
    (re.compile("diabetic|proliferative retinopathy"), "D"),
    (re.compile("glaucoma"), "G"),
    (re.compile("cataract"), "C"),
    (re.compile("macular degeneration"), "A"),
    (re.compile("hypertensive retinopathy"), "H"),
    (re.compile("myopi"), "M"),
)
"""The first pattern that is found in a diagnostic keyword gives its letter; a keyword without match is O."""

ODIR_NOT_DECISIVE = frozenset(
    {"lens dust", "optic disk photographically invisible", "low image quality", "image offset"}
)
"""ODIR-5K keywords that describe the photograph, not the eye."""

ODIR_NO_FUNDUS = frozenset({"anterior segment image", "no fundus image"})
"""ODIR-5K keywords of images that show no fundus."""

FIVES_LETTERS: Mapping[str, str] = {"A": "amd", "D": "diabetic_retinopathy", "G": "glaucoma", "N": NORMAL}
"""Letter in a FIVES file name (Jin et al., Scientific Data 2022, doi:10.1038/s41597-022-01564-3)."""

HRF_SUFFIXES: Mapping[str, str] = {"h": NORMAL, "dr": "diabetic_retinopathy", "g": "glaucoma"}
"""Suffix of an HRF file name (Budai et al., Int J Biomed Imaging 2013, doi:10.1155/2013/154860)."""

EYEPACS_LIGHT_FOLDERS: Mapping[str, Mapping[str, bool]] = {"RG": {"glaucoma": True}, "NRG": {"glaucoma": False}}
"""EyePACS-light's folders: RG referable glaucoma; NRG none, other diseases unknown."""

ISIC2017_DIAGNOSES = ("melanoma", "seborrheic_keratosis", "nevus")
"""ISIC 2017's three diagnoses, one per photograph; the first two are its columns, and a lesion that is neither is the
third (Codella et al., arXiv:1710.05006)."""

RETOUCH_FLUIDS: Mapping[str, str] = {
    "irf": "intraretinal_fluid",
    "srf": "subretinal_fluid",
    "ped": "pigment_epithelial_detachment",
}
"""RETOUCH's abbreviations (Bogunovic et al., IEEE TMI 2019, doi:10.1109/TMI.2019.2901398)."""


def near_matches(word: str) -> list[str]:
    """Return the vocabulary keys that are close to a misspelt key, an English name or an RFMiD code, best first."""
    by_code = RFMID_CODES.get(word.upper())
    # "my disease" is not near "other disease": the word says nothing
    by_name = {disease.name.removesuffix(" disease"): disease.key for disease in _DISEASES}
    name = word.strip().lower().removesuffix(" disease")
    snake = re.sub(r"\W+", "_", word.strip().lower())
    close = [*get_close_matches(snake, VOCABULARY), *(by_name[n] for n in get_close_matches(name, by_name))]
    return list(dict.fromkeys([by_code, *close] if by_code else close))


def get_disease(key: str) -> Disease:
    """Return the disease of a key.

    Raises:
        ValueError: when the key is not in the vocabulary; the message lists near matches.
    """
    if key not in VOCABULARY:
        near = near_matches(key)
        remedy = f"did you mean {' or '.join(near)}?" if near else f"known keys: {', '.join(VOCABULARY)}."
        raise ValueError(f"A disease must be a key of the vocabulary, got {key!r}; {remedy}")
    return VOCABULARY[key]


def group_labels(classes: Mapping[str, str], group: str) -> dict[str, bool]:
    """Return the labels of an image of one diagnosis: that one present, the dataset's other classes absent.

    Args:
        classes: the dataset's name of each class -> disease key.
        group: the dataset's name of this image's class.
    """
    return {key: key == classes[group] for key in classes.values()}


def label_vector(labels: Mapping[str, bool | float], diseases: Sequence[str]) -> list[float]:
    """Return the labels of one image as one number per requested disease.

    What the labels imply is filled in: a normal image has no disease (every disease that is not stated is 0, but the
    diagnoses of skin stay unknown), and an image with a disease is not normal. Everything else that is not stated stays
    unknown.

    Args:
        labels: disease key -> present (True or 1), absent (False or 0) or unknown (NaN, or key missing).
        diseases: the requested columns.

    Returns:
        One float per requested disease: 1.0 present, 0.0 absent, NaN unknown.

    Raises:
        ValueError: when a label is none of 0, 1, NaN, or when normal and a disease are both present.

    Example:
        >>> label_vector({"glaucoma": True}, ["normal", "glaucoma", "amd"])
        [0.0, 1.0, nan]
    """
    stated = {key: float(value) for key, value in labels.items() if not math.isnan(value)}
    for key, value in stated.items():
        if value not in (0.0, 1.0):
            raise ValueError(f"A label must be 1 (present), 0 (absent) or NaN (unknown), got {value} for {key!r}.")
    present = sorted(key for key, value in stated.items() if value == 1.0 and key != NORMAL)
    if stated.get(NORMAL) == 1.0:
        if present:
            raise ValueError(
                f"A photograph cannot be normal and have a disease, got normal and {', '.join(present)}; "
                "correct one of the labels or leave it unknown."
            )
        return [stated.get(key, math.nan if key in ISIC2017_DIAGNOSES else 0.0) for key in diseases]
    if present:
        stated.setdefault(NORMAL, 0.0)
    return [stated.get(key, math.nan) for key in diseases]
