"""Keys, numbers and names as a reader sees them."""

from __future__ import annotations

import math

import pytest
from report_examples import calibrated, finding, withheld

from vmnet_monai.reports.record import DiseaseFinding
from vmnet_monai.reports.wording import (
    decision_text,
    disease_name,
    file_url,
    findings_note,
    heat_map_title,
    made_from_text,
    measure_definition,
    measure_name,
    measure_range,
    number,
    percentile_text,
    readable,
    score_text,
    structure_name,
)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("vessel", "Vessel"),
        ("branch_points_count", "Branch points count"),
        ("vessel_width_mean_px", "Vessel width mean (px)"),
        ("vessel_density_fov_share", "Vessel density (fraction of the field of view)"),
        ("skeleton_length_fov_diameters", "Skeleton length (field of view diameters)"),
        ("vessel_width_mean_fov_diameter_share", "Vessel width mean (fraction of the field of view's diameter)"),
        ("fov_side", "Field of view side"),
        ("px", "Px"),
        ("", ""),
    ],
)
def test_keys_are_written_as_words_with_their_unit_in_brackets(key: str, words: str) -> None:
    assert readable(key) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.081254, "0.08125"), (12043.2, "12043"), (1000.4, "1000"), (73.0, "73"), (0, "0"), (None, "–"), (math.nan, "–")],
)
def test_measures_have_four_digits_or_a_dash(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.8, "0.800"), (1.0, "1.000"), (None, "–"), (math.nan, "–")])
def test_scores_have_three_decimals_or_a_dash(value: float | None, text: str) -> None:
    assert score_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.2, "1"), (42.4, "42"), (99.8, "99"), (100.0, "100"), (None, "–"), (math.nan, "–")],
)
def test_percentiles_are_whole_and_reach_their_ends_only_where_no_eye_is_beyond(value: float | None, text: str) -> None:
    assert percentile_text(value) == text


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (finding("glaucoma", 0.5), "at or above the threshold"),
        (finding("glaucoma", 0.49), "below the threshold; this does not exclude the disease"),
        (finding("glaucoma", None), "no score"),
        (withheld("glaucoma", 0.99), "withheld"),
        (calibrated("glaucoma", 0.1), "below the threshold; this does not exclude the disease"),
        (finding("normal", 0.9), "at or above the threshold; this does not exclude a disease"),
        (finding("normal", 0.1), "below the threshold; this does not show a disease"),
    ],
)
def test_decision_is_said_in_words_that_exclude_nothing(made: DiseaseFinding, words: str) -> None:
    assert decision_text(made) == words


def test_a_score_is_said_to_be_no_probability_and_for_which_photographs_it_is_calibrated() -> None:
    note = " ".join(findings_note([withheld("glaucoma", 0.9)]))
    for words in (
        "A score is no probability",
        "calibrated for photographs of ODIR-5K only",
        "No decision is made of a score unless it is asked for",
        "percentage of reference eyes with a lower score",
        "A low number does not exclude a disease",
    ):
        assert words in note


def test_scores_of_several_sources_are_told_apart_by_disease() -> None:
    other = withheld("amd", 0.2).model_copy(update={"sources": ("odir-5k-256", "hrf")})
    note = " ".join(findings_note([withheld("glaucoma", 0.9), withheld("glaucoma", 0.1), other]))
    assert (
        "photographs of these sources only: ODIR-5K (glaucoma); "
        "ODIR-5K at 256 pixels, HRF (age-related macular degeneration)." in note
    )


def test_a_score_of_unknown_sources_is_said_to_be_one() -> None:
    made = withheld("glaucoma", 0.9, percentile=None).model_copy(update={"sources": ()})
    note = " ".join(findings_note([made]))
    assert "For which photographs scores are calibrated is not known." in note
    assert "percentile" not in note


def test_a_probability_bears_the_name_of_its_calibration() -> None:
    note = " ".join(findings_note([calibrated("glaucoma", 0.9)]))
    assert "Probabilities are calibrated for Clinic A, and for no other photographs." in note
    assert "no probability" not in note
    both = " ".join(findings_note([calibrated("glaucoma", 0.9), withheld("amd", 0.2)]))
    assert "Clinic A" in both and "A score is no probability" in both


def test_a_decision_on_a_score_is_said_to_rest_on_other_photographs() -> None:
    assert "may be wrong for this one" in " ".join(findings_note([finding("glaucoma", 0.7)]))
    assert "may be wrong" not in " ".join(findings_note([calibrated("glaucoma", 0.7)]))


def test_nothing_is_noted_where_there_is_no_score() -> None:
    assert findings_note([]) == findings_note([finding("glaucoma", None)]) == []


def test_a_measure_has_a_plain_name_with_its_unit_a_definition_and_a_range() -> None:
    assert measure_name("vessel_density_fov_share") == "Vessel density (fraction of the field of view)"
    assert measure_definition("vessel_density_fov_share").startswith("Part of the field of view")
    low, _, high = measure_range("vessel_density_fov_share").partition(" to ")
    assert 0 < float(low) < float(high) < 0.3
    assert measure_range("vessel_width_mean_px") == "–", "it depends on the camera"
    assert (measure_name("new_measure_px"), measure_definition("new_measure_px")) == ("New measure (px)", "")


def test_structures_bear_plain_names_and_others_their_key() -> None:
    names = ("vessel", "artery", "vein", "disc", "fovea_region", "old_scar")
    assert list(map(structure_name, names)) == ["Vessels", "Arteries", "Veins", "Optic disc", "Fovea", "Old scar"]


def test_a_heat_map_bears_its_disease_and_method() -> None:
    assert heat_map_title("diabetic_retinopathy", "gradcam") == "Diabetic retinopathy · Grad-CAM"
    assert heat_map_title("rare_disease", "") == "Rare disease"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["eye.jpg", 2951, 1795796500229637265], "eye.jpg, 2951 bytes"),
        (["gone.jpg"], "gone.jpg"),
        (["glaucoma", "amd"], "glaucoma, amd"),
        ([], "–"),
        ("0a1b", "0a1b"),
        (None, "–"),
        (False, "False"),
    ],
)
def test_a_file_that_a_record_was_made_from_bears_its_size(value: object, text: str) -> None:
    assert made_from_text(value) == text


def test_known_diseases_bear_their_name_and_others_their_key() -> None:
    assert disease_name("amd") == "Age-related macular degeneration"
    assert disease_name("rare_disease") == "Rare disease"


@pytest.mark.parametrize(
    ("name", "url"), [("a b#1?", "a%20b%231%3F"), ("眼", "%E7%9C%BC"), ("\udcff", "%FF"), ("../up", "..%2Fup")]
)
def test_names_of_files_are_quoted_as_their_bytes_on_disk(name: str, url: str) -> None:
    assert file_url(name) == url
