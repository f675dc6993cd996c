"""A photograph measured by maps of its structures: thresholds, eye, scale and the widths around the disc."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_vessels import Mask

from vmnet_monai.biomarkers import photograph
from vmnet_monai.biomarkers.photograph import (
    MeasuredPhotograph,
    PhotographInfo,
    can_be_measured,
    centred,
    measure_photograph,
    measuring_grid,
)
from vmnet_monai.biomarkers.scale import Scale

ROWS, COLUMNS = np.indices((230, 250))
FIELD = np.hypot(COLUMNS - 124.5, ROWS - 114.5) <= 114
DISC = np.hypot(COLUMNS - 175, ROWS - 115) <= 15
FOVEA = np.hypot(COLUMNS - 95, ROWS - 123) <= 4


@pytest.fixture(autouse=True)
def small_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many pixels as the field of these tests has, so that nothing is scaled."""
    monkeypatch.setattr(photograph, "GRID_SIZE", 228)


def blurred(mask: Mask, inside: float, outside: float = 0.0) -> np.ndarray:
    """A network's map: one probability inside, another around it."""
    return np.where(mask, inside, outside).astype(np.float32)


def value(measured: MeasuredPhotograph, vessel_type: str, region: str, measure: str, unit: str) -> float | None:
    (found,) = [
        one.value
        for one in measured.values
        if one[:3] == (vessel_type, region, measure) and one.unit.partition(" (")[0] == unit
    ]
    return found


def test_maps_are_cut_at_their_own_thresholds() -> None:
    """Around each vessel lies a rim of probability 0.3, which belongs to the arteries and not to the veins."""
    inner, rim = np.abs(ROWS - 90) <= 2, np.abs(ROWS - 90) <= 5
    drawn = np.where(inner, 0.9, np.where(rim, 0.3, 0.0)).astype(np.float32) * FIELD
    maps = {"artery": drawn, "vein": drawn, "disc": blurred(DISC, 0.4)}
    grid = measuring_grid(FIELD)
    measured = measure_photograph(maps, grid, thresholds={"artery": 0.2, "vein": 0.5, "disc": 0.3})
    artery, vein = (value(measured, name, "field", "area_density", "fraction") for name in ("artery", "vein"))
    assert artery == pytest.approx((rim & FIELD).sum() / FIELD.sum(), rel=0.02)
    assert vein == pytest.approx((inner & FIELD).sum() / FIELD.sum(), rel=0.02)
    assert value(measured, "", "", "disc_diameter", "px") == pytest.approx(30, rel=0.04)
    unseen = measure_photograph(maps, grid, thresholds={"disc": 0.5})
    assert value(unseen, "", "", "disc_diameter", "px") is None, "0.4 reaches no threshold of one half"


def test_masks_and_probabilities_that_are_sure_measure_the_same() -> None:
    maps = {"artery": np.abs(ROWS - 90) <= 2, "vein": np.abs(ROWS - 140) <= 3, "disc": DISC, "fovea_region": FOVEA}
    sure = {name: mask.astype(np.float32) for name, mask in maps.items()}
    thresholds = dict.fromkeys(maps, 0.5)
    one, other = (measure_photograph(each, measuring_grid(FIELD), thresholds=thresholds) for each in (maps, sure))
    assert one.values == other.values


@pytest.mark.parametrize("named", ["", "right", "left"])
def test_the_eye_is_as_it_was_named_and_another_word_of_disc_and_fovea_is_remarked_on(named: str) -> None:
    measured = measure_photograph({"disc": DISC, "fovea_region": FOVEA}, measuring_grid(FIELD), named)
    assert measured.eye == (named or "right")
    assert len(measured.remarks) == (named == "left")
    assert all("named a left eye, and disc and fovea lie as in a right one" in one for one in measured.remarks)


def test_a_mask_of_the_fovea_may_be_a_point() -> None:
    point = (ROWS == 123) & (COLUMNS == 95)
    measured = measure_photograph({"disc": DISC, "fovea": point}, measuring_grid(FIELD))
    assert value(measured, "", "", "fovea_x", "px") == pytest.approx(95, abs=0.6)


def test_widths_around_the_disc_are_those_that_were_drawn() -> None:
    spokes = (np.abs(ROWS - 115) <= 2) | (np.abs(COLUMNS - 175) <= 2)  # 5 px wide, to all sides of the disc
    maps = {"artery": spokes & FIELD, "vein": np.zeros_like(FIELD), "disc": DISC}
    measured = measure_photograph(maps, measuring_grid(FIELD), scale=Scale(10.0))
    profile = measured.width_profiles["artery"]
    near = [one.width_um for one in profile if 0.5 < one.distance < 1.5]
    assert len(near) == 4
    assert near == pytest.approx([50] * 4, rel=0.1)
    assert measured.width_profiles["vein"] == []
    without_disc = measure_photograph({**maps, "disc": np.zeros_like(DISC)}, measuring_grid(FIELD))
    assert without_disc.width_profiles == {}


def test_the_first_known_scale_counts() -> None:
    info = PhotographInfo("", 6.0, (0.01, 0.01), 45.0)
    assert info.scale(2000) == Scale(6.0)
    assert info._replace(microns_per_px=None).scale(2000) == Scale(10.0)
    angle = info._replace(microns_per_px=None, pixel_spacing_mm=None).scale(2000)
    assert angle is not None and angle.assumed
    assert PhotographInfo().scale(2000) is None
    with pytest.raises(ValueError, match="pixels must be square"):
        PhotographInfo(pixel_spacing_mm=(0.01, 0.02)).scale(2000)


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 1.0])
def test_a_threshold_lies_at_one_half_and_order_and_ends_stay(threshold: float) -> None:
    values = np.linspace(0, 1, 101)
    moved = centred(values, threshold)
    assert (np.diff(moved) >= 0).all()
    assert (moved[0], moved[-1]) == (0, 1)
    assert ((moved >= 0.5) == (values >= threshold))[values > 0].all()


def test_arteries_veins_and_disc_are_needed() -> None:
    assert can_be_measured(["vessel", "artery", "vein", "disc", "fovea_region"])
    assert not can_be_measured(["vessel", "disc", "fovea_region"])
