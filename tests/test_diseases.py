"""The disease vocabulary and what labels imply."""

from __future__ import annotations

import math

import pytest

from vmnet_monai.diseases import (
    DEFAULT_DISEASES,
    FIVES_LETTERS,
    HRF_SUFFIXES,
    ISIC2017_DIAGNOSES,
    ODIR_LETTERS,
    RETOUCH_FLUIDS,
    RFMID_CODES,
    VOCABULARY,
    get_disease,
    group_labels,
    label_vector,
    near_matches,
)

NAN = math.nan


def same(vector: list[float], expected: list[float]) -> bool:
    return vector == pytest.approx(expected, nan_ok=True)


def test_every_dataset_speaks_in_vocabulary_keys() -> None:
    for names in (RFMID_CODES, ODIR_LETTERS, FIVES_LETTERS, HRF_SUFFIXES, RETOUCH_FLUIDS):
        assert set(names.values()) <= set(VOCABULARY)
    assert {*DEFAULT_DISEASES, *ISIC2017_DIAGNOSES} <= set(VOCABULARY)


def test_findings_of_other_pictures_follow_those_of_fundus_photographs() -> None:
    """Patients are stratified in the vocabulary's order: an insertion would move drawn splits."""
    assert list(VOCABULARY)[:3] == ["normal", "diabetic_retinopathy", "glaucoma"]
    assert list(VOCABULARY)[49:] == ["collateral", *ISIC2017_DIAGNOSES, *RETOUCH_FLUIDS.values()]


def test_rfmid_has_45_codes_for_45_diseases() -> None:
    assert len(RFMID_CODES) == len(set(RFMID_CODES.values())) == 45


def test_often_misread_rfmid_codes() -> None:
    assert [RFMID_CODES[c] for c in ("MH", "AH", "ST", "MYA")] == [
        "media_haze",
        "asteroid_hyalosis",
        "optociliary_shunt",
        "myopia",
    ]


def test_unknown_key_is_answered_with_near_matches() -> None:
    assert get_disease("amd").snomed_ct == "267718000"
    with pytest.raises(ValueError, match="glaucoma"):
        get_disease("glaucom")


@pytest.mark.parametrize("word", ["ARMD", "age-related macular degeneration", "AMD"])
def test_near_matches_know_codes_and_english_names(word: str) -> None:
    assert near_matches(word)[0] == "amd"


@pytest.mark.parametrize("word", ["my disease", "some_disease", "disease"])
def test_word_that_every_disease_bears_says_nothing(word: str) -> None:
    assert "other" not in near_matches(word)
    assert near_matches("other disease") == ["other"]


def test_missing_label_is_unknown() -> None:
    assert same(label_vector({}, ["normal", "amd"]), [NAN, NAN])


def test_normal_makes_every_unstated_disease_absent() -> None:
    assert label_vector({"normal": True, "amd": NAN}, ["glaucoma", "normal", "amd"]) == [0.0, 1.0, 0.0]


def test_normal_eye_says_nothing_about_the_skin() -> None:
    assert same(label_vector({"normal": True}, ["nevus", "subretinal_fluid"]), [NAN, 0.0])
    assert label_vector({"normal": True, "nevus": False}, ["nevus"]) == [0.0]


def test_disease_makes_unstated_normal_absent_and_leaves_the_rest_unknown() -> None:
    assert same(label_vector({"glaucoma": 1}, ["normal", "glaucoma", "amd"]), [0.0, 1.0, NAN])


def test_absent_disease_says_nothing_about_normal() -> None:
    assert same(label_vector({"glaucoma": False}, ["normal", "glaucoma"]), [NAN, 0.0])


def test_disease_outside_the_request_still_makes_normal_absent() -> None:
    assert label_vector({"drusen": True}, ["normal"]) == [0.0]


def test_normal_with_a_disease_is_refused() -> None:
    with pytest.raises(ValueError, match="normal and amd"):
        label_vector({"normal": True, "amd": True}, ["normal"])


def test_label_between_0_and_1_is_refused() -> None:
    with pytest.raises(ValueError, match="0.5.*'amd'"):
        label_vector({"amd": 0.5}, ["amd"])


def test_group_denies_the_datasets_other_classes_only() -> None:
    labels = group_labels(HRF_SUFFIXES, "dr")
    assert same(label_vector(labels, DEFAULT_DISEASES), [0.0, 1.0, 0.0, NAN, NAN])
