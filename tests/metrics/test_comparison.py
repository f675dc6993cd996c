"""Comparisons of systems whose scores, spreads and differences are known beforehand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vmnet_monai.metrics import compare_systems, comparison_table, patient_bootstrap_interval

NAN = float("nan")


def images(count: int, dataset: str = "drive", **columns: Any) -> pd.DataFrame:
    """One photograph per patient of a dataset, with columns of one value or of a list."""
    names = [f"{dataset}-{i:03d}" for i in range(count)]
    return pd.DataFrame({"id": names, "dataset": dataset, "patient": names, **columns})


def vessels(dice: list[float], dataset: str = "drive") -> pd.DataFrame:
    return images(len(dice), dataset, vessel_inside_fov_dice=dice)


def scores(structure: str, dice: Any, cldice: Any, auc: Any) -> dict[str, Any]:
    return {
        f"{structure}_inside_fov_{name}": value for name, value in (("dice", dice), ("cldice", cldice), ("auc", auc))
    }


def diseases(probabilities: list[float], labels: list[float], dataset: str = "odir5k") -> pd.DataFrame:
    return images(len(labels), dataset, probability_glaucoma=probabilities, label_glaucoma=labels)


def row(comparison: pd.DataFrame, **where: str) -> pd.Series:
    for column, value in where.items():
        comparison = comparison[comparison[column] == value]
    assert len(comparison) == 1
    return comparison.iloc[0]


def compare(systems: dict[str, list[pd.DataFrame]], **changes: Any) -> pd.DataFrame:
    return compare_systems(systems, **{"reference": "ours", "min_count": 1, "bootstrap_samples": 100, **changes})


def noisy_dice(seed: int, count: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 0.9, count)


def noisy_diseases(seed: int, count: int = 60) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2.0
    return diseases((0.3 * labels + 0.7 * generator.random(count)).tolist(), labels.tolist())


def test_mean_and_spread_are_over_runs() -> None:
    """Photographs average 0.6 in the one run and 0.8 in the other."""
    comparison = compare({"ours": [vessels([0.5, 0.7]), vessels([0.8, 0.8])]})
    ours = row(comparison, score="vessel_dice", dataset="drive")
    assert ours["runs"] == 2
    assert ours["mean"] == pytest.approx(0.7)
    assert ours["std"] == pytest.approx(math.sqrt(0.02))


def test_vessel_scores_are_given_per_dataset_with_masks() -> None:
    run = pd.concat(
        [
            images(2, "drive", **scores("vessel", [0.6, 0.8], 0.5, 0.9)),
            images(2, "hrf", **scores("vessel", [0.4, NAN], [0.3, NAN], [1.0, NAN])),
            images(1, "odir5k", vessel_inside_fov_dice=NAN),
        ]
    )
    comparison = compare({"ours": [run]})
    means = comparison.set_index(["score", "dataset"])["mean"].to_dict()
    assert means == pytest.approx(
        {
            ("vessel_dice", "drive"): 0.7,
            ("vessel_dice", "hrf"): 0.4,
            ("vessel_cldice", "drive"): 0.5,
            ("vessel_cldice", "hrf"): 0.3,
            ("vessel_auc", "drive"): 0.9,
            ("vessel_auc", "hrf"): 1.0,
        }
    )
    assert comparison["std"].isna().all(), "one run has no spread"


def test_disease_auc_is_given_per_pair_and_averaged() -> None:
    run = pd.concat(
        [
            diseases([0.9, 0.4, 0.5, 0.1], [1, 1, 0, 0], "odir5k"),
            diseases([0.1, 0.2, 0.9], [0, 1, NAN], "rfmid"),
            diseases([0.1, 0.2], [0, 0], "healthy"),
        ]
    )
    comparison = compare({"ours": [run]})
    assert row(comparison, score="disease_auc", dataset="odir5k", disease="glaucoma")["mean"] == 0.75
    assert row(comparison, score="disease_auc", dataset="rfmid", disease="glaucoma")["mean"] == 1.0
    assert row(comparison, score="within_source_auc")["mean"] == 0.875
    assert len(comparison) == 3


def test_pairs_restrict_what_is_averaged() -> None:
    run = pd.concat([diseases([0.9, 0.4, 0.5, 0.1], [1, 1, 0, 0], "odir5k"), diseases([0.1, 0.2], [0, 1], "rfmid")])
    comparison = compare({"ours": [run]}, pairs={"odir5k": ["glaucoma"]})
    assert row(comparison, score="within_source_auc")["mean"] == 0.75
    assert "rfmid" not in set(comparison["dataset"])
    with pytest.raises(ValueError, match=" 2 .* 1 and 1 .*'glaucoma' in 'rfmid'.*odir5k=glaucoma"):
        compare({"ours": [run]}, pairs={"rfmid": ["glaucoma"]}, min_count=2)
    with pytest.raises(ValueError, match=" 0 and 0 .*'cataract' in 'odir5k'"):
        compare({"ours": [run]}, pairs={"odir5k": ["cataract"]})


def test_difference_is_paired_by_photograph() -> None:
    """Ten per cent better on each photograph is ten per cent better on any of them, however these vary."""
    dice = noisy_dice(0)
    comparison = compare({"ours": [vessels(dice.tolist())], "theirs": [vessels((dice + 0.1).tolist())]})
    theirs = row(comparison, system="theirs")
    assert theirs[["difference", "difference_lower", "difference_upper"]].tolist() == pytest.approx([0.1] * 3)
    assert theirs["upper"] - theirs["lower"] > 0.05
    assert math.isnan(row(comparison, system="ours")["difference"])


def test_runs_are_averaged_inside_a_resample() -> None:
    """One run is better on each photograph by as much as the other is worse."""
    dice, noise = noisy_dice(0), 0.1 * noisy_dice(1)
    better, worse = vessels((dice + noise).tolist()), vessels((dice - noise).tolist())
    theirs = row(compare({"ours": [vessels(dice.tolist())] * 2, "theirs": [better, worse]}), system="theirs")
    assert theirs[["difference", "difference_lower", "difference_upper"]].tolist() == pytest.approx([0] * 3)
    assert theirs["std"] > 0


def test_interval_of_a_difference_is_that_of_the_photographs_differences() -> None:
    ours, theirs = noisy_dice(0), noisy_dice(1)
    frames = {
        name: [pd.concat([vessels(dice.tolist()), vessels([0.5, 0.6], "hrf")])]
        for name, dice in (("ours", ours), ("theirs", theirs))
    }
    compared = row(compare(frames, seed=3), system="theirs", dataset="drive")
    expected = patient_bootstrap_interval(
        lambda rows: float((theirs - ours)[rows].mean()), vessels(ours.tolist())["patient"].tolist(), 100, seed=3
    )
    assert (compared["difference_lower"], compared["difference_upper"]) == pytest.approx(expected)


def test_patients_are_resampled_with_all_their_photographs() -> None:
    ours, theirs = noisy_dice(0), noisy_dice(1)

    def both_eyes(dice: np.ndarray) -> pd.DataFrame:
        frame = vessels([*dice, *dice])
        frame["patient"] = [*frame["patient"][: len(dice)]] * 2
        return frame

    one = row(compare({"ours": [vessels(ours.tolist())], "theirs": [vessels(theirs.tolist())]}), system="theirs")
    two = row(compare({"ours": [both_eyes(ours)], "theirs": [both_eyes(theirs)]}), system="theirs")
    columns = ["lower", "upper", "difference_lower", "difference_upper"]
    assert two[columns].tolist() == pytest.approx(one[columns].tolist())


def test_auc_that_ranks_alike_does_not_differ_in_any_resample() -> None:
    ours = noisy_diseases(0)
    theirs = ours.assign(probability_glaucoma=ours["probability_glaucoma"] ** 2)
    compared = row(compare({"ours": [ours], "theirs": [theirs]}), system="theirs", score="within_source_auc")
    assert compared[["difference", "difference_lower", "difference_upper"]].tolist() == [0, 0, 0]
    assert compared["lower"] < compared["mean"] < compared["upper"]


def test_interval_of_the_mean_auc_draws_the_patients_with_labels() -> None:
    """Photographs of another dataset, of which nothing is known, change nothing."""
    ours, theirs = noisy_diseases(0), noisy_diseases(1)
    unlabelled = diseases([0.5] * 20, [NAN] * 20, "drive")
    alone = compare({"ours": [ours], "theirs": [theirs]})
    among = compare({"ours": [pd.concat([unlabelled, ours])], "theirs": [pd.concat([unlabelled, theirs])]})
    pd.testing.assert_frame_equal(among, alone)


def test_head_that_a_network_lacks_leaves_its_cells_empty() -> None:
    labels, probabilities, dice = [0.0, 1.0, 0.0, 1.0], [0.1, 0.9, 0.2, 0.8], [0.5, 0.6, 0.7, 0.8]
    both = images(4, probability_glaucoma=probabilities, label_glaucoma=labels, vessel_inside_fov_dice=dice)
    no_vessels = both.drop(columns="vessel_inside_fov_dice")
    no_diseases = both.assign(probability_glaucoma=NAN)
    comparison = compare({"ours": [both], "diseases": [no_vessels], "vessels": [no_diseases]})
    for score, lacking in (("vessel_dice", "diseases"), ("disease_auc", "vessels"), ("within_source_auc", "vessels")):
        empty = row(comparison, score=score, system=lacking)
        assert empty[["mean", "std", "lower", "upper", "difference"]].isna().all()
    rows = [line.split("|") for line in comparison_table(comparison).splitlines()]
    assert rows[0][4:-1] == [" ours ", " diseases ", " diseases - ours ", " vessels ", " vessels - ours "]
    vessel_row, *disease_rows = rows[2:]
    assert [cell.strip() == "" for cell in vessel_row[4:-1]] == [False, True, True, False, False]
    for disease_row in disease_rows:
        assert [cell.strip() == "" for cell in disease_row[4:-1]] == [False, False, False, True, True]


def test_reference_without_the_head_gives_scores_without_difference() -> None:
    ours = images(4)
    comparison = compare({"ours": [ours], "theirs": [vessels([0.5, 0.6, 0.7, 0.8])]})
    theirs = row(comparison, system="theirs")
    assert theirs["mean"] == pytest.approx(0.65)
    assert math.isnan(theirs["difference"])


def test_table_cells_read_mean_spread_and_interval() -> None:
    ours = [vessels([0.6, 0.6]), vessels([0.8, 0.8])]
    theirs = [vessels([0.5, 0.5])]
    assert comparison_table(compare({"ours": ours, "theirs": theirs})).splitlines() == [
        "| score | dataset | disease | ours | theirs | theirs - ours |",
        "| --- | --- | --- | --- | --- | --- |",
        "| vessel_dice | drive |  | 0.700 ± 0.141 [0.700, 0.700] | 0.500 [0.500, 0.500] | -0.200 [-0.200, -0.200] |",
    ]


def test_order_of_photographs_does_not_matter() -> None:
    ours, theirs = noisy_diseases(0), noisy_diseases(1)
    pd.testing.assert_frame_equal(
        compare({"ours": [ours], "theirs": [theirs[::-1]]}), compare({"ours": [ours], "theirs": [theirs]})
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: run.iloc[1:], "same photographs, but 1 are in only one of run 1 of 'ours' and run 2 of 'theirs'"),
        (lambda run: run.assign(patient="p"), "same patient of a photograph, .*differ in 3.*'odir5k-000'"),
        (lambda run: run.assign(dataset="hrf"), "same dataset of a photograph, .*odir5k and hrf"),
        (lambda run: run.assign(label_glaucoma=[0, 1, NAN]), "same label_glaucoma .*'odir5k-002', 0 and nan"),
        (lambda run: pd.concat([run, run]), "each photograph once, run 2 of 'theirs' holds 'odir5k-000' twice"),
        (lambda run: run.drop(columns="patient"), r"run 2 of 'theirs' lacks \['patient'\]"),
    ],
)
def test_runs_on_other_photographs_are_refused(change: Any, message: str) -> None:
    run = diseases([0.1, 0.9, 0.2], [0, 1, 0])
    with pytest.raises(ValueError, match=message):
        compare({"ours": [run], "theirs": [run, change(run)]})


def test_nothing_to_compare_is_said() -> None:
    with pytest.raises(ValueError, match="none for 'ours'"):
        compare({"theirs": [vessels([0.5])]})
    with pytest.raises(ValueError, match=" 10 photographs"):
        compare({"ours": [noisy_diseases(0, count=18)]}, min_count=10)


def test_every_structure_is_scored() -> None:
    """Of the discs one is missing, so its mean is over the other."""
    run = images(2, "drive", **scores("disc", [0.9, NAN], [0.8, NAN], [0.7, NAN]), **scores("cup", 0.6, 0.5, 0.4))
    means = compare({"ours": [run]}).set_index("score")["mean"].to_dict()
    disc = {"disc_dice": 0.9, "disc_cldice": 0.8, "disc_auc": 0.7}
    assert means == pytest.approx({**disc, "cup_dice": 0.6, "cup_cldice": 0.5, "cup_auc": 0.4})


def test_run_of_an_earlier_version_is_refused() -> None:
    with pytest.raises(ValueError, match=r"run 1 of 'ours'.* 0\.3\.0"):
        compare({"ours": [images(2, inside_fov_dice=0.5)]})
