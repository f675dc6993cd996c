"""Scores by sex and age, and which groups are too small for them."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from vmnet_monai.metrics import subgroup_scores


def people(count: int = 40, **columns: list) -> pd.DataFrame:
    """Half female, half male; every second has glaucoma, which the network finds in the female alone."""
    female = [i < count // 2 for i in range(count)]
    label = [float(i % 2) for i in range(count)]
    probability = [y if one else 1 - y for one, y in zip(female, label, strict=True)]
    return pd.DataFrame(
        {
            "dataset": "odir5k",
            "patient": [f"p{i // 2}" for i in range(count)],
            "sex": ["female" if one else "male" for one in female],
            "age": [55.0] * count,
            "probability_glaucoma": probability,
            "label_glaucoma": label,
            "decision_glaucoma": probability,
            **columns,
        }
    )


def test_what_serves_one_sex_only_shows() -> None:
    rows = subgroup_scores(people(), bootstrap_samples=20).set_index(["attribute", "group"])
    assert rows.index.tolist() == [("", "everyone"), ("sex", "female"), ("sex", "male"), ("age", "50 to 59")]
    assert rows["auc"].tolist() == [0.5, 1, 0, 0.5]
    assert rows["sensitivity"].tolist() == [0.5, 1, 0, 0.5]
    assert rows["specificity"].tolist() == [0.5, 1, 0, 0.5]
    assert rows.loc[("sex", "female"), ["n", "positives", "auc_lower", "auc_upper"]].tolist() == [20, 10, 1, 1]
    assert (rows["remark"] == "").all()


def test_small_groups_are_named_and_not_scored() -> None:
    ages = [44.0] * 8 + [71.0] * 32
    rows = subgroup_scores(people(age=ages), bootstrap_samples=20).set_index("group")
    assert rows.loc["under 50", "remark"] == "too few to score: 4 with it and 4 without it, 10 are needed"
    assert math.isnan(rows.loc["under 50", "auc"])
    assert rows.loc["70 and over", "n"] == 32
    assert rows.index.tolist()[-2:] == ["under 50", "70 and over"], "from young to old"


def test_unknown_is_no_group_and_no_label() -> None:
    table = people(
        sex=["female"] * 20 + [""] * 20, age=[math.nan] * 40, label_glaucoma=[0.0, 1.0] * 15 + [math.nan] * 10
    )
    rows = subgroup_scores(table, bootstrap_samples=20)
    assert rows[["group", "n"]].to_numpy().tolist() == [["everyone", 30], ["female", 20]]


def test_sources_without_sex_and_age_and_rare_diseases_are_left_out() -> None:
    nobody = people(sex=[""] * 40, age=[math.nan] * 40)
    assert subgroup_scores(nobody, bootstrap_samples=20).empty
    assert subgroup_scores(people(), min_count=21, bootstrap_samples=20).empty
    with pytest.raises(ValueError, match="min_count"):
        subgroup_scores(people(), min_count=0)
