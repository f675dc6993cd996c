"""The joint loss counts what is known, and only that."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from monai.losses import DeepSupervisionLoss, DiceCELoss, DiceFocalLoss, DiceLoss, FocalLoss, SoftDiceclDiceLoss
from torch import nn

from vmnet_monai.losses import AUCMarginLoss, MultiTaskLoss
from vmnet_monai.networks import VMNet
from vmnet_monai.networks.softmax import exclusive_logits

NAN = float("nan")

VESSEL_LOSSES = {
    "dice": DiceLoss(sigmoid=True),
    "dice and cross-entropy": DiceCELoss(sigmoid=True),
    "pooled dice and cross-entropy": DiceCELoss(sigmoid=True, batch=True),
    "dice and focal": DiceFocalLoss(sigmoid=True),
    "dice and centreline dice": SoftDiceclDiceLoss(sigmoid=True),
}
DISEASE_LOSSES = {
    "cross-entropy": nn.BCEWithLogitsLoss(),
    "focal": FocalLoss(),
    "auc margin": [AUCMarginLoss() for _ in range(3)],
}
every_loss = pytest.mark.parametrize(
    ("segmentation_loss", "disease_losses"),
    [(loss, DISEASE_LOSSES["cross-entropy"]) for loss in VESSEL_LOSSES.values()]
    + [(VESSEL_LOSSES["dice"], losses) for losses in DISEASE_LOSSES.values()],
    ids=[*VESSEL_LOSSES, *DISEASE_LOSSES],
)


def bce_loss(segmentation_weight: float = 1.0, disease_weight: float = 1.0) -> MultiTaskLoss:
    """Cross-entropy on both heads: log 2 for a logit of 0, whatever the target."""
    return MultiTaskLoss(nn.BCEWithLogitsLoss(), nn.BCEWithLogitsLoss(), segmentation_weight, disease_weight)


def case(batch: int = 4, size: int = 16) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Predictions and targets: vessels of photographs 0 and 2 are known, labels partly, and 3 of 4 rows are seen."""
    torch.manual_seed(0)
    prediction = {
        "vessel": torch.randn(batch, 1, size, size, requires_grad=True),
        "disease": torch.randn(batch, 3, requires_grad=True),
    }
    fov = torch.ones(batch, 1, size, size)
    fov[:, :, : size // 4] = 0
    target = {
        "vessel": (torch.rand(batch, 1, size, size) > 0.7).float(),
        "has_vessel": torch.tensor([True, False] * (batch // 2)),
        "fov": fov,
        "disease": torch.tensor([[1, 0, NAN], [NAN, 1, NAN], [0, NAN, NAN], [NAN, NAN, NAN]]),
    }
    return prediction, target


def unguided() -> VMNet:
    """A network whose vessel decoder gets no gradient from the diseases."""
    return VMNet(("a", "b", "c"), features=(4, 6, 8), guided_levels=2, guidance="none")


def gradient(tensor: torch.Tensor) -> torch.Tensor:
    assert tensor.grad is not None
    return tensor.grad


def test_value_by_hand() -> None:
    """Logits of 0 cost log 2 each; pixels outside the field of view cost nothing, known labels are averaged."""
    prediction, target = case()
    zeros = {key: torch.zeros_like(value) for key, value in prediction.items()}
    assert bce_loss(1.0, 0.0)(zeros, target).item() == pytest.approx(0.75 * math.log(2))
    assert bce_loss(0.0, 1.0)(zeros, target).item() == pytest.approx(math.log(2))
    assert bce_loss(2.0, 10.0)(zeros, target).item() == pytest.approx((1.5 + 10) * math.log(2))


def test_perfect_prediction_costs_nothing() -> None:
    _, target = case()
    prediction = {
        "vessel": 40 * (2 * target["vessel"] - 1),
        "disease": 40 * (2 * target["disease"].nan_to_num(0.5) - 1),
    }
    assert bce_loss()(prediction, target).item() == pytest.approx(0, abs=1e-6)


def test_dice_counts_the_inside_of_the_field_of_view_only() -> None:
    """Inside, one of two vessel pixels is found; a false alarm and a missed vessel lie outside: 1 - 2*1/(1+2) = 1/3."""
    vessel = torch.tensor([1.0, 1.0, 0.0, 0.0, 1.0, 0.0]).view(1, 1, 1, 6)
    found = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0, 1.0]).view(1, 1, 1, 6)
    target = {
        "vessel": vessel,
        "has_vessel": torch.tensor([True]),
        "fov": torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0, 0.0]).view(1, 1, 1, 6),
    }
    loss = MultiTaskLoss(DiceLoss(sigmoid=True, smooth_nr=0, smooth_dr=1e-9), nn.BCEWithLogitsLoss())
    assert loss({"vessel": 80 * found - 40}, target).item() == pytest.approx(1 / 3, abs=1e-5)


def test_disease_term_is_the_mean_over_known_entries() -> None:
    prediction, target = case()
    known = ~target["disease"].isnan()
    expected = nn.functional.binary_cross_entropy_with_logits(prediction["disease"][known], target["disease"][known])
    torch.testing.assert_close(bce_loss(0.0, 1.0)(prediction, target), expected)


@every_loss
def test_what_is_unknown_neither_counts_nor_learns(
    segmentation_loss: nn.Module, disease_losses: nn.Module | list[nn.Module]
) -> None:
    prediction, target = case()
    loss = MultiTaskLoss(segmentation_loss, disease_losses)
    value = loss(prediction, target)
    value.backward()
    assert value.isfinite()
    assert (value.dtype, value.shape) == (torch.float32, ())

    unknown_label = target["disease"].isnan()
    unknown_pixel = ~target["has_vessel"].view(-1, 1, 1, 1) | (target["fov"] == 0)
    assert (gradient(prediction["vessel"])[unknown_pixel] == 0).all()
    assert (gradient(prediction["disease"])[unknown_label] == 0).all()
    assert gradient(prediction["vessel"]).isfinite().all()
    assert gradient(prediction["vessel"])[~unknown_pixel].abs().sum() > 0
    assert gradient(prediction["disease"])[~unknown_label].abs().sum() > 0

    changed = {
        "vessel": torch.where(unknown_pixel, 9.0, prediction["vessel"]),
        "disease": torch.where(unknown_label, -9.0, prediction["disease"]),
    }
    other_masks = {**target, "vessel": torch.where(unknown_pixel, 1 - target["vessel"], target["vessel"])}
    torch.testing.assert_close(loss(changed, other_masks), value)


@every_loss
def test_nothing_known_is_zero_with_zero_gradients_for_every_parameter(
    segmentation_loss: nn.Module, disease_losses: nn.Module | list[nn.Module]
) -> None:
    network = unguided()
    target = {
        "vessel": torch.zeros(2, 1, 16, 16),
        "has_vessel": torch.tensor([False, False]),
        "fov": torch.ones(2, 1, 16, 16),
        "disease": torch.full((2, 3), NAN),
    }
    value = MultiTaskLoss(segmentation_loss, disease_losses)(network(torch.rand(2, 3, 16, 16)), target)
    value.backward()
    assert value.item() == 0
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad == 0).all(), name


@pytest.mark.parametrize("known", ["vessels", "diseases"])
def test_one_known_head_still_gives_every_parameter_a_gradient(known: str) -> None:
    network = unguided()
    target = {
        "vessel": torch.ones(2, 1, 16, 16),
        "has_vessel": torch.full((2,), known == "vessels"),
        "fov": torch.ones(2, 1, 16, 16),
        "disease": torch.full((2, 3), 1.0 if known == "diseases" else NAN),
    }
    bce_loss()(network(torch.rand(2, 3, 16, 16)), target).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_network_of_a_single_task_is_scored_on_that_task() -> None:
    prediction, target = case()
    both = bce_loss()(prediction, target)
    alone = [bce_loss()({key: prediction[key]}, target) for key in ("vessel", "disease")]
    torch.testing.assert_close(sum(alone), both)
    without_labels = {key: value for key, value in target.items() if key != "disease"}
    torch.testing.assert_close(bce_loss()({"vessel": prediction["vessel"]}, without_labels), alone[0])


def test_one_loss_per_label_meets_its_own_label_only() -> None:
    """Label 2 is unknown throughout: its loss is not asked; labels 0 and 1 have two entries each."""
    prediction, target = case()
    losses: list[nn.Module] = [AUCMarginLoss() for _ in range(3)]
    value = MultiTaskLoss(nn.BCEWithLogitsLoss(), losses, segmentation_weight=0.0)(prediction, target)
    value.backward()
    first = losses[0](prediction["disease"][[0, 2], 0, None], target["disease"][[0, 2], 0, None])
    second = losses[1](prediction["disease"][[0, 1], 1, None], target["disease"][[0, 1], 1, None])
    torch.testing.assert_close(value, (2 * first + 2 * second) / 4)
    asked = [all(parameter.grad is not None for parameter in loss.parameters()) for loss in losses]
    assert asked == [True, True, False]


@pytest.mark.parametrize("count", [2, 5])
def test_list_of_losses_must_match_the_labels(count: int) -> None:
    prediction, target = case()
    loss = MultiTaskLoss(nn.BCEWithLogitsLoss(), [nn.BCEWithLogitsLoss() for _ in range(count)])
    with pytest.raises(ValueError, match=f" 3.* {count}"):
        loss(prediction, target)


def test_state_of_the_losses_is_part_of_the_joint_loss() -> None:
    loss = MultiTaskLoss(nn.BCEWithLogitsLoss(), [AUCMarginLoss() for _ in range(3)])
    assert len(list(loss.parameters())) == 3 * 3


def test_half_precision_predictions_are_scored_in_float32() -> None:
    prediction, target = case()
    half = {key: value.bfloat16() for key, value in prediction.items()}
    value = bce_loss()(half, target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, bce_loss()(prediction, target), rtol=0.02, atol=0)


def two_structures(has_cup: bool = True) -> dict[str, torch.Tensor]:
    """One photograph of four pixels: disc, cup, background, and background outside the field of view."""
    return {
        "disc": torch.tensor([1.0, 0.0, 0.0, 0.0]).view(1, 1, 1, 4),
        "cup": torch.tensor([0.0, 1.0, 0.0, 0.0]).view(1, 1, 1, 4),
        "has_disc": torch.tensor([True]),
        "has_cup": torch.tensor([has_cup]),
        "fov": torch.tensor([1.0, 1.0, 1.0, 0.0]).view(1, 1, 1, 4),
    }


def test_structures_are_averaged_and_each_counts_where_it_is_known() -> None:
    """Three of four pixels lie in the field of view: log 2 each for the disc; log(1 + e^-2) once and log(1 + e^2) twice
    for the cup."""
    loss = MultiTaskLoss(nn.BCEWithLogitsLoss(), nn.BCEWithLogitsLoss(), structures=("disc", "cup"))
    prediction = {"disc": torch.zeros(1, 1, 1, 4), "cup": torch.full((1, 1, 1, 4), 2.0)}
    disc = 3 * math.log(2) / 4
    cup = (math.log(1 + math.exp(-2)) + 2 * math.log(1 + math.exp(2))) / 4
    assert loss(prediction, two_structures()).item() == pytest.approx((disc + cup) / 2)
    assert loss(prediction, two_structures(has_cup=False)).item() == pytest.approx(disc / 2)


def softmax_loss(segmentation_loss: nn.Module) -> MultiTaskLoss:
    return MultiTaskLoss(
        segmentation_loss,
        nn.CrossEntropyLoss(),
        structures=("disc", "cup"),
        segmentation_activation="softmax",
        disease_activation="softmax",
    )


def test_exclusive_structures_cost_their_softmax_cross_entropy() -> None:
    """Three of four pixels have the probabilities 1/2, 1/4, 1/4 of background, disc and cup; the fourth is outside."""
    scores = torch.tensor([0.5, 0.5]).log()[None, :, None, None].expand(1, 2, 1, 4)
    logits = exclusive_logits(scores, background=True)
    prediction = {"disc": logits[:, :1], "cup": logits[:, 1:]}
    expected = (math.log(4) + math.log(4) + math.log(2)) / 4
    assert softmax_loss(nn.CrossEntropyLoss())(prediction, two_structures()).item() == pytest.approx(expected)
    assert softmax_loss(nn.CrossEntropyLoss())(prediction, two_structures(has_cup=False)).item() == 0


def test_certain_structure_leaves_its_background_finite_and_correctable() -> None:
    """The true class of the third pixel, background, has a probability of 2e-9: the loss is 20 / 4."""
    scores = torch.full((1, 2, 1, 4), -60.0)
    scores[0, 0, 0, 0] = scores[0, 1, 0, 1] = 40.0
    scores[0, 0, 0, 2] = 20.0
    scores.requires_grad_()
    logits = exclusive_logits(scores, background=True)
    loss = softmax_loss(nn.CrossEntropyLoss())({"disc": logits[:, :1], "cup": logits[:, 1:]}, two_structures())
    assert loss.item() == pytest.approx(20 / 4, abs=1e-3)
    loss.backward()
    assert gradient(scores)[0, 0, 0, 2].item() == pytest.approx(1 / 4, abs=1e-3)


def test_exclusive_diseases_cost_their_softmax_cross_entropy_where_all_are_known() -> None:
    """Probabilities 1/2 and 1/4 of the labels of two photographs; the third is not known in full."""
    scores = torch.tensor([[2.0, 1.0, 1.0]]).log().expand(3, 3)
    labels = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1.0, NAN, 0.0]])
    prediction = {"disease": exclusive_logits(scores, background=False)}
    loss = softmax_loss(nn.CrossEntropyLoss())(prediction, {"disease": labels})
    assert loss.item() == pytest.approx((math.log(2) + math.log(4)) / 2)
    assert softmax_loss(nn.CrossEntropyLoss())(prediction, {"disease": labels[2:]}).item() == 0


def test_coarser_outputs_are_weighed_by_deep_supervision() -> None:
    """Logits of 0 cost log 2 inside the field of view, half of the full picture and of the coarser one."""
    fov = torch.ones(1, 1, 4, 4)
    fov[..., :2] = 0
    target = {"vessel": torch.zeros(1, 1, 4, 4), "has_vessel": torch.tensor([True]), "fov": fov}
    coarse = torch.zeros(1, 1, 2, 2, requires_grad=True)
    prediction = {"vessel": torch.full((1, 1, 4, 4), -40.0), "vessel_1": coarse}
    supervised = DeepSupervisionLoss(nn.BCEWithLogitsLoss(), weights=[2 / 3, 1 / 3])
    loss = MultiTaskLoss(supervised, nn.BCEWithLogitsLoss())(prediction, target)
    assert loss.item() == pytest.approx(math.log(2) / 2 / 3)
    loss.backward()
    assert gradient(coarse)[0, 0].abs().gt(0).tolist() == [[False, True], [False, True]]
    del prediction["vessel_1"]
    prediction["vessel"] = torch.zeros(1, 1, 4, 4)
    plain = MultiTaskLoss(supervised, nn.BCEWithLogitsLoss())(prediction, target)
    assert plain.item() == pytest.approx(math.log(2) / 2)  # the only output, as in evaluation mode, has its full weight


def test_coarser_outputs_without_deep_supervision_are_refused() -> None:
    _, target = case()
    prediction = {"vessel": target["vessel"], "vessel_1": target["vessel"][..., ::2, ::2]}
    with pytest.raises(ValueError, match=" 2 .*segmentation_loss.*DeepSupervisionLoss"):
        bce_loss()(prediction, target)


def test_coarser_outputs_of_unknown_vessels_get_zero_gradients() -> None:
    _, target = case()
    coarse = torch.zeros(4, 1, 8, 8, requires_grad=True)
    loss = MultiTaskLoss(DeepSupervisionLoss(nn.BCEWithLogitsLoss()), nn.BCEWithLogitsLoss())
    unknown = {**target, "has_vessel": torch.zeros(4) > 0}
    loss({"vessel": torch.zeros(4, 1, 16, 16), "vessel_1": coarse}, unknown).backward()
    assert not gradient(coarse).any()


@pytest.mark.parametrize("name", ["segmentation_activation", "disease_activation"])
def test_unknown_activation_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}.*sigmoid.*softmax.*tanh"):
        MultiTaskLoss(nn.BCEWithLogitsLoss(), nn.BCEWithLogitsLoss(), **{name: "tanh"})  # type: ignore[arg-type]


def test_both_forms_of_focal_dice_by_hand() -> None:
    """One pixel of each class at p = 1/2: focal (1/4 log 2 / 4 + 3/4 log 2 / 4) / 2, Dice 1 - 2 (1/2) / (1 + 1)."""
    target = {
        "vessel": torch.tensor([1.0, 0.0]).view(1, 1, 1, 2),
        "has_vessel": torch.tensor([True]),
        "fov": torch.ones(1, 1, 1, 2),
    }
    focal, dice = math.log(2) / 8, 0.5
    for focal_weight, dice_weight in ((1.0, 1.0), (0.3, 0.7)):
        loss = DiceFocalLoss(
            sigmoid=True, alpha=0.25, gamma=2.0, lambda_focal=focal_weight, lambda_dice=dice_weight, smooth_nr=0
        )
        value = MultiTaskLoss(loss, nn.BCEWithLogitsLoss())({"vessel": torch.zeros(1, 1, 1, 2)}, target)
        assert value.item() == pytest.approx(focal_weight * focal + dice_weight * dice, abs=1e-4)


@pytest.mark.parametrize("key", ["lesion", "lesion_1"])
def test_structure_that_the_loss_does_not_know_is_refused(key: str) -> None:
    """Else it would be left out of the loss without a word."""
    _, target = case()
    with pytest.raises(ValueError, match=f"'{key}'.* vessel"):
        bce_loss()({key: target["vessel"], "disease": torch.zeros(4, 3)}, target)


@pytest.mark.parametrize("old", ["vessel_loss", "vessel_weight"])
def test_an_argument_of_an_earlier_version_is_refused_with_its_new_name(old: str) -> None:
    new = old.replace("vessel", "segmentation")
    with pytest.raises(ValueError, match=f"{old} is called {new}"):
        MultiTaskLoss(**{old: 1.0})  # type: ignore[arg-type]


def parts_target(has_vessel: bool) -> dict[str, torch.Tensor]:
    """Two of four pixels are drawn: an artery and a vein."""
    masks = {"artery": [1.0, 0, 0, 0], "vein": [0, 1.0, 0, 0], "vessel": [1.0, 1.0, 0, 0]}
    target = {name: torch.tensor([[[row]]]) for name, row in masks.items()}
    known = {f"has_{name}": torch.tensor([name != "vessel" or has_vessel]) for name in masks}
    return {**target, **known, "fov": torch.ones(1, 1, 1, 4), "disease": torch.full((1, 1), torch.nan)}


@pytest.mark.parametrize("has_vessel", [False, True])
@pytest.mark.parametrize("probability_of_vessel", [0.01, 0.6])
def test_parts_are_told_apart_where_drawn_however_sure_their_whole_is(
    has_vessel: bool, probability_of_vessel: float
) -> None:
    """A share of a half costs log 2; pixels of no part cost nothing and get no gradient, and the whole gets none."""
    parted = MultiTaskLoss(
        torch.nn.BCEWithLogitsLoss(reduction="sum"),
        torch.nn.BCEWithLogitsLoss(),
        structures=("vessel", "artery", "vein"),
        parts={"artery": "vessel", "vein": "vessel"},
        structure_weights={"vessel": 0.0, "vein": 0.0},
    )
    vessel = torch.full((1, 1, 1, 4), probability_of_vessel).logit().requires_grad_()
    artery = torch.full((1, 1, 1, 4), probability_of_vessel / 2).logit().requires_grad_()
    prediction = {"vessel": vessel, "artery": artery, "vein": artery.detach()}
    value = parted(prediction, parts_target(has_vessel))
    assert value.item() == pytest.approx(2 * math.log(2), abs=1e-5)
    value.backward()
    assert artery.grad is not None
    assert (artery.grad.flatten().abs() > 1e-6).tolist() == [True, True, False, False]
    assert artery.grad.flatten()[0] < 0 < artery.grad.flatten()[1]
    assert vessel.grad is None or not vessel.grad.any()


def test_shares_are_those_that_the_network_gave() -> None:
    loss = MultiTaskLoss(
        torch.nn.BCEWithLogitsLoss(),
        torch.nn.BCEWithLogitsLoss(),
        structures=("vessel", "artery"),
        parts={"artery": "vessel"},
    )
    own, vessel = (torch.tensor(values).reshape(1, 1, 1, -1) for values in ([-9.0, -1, 0, 2, 9], [-12.0, 4, -3, 0, 15]))
    part = (torch.sigmoid(own.double()) * torch.sigmoid(vessel.double())).logit().float()
    torch.testing.assert_close(loss._share("artery", {"vessel": vessel, "artery": part}), own, atol=1e-2, rtol=1e-3)


@pytest.mark.parametrize(
    ("vessel", "rule"), [(None, "a part needs its whole"), (-1.0, "a part must not be more probable than its whole")]
)
def test_a_network_that_gives_no_shares_is_refused(vessel: float | None, rule: str) -> None:
    bce = torch.nn.BCEWithLogitsLoss()
    loss = MultiTaskLoss(bce, bce, structures=("vessel", "artery"), parts={"artery": "vessel"})
    prediction = {"artery": torch.zeros(1, 1, 1, 4)}
    if vessel is not None:
        prediction["vessel"] = torch.full((1, 1, 1, 4), vessel)
    with pytest.raises(ValueError, match=rule):
        loss(prediction, parts_target(has_vessel=True))


def test_structures_weigh_as_they_are_told_where_they_are_known() -> None:
    """By hand: log 2 for an undecided pixel, log(1 + e) for one that is wrong by a logit of 1."""
    weights = {"vessel": 3.0, "disc": 0.0}
    structures = ("vessel", "artery", "disc")
    target = {key: torch.zeros(1, 1, 1, 1) for key in structures} | {"fov": torch.ones(1, 1, 1, 1)}
    target |= {f"has_{key}": torch.tensor([True]) for key in structures}
    logits = {"vessel": torch.zeros(1, 1, 1, 1), "artery": torch.ones(1, 1, 1, 1), "disc": torch.ones(1, 1, 1, 1)}
    bce = torch.nn.BCEWithLogitsLoss()
    loss = MultiTaskLoss(bce, bce, structures=structures, structure_weights=weights)
    expected = (3 * math.log(2) + math.log(1 + math.e)) / 4
    assert loss(logits, target).item() == pytest.approx(expected, abs=1e-5)
    only_disc = MultiTaskLoss(bce, bce, structures=("disc",), structure_weights={"disc": 0.0})
    assert only_disc({"disc": logits["disc"]}, target).item() == 0


@pytest.mark.parametrize(
    ("weights", "changes"),
    [({"cup": 1.0}, {}), ({"vessel": -1.0}, {}), ({"vessel": 1.0}, {"segmentation_activation": "softmax"})],
)
def test_weights_that_mean_nothing_are_refused(weights: dict[str, float], changes: dict[str, Any]) -> None:
    bce = torch.nn.BCEWithLogitsLoss()
    with pytest.raises(ValueError, match="structure_weights"):
        MultiTaskLoss(bce, bce, structure_weights=weights, **changes)


def test_parts_with_softmax_are_refused() -> None:
    bce = torch.nn.BCEWithLogitsLoss()
    structures: dict[str, Any] = {"structures": ("vessel", "artery"), "parts": {"artery": "vessel"}}
    with pytest.raises(ValueError, match="parts must be left out with softmax"):
        MultiTaskLoss(bce, bce, segmentation_activation="softmax", **structures)


@pytest.mark.parametrize(
    "changes", [{"parts": {"artery": "vessel"}}, {"structures": ("vessel",), "parts": {"cup": "vessel"}}]
)
def test_parts_of_what_is_not_segmented_are_refused(changes: dict[str, Any]) -> None:
    arguments = {"structures": ("artery",), **changes}
    with pytest.raises(ValueError, match="parts must map structures"):
        MultiTaskLoss(torch.nn.BCEWithLogitsLoss(), torch.nn.BCEWithLogitsLoss(), **arguments)
