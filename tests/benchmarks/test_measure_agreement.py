"""Bland and Altman's limits by hand, and the table on a drawn eye whose masks stand for experts and network."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import measure_agreement
import numpy as np
import pytest
from drawn_eye import DISC_RADIUS, DISC_X, DISC_Y, FIELD, MASKS, use_small_grid
from measure_agreement import agreement, bland_altman
from PIL import Image
from scipy import ndimage

from vmnet_monai.biomarkers.photograph import measure_photograph, measuring_grid


def test_limits_are_those_by_hand_and_photographs_without_value_do_not_count() -> None:
    found = bland_altman([10, 20, 30, np.nan, 5], [12, 22, 35, 4, np.nan])
    assert found.count == 3
    assert (found.mean, found.bias) == (20, 3)
    assert (found.lower, found.upper) == pytest.approx((3 - 1.96 * np.sqrt(3), 3 + 1.96 * np.sqrt(3)))


def test_one_photograph_has_a_bias_and_no_limits_and_none_has_neither() -> None:
    assert bland_altman([4], [5])[:3] == (1, 4, 1)
    assert np.isnan(bland_altman([4], [5]).lower)
    assert np.isnan(bland_altman([np.nan], [5]).bias)


def test_a_network_that_draws_what_experts_drew_has_no_bias_and_one_with_wider_arteries_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_small_grid(monkeypatch)
    landmarks = _write_hrf(tmp_path)
    same = _cells(agreement(*_with_network(monkeypatch, MASKS, tmp_path, landmarks)))
    artery = ndimage.binary_dilation(MASKS["artery"]) & FIELD
    wider = _cells(agreement(*_with_network(monkeypatch, {**MASKS, "artery": artery}, tmp_path, landmarks)))
    width, density = ("width_mean", "arteries", "zone C"), ("area_density", "veins", "field")
    assert abs(float(same[width][-2])) <= 1  # the network's disc has pixels where the experts' is an ellipse
    assert same[density][-2:] == ["+0", "+0 to +0"]
    assert float(wider[width][-2]) > 20
    assert wider[density] == same[density]
    assert ("crae_knudtson", "arteries", "zone B") in same


def _with_network(
    monkeypatch: pytest.MonkeyPatch, masks: dict[str, np.ndarray], data: Path, landmarks: Path
) -> tuple[str, str, None, list[str]]:
    """Let a network draw the masks, and return what :func:`agreement` gets."""
    values = measure_photograph(masks, measuring_grid(FIELD)).values

    def predictor(*_: Any, **__: Any) -> Any:
        return lambda _: SimpleNamespace(field_of_view=FIELD, values=values)

    monkeypatch.setattr(measure_agreement, "Predictor", predictor)
    return str(data), str(landmarks), None, ["06_h", "06_g"]


def _write_hrf(folder: Path) -> Path:
    """Write the drawn eye twice in HRF's layout, and the table of its landmarks."""
    colours = np.stack([MASKS["artery"], np.zeros_like(FIELD), MASKS["vein"]], axis=-1)
    files = {"images/{}.png": FIELD, "manual1/{}.png": MASKS["vessel"], "mask/{}_mask.png": FIELD, "av/{}.png": colours}
    rows = ["reading,dataset,image,width,height,disc_x,disc_y,disc_w,disc_h,disc_cut,fovea_x,fovea_y,fovea_sure"]
    height, width = FIELD.shape
    for name in ("06_h", "06_g"):
        for path, pixels in files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8) * 255).save(folder / path.format(name))
        disc = f"{DISC_X},{DISC_Y},{2 * DISC_RADIUS},{2 * DISC_RADIUS}"
        rows.append(f"1,hrf,{name}.png,{width},{height},{disc},0,90,117,1")
    landmarks = folder / "landmarks.csv"
    landmarks.write_text("\n".join(rows))
    return landmarks


def _cells(table: str) -> dict[tuple[str, ...], list[str]]:
    """Measure, vessels and region -> the other cells."""
    rows = [[cell.strip(" `") for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]
    return {tuple(row[:3]): row[3:] for row in rows}
