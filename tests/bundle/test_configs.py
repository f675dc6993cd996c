"""The bundle's files: one network and one preprocessing in all of them, MONAI's properties, metadata, exports."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from bundle_configs import CONFIGS, INFERENCE, OVER_A_NETWORK, ROOT, SMALL_NETWORK, TRAIN
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, load_bundle_config, onnx_export, verify_metadata

from vmnet_monai.errors import root_cause

SCHEMA = ROOT / "../shared/schema/meta_schema_20240725.json"
METADATA = f"{CONFIGS}/metadata.json"


def _load(path: str) -> dict:
    return json.loads(Path(path).read_text())


SHARED_STEPS = ("network_def", "network", "load_and_crop", "contrast_and_labels", "normalise")
"""Keys under which training and inference name the same parts, which Python defines once."""


@pytest.mark.parametrize("key", [*SHARED_STEPS, "amp", "flips"])
def test_training_and_inference_name_the_same_network_and_preprocessing(key: str) -> None:
    inference = _load(INFERENCE)
    if key == "load_and_crop":
        del inference[key]["keep_photograph"]  # for pictures of the results, which no training draws
    assert _load(TRAIN)[key] == inference[key]


def test_validation_and_inference_name_the_same_steps() -> None:
    train, inference = _load(TRAIN)["validate"], _load(INFERENCE)
    steps = [step for step in inference["preprocessing"]["steps"] if step != "@check"]
    assert train["preprocessing"]["steps"] == steps
    assert train["inferer"] == inference["inferer"]
    assert train["postprocessing"]["steps"] == ["@validate#restore", "@validate#references"]
    # restore_predictions consists of the two others.
    keys = [train["restore"], inference["activate"], inference["restore"]]
    assert [step.pop("_target_").rpartition(".")[2] for step in keys] == [
        *("restore_predictions", "activate_predictions", "restore_maps")
    ]
    assert keys == [{"structures": "@structures"}] * 3
    assert inference["postprocessing"]["steps"] == ["@activate"]
    assert inference["structure_postprocessing"]["steps"] == ["@restore", "@lower_weak_components"]


@pytest.mark.parametrize("overlay", ["evaluate.json", "calibrate.json", "multi_gpu_train.json"])
def test_overlays_leave_network_and_preprocessing_alone(overlay: str) -> None:
    parser = ConfigParser(config=ConfigParser.load_config_files([TRAIN, f"{CONFIGS}/{overlay}"]))
    for key in SHARED_STEPS if overlay != "multi_gpu_train.json" else set(SHARED_STEPS) - {"network"}:
        assert parser[key] == _load(TRAIN)[key]


def test_a_training_can_be_read_from_top_to_bottom() -> None:
    text = Path(TRAIN).read_text()
    expressions = re.findall(r'"(\$[^"]*)"', text)
    assert len(text.splitlines()) <= 350
    assert len(expressions) <= 35
    assert max(map(len, expressions)) <= 80


@pytest.mark.parametrize("path", sorted([*ROOT.glob("configs/**/*.json"), *ROOT.glob("bundles/vmnet/configs/*.json")]))
def test_no_config_addresses_a_list_by_position(path: Path) -> None:
    if path.name != "metadata.json":
        assert not re.search(r"#\d+\b|\[\d*:\d*\]", path.read_text())


def _components(content: object, target: str) -> list[dict]:
    """All components of a config with a target that ends so."""
    parts = content.values() if isinstance(content, dict) else content if isinstance(content, list) else []
    own = [content] if isinstance(content, dict) and str(content.get("_target_", "")).endswith(target) else []
    return own + [found for part in parts for found in _components(part, target)]


@pytest.mark.parametrize("path", sorted([*ROOT.glob("configs/**/*.json"), *ROOT.glob("bundles/vmnet/configs/*.json")]))
def test_weights_go_to_the_own_device_and_caches_hold_tensors_only(path: Path) -> None:
    """What was trained on a GPU is resumed and evaluated on a CPU."""
    config = _load(str(path))
    assert {loader["map_location"] for loader in _components(config, "CheckpointLoader")} <= {"@device"}
    assert {loader["device"] for loader in _components(config, "WeightsLoader")} <= {"@device"}
    cached = _components(config, "PersistentDataset") + _components(config, "CacheDataset")
    assert cached == []


@pytest.mark.parametrize(("old", "new"), [("dataset", "dataset_name"), ("vessel_share", "segmentation_fraction")])
def test_an_old_key_is_refused_with_the_new_name(old: str, new: str) -> None:
    parser = ConfigParser(config=_load(TRAIN))
    parser[old] = "table"
    with pytest.raises(RuntimeError) as caught:
        parser.get_parsed_content("renamed_keys")
    assert new in str(root_cause(caught.value))


OVER_ANOTHER = {
    "configs/experiments/comparison.json": "unetr",
    "configs/experiments/convex_focal_dice.json": "efficientnet_b0_unet",
    **{f"configs/networks/{own}.json": below for own, below in OVER_A_NETWORK.items()},
}
"""Overlays that change the overlay of a network."""

OVER_AN_ENCODER = {
    "configs/experiments/structures.json": ["configs/experiments/vessels.json"],
    "configs/experiments/diseases.json": [],
}
"""Overlays that set a part of the network on an encoder of choice, and what else they change."""


def _laid_over(overlay: str) -> list[str]:
    recipe = [TRAIN, "configs/experiments/vessels.json", "configs/experiments/joint.json"]
    if overlay.startswith("configs/experiments/ablation/"):
        return recipe
    if overlay in OVER_ANOTHER:
        return [*recipe, f"configs/networks/{OVER_ANOTHER[overlay]}.json"]
    if overlay in OVER_AN_ENCODER:
        return [TRAIN, *OVER_AN_ENCODER[overlay]]
    return recipe[: recipe.index(overlay)] if overlay in recipe else [TRAIN]


@pytest.mark.parametrize(
    "overlay", sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("configs/**/*.json"))
)
def test_every_overlay_sets_what_training_knows_or_what_it_uses_itself(overlay: str) -> None:
    known = ConfigParser(config=ConfigParser.load_config_files(_laid_over(overlay)))
    # A network's overlay also says how inference explains it.
    for_inference = {"cam_layer", "explain"} & ConfigParser.load_config_files(INFERENCE).keys()
    text = Path(overlay).read_text()
    for key in _load(overlay):
        name = key.removeprefix("+")
        section = name.rpartition("#")[0]
        assert name in known or name in for_inference or f"@{name}" in text or (section and section in known), (
            f"{overlay}: {key}"
        )


def test_training_has_the_properties_that_monai_asks_for(
    phantoms: Path, output_folder: Callable[[Path], Path], tmp_path: Path
) -> None:
    output = str(output_folder(tmp_path))
    workflow = ConfigWorkflow(
        TRAIN, workflow_type="training", logging_file=False, output_dir=output, dataset_dir=str(phantoms)
    )
    workflow.initialize()
    assert workflow.check_properties() == []


def test_inference_has_the_properties_that_monai_asks_for(phantoms: Path, trained: Path, tmp_path: Path) -> None:
    workflow = ConfigWorkflow(
        INFERENCE,
        workflow_type="inference",
        logging_file=False,
        dataset_dir=str(phantoms / "images"),
        output_dir=str(tmp_path),
        model_dir=str(trained / "models"),
        **SMALL_NETWORK,
    )
    workflow.initialize()
    assert workflow.check_properties() == []
    assert len(workflow.dataset) == 20


@pytest.mark.skipif(not SCHEMA.exists(), reason="the schema is downloaded from MONAI's site, tests have no network")
def test_metadata_follows_monais_schema(tmp_path: Path) -> None:
    copy = tmp_path / SCHEMA.name
    copy.write_bytes(SCHEMA.read_bytes())
    verify_metadata(meta_file=METADATA, filepath=copy)


def test_metadata_describes_the_network_as_it_is() -> None:
    metadata = _load(METADATA)
    train = _load(TRAIN)
    outputs = metadata["network_data_format"]["outputs"]
    network = ConfigParser(_load(INFERENCE)).get_parsed_content("network_def").eval()
    with torch.no_grad():
        result = network(torch.rand(1, metadata["network_data_format"]["inputs"]["image"]["num_channels"], 64, 96))
    assert {key: value.shape for key, value in result.items() if key != "disease"} == {
        key: (1, output["num_channels"], 64, 96) for key, output in outputs.items() if key != "disease"
    }
    assert result["disease"].shape == (1, outputs["disease"]["num_channels"])
    # programs that run bundles, such as MONAI Label, show these as the names of the labels
    for structure in network.structures:
        assert list(outputs[structure]["channel_def"].values()) == [structure]
    assert list(outputs["disease"]["channel_def"].values()) == train["diseases"]


def _export_arguments(trained: Path) -> dict:
    return {
        "net_id": "network_def",
        "ckpt_file": str(trained / "models/model.pt"),
        "meta_file": METADATA,
        "config_file": INFERENCE,
        "model_dir": str(trained / "models"),
        **SMALL_NETWORK,
    }


def _checkpoint_output(trained: Path, image: torch.Tensor) -> dict[str, torch.Tensor]:
    parser = ConfigParser(_load(TRAIN))
    parser.update(SMALL_NETWORK)
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(trained / "models/model.pt", weights_only=True))
    with torch.no_grad():
        return network(image)


def test_torchscript_export_gives_the_checkpoints_outputs(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.ts"
    ckpt_export(filepath=str(path), **_export_arguments(trained))
    image = torch.rand(2, 3, 64, 96)
    exported = torch.jit.load(path).eval()
    with torch.no_grad():
        for name, expected in _checkpoint_output(trained, image).items():
            torch.testing.assert_close(exported(image)[name], expected)
    _, metadata, extra = load_with_extras(path)
    assert metadata["network_data_format"] == _load(METADATA)["network_data_format"]
    assert "inference.json" in extra


def test_shipped_weights_fit_the_bundles_network_and_the_model_zoo() -> None:
    parser = ConfigParser(config=ConfigParser.load_config_file(INFERENCE))
    network = parser.get_parsed_content("network_def")
    path = ROOT / "bundles/vmnet/models/model.pt"
    network.load_state_dict(torch.load(path, weights_only=True))
    assert path.stat().st_size < 25e6, "a larger file needs an entry in large_files.yml"


def load_with_extras(path: Path) -> tuple:
    from monai.data import load_net_with_metadata

    return load_net_with_metadata(str(path), more_extra_files=["inference.json"])


def test_onnx_export_gives_the_checkpoints_outputs(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx_export(filepath=str(path), input_shape=[1, 3, 64, 64], **_export_arguments(trained))
    image = torch.rand(1, 3, 64, 64)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    outputs = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    expected = _checkpoint_output(trained, image)
    by_shape = {output.shape: output for output in outputs}
    for value in expected.values():
        np.testing.assert_allclose(by_shape[tuple(value.shape)], value.numpy(), atol=1e-4)


def test_the_bundle_is_laid_out_as_monai_expects() -> None:
    for name in (
        "configs/metadata.json",
        "configs/inference.json",
        "configs/logging.conf",
        "docs/README.md",
        "LICENSE",
    ):
        assert (ROOT / "bundles/vmnet" / name).is_file()
    assert load_bundle_config(str(ROOT / "bundles/vmnet"), "inference.json")["network_def"]["_target_"]
    metadata = _load(METADATA)
    assert metadata["version"] in metadata["changelog"]
