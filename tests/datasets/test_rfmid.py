"""RFMiD in its layouts."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
from layouts import write_image, write_rfmid

from vmnet_monai.datasets import DatasetError, DatasetWarning
from vmnet_monai.datasets.rfmid import _read_table, read
from vmnet_monai.diseases import RFMID_CODES

NAN = math.nan
SHARED = Path(__file__).parents[2] / "../shared/data/RFMiD"


@pytest.mark.parametrize("layout", ["single", "doubled", "numbered"])
def test_ids_restart_in_each_part_but_items_are_distinct(tmp_path: Path, layout: str) -> None:
    items = read(write_rfmid(tmp_path, layout), [])
    assert [(item["id"], item["split"]) for item in items] == [
        (f"rfmid_{split}_{number}", split) for split in ("train", "val", "test") for number in (1, 2, 3)
    ]
    assert all(item["patient"] == item["id"] for item in items)


def test_findings_are_known_and_diseases_that_rfmid_does_not_name_unknown(tmp_path: Path) -> None:
    keys = ["normal", "diabetic_retinopathy", "media_haze", "optic_disc_cupping", "cataract", "glaucoma"]
    normal, retinopathy, haze = read(write_rfmid(tmp_path), keys)[:3]
    assert normal["disease"] == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert retinopathy["disease"] == pytest.approx([0.0, 1.0, 0.0, 0.0, NAN, NAN], nan_ok=True)
    assert haze["disease"] == pytest.approx([0.0, 0.0, 1.0, 1.0, NAN, NAN], nan_ok=True)


def test_rows_without_photograph_and_photographs_without_row_are_counted(tmp_path: Path) -> None:
    write_rfmid(tmp_path)
    (tmp_path / "Test_Set/Test/2.png").rename(tmp_path / "Test_Set/Test/9.png")
    with pytest.warns(DatasetWarning) as caught:
        assert len(read(tmp_path, [])) == 8
    messages = [str(entry.message) for entry in caught]
    assert messages[0].startswith("1 RFMiD rows without photograph left out: 2 in RFMiD_Testing_Labels.csv")
    assert messages[1].startswith("1 RFMiD photographs without row left out")


def test_part_without_table_is_left_out_with_a_warning(tmp_path: Path) -> None:
    shutil.rmtree(write_rfmid(tmp_path) / "Test_Set")
    with pytest.warns(DatasetWarning, match="^1 .*table.*test"):
        assert {item["split"] for item in read(tmp_path, [])} == {"train", "val"}


def test_tables_without_any_photograph_are_refused(tmp_path: Path) -> None:
    write_rfmid(tmp_path)
    for folder in ("Training_Set/Training", "Evaluation_Set/Validation", "Test_Set/Test"):
        shutil.rmtree(tmp_path / folder)
    with pytest.raises(DatasetError, match="Training_Set/Training"):
        read(tmp_path, [])


def test_photographs_without_any_table_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "Training_Set/Training/1.png")
    with pytest.raises(DatasetError, match="no RFMiD table"):
        read(tmp_path, [])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("BRVO", "BRV", "unknown.* BRV"),
        ("2,1,1,0", "2,1,2,0", "column DR.* 0 or 1"),
        ("\n2,", "\n1,", "ID.* 1 has several"),
    ],
)
def test_damaged_table_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    table = write_rfmid(tmp_path) / "Training_Set/RFMiD_Training_Labels.csv"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DatasetError, match=rf"RFMiD_Training_Labels.csv.*{message}"):
        read(tmp_path, [])


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real RFMiD tables are not beside the repository")
def test_real_tables_have_the_published_counts() -> None:
    tables = [_read_table(path) for path in sorted(SHARED.rglob("*.csv"))]
    assert sorted(len(table) for table in tables) == [640, 640, 1920]
    assert all(set(table.columns) == {"normal", *RFMID_CODES.values()} for table in tables)
    assert sum(table["normal"].sum() for table in tables) == 401 + 134 + 134
