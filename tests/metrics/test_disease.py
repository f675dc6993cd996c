"""Disease scores against hand-computed tables, scikit-learn and MONAI."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.handlers import IgniteMetricHandler
from monai.metrics import compute_average_precision, compute_roc_auc
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    cohen_kappa_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from vmnet_monai.metrics import DiseaseROCAUC, disease_scores, within_source_auc
from vmnet_monai.metrics.disease import auc_of_rows

NAN = float("nan")


def random_table(seed: int = 0, n: int = 120, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities with ties that separate the labels better than chance; a fifth of the labels is unknown."""
    generator = np.random.default_rng(seed)
    labels = (generator.random((n, k)) < 0.3).astype(float)
    probabilities = np.round(0.7 * generator.random((n, k)) + 0.3 * labels, 1)
    labels[generator.random((n, k)) < 0.2] = NAN
    return probabilities, labels


def score(probabilities: np.ndarray, labels: np.ndarray, **changes: Any) -> dict[str, Any]:
    n, k = np.shape(probabilities)
    settings: dict[str, Any] = {
        "thresholds": [0.5] * k,
        "label_names": [f"disease_{i}" for i in range(k)],
        "patients": [str(i) for i in range(n)],
        "bootstrap_samples": 20,
    }
    return disease_scores(probabilities, labels, **{**settings, **changes})


def test_one_photograph_of_each_kind() -> None:
    # True positive, false positive, false negative, true negative; the last label is unknown.
    probabilities = np.array([[0.9], [0.8], [0.2], [0.1], [0.7]])
    labels = np.array([[1], [0], [1], [0], [NAN]])
    disease = score(probabilities, labels)["per_disease"]["disease_0"]
    assert (disease["n"], disease["positives"]) == (4, 2)
    for key in ("sensitivity", "specificity", "precision", "f1", "accuracy"):
        assert disease[key] == 0.5, key
    assert disease["kappa"] == 0
    assert disease["auc"] == 0.75
    assert disease["average_precision"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert disease["brier"] == pytest.approx((0.01 + 0.64 + 0.64 + 0.01) / 4)
    assert disease["calibration_error"] == pytest.approx(1.8 / 4)


def test_agrees_with_scikit_learn_and_monai_on_ties() -> None:
    probabilities, labels = random_table()
    for k, scores in enumerate(score(probabilities, labels)["per_disease"].values()):
        known = ~np.isnan(labels[:, k])
        p, y = probabilities[known, k], labels[known, k]
        positive = p >= 0.5
        assert scores["auc"] == pytest.approx(roc_auc_score(y, p))
        assert scores["auc"] == pytest.approx(compute_roc_auc(torch.tensor(p), torch.tensor(y)))
        assert scores["average_precision"] == pytest.approx(average_precision_score(y, p))
        assert scores["average_precision"] == pytest.approx(compute_average_precision(torch.tensor(p), torch.tensor(y)))
        assert scores["f1"] == pytest.approx(f1_score(y, positive))
        assert scores["precision"] == pytest.approx(precision_score(y, positive))
        assert scores["sensitivity"] == pytest.approx(recall_score(y, positive))
        assert scores["specificity"] == pytest.approx(recall_score(y, positive, pos_label=0))
        assert scores["accuracy"] == pytest.approx(accuracy_score(y, positive))
        assert scores["kappa"] == pytest.approx(cohen_kappa_score(y, positive))
        assert scores["brier"] == pytest.approx(brier_score_loss(y, p))


def test_an_unknown_label_counts_as_if_the_entry_were_not_there() -> None:
    probabilities, labels = random_table(k=1)
    known = ~np.isnan(labels[:, 0])
    patients = [str(i // 2) for i in range(len(labels))]
    kept = [patient for patient, flag in zip(patients, known, strict=True) if flag]
    with_unknown = score(probabilities, labels, patients=patients)
    without = score(probabilities[known], labels[known], patients=kept)
    assert with_unknown["per_disease"] == without["per_disease"]
    assert with_unknown["micro"] == without["micro"]


def test_challenge_scores_are_those_of_their_evaluation_scripts() -> None:
    probabilities, labels = random_table()
    scores = score(probabilities, labels)
    known = ~np.isnan(labels)
    p, y = probabilities[known], labels[known]
    # ODIR-2019 calls f1_score with average="micro" on the flattened table.
    odir = [cohen_kappa_score(y, p >= 0.5), f1_score(y, p >= 0.5, average="micro"), roc_auc_score(y, p)]
    assert scores["odir_final_score"] == pytest.approx(np.mean(odir))
    assert scores["micro"]["f1"] == pytest.approx(f1_score(y, p >= 0.5))
    columns = [(labels[known[:, k], k], probabilities[known[:, k], k]) for k in range(3)]
    macro_auc = np.mean([roc_auc_score(*column) for column in columns])
    mean_average_precision = np.mean([average_precision_score(*column) for column in columns])
    assert scores["macro"]["auc"] == pytest.approx(macro_auc)
    assert scores["rfmid_score"] == pytest.approx((macro_auc + mean_average_precision) / 2)


def test_micro_scores_are_those_of_the_counts_summed_over_diseases() -> None:
    """TP, FP, TN, FN are 1, 0, 3, 0 of the first disease and 1, 2, 0, 1 of the second; one row is unknown."""
    probabilities = np.array([[0.9, 0.9], [0.1, 0.9], [0.2, 0.9], [0.3, 0.1], [0.9, 0.9]])
    labels = np.array([[1, 1], [0, 0], [0, 0], [0, 1], [NAN, NAN]])
    scores = score(probabilities, labels)
    micro, macro = scores["micro"], scores["macro"]
    assert micro["accuracy"] == pytest.approx((2 + 3) / 8)
    assert micro["sensitivity"] == pytest.approx(2 / 3)
    assert micro["specificity"] == pytest.approx(3 / 5)
    assert micro["precision"] == pytest.approx(2 / 4)
    assert (macro["sensitivity"], macro["specificity"]) == (0.75, 0.5)


def test_each_disease_has_its_own_inclusive_threshold() -> None:
    probabilities = np.array([[0.3, 0.3], [0.1, 0.1]])
    labels = np.array([[1.0, 1.0], [0.0, 0.0]])
    diseases = score(probabilities, labels, thresholds=[0.3, 0.4])["per_disease"]
    assert [disease["sensitivity"] for disease in diseases.values()] == [1, 0]


def test_probabilities_are_judged_by_prevalence_intercept_slope_and_net_benefit() -> None:
    """Odds of 1 to 3 and of 3 to 1 in fact, told as 1 to 9 and 9 to 1: right on average, twice too extreme."""
    labels = np.array([[1.0], [0], [0], [0], [0], [1], [1], [1]] * 5)
    probabilities = np.array([[0.1]] * 4 + [[0.9]] * 4)
    patients = [str(i) for i in range(40)]
    scores = disease_scores(np.tile(probabilities, (5, 1)), labels, [0.5], ["amd"], patients)["per_disease"]["amd"]
    assert scores["prevalence"] == 0.5
    assert scores["calibration_intercept"] == pytest.approx(0, abs=1e-9)
    assert scores["calibration_slope"] == pytest.approx(0.5)
    for key in ("calibration_intercept", "calibration_slope"):
        lower, upper = scores[f"{key}_interval"]
        assert lower < scores[key] < upper
    curve = scores["decision_curve"]
    at_half = curve["threshold"].index(0.5)
    assert curve["net_benefit"][at_half] == pytest.approx(15 / 40 - 5 / 40)
    assert curve["treat_all"][at_half] == pytest.approx(0)


def test_scores_of_a_disease_without_both_classes_are_nan_and_stay_out_of_the_macro() -> None:
    # Defined; no positive; all unknown.
    probabilities = np.array([[0.9, 0.9, 0.9], [0.1, 0.1, 0.1]] * 10)
    labels = np.array([[1, 0, NAN], [0, 0, NAN]] * 10)
    scores = score(probabilities, labels)
    defined, no_positive, unknown = scores["per_disease"].values()
    assert defined["auc"] == 1
    for key in ("auc", "average_precision", "sensitivity", "f1"):
        assert np.isnan(no_positive[key]), key
    assert np.isnan(no_positive["auc_interval"]).all()
    assert no_positive["specificity"] == 0.5
    assert unknown["n"] == 0
    assert np.isnan(unknown.pop("decision_curve")["net_benefit"]).all()
    assert all(np.isnan(value).all() for key, value in unknown.items() if key not in ("n", "positives"))
    assert scores["macro"]["auc"] == 1
    assert scores["macro"]["auc_interval"] == [1, 1]
    assert scores["macro"]["specificity"] == 0.75


def test_a_table_without_any_known_label_is_all_nan() -> None:
    scores = score(np.full((4, 2), 0.5), np.full((4, 2), NAN))
    assert np.isnan(scores["odir_final_score"])
    assert np.isnan(scores["rfmid_score"])
    assert np.isnan(scores["macro"]["auc_interval"]).all()


def test_interval_holds_the_auc_and_shrinks_with_more_patients() -> None:
    widths = []
    for n in (60, 600):
        scores = score(*random_table(n=n), bootstrap_samples=200)
        for part in (*scores["per_disease"].values(), scores["macro"]):
            lower, upper = part["auc_interval"]
            assert 0 < lower < part["auc"] < upper <= 1
        lower, upper = scores["macro"]["auc_interval"]
        widths.append(upper - lower)
    assert widths[1] < widths[0] / 2


def test_result_is_json_and_the_same_for_the_same_seed() -> None:
    table = random_table()
    assert json.dumps(score(*table)) == json.dumps(score(*table))
    assert json.dumps(score(*table, seed=1)) != json.dumps(score(*table))


@pytest.mark.parametrize(
    ("probabilities", "labels", "changes", "rule"),
    [
        ([[0.5]], [[2]], {}, "labels.* NaN"),
        ([[1.5]], [[1]], {}, "probabilities.* 0 to 1"),
        ([[NAN]], [[1]], {}, "probabilities.* 0 to 1"),
        ([[0.5]], [[1, 0]], {}, r"same shape \(N, K\)"),
        ([[0.5]], [[1]], {"thresholds": [0.5, 0.5]}, "thresholds.* 1 entries"),
        ([[0.5]], [[1]], {"thresholds": [-1.0]}, "thresholds.* 0 to 1"),
        ([[0.5]], [[1]], {"label_names": []}, "label_names.* 1 entries"),
        ([[0.5]], [[1]], {"patients": ["a", "b"]}, "patients.* 1 entries"),
    ],
)
def test_wrong_input_is_named(probabilities: list, labels: list, changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        score(np.array(probabilities), np.array(labels), **changes)


def test_kappa_of_cohens_textbook_table() -> None:
    """20, 5, 15 and 10 of each kind: observed agreement 35 / 50 = 0.7, by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5."""
    probabilities = np.array([[0.9]] * 25 + [[0.1]] * 25)
    labels = np.array([[1]] * 20 + [[0]] * 5 + [[0]] * 15 + [[1]] * 10)
    assert score(probabilities, labels)["micro"]["kappa"] == pytest.approx((0.7 - 0.5) / (1 - 0.5))


@pytest.mark.parametrize(("probability", "label"), [(0.9, 1), (0.1, 0)])
def test_kappa_is_undefined_where_labels_and_decisions_are_of_one_class(probability: float, label: float) -> None:
    assert np.isnan(score(np.full((7, 1), probability), np.full((7, 1), label))["micro"]["kappa"])
    assert score(np.full((7, 1), probability), np.full((7, 1), 1 - label))["micro"]["kappa"] == 0


def test_brier_score_skips_unknown_labels() -> None:
    brier = score(np.array([[0.8], [0.4], [0.1]]), np.array([[1.0], [0.0], [NAN]]))["micro"]["brier"]
    assert brier == pytest.approx((0.04 + 0.16) / 2)


def test_auc_of_a_resample_is_that_of_its_rows() -> None:
    probabilities, labels = random_table(k=1)
    p, y = probabilities[:, 0], labels[:, 0]
    auc = auc_of_rows(p, y)
    generator = np.random.default_rng(3)
    for _ in range(20):
        rows = generator.integers(len(y), size=len(y))
        known = rows[~np.isnan(y[rows])]
        assert auc(rows) == pytest.approx(roc_auc_score(y[known], p[known]), abs=1e-12)


def test_rocauc_metric_over_batches_is_that_of_the_whole_table() -> None:
    probabilities, labels = random_table()
    expected = [scores["auc"] for scores in score(probabilities, labels)["per_disease"].values()]
    logits = torch.special.logit(torch.tensor(probabilities), eps=1e-6)
    for column in (None, 0, 1, 2):
        metric = DiseaseROCAUC(column)
        for rows in torch.arange(len(labels)).split(7):
            metric(y_pred=logits[rows], y=torch.tensor(labels)[rows])
        assert metric.aggregate() == pytest.approx(np.mean(expected) if column is None else expected[column])


def test_rocauc_metric_keeps_nan_and_takes_decollated_batches() -> None:
    metric = DiseaseROCAUC()
    y_pred = [torch.tensor([0.9, 0.1]), torch.tensor([0.2, 0.3]), torch.tensor([0.1, 0.5])]
    y = [torch.tensor([1.0, NAN]), torch.tensor([0.0, 1.0]), torch.tensor([NAN, 1.0])]
    metric(y_pred=y_pred, y=y)
    _, stored = metric.get_buffer()
    assert stored.isnan().tolist() == [[False, True], [False, False], [True, False]]
    assert metric.aggregate() == 1  # the second disease has no absent label
    assert np.isnan(metric_of_column(1, y_pred, y))


def metric_of_column(column: int, y_pred: list[torch.Tensor], y: list[torch.Tensor]) -> float:
    metric = DiseaseROCAUC(column)
    metric(y_pred=y_pred, y=y)
    return metric.aggregate()


def test_rocauc_metric_is_nan_for_a_network_that_gives_nan() -> None:
    metric = DiseaseROCAUC()
    metric(y_pred=torch.tensor([[NAN], [0.1]]), y=torch.tensor([[1.0], [0.0]]))
    assert np.isnan(metric.aggregate())


def test_rocauc_metric_serves_monais_handler() -> None:
    batches = [(torch.tensor([[0.9], [0.1]]), torch.tensor([[1.0], [NAN]])), (torch.tensor([[0.3]]), torch.zeros(1, 1))]
    engine = Engine(lambda _, batch: batch)
    IgniteMetricHandler(metric_fn=DiseaseROCAUC()).attach(engine, "auc")
    assert engine.run(batches).metrics["auc"] == 1


def test_rocauc_metric_names_wrong_input() -> None:
    with pytest.raises(ValueError, match="column.* -1"):
        DiseaseROCAUC(column=-1)
    with pytest.raises(ValueError, match="column.* 2.* 2"):
        DiseaseROCAUC(column=2)(y_pred=torch.zeros(1, 2), y=torch.zeros(1, 2))
    with pytest.raises(ValueError, match=r"same shape \(B, K\)"):
        DiseaseROCAUC()(y_pred=torch.zeros(1, 2), y=torch.zeros(1, 3))
    with pytest.raises(ValueError, match="batch first"):
        DiseaseROCAUC().aggregate()


def test_within_source_auc_is_the_mean_over_datasets_and_diseases() -> None:
    """In a, one of four pairs is the wrong way round for the first disease; in b all are right for the second."""
    probabilities = np.array([[0.9, 0.1], [0.4, 0.1], [0.5, 0.1], [0.1, 0.1], [0.1, 0.2], [0.1, 0.8]])
    labels = np.array([[1, 0], [1, 0], [0, 0], [0, 0], [0, 0], [0, 1]])
    datasets = ["a", "a", "a", "a", "b", "b"]
    mean, aucs = within_source_auc(probabilities, labels, datasets, min_count=1)
    assert aucs == {("a", 0): 0.75, ("b", 1): 1.0}
    assert mean == 0.875


def test_knowing_the_source_is_worth_nothing_within_it() -> None:
    datasets = ["a"] * 40 + ["b"] * 40
    labels = np.array([[1.0]] * 30 + [[0.0]] * 10 + [[1.0]] * 10 + [[0.0]] * 30)
    probabilities = np.array([[0.9]] * 40 + [[0.1]] * 40)
    assert roc_auc_score(labels[:, 0], probabilities[:, 0]) == 0.75
    assert within_source_auc(probabilities, labels, datasets) == (0.5, {("a", 0): 0.5, ("b", 0): 0.5})


def test_within_source_auc_needs_enough_photographs_of_both_classes() -> None:
    labels = np.array([[1.0]] * 9 + [[0.0]] * 40 + [[NAN]] * 5)
    probabilities = np.linspace(0, 1, len(labels))[:, np.newaxis]
    assert within_source_auc(probabilities, labels, ["a"] * len(labels), min_count=9)[1] == {("a", 0): 0.0}
    mean, aucs = within_source_auc(probabilities, labels, ["a"] * len(labels), min_count=10)
    assert np.isnan(mean)
    assert aucs == {}


def test_within_source_auc_agrees_with_scikit_learn_where_labels_are_unknown() -> None:
    probabilities, labels = random_table()
    names = np.array(["a", "b"] * 60)
    _, aucs = within_source_auc(probabilities, labels, names.tolist(), min_count=5)
    assert len(aucs) == 6
    for (dataset, k), auc in aucs.items():
        rows = (names == dataset) & ~np.isnan(labels[:, k])
        assert auc == pytest.approx(roc_auc_score(labels[rows, k], probabilities[rows, k]))


def test_within_source_auc_is_undefined_where_a_scored_probability_is() -> None:
    probabilities, labels = random_table()
    datasets = ["a"] * len(labels)
    complete = within_source_auc(probabilities, labels, datasets)
    probabilities[np.isnan(labels)] = NAN
    assert within_source_auc(probabilities, labels, datasets) == complete
    probabilities[np.flatnonzero(~np.isnan(labels[:, 0]))[0], 0] = NAN
    mean, aucs = within_source_auc(probabilities, labels, datasets)
    assert np.isnan(mean)
    assert np.isnan(aucs["a", 0])
    assert aucs["a", 1] == complete[1]["a", 1]


def test_within_source_auc_names_what_is_wrong() -> None:
    table = np.zeros((2, 1))
    with pytest.raises(ValueError, match="datasets.* 2 .* 1"):
        within_source_auc(table, table, ["a"])
    with pytest.raises(ValueError, match="min_count.* 0"):
        within_source_auc(table, table, ["a", "a"], min_count=0)
    with pytest.raises(ValueError, match="labels.* NaN"):
        within_source_auc(table, table + 2, ["a", "a"])
