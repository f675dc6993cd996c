"""Which weights are kept, with which thresholds, and where a training resumes."""

from __future__ import annotations

import math
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from feeding import DISEASES, NAN, evaluator, feed, phantom_items, photograph, small_network
from ignite.engine import Engine, Events
from ignite.metrics import Average
from monai.handlers import IgniteMetricHandler, from_engine

from vmnet_monai.calibration.operating_point import OperatingPoint
from vmnet_monai.handlers import (
    BestDice,
    BestModelSaver,
    LowestLoss,
    MeanScore,
    PredictionCollector,
    WithinSourceAUC,
    latest_checkpoint,
)
from vmnet_monai.metrics import DiseaseROCAUC, ImageScores

# Dice is best, 1, for thresholds above 0.2 and up to 0.6; the middle is 0.4.
SEPARABLE: dict[str, Any] = {"vessel": [[0.6, 0.8, 0.2, 0.1]], "reference": [[1, 1, 0, 0]]}


class BestAt:
    """Says, in the manner of MONAI's evaluator, that the last of the given epochs was the best."""

    def __init__(self, *epochs: int) -> None:
        self.epochs = epochs

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        best = max((epoch for epoch in self.epochs if epoch <= engine.state.epoch), default=-1)
        engine.state.best_metric_epoch = best  # type: ignore[attr-defined]


def saver(folder: Path, network: torch.nn.Module, collector: PredictionCollector, **settings: Any) -> BestModelSaver:
    sizes = {"grid_size": 64, "disease_size": 32}
    return BestModelSaver(str(folder), network, collector, DISEASES, **sizes, contrast="clahe", **settings)


def select(folder: Path, entries: list[dict[str, Any]], structures: tuple[str, ...] = ("vessel",)) -> OperatingPoint:
    """Save after one evaluation of these photographs and return the operating point chosen on them."""
    collector = PredictionCollector(structures)
    feed([entries], collector, BestAt(1), saver(folder, small_network(), collector))
    assert (folder / "model.pt").is_file()
    return OperatingPoint.load(folder)


def test_weights_bear_the_day_on_which_they_were_trained(tmp_path: Path) -> None:
    """A calibration of weights, which saves them again, hands over the day that is known."""
    assert select(tmp_path / "trained", [photograph("a", **SEPARABLE)]).trained == date.today().isoformat()
    collector = PredictionCollector(("vessel",))
    made = saver(tmp_path / "again", small_network(), collector, trained="2026-12-01")
    feed([[photograph("a", **SEPARABLE)]], collector, BestAt(1), made)
    assert OperatingPoint.load(tmp_path / "again").trained == "2026-12-01"


def test_thresholds_are_the_best_on_the_validation_photographs(tmp_path: Path) -> None:
    """Youden's J of the first disease is best between 0.3 and 0.7, of the second, 1/2, between 0.2 and 0.4. The
    threshold lies midway after calibration."""
    point = select(
        tmp_path,
        [
            photograph("a", probabilities=(0.1, 0.2), labels=(0.0, 0.0), **SEPARABLE),
            photograph("b", probabilities=(0.3, 0.9), labels=(0.0, 0.0)),
            photograph("c", probabilities=(0.7, 0.4), labels=(1.0, 1.0)),
            photograph("d", probabilities=(0.0, 0.8), labels=(1.0, NAN)),
            photograph("e", probabilities=(0.9, 0.5), labels=(1.0, 1.0)),
        ],
    )
    assert point.structure_thresholds[0] == pytest.approx(0.4, abs=1e-4)
    between = point.calibrate([[0.3, 0.2], [0.7, 0.4]])
    assert point.disease_thresholds == pytest.approx(between.mean(axis=0))
    assert (point.diseases, point.grid_size, point.contrast) == (DISEASES, 64, "clahe")


def test_probabilities_are_calibrated_on_the_known_validation_photographs_of_all_datasets(tmp_path: Path) -> None:
    """One of four present at 0.2, three of four at 0.9: smoothed targets 1/6 and 5/6 make 1/3 and 2/3 of them."""
    labels = [1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, NAN]
    probabilities = [0.2] * 4 + [0.9] * 5
    point = select(
        tmp_path,
        [
            photograph(str(i), ("hrf", "odir5k")[i % 2], (probability, probability), (label, NAN))
            for i, (probability, label) in enumerate(zip(probabilities, labels, strict=True))
        ],
    )
    assert point.calibrate([[0.2, 0.2], [0.9, 0.9]]) == pytest.approx(np.array([[1 / 3, 0.2], [2 / 3, 0.9]]), abs=1e-4)
    assert point.disease_thresholds == pytest.approx((0.5, 0.5), abs=1e-4)


def test_labels_that_a_dataset_gives_away_do_not_calibrate(tmp_path: Path) -> None:
    """The dataset without a present label would pull 2/3 down; where it is alone, its labels count."""
    told = [photograph(f"a{i}", "a", (0.9, 0.9), (label, NAN)) for i, label in enumerate((1.0, 1.0, 1.0, 0.0))]
    told += [photograph(f"b{i}", "a", (0.2, 0.2), (label, NAN)) for i, label in enumerate((1.0, 0.0, 0.0, 0.0))]
    given_away = [photograph(f"c{i}", "b", (0.9, 0.9), (0.0, 0.0)) for i in range(20)]
    point = select(tmp_path, told + given_away)
    assert point.calibrate([0.9, 0.9]) == pytest.approx([2 / 3, 0.9], abs=1e-4)
    alone = [photograph("d", "b", (0.9, 0.9), (1.0, 0.0))]
    assert select(tmp_path / "alone", given_away + alone).calibrate([0.9, 0.9])[0] < 0.2


def test_each_structure_gets_its_own_threshold(tmp_path: Path) -> None:
    """The disc is told at 0.4, between 0.2 and 0.6; of the cup nothing is known."""
    entry = photograph("a") | {"has_disc": torch.tensor(True), "has_cup": torch.tensor(False)}
    entry |= {f"pred_{name}": torch.tensor([[[0.6, 0.2]]]) for name in ("disc", "cup")}
    entry |= {f"{name}_reference": torch.tensor([[[1, 0]]]) for name in ("disc", "cup", "fov")}
    entry["fov_reference"] = torch.ones(1, 1, 2)
    point = select(tmp_path, [entry], structures=("disc", "cup"))
    assert point.structures == ("disc", "cup")
    assert point.structure_thresholds == pytest.approx((0.4, 0.5), abs=1e-4)


def test_best_dice_is_that_of_each_structures_own_threshold() -> None:
    """Vessels are told without an error at 0.2, of the disc one of two pixels is taken too many: 2/3; no cup."""
    entry = photograph("a") | {f"has_{name}": torch.tensor(name != "cup") for name in ("vessel", "disc", "cup")}
    entry |= {f"pred_{name}": torch.tensor([[[0.1, 0.3]]]) for name in ("vessel", "disc", "cup")}
    entry |= {f"{name}_reference": torch.tensor([[[0, 1]]]) for name in ("vessel", "cup")}
    entry |= {"disc_reference": torch.tensor([[[1, 0]]]), "fov_reference": torch.ones(1, 1, 2)}
    collector = PredictionCollector(("vessel", "disc", "cup"))
    engine = Engine(lambda engine, batch: batch)
    BestDice(collector).attach(engine, "val_dice")
    metrics = engine.run([[entry]]).metrics
    assert metrics["val_dice"] == pytest.approx((1 + 2 / 3) / 2)
    assert metrics["val_dice_disc"] == pytest.approx(2 / 3)
    assert "val_dice_cup" not in metrics


def test_without_vessel_masks_the_vessel_threshold_is_one_half(tmp_path: Path) -> None:
    entries = [
        photograph("a", probabilities=(0.1, 0.1), labels=(0.0, NAN), vessel=[[0.6, 0.2]]),
        photograph("b", probabilities=(0.3, 0.1), labels=(1.0, NAN)),
    ]
    point = select(tmp_path, entries)
    assert point.structure_thresholds[0] == 0.5
    assert point.disease_thresholds == pytest.approx((point.calibrate([[0.1] * 2, [0.3] * 2])[:, 0].mean(), 0.5))


def test_empty_vessel_masks_give_no_threshold_either(tmp_path: Path) -> None:
    assert select(tmp_path, [photograph(vessel=[[0.6, 0.2]], reference=[[0, 0]])]).structure_thresholds[0] == 0.5


def test_without_known_diseases_their_thresholds_are_one_half(tmp_path: Path) -> None:
    point = select(tmp_path, [photograph(**SEPARABLE)])
    assert point.structure_thresholds[0] == pytest.approx(0.4, abs=1e-4)
    assert point.disease_thresholds == (0.5, 0.5)
    assert point.disease_calibration == ((1, 0), (1, 0))


@pytest.mark.parametrize("labels", [(NAN, NAN), (1.0, 0.0)])
def test_network_without_disease_head_is_saved_as_well(labels: tuple[float, float], tmp_path: Path) -> None:
    point = select(tmp_path, [photograph(probabilities=None, labels=labels, **SEPARABLE)])
    assert point.structure_thresholds[0] == pytest.approx(0.4, abs=1e-4)
    assert point.disease_thresholds == (0.5, 0.5)


def test_only_the_best_epoch_is_saved(tmp_path: Path) -> None:
    """Weights count the epochs; the second epoch is the best of three."""
    network = torch.nn.Linear(1, 1, bias=False)
    collector = PredictionCollector()

    class Count:
        def attach(self, engine: Engine) -> None:
            engine.add_event_handler(Events.EPOCH_STARTED, self)

        def __call__(self, engine: Engine) -> None:
            torch.nn.init.constant_(network.weight, engine.state.epoch)

    feed([[photograph(**SEPARABLE)]], Count(), collector, BestAt(1, 2), saver(tmp_path, network, collector), epochs=3)
    assert torch.load(tmp_path / "model.pt", weights_only=True)["weight"].item() == 2


def test_weights_can_be_stored_in_half_the_size_and_load_as_they_were_but_for_roundings(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1))
    collector = PredictionCollector()
    feed([[photograph(**SEPARABLE)]], collector, BestAt(1), saver(tmp_path, network, collector, dtype=torch.float16))
    stored = torch.load(tmp_path / "model.pt", weights_only=True)
    assert {value.dtype for value in stored.values()} == {torch.float16, torch.int64}
    weight = network[0].weight.detach().clone()
    network.load_state_dict(stored)
    assert network[0].weight.dtype == torch.float32
    torch.testing.assert_close(network[0].weight, weight, rtol=1e-3, atol=1e-6)


def test_without_a_score_the_last_validation_is_saved_and_said_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As MONAI's evaluator has it: the first score is the best whatever it is, and NaN is no better one."""
    network = torch.nn.Linear(1, 1, bias=False)
    collector = PredictionCollector()
    caplog.set_level("INFO")

    class Undefined(BestAt):
        def __call__(self, engine: Engine) -> None:
            super().__call__(engine)
            engine.state.best_metric = NAN  # type: ignore[attr-defined]
            torch.nn.init.constant_(network.weight, engine.state.epoch)

    feed([[photograph()]], collector, Undefined(1), saver(tmp_path, network, collector), epochs=3)
    assert torch.load(tmp_path / "model.pt", weights_only=True)["weight"].item() == 3
    messages = [record.getMessage() for record in caplog.records if "saved" in record.getMessage()]
    assert len(messages) == 3
    assert all(message.startswith("Last validation, without a score") for message in messages)


def test_nothing_is_saved_before_there_is_a_best(tmp_path: Path) -> None:
    collector = PredictionCollector()
    feed([[photograph(**SEPARABLE)]], collector, BestAt(), saver(tmp_path, small_network(), collector))
    assert not list(tmp_path.iterdir())


def test_weights_are_a_plain_state_dict_without_the_wrapper_of_distributed_training(tmp_path: Path) -> None:
    network = small_network()
    collector = PredictionCollector()
    wrapped = torch.nn.DataParallel(network)
    feed([[photograph(**SEPARABLE)]], collector, BestAt(1), saver(tmp_path, wrapped, collector))
    small_network(seed=1).load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True), strict=True)


def mean_score(**values: float) -> float:
    metrics = {name: Average(output_transform=lambda _, value=value: value) for name, value in values.items()}

    engine = Engine(lambda _, batch: batch)
    MeanScore(metrics).attach(engine, "val_score")
    engine.run([0])
    assert {name: engine.state.metrics[name] for name in values} == pytest.approx(values, nan_ok=True)
    return engine.state.metrics["val_score"]


def test_key_metric_is_the_mean_of_what_is_defined() -> None:
    assert mean_score(dice=0.6, auc=0.8) == pytest.approx(0.7)
    assert mean_score(dice=NAN, auc=0.8) == pytest.approx(0.8)
    assert math.isnan(mean_score(dice=NAN, auc=NAN))


def test_real_evaluator_saves_when_its_key_metric_improves(tmp_path: Path) -> None:
    """Without vessel masks the AUC decides: 0, then 1 with 0.1 and 0.7 calibrated to 1/4 and 3/4, then 0.5."""
    items = [{k: v for k, v in item.items() if k != "vessel"} for item in phantom_items(tmp_path / "phantom")]
    answers = iter([[[0.9, 0.5]] * 2 + [[0.1, 0.5]] * 2, [[0.1, 0.5]] * 2 + [[0.7, 0.5]] * 2, [[0.5, 0.5]] * 4])
    queue: list[list[float]] = []

    def answer(entry: dict[str, Any]) -> dict[str, Any]:
        queue.extend([] if queue else next(answers))
        return {**entry, "pred_disease": torch.tensor(queue.pop(0))}

    for item, normal in zip(items, (0.0, 0.0, 1.0, 1.0), strict=True):
        item["disease"] = [normal, NAN]
    auc = IgniteMetricHandler(
        metric_fn=DiseaseROCAUC(), output_transform=from_engine(["pred_disease", "label_disease"]), save_details=False
    )
    network, collector = small_network(), PredictionCollector()
    model_dir = tmp_path / "models"
    engine = evaluator(
        items,
        network,
        [collector, saver(model_dir, network, collector)],
        {"val_score": MeanScore({"val_auc": auc})},
        alter=answer,
    )
    points = []
    for epoch in (1, 2, 3):
        engine.run(epoch)
        points.append(OperatingPoint.load(model_dir))
    assert engine.state.best_metric == 1.0
    assert engine.state.best_metric_epoch == 2
    assert points[0] != points[1] == points[2]
    assert points[1].calibrate([[0.1, NAN], [0.7, NAN]])[:, 0] == pytest.approx([0.25, 0.75], abs=1e-4)
    assert (model_dir / "model.pt").is_file()


class LossOf(torch.nn.Module):
    """The losses of the batches in turn; each is given the network's logits and the targets on its grid."""

    def __init__(self, *losses: float) -> None:
        super().__init__()
        self.losses = iter(losses)

    def forward(self, prediction: dict[str, torch.Tensor], target: dict[str, torch.Tensor]) -> torch.Tensor:
        assert prediction["vessel"].shape == target["vessel"].shape == target["fov"].shape
        assert prediction["vessel"].min() < 0, "logits, not the probabilities of the postprocessing"
        return torch.tensor(next(self.losses))


def test_lowest_loss_over_the_photographs_is_the_best_even_above_one(tmp_path: Path) -> None:
    """Batches of 3 and 1 photographs with losses 2 and 6, then 2 and 2, then 3 and 3: means 3, 2 and 3."""
    items = phantom_items(tmp_path / "phantom")
    network, collector = small_network(), PredictionCollector()
    with torch.no_grad():
        network.vessel_head.bias.fill_(-5.0)
    other = Average(output_transform=lambda output: 0.5)
    key_metric = LowestLoss(LossOf(2, 6, 2, 2, 3, 3), {"val_dice": other})
    engine = evaluator(
        items, network, [collector, saver(tmp_path / "models", network, collector)], {"val_score": key_metric}
    )
    seen = []
    for epoch in (1, 2, 3):
        engine.run(epoch)
        seen.append((engine.state.metrics["val_loss"], engine.state.best_metric_epoch))
    assert seen == [(3.0, 1), (2.0, 2), (3.0, 2)]
    assert engine.state.best_metric == pytest.approx(math.exp(-2))
    assert engine.state.metrics["val_dice"] == 0.5


def test_auc_is_the_mean_within_the_datasets() -> None:
    """Dataset a ranks its eyes right, b wrong: the mean is 0.5, where all eyes pooled would give 0.75."""
    rows = [("a", 0.9, 1.0), ("a", 0.8, 0.0), ("b", 0.85, 1.0), ("b", 0.87, 0.0), ("b", NAN, NAN)]
    collector = PredictionCollector()
    engine = Engine(lambda engine, batch: None)
    WithinSourceAUC(collector, min_count=1).attach(engine, "val_auc")
    collector.attach(engine)
    assert engine.has_event_handler(collector.gather, Events.EPOCH_COMPLETED)

    def fill() -> None:
        collector.records = [
            ImageScores(str(i), dataset, str(i), (probability,), (label,), {})
            for i, (dataset, probability, label) in enumerate(rows)
        ]

    engine.remove_event_handler(collector.update, Events.ITERATION_COMPLETED)
    engine.add_event_handler(Events.ITERATION_COMPLETED, fill)
    state: Any = engine.run([0])
    assert state.metrics["val_auc"] == 0.5
    assert [record.id for record in collector.records] == list("01234")  # gathered once


def checkpoint(folder: Path, epoch: int) -> Path:
    path = folder / f"checkpoint_epoch={epoch}.pt"
    torch.save({"epoch": torch.tensor(epoch)}, path)
    return path


def test_latest_checkpoint_is_that_of_the_highest_epoch(tmp_path: Path) -> None:
    paths = [checkpoint(tmp_path, epoch) for epoch in (10, 8, 2)]
    time.sleep(0.01)
    paths[2].touch()
    assert latest_checkpoint(str(tmp_path)) == str(paths[0])


def test_truncated_checkpoint_is_passed_over(tmp_path: Path) -> None:
    whole, truncated = checkpoint(tmp_path, 2), checkpoint(tmp_path, 4)
    truncated.write_bytes(truncated.read_bytes()[:-30])
    (tmp_path / "checkpoint_epoch=6.pt").touch()
    (tmp_path / "model.pt").write_bytes(whole.read_bytes())
    assert latest_checkpoint(str(tmp_path)) == str(whole)


def test_no_checkpoint_is_refused_with_the_way_out(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FileNotFoundError, match="holds no checkpoint to resume from: give the `--output_dir`"):
            latest_checkpoint(str(folder))
