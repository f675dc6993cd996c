"""How the measures of an eye are grouped and written, and what of the eye is drawn."""

from __future__ import annotations

import pytest
from drawn_eye import DISC_RADIUS, DISC_X, DISC_Y, FIELD, MASKS, use_small_grid

from vmnet_monai.biomarkers.photograph import MeasuredPhotograph, measure_photograph, measuring_grid
from vmnet_monai.biomarkers.profile import WidthAt
from vmnet_monai.biomarkers.scale import Scale
from vmnet_monai.biomarkers.tidy import Value
from vmnet_monai.reports.measures import definitions, drawn_eye, measure_groups, values_notes
from vmnet_monai.reports.plot import width_plot


@pytest.fixture(scope="module")
def measured() -> MeasuredPhotograph:
    with pytest.MonkeyPatch.context() as monkeypatch:
        use_small_grid(monkeypatch)
        return measure_photograph(MASKS, measuring_grid(FIELD))


def test_measures_are_grouped_by_vessel_type_and_region(measured: MeasuredPhotograph) -> None:
    groups = {group.title: group for group in measure_groups(measured.values)}
    assert list(groups) == [
        "Arteries and veins together",
        *("Arteries", "Arteries: quadrants", "Veins", "Veins: quadrants", "All vessels", "All vessels: quadrants"),
        "Optic disc and fovea",
    ]
    arteries = groups["Arteries"]
    assert arteries.regions == ["Whole field", "Zone B", "Zone C"]
    lines = {line.name: line for line in arteries.lines}
    assert [cell is None for cell in lines["Segments"].cells] == [False, True, True], "of the whole field alone"
    found = lines["Vessels found"].cells
    assert [cell and cell.text for cell in found] == [None, "8", "8"]
    assert len({group.key for group in groups.values()}) == len(groups)
    shown = {line.name for group in groups.values() for line in group.lines}
    assert shown == {definition.name for definition in definitions(measured.values)}


def test_each_measure_is_shown_in_one_unit_that_is_known(measured: MeasuredPhotograph) -> None:
    units = {line.name: line.unit for group in measure_groups(measured.values) for line in group.lines}
    assert units["Mean width"] == "µm"
    assert units["Density by length"] == "per disc diameter"
    assert units["Optic disc diameter"] == "pixels", "by an assumed disc its microns would be the assumption"
    with_scale = measure_photograph({"disc": MASKS["disc"]}, measuring_grid(FIELD), scale=Scale(10.0)).values
    units = {line.name: line.unit for group in measure_groups(with_scale) for line in group.lines}
    assert units["Optic disc diameter"] == "µm"
    without_disc = measure_photograph({"artery": MASKS["artery"]}, measuring_grid(FIELD)).values
    (group,) = [group for group in measure_groups(without_disc) if group.title == "Arteries"]
    assert {line.name: line.unit for line in group.lines}["Mean width"] == "pixels"
    assert "Microns rest on an assumption: disc diameter 1800 µm." in values_notes(measured.values)
    assert not any("Microns rest" in sentence for sentence in values_notes(with_scale))


@pytest.mark.usefixtures("no_cautions")
def test_a_value_that_needs_a_word_has_a_note() -> None:
    values = [
        Value("artery", "field", "width_mean", 80.0, "um"),
        Value("artery", "zone_b", "width_mean", 90.0, "um", "93% of the region lie in the field of view"),
        Value("artery", "zone_c", "width_mean", None, "um", "the optic disc is not seen"),
    ]
    (group,) = measure_groups(values)
    assert [(cell.text, cell.notes) for cell in group.lines[0].cells if cell] == [("80", []), ("90", [1]), ("–", [2])]
    assert group.notes == ["93% of the region lie in the field of view", "the optic disc is not seen"]


def test_a_value_has_the_range_of_reference_eyes() -> None:
    um = "um (assumed: disc diameter 1800 um)"
    (group,) = measure_groups([Value("artery", "zone_b", name, 140.0, um) for name in ("crae_knudtson", "width_mean")])
    drawn_otherwise, of_experts = (cell for line in group.lines if (cell := line.cells[1]))
    low, high = map(float, of_experts.usual.split(" to "))
    assert 80 < low < high < 200
    assert drawn_otherwise.usual == ""
    assert any("45 photographs of HRF" in sentence for sentence in values_notes([]))


def test_zones_and_quadrants_are_drawn_where_they_are_measured(measured: MeasuredPhotograph) -> None:
    eye = drawn_eye(measured.values)
    assert eye is not None
    assert eye.disc == pytest.approx((DISC_X, DISC_Y, 2 * DISC_RADIUS), rel=0.02)
    radius = DISC_RADIUS
    for zone, inner, outer in zip(eye.zones, (radius, 2 * radius, 2 * radius), (2, 3, 5), strict=True):
        assert (zone.inner_px, zone.outer_px) == pytest.approx((inner, outer * radius), rel=0.02), zone.name
    (x1, y1, x2, y2), other = eye.axes
    slope = (y2 - y1) / (x2 - x1)
    assert DISC_Y + slope * (90 - DISC_X) == pytest.approx(117, abs=1), "through the fovea"
    assert slope * (other[3] - other[1]) / (other[2] - other[0]) == pytest.approx(-1)
    without = [value for value in measured.values if not value.measure.startswith("fovea")]
    assert drawn_eye(without) == eye._replace(axes=[])
    assert drawn_eye([]) is None


def test_plot_goes_from_nothing_to_the_widest() -> None:
    plot = width_plot({"artery": [WidthAt(0.5, 150.0), WidthAt(2.5, 50.0)], "vein": [WidthAt(1, 99.0)]})
    assert plot is not None
    (curve,) = plot.curves
    left, top, right, bottom = plot.frame
    assert [tick.text for tick in plot.widths] == ["0", "50", "100", "150"]
    assert [tick.text for tick in plot.distances] == ["0", "1", "2", "3"]
    assert (plot.widths[0].at, plot.widths[-1].at) == (bottom, top)
    assert (plot.distances[0].at, plot.distances[-1].at) == (left, right)
    (x1, y1), (x2, y2) = curve.points
    assert y1 == top and y2 == pytest.approx(bottom - (bottom - top) / 3, abs=0.1)
    assert (x1 - left) / (right - left) == pytest.approx(1 / 6, abs=0.01)
    assert plot.zone_b[0] == x1
    assert width_plot({"artery": [WidthAt(0.5, 150.0)]}) is None, "a point is no line"
    assert width_plot({}) is None
