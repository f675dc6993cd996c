"""The fit: known curves are found again, and a model fitted to phantoms tells others from other images."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from images_to_check import OTHER_IMAGES, RGB, cropped, other_image, retina
from PIL import Image

from vmnet_monai.datasets.phantom import generate_phantom
from vmnet_monai.quality import CheckFundusImaged, FundusModel, NotAFundusImageError
from vmnet_monai.quality.fit import fit_fundus_model, main, measure_images
from vmnet_monai.quality.model import Curve

SIZE_PX = 160


def drawn(seed: int) -> RGB:
    """A disc on black with a random smooth texture, tinted orange: round, warm and dark around, but no retina."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(60, 256, (rng.integers(4, 40),) * 2, dtype=np.uint8))
    texture = np.asarray(coarse.resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC)) / 255
    y, x = np.mgrid[-1 : 1 : SIZE_PX * 1j, -1 : 1 : SIZE_PX * 1j]
    return (texture[..., None] * [230, 130, 60] * (np.hypot(y, x) < 0.95)[..., None]).astype(np.uint8)


def other_small(name: str) -> RGB:
    return np.asarray(Image.fromarray(other_image(name)).resize((SIZE_PX, SIZE_PX)))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("fit")
    fundus, other = root / "fundus", root / "other"
    for folder in (fundus, other):
        folder.mkdir()
    for seed in range(16):
        Image.fromarray(generate_phantom(seed, SIZE_PX).image).save(fundus / f"{seed}.png")
        Image.fromarray(drawn(seed)).save(other / f"{seed}.png")
    for name in OTHER_IMAGES[:8]:
        Image.fromarray(other_small(name)).save(other / f"{name}.png")
    return fundus, other


def test_the_command_writes_a_model_that_tells_phantoms_from_other_images(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The images judged at the end were not in the fit."""
    file = tmp_path / "model.json"
    main(["--fundus", str(folders[0]), "--other", str(folders[1]), "--output", str(file)])
    summary = capsys.readouterr().out
    assert summary.startswith("16 fundus photographs, 24 other images.")
    found = re.search(r"AUC (0\.\d+|1\.0+)", summary)
    assert found is not None
    assert float(found[1]) > 0.97
    check = CheckFundusImaged(model_file=file)
    accepted = 0
    for seed in range(100, 106):
        with pytest.raises(NotAFundusImageError):
            check(cropped(drawn(seed)))
        try:
            check(cropped(generate_phantom(seed, SIZE_PX).image))
            accepted += 1
        except NotAFundusImageError:
            pass
    assert accepted >= 5
    for name in ("grass", "gravel", "moon"):
        with pytest.raises(NotAFundusImageError):
            check(cropped(other_small(name)))


def test_a_file_that_is_no_image_or_shows_nothing_is_left_out_with_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    Image.new("RGB", (100, 100)).save(tmp_path / "black.png")
    Image.fromarray(retina()).save(tmp_path / "retina.png")
    assert len(measure_images([tmp_path])) == 1
    assert len(measure_images([tmp_path / "retina.png"])) == 1
    assert "notes.txt" in caplog.text
    assert "black.png" in caplog.text


def test_wrong_arguments_end_the_command_with_the_value_and_write_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(retina()).save(tmp_path / "retina.png")
    for other in ("nowhere", "retina.png"):
        with pytest.raises(SystemExit):
            main(["--fundus", str(tmp_path), "--other", str(tmp_path / other), "--output", str(tmp_path / "m.json")])
    messages = capsys.readouterr().err
    assert "nowhere" in messages
    assert "at least 10" in messages
    assert not (tmp_path / "m.json").exists()


def rows(values: np.ndarray, name: str = "rim") -> list[dict[str, float]]:
    return [{name: float(value)} for value in values]


def test_the_log_odds_of_two_normal_distributions_are_found() -> None:
    """Means 1 and -1, both of variance 1: the log odds are 2 x. The penalty flattens them a little."""
    rng = np.random.default_rng(0)
    fit = fit_fundus_model(rows(rng.normal(1, 1, 3000)), rows(rng.normal(-1, 1, 1000)))
    for value in (-1.5, -0.5, 0.5, 1.5):
        assert fit.model.log_odds({"rim": value}) == pytest.approx(2 * value, abs=0.5)
    assert fit.auc == pytest.approx(0.921, abs=0.015)  # of two such distributions: the normal CDF at the root of 2
    assert fit.refused == pytest.approx(0.001, abs=0.001)


def test_a_curve_may_fall_on_both_sides_and_is_0_at_the_median_of_fundus_photographs() -> None:
    rng = np.random.default_rng(0)
    fundus, other = rng.normal(0.2, 0.3, 400), rng.choice([-1, 1], 400) * rng.normal(2, 0.3, 400)
    curve = fit_fundus_model(rows(fundus), rows(other)).model.curves["rim"]
    assert curve(round(float(np.median(fundus)), 4)) == 0
    assert curve(-2) < -2
    assert curve(2) < -2


def test_a_refit_keeps_what_its_images_do_not_speak_against_and_gives_new_features_a_curve() -> None:
    """No image has a rim above 0: there the curve keeps its rise of 3, below it is moved by the images."""
    rng = np.random.default_rng(0)
    start = FundusModel(0.0, -2.0, {"rim": Curve((-2.0, 0.0, 2.0), (0.0, 0.0, 3.0))})
    fundus = [{"rim": -0.2, "entropy": float(value)} for value in rng.normal(1, 1, 300)]
    other = [{"rim": -1.8, "entropy": float(value)} for value in rng.normal(-1, 1, 300)]
    curves = fit_fundus_model(fundus, other, start).model.curves
    assert curves["rim"].values == (-2.0, 0.0, 2.0)
    assert curves["rim"].log_odds[2] - curves["rim"].log_odds[1] == pytest.approx(3, abs=1e-3)
    assert curves["rim"].log_odds[1] - curves["rim"].log_odds[0] > 0.5
    assert curves["entropy"](1.5) > curves["entropy"](-1.5) + 2


def test_an_unknown_colour_counts_as_the_median_and_a_feature_that_never_varies_has_no_curve() -> None:
    rng = np.random.default_rng(0)
    colour = {"blue_fraction": float("nan"), "surround": 0.0}
    fundus = [row | colour for row in rows(rng.normal(1, 1, 50))]
    other = [row | colour for row in rows(rng.normal(-1, 1, 50))]
    fundus[0]["blue_fraction"], fundus[1]["blue_fraction"] = 0.25, 0.25
    other[0]["blue_fraction"] = 0.75
    model = fit_fundus_model(fundus, other).model
    assert set(model.curves) == {"rim", "blue_fraction"}
    assert model.curves["blue_fraction"].values == (0.25, 0.75)
    assert model.curves["blue_fraction"](0.25) == 0


def test_a_camera_without_colour_has_no_curves_of_colour() -> None:
    rng = np.random.default_rng(0)
    fundus = [row | {"blue_fraction": float("nan")} for row in rows(rng.normal(1, 1, 50))]
    other = [row | {"blue_fraction": rng.uniform()} for row in rows(rng.normal(-1, 1, 50))]
    assert set(fit_fundus_model(fundus, other).model.curves) == {"rim"}


def test_a_fit_is_saved_and_read_back_unchanged(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model = fit_fundus_model(rows(rng.normal(1, 1, 50)), rows(rng.normal(-1, 1, 50))).model
    model.save(tmp_path / "model.json")
    assert FundusModel.load(tmp_path / "model.json") == model
