"""Keys, numbers and names as a reader sees them."""

from __future__ import annotations

import math

import pytest
from report_examples import finding

from vmnet_monai.reports.wording import (
    decision_text,
    disease_name,
    file_url,
    made_from_text,
    number,
    probability_text,
    readable,
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
def test_probabilities_have_three_decimals_or_a_dash(value: float | None, text: str) -> None:
    assert probability_text(value) == text


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.5, "at or above threshold"), (0.49, "below threshold"), (None, "no probability")],
)
def test_decision_is_said_in_words(probability: float | None, words: str) -> None:
    assert decision_text(finding("glaucoma", probability)) == words


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
