"""One list of values per eye: units, flags, and the same rows for every eye."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from vmnet_monai.biomarkers.calibre import central_equivalent
from vmnet_monai.biomarkers.eye import Disc, Eye
from vmnet_monai.biomarkers.landmarks import Landmark
from vmnet_monai.biomarkers.scale import Scale
from vmnet_monai.biomarkers.tables import data_dictionary
from vmnet_monai.biomarkers.tidy import Grid, Value, measure

ROWS, COLUMNS = np.indices((300, 400))
FIELD = np.hypot(COLUMNS - 199.5, ROWS - 149.5) <= 145
DISC = np.hypot(COLUMNS - 280, ROWS - 150) <= 20
FOVEA = np.hypot(COLUMNS - 176, ROWS - 162) <= 12
ARTERY = (np.abs(ROWS - 110) <= 3) & FIELD
VEIN = (np.abs(ROWS - 190) <= 4) & FIELD
LANDMARKS = {"disc": DISC, "fovea_region": FOVEA}
MAPS = {**LANDMARKS, "artery": ARTERY, "vein": VEIN}


@functools.cache
def whole() -> list[Value]:
    """The eye with all that can be seen of it."""
    return measure(MAPS, FIELD)


def find(values: list[Value], measure: str, unit: str = "", vessel_type: str = "", region: str = "") -> Value:
    (value,) = [
        one
        for one in values
        if one[:3] == (vessel_type, region, measure) and (not unit or one.unit.partition(" (")[0] == unit)
    ]
    return value


def number(values: list[Value], *names: str, **place: str) -> float:
    value = find(values, *names, **place)
    assert value.value is not None
    return value.value


def test_the_eye_is_measured_in_pixels_of_the_photograph_disc_diameters_and_microns() -> None:
    values = measure(LANDMARKS, FIELD, grid=Grid(2.0, left_px=30, top_px=-10), scale=Scale(5.0))
    assert number(values, "disc_x") == pytest.approx(30 + 2 * 280.5 - 0.5)
    assert number(values, "disc_y") == pytest.approx(-10 + 2 * 150.5 - 0.5)
    assert number(values, "disc_diameter", "px") == pytest.approx(80, rel=0.02)
    assert number(values, "disc_diameter", "um") == pytest.approx(400, rel=0.02)
    assert number(values, "disc_area", "um2") == pytest.approx(np.pi * 200**2, rel=0.04)
    distance = np.hypot(104, 12)
    assert number(values, "disc_fovea_distance", "px") == pytest.approx(2 * distance, rel=0.005)
    assert number(values, "disc_fovea_distance", "disc diameters") == pytest.approx(distance / 40, rel=0.02)
    assert number(values, "disc_fovea_distance", "um") == pytest.approx(10 * distance, rel=0.005)
    assert number(values, "disc_fovea_angle") == pytest.approx(6.58, abs=0.1)
    assert {value.unit for value in values if "assumed" in value.unit} == set()


def test_microns_rest_on_the_disc_where_nothing_else_is_known_and_say_so() -> None:
    values = whole()
    distance = find(values, "disc_fovea_distance", "um")
    assert distance.unit == "um (assumed: disc diameter 1800 um)"
    assert distance.value == pytest.approx(1800 * np.hypot(104, 12) / 40, rel=0.02)


def test_every_eye_has_the_same_rows_and_what_is_missing_has_its_reason() -> None:
    def names(values: list[Value]) -> list[tuple[str, ...]]:
        return [(*value[:3], value.unit.partition(" (")[0]) for value in values]

    without = {
        "the optic disc is not seen": measure({**MAPS, "disc": 0 * DISC}, FIELD),
        "the fovea is not seen": measure({**MAPS, "fovea_region": 0 * FOVEA}, FIELD),
    }
    for reason, values in without.items():
        assert names(values) == names(whole())
        assert all(value.flag for value in values if value.value is None)
        assert find(values, "disc_fovea_angle") == Value("", "", "disc_fovea_angle", None, "deg", reason)
        density = find(values, "area_density", vessel_type="artery", region="superior_nasal")
        assert (density.value, density.flag) == (None, reason)
    assert not any(
        value.flag for value in whole() if value.value is not None and value.region in ("", "field", "zone_b")
    )
    no_disc = without["the optic disc is not seen"]
    assert find(no_disc, "disc_fovea_distance", "um").value is None
    assert number(no_disc, "fovea_x") == pytest.approx(176)
    assert find(no_disc, "area_density", vessel_type="vein", region="zone_b").value is None
    assert find(without["the fovea is not seen"], "area_density", vessel_type="vein", region="zone_b").value


def test_a_disc_at_the_rim_has_a_place_and_no_size() -> None:
    rim = np.hypot(COLUMNS - 344, ROWS - 150) <= 20
    values = measure({**LANDMARKS, "disc": rim, "vein": VEIN}, FIELD)
    reason = "the edge of the field of view cuts the optic disc"
    assert find(values, "disc_diameter", "px") == Value("", "", "disc_diameter", None, "px", reason)
    assert find(values, "disc_x").value is not None and find(values, "disc_x").flag == reason
    assert find(values, "disc_fovea_distance", "px").flag == reason
    assert find(values, "area_density", vessel_type="vein", region="zone_b").flag == reason
    assert find(values, "disc_fovea_distance", "um").value is None
    known = measure({**LANDMARKS, "disc": rim}, FIELD, scale=Scale(5.0))
    assert find(known, "disc_fovea_distance", "um").value is not None


def test_a_region_that_leaves_the_field_is_flagged() -> None:
    field = FIELD & (COLUMNS < 303)
    values = measure({**LANDMARKS, "artery": ARTERY}, field)
    flag = find(values, "area_density", vessel_type="artery", region="zone_b").flag
    share, _, rest = flag.partition("%")
    assert rest == " of the region lie in the field of view"
    assert 55 < float(share) < 80


def test_density_is_that_of_the_region_and_vessels_are_arteries_and_veins_together() -> None:
    values = whole()
    artery, vein, both = (
        number(values, "area_density", vessel_type=name, region="field") for name in ("artery", "vein", "vessel")
    )
    assert artery == pytest.approx(ARTERY.sum() / FIELD.sum())
    assert both == pytest.approx(artery + vein)
    assert find(values, "area_density", vessel_type="vein", region="superior_nasal").value == 0


def test_calibres_of_a_wheel_of_vessels_are_those_of_its_spokes_in_all_units() -> None:
    rows, columns = np.indices((360, 360)) - 179.5
    radius, turn = np.hypot(rows, columns), np.arctan2(rows, columns)

    def spokes(width: float, first: float) -> np.ndarray:
        """Eight vessels that leave the disc, as how much of each pixel they cover."""
        off = np.abs((turn - first + np.pi / 8) % (np.pi / 4) - np.pi / 8)
        return np.where((radius > 35) & (radius < 150), np.clip(width / 2 + 0.5 - radius * np.sin(off), 0, 1), 0)

    maps = {"artery": spokes(4, 0.1), "vein": spokes(6, 0.1 + np.pi / 8), "disc": radius <= 30}
    values = measure(maps, radius <= 178, grid=Grid(2.0), scale=Scale(10.0))
    trunks: list[float] = []
    for name, vessel_type, width in (("crae", "artery", 4), ("crve", "vein", 6)):
        place = {"vessel_type": vessel_type, "region": "zone_b"}
        expected = central_equivalent([width] * 6, vessel_type, "knudtson")
        trunks.append(expected)
        assert number(values, "vessels_found", **place) == 8
        assert number(values, f"{name}_knudtson", "px", **place) == pytest.approx(2 * expected, rel=0.05)
        assert number(values, f"{name}_knudtson", "um", **place) == pytest.approx(20 * expected, rel=0.05)
        assert number(values, f"{name}_knudtson", "disc diameters", **place) == pytest.approx(expected / 60, rel=0.05)
        expected = central_equivalent([20 * width] * 6, vessel_type, "hubbard")
        assert number(values, f"{name}_hubbard", "um", **place) == pytest.approx(expected, rel=0.05)
    assert number(values, "avr_knudtson", region="zone_c") == pytest.approx(trunks[0] / trunks[1], rel=0.05)


def test_too_few_vessels_have_no_calibre_and_their_number_is_told() -> None:
    crae = find(whole(), "crae_knudtson", "px", vessel_type="artery", region="zone_b")
    assert crae.value is None
    assert crae.flag.endswith("venules found, 6 are needed")
    assert number(whole(), "vessels_found", vessel_type="artery", region="zone_b") < 6


def test_points_given_by_hand_take_the_place_of_maps() -> None:
    eye = Eye(Disc(280, 150, 40.0), Landmark(176, 162, 1.0, 1.0))
    values = measure({"vessel": ARTERY}, FIELD, eye)
    assert number(values, "disc_fovea_distance", "disc diameters") == pytest.approx(np.hypot(104, 12) / 40)
    assert find(values, "disc_diameter_longest", "px").value is None
    assert {value.vessel_type for value in values} == {"", "vessel"}


def test_mirroring_moves_no_measure_but_the_places() -> None:
    one = whole()
    other = measure({name: values[:, ::-1] for name, values in MAPS.items()}, FIELD[:, ::-1])
    for first, second in zip(one, other, strict=True):
        if first.measure not in ("disc_x", "fovea_x"):
            assert first[:3] == second[:3] and first.value == pytest.approx(second.value, nan_ok=True)


@pytest.mark.parametrize("wrong", [np.zeros((3, 4)), np.full(FIELD.shape, 1.5)])
def test_what_is_no_map_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="map of the structure vein must be"):
        measure({"vein": wrong}, FIELD)


def test_the_data_dictionary_says_what_the_values_name() -> None:
    dictionary = data_dictionary()
    named = set()
    for value in whole():
        one = dictionary["measures"][value.measure]
        assert value.vessel_type in one["vessel_types"] and value.region in one["regions"]
        assert value.unit.partition(" (")[0] in one["units"]
        named.add(value.measure)
    assert named == set(dictionary["measures"]), "all that is defined is measured"
