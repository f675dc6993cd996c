"""The operating point travels with the weights and is compared with the config."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fuzzing import FUZZ
from hypothesis import given
from hypothesis import strategies as st

from vmnet_monai.calibration.operating_point import OperatingPoint, network_settings, trained_date, weights_version
from vmnet_monai.networks import ResFormer

POINT = OperatingPoint(
    diseases=("normal", "glaucoma"),
    grid_size=512,
    disease_size=224,
    contrast="clahe",
    field_of_view="estimate",
    network="VMNet(classified=encoder)",
    structures=("vessel",),
    structure_thresholds=(29491 / 65535,),
    disease_calibration=((1 / 3, -0.2), (2.0, 0.0)),
    disease_thresholds=(0.1 + 0.2, 0.7),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with weights."""
    (tmp_path / "model.pt").write_bytes(b"weights")
    return tmp_path


def test_what_is_saved_is_loaded_to_the_last_digit(folder: Path) -> None:
    assert POINT.save(folder) == folder / "operating_point.json"
    assert OperatingPoint.load(folder) == POINT


def test_file_is_readable_json(folder: Path) -> None:
    stored = json.loads(POINT.save(folder).read_text())
    assert stored == {
        "diseases": ["normal", "glaucoma"],
        "grid_size": 512,
        "disease_size": 224,
        "contrast": "clahe",
        "field_of_view": "estimate",
        "network": "VMNet(classified=encoder)",
        "structures": ["vessel"],
        "structure_thresholds": [29491 / 65535],
        "structure_parts": {},
        "structure_high_thresholds": [],
        "disease_calibration": [[1 / 3, -0.2], [2.0, 0.0]],
        "disease_thresholds": list(POINT.disease_thresholds),
        "disease_sources": [],
        "disease_reference": [],
        "trained": None,
        "weights_sha256": hashlib.sha256(b"weights").hexdigest(),
    }


def test_config_that_agrees_is_accepted(folder: Path) -> None:
    POINT.save(folder)
    used = {"diseases": ["normal", "glaucoma"], "grid_size": 512, "disease_size": 224, "contrast": "clahe"}
    assert OperatingPoint.load(folder, **used) == POINT


@pytest.mark.parametrize(
    ("wanted", "rule"),
    [
        ({"diseases": ["normal"]}, r"diseases = \('normal', 'glaucoma'\), and the config says \('normal',\)"),
        ({"diseases": ["glaucoma", "normal"]}, r"diseases = .* says \('glaucoma', 'normal'\)"),
        ({"disease_size": None}, "disease_size = 224, and the config says None"),
        ({"disease_size": 112}, "disease_size = 224, and the config says 112: .* override `--disease_size`"),
        ({"grid_size": 256}, "grid_size = 512, and the config says 256: .* override `--grid_size`"),
        ({"contrast": "none"}, "contrast = clahe, and the config says none"),
    ],
)
def test_config_that_disagrees_is_refused_with_both_values(wanted: dict[str, Any], rule: str, folder: Path) -> None:
    POINT.save(folder)
    with pytest.raises(ValueError, match=rule):
        OperatingPoint.load(folder, **wanted)


@pytest.mark.parametrize("name", ["operating_point.json", "model.pt"])
def test_one_file_without_the_other_is_refused(name: str, folder: Path) -> None:
    POINT.save(folder)
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        OperatingPoint.load(folder)


def test_operating_point_of_other_weights_is_refused(folder: Path) -> None:
    POINT.save(folder)
    (folder / "model.pt").write_bytes(b"other weights")
    with pytest.raises(ValueError, match=r"other weights.*model\.pt.*`--resume True`"):
        OperatingPoint.load(folder)


def test_a_head_that_sees_the_whole_grid_has_no_size(folder: Path) -> None:
    point = dataclasses.replace(POINT, disease_size=None)
    point.save(folder)
    assert OperatingPoint.load(folder, disease_size=None) == point


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "1", "[" * 100_000, b"\xff"])
def test_a_file_that_is_no_json_object_is_refused_with_the_way_out(content: str | bytes, folder: Path) -> None:
    path = POINT.save(folder)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"operating_point\.json.*`vmnet operating-point --pretrained") as caught:
        OperatingPoint.load(folder)
    assert type(caught.value) is ValueError, "and no error of a library"


@pytest.mark.parametrize("key", ["disease_calibration", "weights_sha256"])
def test_a_file_without_a_key_is_refused_with_the_way_out(key: str, folder: Path) -> None:
    rewrite(POINT.save(folder), {key: ...})
    with pytest.raises(ValueError, match=rf"operating_point\.json.* {key}.*`vmnet operating-point --pretrained"):
        OperatingPoint.load(folder)


def test_a_key_of_an_earlier_version_is_refused_with_its_new_name(folder: Path) -> None:
    rewrite(POINT.save(folder), {"vessel_threshold": 0.5, "structures": ..., "structure_thresholds": ...})
    with pytest.raises(ValueError, match="vessel_threshold.*structure_thresholds.*`vmnet operating-point --pretrained"):
        OperatingPoint.load(folder)


WRONG = [
    ({"grid_size": 0}, "grid_size.* 0"),
    ({"grid_size": "512"}, "grid_size.* '512'"),
    ({"disease_size": 0}, "disease_size.* 0"),
    ({"disease_size": True}, "disease_size.* True"),
    ({"contrast": "vivid"}, "contrast.* none, clahe, local_average, got 'vivid'"),
    ({"field_of_view": "half"}, "field_of_view.* estimate, whole, got 'half'"),
    ({"structures": ["../vessel"]}, r"'\.\./vessel'"),
    ({"structures": ["vessel", "disc"]}, "structure_thresholds .* 2 structures, got 1"),
    ({"structures": ["glaucoma"]}, "'glaucoma'"),
    ({"structure_thresholds": [1.5]}, r"structure_thresholds\.0.* 1\.5"),
    ({"diseases": ["amd", "amd"]}, "diseases.* different names .*'amd', 'amd'"),
    ({"diseases": ["amd", "/etc"]}, "diseases.* no slash, .*'/etc'"),
    ({"disease_thresholds": [float("nan"), 0.5]}, r"disease_thresholds\.0.* nan"),
    ({"disease_thresholds": [0.5]}, "disease_thresholds .* 2 diseases, got 1"),
    ({"disease_thresholds": None}, "disease_thresholds.* None"),
    ({"disease_calibration": [[0.0, 1.0], [1.0, 0.0]]}, r"disease_calibration\.0\.0.* 0\.0"),
    ({"disease_calibration": [[1.0], [1.0, 0.0]]}, r"disease_calibration\.0"),
    ({"disease_calibration": [[1.0, float("inf")], [1.0, 0.0]]}, r"disease_calibration\.0\.1.* inf"),
    ({"lesion_threshold": 0.5}, "lesion_threshold"),
    ({"disease_sources": [["odir5k"]]}, "disease_sources .* 2 diseases or none, got 1"),
    ({"disease_sources": [[1], []]}, "disease_sources.* 1"),
    ({"disease_reference": [[0.5] * 100, []]}, r"disease_reference\.0.* 101 values"),
    ({"disease_reference": [[1.0] + [0.5] * 100, []]}, r"disease_reference\.0.* do not fall"),
    ({"disease_reference": [[float("nan")] * 101, []]}, r"disease_reference\.0\.0.* nan"),
    ({"trained": "yesterday"}, "trained.* 2026-12-01, got 'yesterday'"),
]


@pytest.mark.parametrize(("change", "rule"), WRONG)
def test_a_wrong_value_is_refused_with_its_key_and_the_way_out(change: dict[str, Any], rule: str, folder: Path) -> None:
    rewrite(POINT.save(folder), change)
    with pytest.raises(
        ValueError, match=rf"operating_point\.json.*{rule}.*`vmnet operating-point --pretrained"
    ) as caught:
        OperatingPoint.load(folder)
    assert "\n" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
"""Whatever a JSON file may hold."""

KEYS = [field.name for field in dataclasses.fields(POINT)]


@FUZZ
@given(key=st.sampled_from(KEYS), value=JSON)
def test_whatever_a_value_is_it_is_sound_or_refused_in_a_line(key: str, value: Any, folder: Path) -> None:
    rewrite(POINT.save(folder), {key: value})
    try:
        point = OperatingPoint.load(folder)
    except ValueError as error:
        assert "operating_point.json" in str(error)
        assert type(error) is ValueError, "and no error of a library"
    else:
        assert len(point.disease_thresholds) == len(point.diseases) == len(point.disease_calibration)
        assert all(0 <= threshold <= 1 for threshold in (*point.disease_thresholds, *point.structure_thresholds))
        assert all(name == Path(name).name for name in (*point.diseases, *point.structures))


@FUZZ
@given(content=JSON)
def test_whatever_json_the_file_holds_it_is_refused_in_a_line(content: Any, folder: Path) -> None:
    POINT.save(folder).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"operating_point\.json"):
        OperatingPoint.load(folder)


def test_a_wrong_value_is_never_made() -> None:
    with pytest.raises(ValueError, match="structure_thresholds"):
        dataclasses.replace(POINT, structure_thresholds=(float("nan"),))


def rewrite(path: Path, change: dict[str, Any]) -> None:
    """Change values of a JSON file; ... removes a key."""
    stored = json.loads(path.read_text()) | change
    path.write_text(json.dumps({key: value for key, value in stored.items() if value is not ...}))


def test_nothing_is_saved_without_weights(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="model.pt"):
        POINT.save(tmp_path)
    assert not list(tmp_path.iterdir())


def only_torchscript(folder: Path, weights: bytes) -> None:
    """Put, in place of the weights, a TorchScript file that says it was made from some weights."""
    (folder / "model.pt").unlink()
    with zipfile.ZipFile(folder / "model.ts", "w") as archive:
        archive.writestr("model/extra/weights_sha256", hashlib.sha256(weights).hexdigest())


def test_torchscript_file_stands_for_the_weights_that_it_was_made_from(folder: Path) -> None:
    POINT.save(folder)
    before = weights_version(folder)
    only_torchscript(folder, b"weights")
    assert OperatingPoint.load(folder) == POINT
    assert weights_version(folder) == before == hashlib.sha256(b"weights").hexdigest()[:12]


def test_torchscript_file_of_other_weights_is_refused(folder: Path) -> None:
    POINT.save(folder)
    only_torchscript(folder, b"other weights")
    with pytest.raises(ValueError, match="other weights"):
        OperatingPoint.load(folder)


def test_weights_count_where_there_is_a_torchscript_file_too(folder: Path) -> None:
    POINT.save(folder)
    (folder / "model.ts").write_bytes(b"not read")
    assert OperatingPoint.load(folder) == POINT


def test_weights_in_the_bundle_belong_to_their_operating_point() -> None:
    OperatingPoint.load(Path(__file__).parents[2] / "bundles/vmnet/models")


def test_a_calibration_of_scores_that_hardly_differ_is_accepted_and_one_that_overflows_is_not() -> None:
    dataclasses.replace(POINT, disease_calibration=((7067.8, 5000.0),) * len(POINT.diseases))
    for scale, shift in ((1e308, 0.0), (1.0, -1e308)):
        with pytest.raises(ValueError, match="disease_calibration"):
            dataclasses.replace(POINT, disease_calibration=((scale, shift),) * len(POINT.diseases))


def test_weights_in_the_bundle_have_reference_eyes_and_their_sources() -> None:
    point = OperatingPoint.load(Path(__file__).parents[2] / "bundles/vmnet/models")
    assert point.trained is not None
    assert all(point.disease_sources)
    assert [len(table) for table in point.disease_reference] == [101] * len(point.diseases)
    assert None not in point.percentiles([0.5] * len(point.diseases))


def test_network_whose_settings_differ_is_refused_though_its_weights_would_load(folder: Path) -> None:
    parallel, sequential = (
        ResFormer(["amd"], features=(4, 8), num_heads=(2, 4), block=block) for block in ("parallel", "sequential")
    )
    assert sequential.load_state_dict(parallel.state_dict())
    dataclasses.replace(POINT, network=network_settings(parallel)).save(folder)
    OperatingPoint.load(folder, network=torch.nn.DataParallel(parallel))
    with pytest.raises(ValueError, match=r"ResFormer\(block=parallel.*ResFormer\(block=sequential"):
        OperatingPoint.load(folder, network=sequential)


def test_it_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        POINT.grid_size = 256  # type: ignore[misc]


def test_a_probability_at_its_threshold_is_positive_and_nan_is_not_decided() -> None:
    point = dataclasses.replace(
        POINT,
        diseases=("normal", "glaucoma", "amd"),
        disease_calibration=((1.0, 0.0),) * 3,
        disease_thresholds=(0.2, 0.4, 0.6),
    )
    assert point.decide([0.2, 0.39, float("nan")]) == [1, 0, None]


@pytest.mark.parametrize("key", ["structure_high_thresholds", "disease_sources", "disease_reference", "trained"])
def test_a_file_without_what_is_optional_is_read(key: str, folder: Path) -> None:
    rewrite(POINT.save(folder), {key: ...})
    assert OperatingPoint.load(folder) == POINT


def test_high_thresholds_are_one_for_each_structure_and_change_the_version() -> None:
    point = dataclasses.replace(POINT, structure_high_thresholds=(0.8,))
    assert point.thresholds_version != POINT.thresholds_version
    with pytest.raises(ValueError, match="structure_high_thresholds .* 1 structures or none, got 2"):
        dataclasses.replace(POINT, structure_high_thresholds=(0.8, 0.8))


def test_a_score_is_ranked_among_the_reference_eyes_of_its_disease() -> None:
    table = tuple((np.arange(101) / 200).tolist())  # evenly from 0 to 0.5
    point = dataclasses.replace(POINT, disease_reference=(table, ()))
    assert point.percentiles([0.25, 0.25]) == [pytest.approx(50), None]
    assert point.percentiles([0.9, float("nan")]) == [100.0, None]
    assert POINT.percentiles([0.25, 0.25]) == [None, None]
    assert point.thresholds_version != POINT.thresholds_version


def test_the_date_of_weights_is_read_from_their_operating_point_if_it_states_one(folder: Path) -> None:
    assert trained_date(folder / "model.pt") is None
    path = POINT.save(folder)
    assert trained_date(folder / "model.pt") is None
    dataclasses.replace(POINT, trained="2026-12-01").save(folder)
    assert trained_date(folder / "model.pt") == "2026-12-01"
    path.write_text("{")
    assert trained_date(folder / "model.pt") is None, "it is about to be written anew"


def test_each_disease_is_calibrated_by_its_own_scale_and_shift() -> None:
    """Odds of 1/8 to the power of 1/3, times exp(-0.2): exp(-0.2) / 2. Odds of 1/4 to the power of 2: 1/16."""
    odds = np.exp(-0.2) / 2
    np.testing.assert_allclose(POINT.calibrate([1 / 9, 0.2]), [odds / (1 + odds), 1 / 17])
    np.testing.assert_allclose(POINT.calibrate([[float("nan"), 0.2]] * 3), [[float("nan"), 1 / 17]] * 3)
