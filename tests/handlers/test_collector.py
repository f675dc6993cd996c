"""What the collector keeps of an evaluation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from feeding import NAN, evaluator, feed, phantom_items, photograph, small_network

from vmnet_monai.handlers import PredictionCollector
from vmnet_monai.metrics import histogram_scores

# Inside the field of view: a hit, a false alarm, a miss and a right background pixel; outside: one more hit.
VESSEL = [[0.9, 0.8, 0.2], [0.1, 1.0, 0.0]]
REFERENCE = [[1, 0, 1], [0, 1, 0]]
FOV = [[1, 1, 1], [1, 0, 0]]


def test_records_hold_what_batch_and_output_say_sorted_by_id() -> None:
    collector = PredictionCollector()
    feed(
        [[photograph("c"), photograph("a", "odir5k", (0.25, 0.75), (1.0, NAN))], [photograph("b")]],
        collector,
    )
    assert [record.id for record in collector.records] == ["a", "b", "c"]
    record = collector.records[0]
    assert (record.dataset, record.patient) == ("odir5k", "patient of a")
    assert record.probabilities == (0.25, 0.75)
    assert record.labels == pytest.approx((1.0, NAN), nan_ok=True)
    assert record.structures == {}


def test_pixels_are_counted_inside_the_field_of_view() -> None:
    collector = PredictionCollector()
    feed([[photograph(vessel=VESSEL, reference=REFERENCE, fov=FOV)]], collector)
    assert list(collector.histograms["vessel"]) == ["inside_fov"]
    assert collector.histograms["vessel"]["inside_fov"]["drive"].sum(axis=1).tolist() == [2, 2]
    assert collector.records[0].structures == {"vessel": {}}, "scores per photograph are costly and need a threshold"


def test_with_a_threshold_photographs_are_scored_inside_and_as_a_whole() -> None:
    collector = PredictionCollector(thresholds=[0.5])
    feed([[photograph(vessel=VESSEL, reference=REFERENCE, fov=FOV)]], collector)
    scores = collector.records[0].structures["vessel"]
    assert scores["inside_fov"]["dice"] == pytest.approx(2 / 4)
    assert scores["whole_image"]["dice"] == pytest.approx(4 / 6)
    assert collector.histograms["vessel"]["whole_image"]["drive"].sum() == 6


def test_parts_are_scored_by_how_they_are_told_apart_and_landmarks_by_their_centre() -> None:
    names = ["vessel", "artery", "vein", "disc"]
    entry = photograph(vessel=VESSEL, reference=REFERENCE, fov=FOV)
    # Inside the field of view one artery is found, one taken for a vein, one vein found, and a crossing left out.
    masks = {"artery": [[1, 1, 1], [0, 1, 0]], "vein": [[0, 0, 1], [1, 0, 0]], "disc": [[0, 1, 1], [0, 0, 0]]}
    maps = {
        "artery": [[0.6, 0.1, 0.0], [0.0, 0.0, 0.0]],
        "vein": [[0.1, 0.3, 0.9], [0.1, 0.9, 0.0]],
        "disc": [[0.9, 0, 0], [0, 0, 1.0]],
    }
    for name, mask in masks.items():
        entry |= {
            f"has_{name}": torch.tensor(True),
            f"pred_{name}": torch.tensor([maps[name]]),
            f"{name}_reference": torch.tensor([mask]),
        }
    collector = PredictionCollector(names, [0.5] * 4, {"artery": "vessel", "vein": "vessel"})
    feed([[entry]], collector)
    scores = {name: by_region["inside_fov"] for name, by_region in collector.records[0].structures.items()}
    for part in ("artery", "vein"):
        assert scores[part]["balanced_accuracy_among_parts"] == pytest.approx((1 / 2 + 1) / 2)
    assert scores["disc"]["centre_distance_diameters"] == pytest.approx(1.5 / (2 * math.sqrt(2 / math.pi)))
    assert not {"balanced_accuracy_among_parts", "centre_distance_diameters"} & set(scores["vessel"])


def test_histograms_are_pooled_within_and_over_datasets() -> None:
    one: dict[str, Any] = {"vessel": VESSEL, "reference": REFERENCE}
    collector = PredictionCollector()
    feed([[photograph("a", "drive", **one), photograph("b", "hrf", **one)], [photograph("c", "hrf", **one)]], collector)
    by_dataset = {name: int(counts.sum()) for name, counts in collector.histograms["vessel"]["inside_fov"].items()}
    assert by_dataset == {"drive": 6, "hrf": 12}
    assert collector.pooled_histogram("vessel").sum() == 18


def test_photograph_without_vessel_mask_does_not_count_as_background() -> None:
    collector = PredictionCollector(thresholds=[0.5])
    feed([[photograph(vessel=VESSEL, reference=None)]], collector)
    assert collector.records[0].structures == {}
    assert not collector.histograms["vessel"]
    assert collector.pooled_histogram("vessel").shape == (2, 65536)
    assert not collector.pooled_histogram("vessel").any()


def test_network_of_one_task_leaves_the_other_unknown() -> None:
    collector = PredictionCollector()
    feed(
        [[photograph("a", probabilities=None, vessel=VESSEL, reference=REFERENCE), photograph("b", labels=(0.0, 1.0))]],
        collector,
    )
    probabilities, labels = collector.disease_table()
    np.testing.assert_array_equal(probabilities, [[NAN, NAN], [0.5, 0.5]])
    np.testing.assert_array_equal(labels, [[NAN, NAN], [0.0, 1.0]])
    no_vessel_head = photograph("c", reference=REFERENCE)
    feed([[no_vessel_head]], collector)
    assert collector.records[0].structures == {}


def test_each_evaluation_starts_anew() -> None:
    collector = PredictionCollector()
    feed([[photograph(vessel=VESSEL, reference=REFERENCE)]], collector, epochs=3)
    assert len(collector.records) == 1
    assert collector.pooled_histogram("vessel").sum() == 6


def test_processes_bring_their_parts_together(monkeypatch: pytest.MonkeyPatch) -> None:
    other = PredictionCollector()
    feed([[photograph("a", "hrf", vessel=VESSEL, reference=REFERENCE), photograph("d")]], other)
    theirs = (other.records, other.histograms)

    def all_gather_object(parts: list[Any], own: Any) -> None:
        parts[:] = [own, theirs]

    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "all_gather_object", all_gather_object)
    collector = PredictionCollector()
    feed([[photograph("c", "hrf", vessel=VESSEL, reference=REFERENCE), photograph("b")]], collector)
    assert [record.id for record in collector.records] == ["a", "b", "c", "d"]
    assert collector.histograms["vessel"]["inside_fov"]["hrf"].sum() == 12


def test_real_evaluation_is_scored_on_the_photographs_own_pixels(tmp_path: Path) -> None:
    """A network that answers with the truth of its grid is nearly perfect on the photograph, and exact at the edge."""
    items = phantom_items(tmp_path, count=2)

    def perfect(entry: dict[str, Any]) -> dict[str, Any]:
        return {**entry, "pred_vessel": entry["vessel_reference"].float()}

    collector = PredictionCollector(thresholds=[0.5])
    evaluator(items, small_network(), [collector], alter=perfect).run()
    assert [record.id for record in collector.records] == [item["id"] for item in items]
    for record in collector.records:
        scores = record.structures["vessel"]
        assert scores["inside_fov"]["dice"] == scores["whole_image"]["cldice"] == 1.0
    assert collector.histograms["vessel"]["whole_image"]["phantom"].sum() == 2 * 96 * 96
    assert histogram_scores(collector.pooled_histogram("vessel"), 0.5)["dice"] == 1.0
    assert all(0 < probability < 1 for record in collector.records for probability in record.probabilities)
    torch.testing.assert_close(
        torch.tensor([record.labels for record in collector.records]), torch.tensor([i["disease"] for i in items])
    )


def test_each_structure_is_counted_and_scored_with_its_own_threshold() -> None:
    """The cup is known, the disc is not; the cup's single pixel has a probability of 0.4 and is found at 0.3."""
    entry = photograph()
    entry |= {"has_disc": torch.tensor(False), "has_cup": torch.tensor(True), "fov_reference": torch.ones(1, 1, 2)}
    for structure in ("disc", "cup"):
        entry[f"pred_{structure}"] = torch.tensor([[[0.4, 0.1]]])
        entry[f"{structure}_reference"] = torch.tensor([[[1, 0]]])
    collector = PredictionCollector(("disc", "cup"), thresholds=(0.5, 0.3))
    feed([[entry]], collector)
    assert list(collector.records[0].structures) == ["cup"]
    assert collector.records[0].structures["cup"]["inside_fov"]["dice"] == 1.0
    assert collector.pooled_histogram("cup").sum() == 2
    assert not collector.pooled_histogram("disc").any()


@pytest.mark.parametrize("thresholds", [0.4, (0.4,)])
def test_thresholds_must_be_one_per_structure(thresholds: Any) -> None:
    with pytest.raises(ValueError, match="threshold.*disc, cup"):
        PredictionCollector(("disc", "cup"), thresholds)
