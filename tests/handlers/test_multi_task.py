"""How batches reach the network."""

from __future__ import annotations

import pytest
import torch
from feeding import NAN, small_network

from vmnet_monai.handlers import MultiTaskInferer, PrepareMultiTaskBatch, bfloat16_is_fast, structure_pairs
from vmnet_monai.handlers.multi_task import maps_of_another


def test_batch_is_split_into_image_and_targets() -> None:
    batch = {
        "image": torch.rand(2, 3, 8, 8),
        "vessel": torch.rand(2, 1, 8, 8),
        "has_vessel": torch.tensor([True, False]),
        "fov": torch.ones(2, 1, 8, 8),
        "disease": torch.tensor([[1.0], [float("nan")]]),
        "id": ["a", "b"],
    }
    image, targets = PrepareMultiTaskBatch()(batch, "cpu")
    assert image is batch["image"]
    assert list(targets) == ["fov", "disease", "vessel", "has_vessel"]
    assert all(targets[key] is batch[key] for key in targets)


def test_batch_goes_to_the_device_and_only_the_image_changes_type() -> None:
    batch = {key: torch.ones(1, 1) for key in ("image", "vessel", "has_vessel", "fov", "disease")}
    image, targets = PrepareMultiTaskBatch()(batch, "meta", dtype=torch.float16)
    assert (image.device.type, image.dtype) == ("meta", torch.float16)
    assert {(target.device.type, target.dtype) for target in targets.values()} == {("meta", torch.float32)}


def test_missing_target_is_named() -> None:
    with pytest.raises(KeyError, match="has_vessel"):
        PrepareMultiTaskBatch()({key: torch.rand(1) for key in ("image", "fov", "disease", "vessel")}, "cpu")


def test_targets_are_those_of_the_structures() -> None:
    batch = {key: torch.rand(1) for key in ("image", "fov", "disease", "irf", "srf", "has_irf", "has_srf", "vessel")}
    _, targets = PrepareMultiTaskBatch(("irf", "srf"))(batch, "cpu")
    assert list(targets) == ["fov", "disease", "irf", "srf", "has_irf", "has_srf"]


def test_maps_that_guide_are_the_networks_keyword() -> None:
    batch = {key: torch.rand(2, 1, 4, 4) for key in ("image", "fov", "vessel", "disc")}
    batch |= {key: torch.zeros(2) for key in ("disease", "has_vessel", "has_disc")}
    image, _, arguments, keywords = PrepareMultiTaskBatch(("vessel", "disc"), guided=True)(batch, "cpu")
    assert torch.equal(image, batch["image"])
    assert arguments == ()
    assert torch.equal(keywords["guide"], torch.cat([batch["vessel"], batch["disc"]], dim=1))


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8])
def test_control_is_guided_by_maps_of_another_image_that_is_no_neighbour(count: int) -> None:
    batch = {key: torch.rand(count, 1, 4, 4) for key in ("image", "fov", "vessel", "disc")}
    batch |= {key: torch.zeros(count) for key in ("disease", "has_vessel", "has_disc")}
    own = torch.cat([batch["vessel"], batch["disc"]], dim=1)
    prepare = PrepareMultiTaskBatch(("vessel", "disc"), guided=True, other_eye=True)
    image, targets, _, keywords = prepare(batch, "cpu")
    assert torch.equal(image, batch["image"])
    assert torch.equal(targets["vessel"], batch["vessel"])
    for place, maps in enumerate(keywords["guide"]):
        (source,) = [other for other in range(count) if torch.equal(own[other], maps)]
        distance = min((source - place) % count, (place - source) % count)
        assert distance == count // 2


def test_control_has_no_maps_in_a_batch_of_one() -> None:
    assert torch.equal(maps_of_another(torch.rand(1, 2, 4, 4)), torch.zeros(1, 2, 4, 4))


def test_another_eye_without_guidance_is_refused() -> None:
    with pytest.raises(ValueError, match="other_eye needs guided"):
        PrepareMultiTaskBatch(other_eye=True)


def test_flips_mirror_the_maps_that_guide_with_the_image() -> None:
    image = torch.rand(1, 1, 4, 4)

    def network(shown: torch.Tensor, guide: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"disease": (shown - guide).abs().sum(dim=(2, 3))}

    logits = MultiTaskInferer(flips=True)(image, network, guide=image)
    torch.testing.assert_close(logits["disease"], torch.zeros(1, 1))


def test_pairs_of_a_metric_are_one_per_photograph_and_structure() -> None:
    names = ("irf", "srf")
    output = [
        {f"pred_{name}_inside_fov": torch.tensor(2 * n + k) for k, name in enumerate(names)}
        | {f"{name}_reference_inside_fov": torch.tensor(10 + 2 * n + k) for k, name in enumerate(names)}
        | {"label_has_irf": torch.tensor(True), "label_has_srf": torch.tensor(n == 0)}
        for n in range(2)
    ]
    masks, references = structure_pairs(names)(output)
    assert [int(mask) for mask in masks] == [0, 1, 2, 0]
    assert [float(reference) for reference in references] == pytest.approx([10, 11, 12, NAN], nan_ok=True)


def test_network_without_segmentation_head_is_not_scored() -> None:
    item = {"vessel_reference_inside_fov": torch.ones(1, 2, 2), "label_has_vessel": torch.tensor(True)}
    _, references = structure_pairs(["vessel"])([item])
    assert references[0].isnan().all()


def test_mixed_precision_is_close_to_float32() -> None:
    network, image = small_network().eval(), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        exact = MultiTaskInferer(autocast=False)(image, network)
        mixed = MultiTaskInferer(autocast=True)(image, network)
    for key, value in exact.items():
        assert value.dtype == mixed[key].dtype == torch.float32
        assert not torch.equal(mixed[key], value)
        torch.testing.assert_close(mixed[key].sigmoid(), value.sigmoid(), rtol=0, atol=0.02)


def test_without_mixed_precision_the_network_gets_the_image_as_it_is() -> None:
    network, image = small_network().eval(), torch.rand(1, 3, 32, 32)
    assert torch.equal(MultiTaskInferer()(image, network)["disease"], network(image)["disease"])


def answering_by_place(image: torch.Tensor) -> dict[str, torch.Tensor]:
    """Logits that depend on where a pixel lies in what the network is shown; the disease is the top left pixel."""
    weight = torch.tensor([[0.0, 1.0], [2.0, 4.0]])
    return {"vessel": image[:, :1] * weight, "disease": image[:, :1, 0, 0]}


def test_flips_average_the_probabilities_of_the_four_mirror_images_pixel_by_pixel() -> None:
    image = torch.tensor([[1.0, 10.0], [-3.0, 0.5]]).expand(1, 3, 2, 2)
    outputs = MultiTaskInferer(flips=True)(image, answering_by_place)
    by_weight = image[0, 0, ..., None] * torch.tensor([0.0, 1.0, 2.0, 4.0])  # each pixel comes to every place once
    torch.testing.assert_close(outputs["vessel"].sigmoid()[0, 0], by_weight.sigmoid().mean(-1))
    torch.testing.assert_close(outputs["disease"].sigmoid(), image[0, :1].sigmoid().mean().reshape(1, 1))
    assert {name: value.shape for name, value in outputs.items()} == {"vessel": (1, 1, 2, 2), "disease": (1, 1)}


def test_flips_show_the_mirror_images_one_after_the_other() -> None:
    image, shown = torch.rand(2, 3, 4, 6), []

    def network(inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        shown.append(inputs)
        return {"vessel": inputs[:, :1]}

    outputs = MultiTaskInferer(flips=True)(image, network)
    expected = (image, image.flip(3), image.flip(2), image.flip(2, 3))
    assert all(torch.equal(seen, view) for seen, view in zip(shown, expected, strict=True))
    torch.testing.assert_close(outputs["vessel"], image[:, :1])  # equivariant: flips change nothing


def test_flips_make_the_answer_the_same_for_a_mirrored_photograph() -> None:
    network, image = small_network().eval(), torch.rand(1, 3, 32, 32)
    inferer = MultiTaskInferer(flips=True)
    with torch.no_grad():
        outputs, mirrored = inferer(image, network), inferer(image.flip(-1), network)
        once = network(image)
    torch.testing.assert_close(mirrored["vessel"].flip(-1), outputs["vessel"])
    torch.testing.assert_close(mirrored["disease"], outputs["disease"])
    assert not torch.allclose(once["vessel"], outputs["vessel"])


def test_logits_of_certain_probabilities_stay_finite_after_flips() -> None:
    certain = torch.tensor([[[[200.0, -200.0]]]])
    outputs = MultiTaskInferer(flips=True)(certain, lambda image: {"vessel": image})
    assert outputs["vessel"].isfinite().all()
    torch.testing.assert_close(outputs["vessel"].sigmoid(), torch.tensor([[[[1.0, 0.0]]]]), rtol=0, atol=1e-6)


def test_flips_and_mixed_precision_go_together() -> None:
    network, image = small_network().eval(), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        exact = MultiTaskInferer(flips=True)(image, network)
        mixed = MultiTaskInferer(autocast=True, flips=True)(image, network)
    for key, value in exact.items():
        assert mixed[key].dtype == torch.float32
        assert not torch.equal(mixed[key], value)
        torch.testing.assert_close(mixed[key].sigmoid(), value.sigmoid(), rtol=0, atol=0.02)


def test_mixed_precision_follows_the_matrix_units_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    for capabilities, pays in (({"amx_bf16": True}, True), ({"amx_bf16": False}, False), ({}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda capabilities=capabilities: capabilities)
        assert bfloat16_is_fast("cpu") is pays
