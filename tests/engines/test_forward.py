"""How batches reach the network."""

from __future__ import annotations

import pytest
import torch
from feeding import small_network

from vmnet_monai.engines import AutocastInferer, PrepareVesselDiseaseBatch, mixed_precision_pays


def test_batch_is_split_into_image_and_targets() -> None:
    batch = {
        "image": torch.rand(2, 3, 8, 8),
        "vessel": torch.rand(2, 1, 8, 8),
        "has_vessel": torch.tensor([True, False]),
        "fov": torch.ones(2, 1, 8, 8),
        "disease": torch.tensor([[1.0], [float("nan")]]),
        "id": ["a", "b"],
    }
    image, targets = PrepareVesselDiseaseBatch()(batch, "cpu")
    assert image is batch["image"]
    assert list(targets) == ["vessel", "has_vessel", "fov", "disease"]
    assert all(targets[key] is batch[key] for key in targets)


def test_batch_goes_to_the_device_and_only_the_image_changes_type() -> None:
    batch = {key: torch.ones(1, 1) for key in ("image", "vessel", "has_vessel", "fov", "disease")}
    image, targets = PrepareVesselDiseaseBatch()(batch, "meta", dtype=torch.float16)
    assert (image.device.type, image.dtype) == ("meta", torch.float16)
    assert {(target.device.type, target.dtype) for target in targets.values()} == {("meta", torch.float32)}


def test_missing_target_is_named() -> None:
    with pytest.raises(KeyError, match="has_vessel"):
        PrepareVesselDiseaseBatch()({"image": torch.rand(1), "vessel": torch.rand(1)}, "cpu")


def test_mixed_precision_is_close_to_float32() -> None:
    network, image = small_network().eval(), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        exact = AutocastInferer(enabled=False)(image, network)
        mixed = AutocastInferer(enabled=True)(image, network)
    for key, value in exact.items():
        assert value.dtype == mixed[key].dtype == torch.float32
        assert not torch.equal(mixed[key], value)
        torch.testing.assert_close(mixed[key].sigmoid(), value.sigmoid(), rtol=0, atol=0.02)


def test_without_mixed_precision_the_network_gets_the_image_as_it_is() -> None:
    network, image = small_network().eval(), torch.rand(1, 3, 32, 32)
    assert torch.equal(AutocastInferer()(image, network)["disease"], network(image)["disease"])


def test_mixed_precision_follows_the_matrix_units_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    for capabilities, pays in (({"amx_bf16": True}, True), ({"amx_bf16": False}, False), ({}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda capabilities=capabilities: capabilities)
        assert mixed_precision_pays("cpu") is pays
