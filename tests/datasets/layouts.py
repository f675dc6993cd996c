"""The official layouts of the public datasets, built from small generated pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from PIL import Image

from vmnet_monai.diseases import RFMID_CODES

WIDTH_PX, HEIGHT_PX = 6, 5


def picture(path: Path, mode: str = "RGB", size_px: tuple[int, int] = (WIDTH_PX, HEIGHT_PX)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size_px).save(path)
    return path


def write_drive(root: Path, test_manuals: bool = True) -> Path:
    """Two training and two test photographs; gifs are palette images, as in the download."""
    for folder, numbers in (("training", ("21", "22")), ("test", ("01", "02"))):
        for number in numbers:
            picture(root / folder / "images" / f"{number}_{folder}.tif")
            picture(root / folder / "mask" / f"{number}_{folder}_mask.gif", "P")
            if folder == "training" or test_manuals:
                picture(root / folder / "1st_manual" / f"{number}_manual1.gif", "P")
    return root


def write_stare(root: Path, count: int = 20) -> Path:
    for number in range(1, count + 1):
        picture(root / "stare-images" / f"im{number:04d}.ppm")
        for observer in ("ah", "vk"):
            picture(root / f"labels-{observer}" / f"im{number:04d}.{observer}.ppm")
    return root


def write_chasedb1(root: Path) -> Path:
    for patient in range(1, 15):
        for eye in "LR":
            picture(root / f"Image_{patient:02d}{eye}.jpg")
            for observer in ("1stHO", "2ndHO"):
                picture(root / f"Image_{patient:02d}{eye}_{observer}.png", "1")
    return root


def write_hrf(root: Path) -> Path:
    """All 45 photographs; the groups' suffixes differ in case, as in the download."""
    for group, suffix in (("h", "jpg"), ("dr", "JPG"), ("g", "jpg")):
        for number in range(1, 16):
            picture(root / "images" / f"{number:02d}_{group}.{suffix}")
            picture(root / "manual1" / f"{number:02d}_{group}.tif", "L")
            picture(root / "mask" / f"{number:02d}_{group}_mask.tif")
    return root


def write_fives(root: Path) -> Path:
    """One photograph per letter in each part; numbers restart."""
    for part in ("train", "test"):
        for number, letter in enumerate("ADGN", start=1):
            for folder in ("Original", "Ground truth"):
                picture(root / part / folder / f"{number}_{letter}.png")
    return root


RFMID_ROWS: tuple[dict[str, int], ...] = ({}, {"DR": 1}, {"MH": 1, "ODC": 1})
"""What each part of the written RFMiD says about its photographs 1, 2, 3: normal, then findings."""

_RFMID_PARTS = (
    ("a", "Training_Set", "Training", "Training Set", "RFMiD_Training_Labels.csv"),
    ("b", "Evaluation_Set", "Validation", "Validation Set", "RFMiD_Validation_Labels.csv"),
    ("c", "Test_Set", "Test", "Testing Set", "RFMiD_Testing_Labels.csv"),
)


def write_rfmid(root: Path, layout: str = "single") -> Path:
    """Three photographs in each part; layout single, doubled or numbered; the tables start with a byte order mark."""
    for letter, folder, inner, long_name, table in _RFMID_PARTS:
        prefix = root / folder / folder if layout == "doubled" else root / folder
        table_path, photographs = prefix / table, prefix / inner
        if layout == "numbered":
            table_path = root / "2. Groundtruths" / f"{letter}. {table}"
            photographs = root / "1. Original Images" / f"{letter}. {long_name}"
        rows = [
            {"ID": number, "Disease_Risk": int(bool(present)), **{code: present.get(code, 0) for code in RFMID_CODES}}
            for number, present in enumerate(RFMID_ROWS, start=1)
        ]
        table_path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_csv(table_path, index=False, encoding="utf-8-sig")
        for row in rows:
            picture(photographs / f"{row['ID']}.png")
    return root


def write_odir5k(
    root: Path,
    patients: Mapping[int, tuple[str, str]],
    table: str = "full_df.csv",
    folder: str = "preprocessed_images",
) -> Path:
    """Patients by ID -> keywords of the left and of the right eye; a CSV has a row per eye, an XLSX per patient."""
    rows = []
    for patient, (left, right) in patients.items():
        row = {
            "ID": patient,
            "Left-Fundus": f"{patient}_left.jpg",
            "Right-Fundus": f"{patient}_right.jpg",
            "Left-Diagnostic Keywords": left,
            "Right-Diagnostic Keywords": right,
        }
        for filename in (row["Left-Fundus"], row["Right-Fundus"]):
            picture(root / folder / str(filename))
        rows += (
            [row]
            if table.endswith(".xlsx")
            else [{**row, "filename": row[side]} for side in ("Right-Fundus", "Left-Fundus")]
        )
    path = root / table
    frame = pd.DataFrame(rows)
    frame.to_excel(path, index=False) if table.endswith(".xlsx") else frame.to_csv(path, index=False)
    return root


def write_eyepacs_light(root: Path) -> Path:
    for part in ("train", "validation", "test"):
        for grade in ("RG", "NRG"):
            picture(root / part / grade / f"EyePACS-{part}-{grade}-1.jpg")
    return root


def write_table(
    root: Path, lines: Sequence[str], name: str = "photographs.csv", photographs: Sequence[str] = ()
) -> Path:
    for photograph in photographs:
        picture(root / photograph)
    path = root / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
