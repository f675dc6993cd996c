"""A table of landmarks gives optic discs and foveas to the items of the datasets that it names."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts import WIDTH_PX, write_chasedb1, write_hrf, write_image, write_landmarks
from scipy import ndimage

from vmnet_monai.datasets import DatasetError, DatasetWarning, Item, load_datalists, read_datasets
from vmnet_monai.datasets.check import check_datasets
from vmnet_monai.datasets.landmarks import add_landmarks
from vmnet_monai.io.images import open_image
from vmnet_monai.transforms import chain, load_and_crop

SHARED = Path(__file__).parents[2] / "../shared/data"

ROW = "1,hrf,01_h.JPG,60,50,40,20,10,8,0,25,30,1"
"""On a photograph of 60 x 50 pixels a disc of 10 x 8 around (40, 20) and a fovea at (25, 30)."""


def marked(tmp_path: Path, row: str, size_px: tuple[int, int] = (60, 50)) -> Item:
    """The one photograph 01_h of a dataset, with the landmarks of a row."""
    item = {"image": str(write_image(tmp_path / "01_h.jpg", size_px=size_px)), "dataset": "hrf"}
    return add_landmarks([item], write_landmarks(tmp_path / "marks.csv", row), "hrf")[0]


def centre(address: str) -> tuple[float, float]:
    """x and y of the middle of a mask, in pixels from the upper left corner."""
    row, column = ndimage.center_of_mass(np.asarray(open_image(address)))
    return column + 0.5, row + 0.5


def test_disc_is_an_ellipse_and_the_fovea_a_point_with_a_circle_of_the_discs_diameter(tmp_path: Path) -> None:
    item = marked(tmp_path, ROW)
    assert (item["fovea"], item["fovea_sure"], item["disc_cut"]) == ((25.0, 30.0), True, False)
    assert centre(item["disc"]) == (40, 20)
    disc, fovea = (np.asarray(open_image(item[key])) > 0 for key in ("disc", "fovea_region"))
    assert [np.ptp(places) + 1 for places in np.nonzero(disc)] == [8, 10]
    assert centre(item["fovea_region"]) == (25, 30)
    for mask in (disc, fovea):  # pi * 5 * 4
        assert np.count_nonzero(mask) == pytest.approx(62.8, rel=0.05)


def test_marks_are_scaled_to_the_photograph(tmp_path: Path) -> None:
    item = marked(tmp_path, ROW, size_px=(120, 100))
    assert item["fovea"] == (50.0, 60.0)
    assert centre(item["disc"]) == (80, 40)


def test_photograph_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"row 2 \(01_h.JPG\): .* has 60x60 and the row 60x50"):
        marked(tmp_path, ROW, size_px=(60, 60))


def test_fovea_outside_the_field_has_an_empty_region_and_no_point(tmp_path: Path) -> None:
    item = marked(tmp_path, "1,hrf,01_h.JPG,60,50,40,20,10,8,1,,,")
    assert {"fovea", "fovea_sure"}.isdisjoint(item)
    assert not np.asarray(open_image(item["fovea_region"])).any()
    assert item["disc_cut"] is True


def test_fovea_placed_by_geometry_is_a_point_without_region(tmp_path: Path) -> None:
    item = marked(tmp_path, "1,hrf,01_h.JPG,60,50,40,20,10,8,0,25,30,0")
    assert (item["fovea"], item["fovea_sure"]) == ((25.0, 30.0), False)
    assert "fovea_region" not in item


def test_rows_of_other_readings_and_datasets_are_left_and_those_without_photograph_counted(tmp_path: Path) -> None:
    write_hrf(tmp_path)
    rows = ["1,hrf,01_h.JPG,6,5,3,2,2,2,0,1,1,1", "2,hrf,01_h.JPG,6,5,1,1,1,1,0,1,1,1"]
    rows += ["1,hrf,16_h.JPG,6,5,3,2,2,2,0,1,1,1", "1,drive,02_h.JPG,6,5,3,2,2,2,0,1,1,1"]
    table = write_landmarks(tmp_path / "marks.csv", *rows)
    with pytest.warns(DatasetWarning, match=r"^1 rows of landmarks without photograph of hrf: .*row 4 \(16_h.JPG\)\.$"):
        items = read_datasets("hrf", tmp_path, [], landmarks=table)
    assert {item["id"]: item["disc"].partition("?")[2] for item in items if "disc" in item} == {
        "hrf_01_h": "ellipse=3,2,2,2"
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,hrf,01_h.JPG,60,50,40,20,wide,8,0,25,30,1", "disc_w must be a number of pixels, .* got 'wide'"),
        ("1,hrf,01_h.JPG,60,50,40,20,10,0,0,25,30,1", "disc_h must be a number of pixels, .* got '0'"),
        ("1,hrf,01_h.JPG,60,50,40,20,10,8,0,,30,1", "fovea_x must be a number of pixels, .* got ''"),
        ("1,hrf,01_h.JPG,60,50,40,20,10,8,yes,25,30,1", "disc_cut must be 0 or 1, got 'yes'"),
        (f"{ROW}\n{ROW}", r"row 3 \(01_h.JPG\): a photograph must have one row per reading"),
    ],
)
def test_wrong_row_is_refused(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        marked(tmp_path, row)


def test_decimal_commas_of_a_spreadsheet_are_read(tmp_path: Path) -> None:
    table = write_landmarks(tmp_path / "marks.csv", ROW.replace(",40,20,", ",40.5,20.25,"))
    table.write_text(table.read_text().replace(",", ";").replace(".5", ",5").replace(".25", ",25"))
    item = {"image": str(write_image(tmp_path / "01_h.jpg", size_px=(60, 50))), "dataset": "hrf"}
    assert "ellipse=40.5,20.25,10,8" in add_landmarks([item], table, "hrf")[0]["disc"]


def test_what_is_only_said_of_some_photographs_stays_out_of_batches(tmp_path: Path) -> None:
    """Batches are collated by key; masks that are missing are filled, other keys are not."""
    write_hrf(tmp_path / "h")
    write_chasedb1(tmp_path / "c")
    table = write_landmarks(tmp_path / "marks.csv", "1,hrf,01_h.JPG,6,5,3,2,2,2,0,1,1,1")
    folders = [tmp_path / "h", tmp_path / "c"]
    datalists = load_datalists(["hrf", "chasedb1"], folders, [], structures=["disc"], landmarks=table)
    keys = Counter(frozenset(item) for own in datalists.values() for item in own)
    common = {"image", "disease", "dataset", "patient", "eye", "sex", "age", "id"}
    assert keys == {frozenset(common): 28, frozenset({*common, "fov"}): 44, frozenset({*common, "fov", "disc"}): 1}


def test_check_counts_discs_and_measures_them_by_their_photograph(tmp_path: Path) -> None:
    write_hrf(tmp_path)
    table = write_landmarks(tmp_path / "marks.csv", "1,hrf,06_h.JPG,6,5,3,2,2,2,0,1,1,1")
    report = check_datasets(["hrf"], [tmp_path], ["normal"], table)
    assert report.errors == report.warnings == []
    test = next(row for row in report.counts.to_dict("records") if row["part"] == "test")
    assert (test["vessel"], test["disc"], test["fovea_region"], test["smallest"]) == (30, 1, 1, f"{WIDTH_PX}x5")


def test_masks_are_cropped_with_the_photograph(tmp_path: Path) -> None:
    """The whole photograph of 60 x 50 pixels becomes a square of 30 with 2.5 pixels of margin above."""
    item: dict[str, Any] = marked(tmp_path, ROW)
    cropped: Any = chain([load_and_crop(["disc"], grid_size=30, field_of_view="whole")])(item)
    row, column = ndimage.center_of_mass(np.asarray(cropped["disc"])[0])
    assert (column + 0.5, row + 0.5) == pytest.approx((40 / 2, (20 + 5) / 2), abs=0.1)


@pytest.mark.skipif(not (SHARED / "landmarks.csv").is_file(), reason="the real landmarks are not beside the repository")
def test_real_landmarks_are_complete_and_agree_with_the_side_of_the_eye() -> None:
    folders = [SHARED / name for name in ("HRF", "CHASEDB1", "AVRDB", "RahimDR")]
    items = read_datasets(["hrf", "chasedb1", "avrdb", "rahimdr"], folders, [], landmarks=SHARED / "landmarks.csv")
    with_disc = [item for item in items if "disc" in item]
    assert Counter(item["dataset"] for item in with_disc) == {"hrf": 45, "chasedb1": 28, "avrdb": 100, "rahimdr": 99}
    assert sum(item["disc_cut"] for item in with_disc) == 4
    sure = Counter(item.get("fovea_sure") for item in with_disc)
    assert sure[None] == 6
    assert sum("fovea_region" in item for item in with_disc) == sure[True] + sure[None]
    # In a photograph of a left eye the disc lies left of the fovea.
    for item in with_disc:
        if item["eye"] and "fovea" in item:
            disc_x = float(item["disc"].partition("?ellipse=")[2].split(",")[0])
            assert (disc_x < item["fovea"][0]) == (item["eye"] == "left")
