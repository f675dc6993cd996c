"""Properties of the bootstrap interval by patient."""

from __future__ import annotations

import numpy as np
import pytest

from vmnet_monai.metrics import patient_bootstrap_interval, patient_resamples


def test_interval_of_a_mean_is_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(size=400)
    lower, upper = patient_bootstrap_interval(
        lambda rows: float(values[rows].mean()), [str(i) for i in range(400)], samples=2000, seed=0
    )
    half_width = 1.96 * values.std() / np.sqrt(400)
    assert lower == pytest.approx(values.mean() - half_width, abs=0.1 * half_width)
    assert upper == pytest.approx(values.mean() + half_width, abs=0.1 * half_width)


def test_two_copies_of_each_patient_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(1).normal(size=100)
    patients = [str(i) for i in range(100)]
    once = patient_bootstrap_interval(lambda rows: float(values[rows].mean()), patients, samples=200, seed=0)
    both_eyes = np.tile(values, 2)
    twice = patient_bootstrap_interval(lambda rows: float(both_eyes[rows].mean()), patients * 2, samples=200, seed=0)
    assert twice == pytest.approx(once)


def test_patients_are_drawn_whole() -> None:
    seen: list[np.ndarray] = []

    def statistic(rows: np.ndarray) -> float:
        seen.append(rows)
        return 0.0

    patient_bootstrap_interval(statistic, ["a", "b", "a", "c"], samples=50, seed=0)
    for rows in seen:
        times = np.bincount(rows, minlength=4)
        assert times[0] == times[2]
        assert times[0] + times[1] + times[3] == 3
    assert len({tuple(rows) for rows in seen}) > 1


def test_the_seed_decides_the_interval() -> None:
    values = np.arange(30.0)
    patients = [str(i) for i in range(30)]
    first, again, other = (
        patient_bootstrap_interval(lambda rows: float(values[rows].mean()), patients, samples=50, seed=seed)
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_a_lower_level_gives_a_narrower_interval() -> None:
    values = np.arange(30.0)
    narrow, wide = (
        patient_bootstrap_interval(
            lambda rows: float(values[rows].mean()), [str(i) for i in range(30)], samples=500, seed=0, level=level
        )
        for level in (0.5, 0.95)
    )
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_undefined_resamples_are_left_out_up_to_half() -> None:
    # Patient "a" is in a resample of two in 3 of 4 cases, "b" alone in 1 of 4.
    def defined_with_a(rows: np.ndarray) -> float:
        return 1.0 if 0 in rows else float("nan")

    def defined_without_a(rows: np.ndarray) -> float:
        return float("nan") if 0 in rows else 1.0

    assert patient_bootstrap_interval(defined_with_a, ["a", "b"], samples=200, seed=0) == (1.0, 1.0)
    assert np.isnan(patient_bootstrap_interval(defined_without_a, ["a", "b"], samples=200, seed=0)).all()


@pytest.mark.parametrize("patients", [[], ["a"], ["a", "a", "a"]])
def test_fewer_than_two_patients_have_no_interval(patients: list[str]) -> None:
    assert np.isnan(patient_bootstrap_interval(lambda rows: 1.0, patients, samples=10, seed=0)).all()


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match="samples.* 0"):
        patient_bootstrap_interval(lambda rows: 1.0, ["a", "b"], samples=0, seed=0)
    with pytest.raises(ValueError, match="level.* 95"):
        patient_bootstrap_interval(lambda rows: 1.0, ["a", "b"], samples=10, seed=0, level=95)


def test_resamples_hold_as_many_patients_each_with_all_their_photographs() -> None:
    drawn = list(patient_resamples(["a", "b", "a", "c"], samples=50, seed=0))
    assert len(drawn) == 50
    for rows in drawn:
        times = np.bincount(rows, minlength=4)
        assert times[0] == times[2]
        assert times[0] + times[1] + times[3] == 3
    with pytest.raises(ValueError, match="samples must be at least 1, got 0"):
        patient_resamples(["a", "b"], samples=0, seed=0)
