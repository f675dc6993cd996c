"""The rank of a score among reference eyes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fuzzing import FUZZ
from hypothesis import given
from hypothesis import strategies as st

from vmnet_monai.calibration import percentile, score_quantiles

SCORES = st.lists(st.integers(0, 20).map(lambda level: level / 20), min_size=20, max_size=60)


def test_half_of_the_eyes_lie_below_the_middle() -> None:
    table = score_quantiles(np.linspace(0.2, 0.8, 1001))
    assert len(table) == 101
    assert percentile(0.5, table) == pytest.approx(50)
    assert percentile(0.35, table) == pytest.approx(25)


def test_a_score_beyond_all_eyes_has_the_ends_of_the_scale() -> None:
    table = score_quantiles(np.linspace(0.2, 0.8, 50))
    assert (percentile(0.1, table), percentile(0.2, table), percentile(0.9, table)) == (0, 0, 100)


def test_eyes_with_the_same_score_do_not_count_as_lower() -> None:
    """Of 100 eyes 30 lie at 0.1, 70 at 0.9."""
    table = score_quantiles([0.1] * 30 + [0.9] * 70)
    assert percentile(0.1, table) == 0
    assert percentile(0.9, table) == pytest.approx(30, abs=1)


@given(SCORES, st.floats(0, 1))
@FUZZ
def test_rank_is_the_fraction_of_lower_scores_to_within_the_steps_of_the_table(scores: list[float], one: float) -> None:
    """Between two neighbours of N scores the table interpolates, so that it may be off by one eye and one step."""
    table = score_quantiles(scores)
    rank = percentile(one, table)
    assert rank is not None
    at_most = 100 * np.mean(np.asarray(scores) <= one)
    at_least = 100 * np.mean(np.asarray(scores) < one)
    slack = 100 / (len(scores) - 1) + 1
    assert at_least - slack <= rank <= at_most + slack


@given(SCORES, st.floats(0, 1), st.floats(0, 1))
@FUZZ
def test_a_higher_score_never_ranks_lower(scores: list[float], first: float, second: float) -> None:
    table = score_quantiles(scores)
    ranks = [percentile(value, table) for value in sorted((first, second))]
    assert None not in ranks
    assert ranks == sorted(ranks)  # type: ignore[type-var]


def test_nothing_is_ranked_without_a_score_or_enough_eyes() -> None:
    assert score_quantiles([0.5] * 19) == ()
    assert score_quantiles([0.5] * 19 + [math.nan] * 9) == ()
    assert percentile(0.5, ()) is None
    assert percentile(math.nan, score_quantiles([0.5] * 20)) is None
