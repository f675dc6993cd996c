"""From Python: one photograph or many, in whatever form they come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import tifffile
import torch
from PIL import Image
from small_bundle import small_bundle

from vmnet_monai import Prediction, Predictor

RETINA = np.ascontiguousarray(skimage.data.retina()[::4, ::4])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def predictor(bundle: Path) -> Predictor:
    return Predictor(bundle)


@pytest.fixture(scope="module")
def prediction(predictor: Predictor) -> Prediction:
    return predictor(RETINA)


def test_everything_is_on_the_photographs_own_pixels(prediction: Prediction) -> None:
    shape = RETINA.shape[:2]
    assert prediction.vessel_probability.shape == shape
    assert prediction.vessel_probability.dtype == np.float32
    assert prediction.vessel_mask.shape == shape
    assert prediction.vessel_mask.dtype == np.bool_
    assert prediction.field_of_view.shape == shape
    assert prediction.field_of_view.dtype == np.bool_
    assert all(heat.shape == shape for heat in prediction.heat_maps.values())


def test_scores_are_no_probabilities_and_decisions_are_withheld(prediction: Prediction) -> None:
    assert prediction.decisions == {"normal": None, "glaucoma": None}
    assert list(prediction.scores) == ["normal", "glaucoma"]
    assert all(0 < value < 1 for value in prediction.scores.values())
    assert prediction.probabilities == {}
    assert prediction.percentiles == {"normal": None, "glaucoma": None}


def test_decisions_that_are_asked_for_follow_from_scores_and_thresholds(bundle: Path) -> None:
    """The thresholds are 0, which every score reaches, and 1, which none does."""
    assert Predictor(bundle, decide=True, explain=[])(RETINA).decisions == {"normal": True, "glaucoma": False}


def test_called_diseases_are_explained(prediction: Prediction) -> None:
    assert list(prediction.heat_maps) == ["normal"]


def test_nothing_is_said_outside_the_field_of_view(prediction: Prediction) -> None:
    outside = ~prediction.field_of_view
    assert outside.any()
    assert not prediction.vessel_probability[outside].any()
    assert not prediction.vessel_mask[outside].any()
    assert not prediction.heat_maps["normal"][outside].any()


def test_mask_is_where_the_probability_reaches_the_threshold(prediction: Prediction) -> None:
    certain = np.abs(prediction.vessel_probability - 0.5) > 1e-4
    np.testing.assert_array_equal(prediction.vessel_mask[certain], prediction.vessel_probability[certain] >= 0.5)


def as_path(folder: Path) -> Path:
    Image.fromarray(RETINA).save(folder / "réti na.png")
    return folder / "réti na.png"


FORMS: dict[str, Callable[[Path], Any]] = {
    "path": as_path,
    "str": lambda folder: str(as_path(folder)),
    "PIL image": lambda folder: Image.fromarray(RETINA),
    "PIL image with alpha": lambda folder: Image.fromarray(RETINA).convert("RGBA"),
    "array of floats": lambda folder: RETINA / 255,
    "tensor": lambda folder: torch.from_numpy(RETINA).permute(2, 0, 1),
    "tensor of floats": lambda folder: torch.from_numpy(RETINA).permute(2, 0, 1) / 255,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_photograph_gives_the_same(
    form: str, predictor: Predictor, prediction: Prediction, tmp_path: Path
) -> None:
    other = predictor(FORMS[form](tmp_path))
    assert other.scores == prediction.scores
    np.testing.assert_array_equal(other.vessel_probability, prediction.vessel_probability)


def test_16_bit_grey_and_8_bit_grey_are_the_same_photograph(predictor: Predictor) -> None:
    grey = RETINA[..., 1]
    eight, sixteen = predictor([grey, grey.astype(np.uint16) << 8])
    assert eight.scores == sixteen.scores


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_deep_colour_of_an_array_is_read_like_that_of_a_file(bits: int, predictor: Predictor, tmp_path: Path) -> None:
    deep = RETINA.astype(np.uint16) << (bits - 8)
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb")
    tensor = torch.from_numpy(np.moveaxis(deep, -1, 0).copy())
    eight, array, from_tensor, file = predictor([RETINA, deep, tensor, tmp_path / "a.tif"])
    for prediction in (array, from_tensor, file):
        assert prediction.probabilities == eight.probabilities
        assert [f"{bits}-bit" in remark for remark in prediction.warnings] == [True] * (bits < 16) + [False] * len(
            eight.warnings
        )


def test_many_photographs_give_a_list_in_their_order(
    predictor: Predictor, prediction: Prediction, tmp_path: Path
) -> None:
    """Five, so that they do not fill two batches of four; batches change the last digits of floating point sums."""
    many = predictor([as_path(tmp_path), RETINA[:, ::-1], RETINA, Image.fromarray(RETINA), RETINA])
    assert [len(many), many[0].id, many[2].id] == [5, "réti na", "photograph"]
    for index in (0, 2, 3, 4):
        np.testing.assert_allclose(many[index].vessel_probability, prediction.vessel_probability, atol=1e-5)
    assert np.abs(many[1].vessel_probability - prediction.vessel_probability).max() > 0.01
    stacked = predictor(np.stack([RETINA, RETINA[:, ::-1]]))
    np.testing.assert_allclose(stacked[1].vessel_probability, many[1].vessel_probability, atol=1e-5)


def test_no_photographs_give_no_predictions(predictor: Predictor) -> None:
    assert predictor([]) == []


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 100, 100), np.uint8), r"\(H, W\).*\(3, 100, 100\)"),
        (RETINA.astype(np.float32), "0 to 1.*divide"),
        (RETINA.astype(np.int64), "uint8.*uint16.*int64"),
        (np.zeros((100, 100, 3), np.uint8), "field of view.*dark"),
        ("missing.png", r"missing\.png.*does not exist"),
        (skimage.data.astronaut(), "fundus"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(predictor: Predictor, image: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predictor(image)


def test_weights_and_thresholds_are_those_that_were_asked_for(bundle: Path) -> None:
    lenient = Predictor(bundle, thresholds={"glaucoma": 0.0, "vessel": 0.0}, decide=True, explain=[])(RETINA)
    assert lenient.decisions["glaucoma"]
    np.testing.assert_array_equal(lenient.vessel_mask, lenient.field_of_view)
    assert not lenient.field_of_view.all()
    assert lenient.heat_maps == {}


def test_what_nowhere_reaches_the_high_threshold_is_no_mask(bundle: Path, prediction: Prediction) -> None:
    threshold = float(np.median(prediction.vessel_probability[prediction.field_of_view]))
    as_it_is = Predictor(bundle, thresholds={"vessel": threshold})(RETINA)
    high = {"lower_weak_components#high_thresholds": [1.0]}
    lowered = Predictor(bundle, thresholds={"vessel": threshold}, **high)(RETINA)
    assert as_it_is.vessel_mask.any()
    assert not lowered.vessel_mask.any()
    rest = ~as_it_is.vessel_mask
    np.testing.assert_array_equal(lowered.vessel_probability[rest], as_it_is.vessel_probability[rest])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"thresholds": {"amd": 0.5}}, ValueError, "vessel, normal, glaucoma.*'amd'"),
        ({"thresholds": {"glaucoma": 1.5}}, ValueError, "glaucoma.* 1.5"),
        ({"explain": ["amd"]}, ValueError, "normal, glaucoma.* amd"),
        ({"explain": "some"}, ValueError, "'positive', 'all'.*'some'"),
        ({"model_dir": "nowhere"}, FileNotFoundError, r"nowhere/operating_point\.json"),
        ({"no_such_key": 1}, ValueError, "no key no_such_key"),
        (
            {"network_def#classified": "decoder", "network_def#guidance": "none"},
            ValueError,
            "trained as .* and the network is",
        ),
    ],
)
def test_wrong_overrides_are_refused(
    bundle: Path, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Predictor(bundle, **change)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no bundle.*inference\.json"):
        Predictor(tmp_path)


def test_what_is_known_of_a_photograph_comes_beside_it(tmp_path: Path, predictor: Predictor) -> None:
    measuring = Predictor(small_bundle(tmp_path, structures=("vessel", "artery", "vein", "disc")), explain=[])
    known, unknown = measuring([{"image": RETINA, "eye": "left", "microns_per_px": 6.0}, RETINA])
    assert known.eye == "left" and unknown.eye == ""
    width = {value.unit: value.value for value in known.values if value[:3] == ("vessel", "field", "width_mean")}
    assert width["um"] == pytest.approx(6 * width["px"])
    for wrong in ({"eye": "left"}, {"image": RETINA, "age": 64}):
        with pytest.raises(ValueError, match="a dictionary must hold `image` and nothing but eye"):
            predictor(wrong)
