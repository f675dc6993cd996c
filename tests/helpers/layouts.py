"""The official layouts of the public datasets, built from small generated pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import itk
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from vmnet_monai.diseases import RFMID_CODES

WIDTH_PX, HEIGHT_PX = 6, 5


def write_image(path: Path, mode: str = "RGB", size_px: tuple[int, int] = (WIDTH_PX, HEIGHT_PX)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size_px).save(path)
    return path


def write_drive(root: Path, test_manuals: bool = True) -> Path:
    """Two training and two test photographs; gifs are palette images, as in the download."""
    for folder, numbers in (("training", ("21", "22")), ("test", ("01", "02"))):
        for number in numbers:
            write_image(root / folder / "images" / f"{number}_{folder}.tif")
            write_image(root / folder / "mask" / f"{number}_{folder}_mask.gif", "P")
            if folder == "training" or test_manuals:
                write_image(root / folder / "1st_manual" / f"{number}_manual1.gif", "P")
    return root


def write_stare(root: Path, count: int = 20) -> Path:
    for number in range(1, count + 1):
        write_image(root / "stare-images" / f"im{number:04d}.ppm")
        for observer in ("ah", "vk"):
            write_image(root / f"labels-{observer}" / f"im{number:04d}.{observer}.ppm")
    return root


def write_chasedb1(root: Path) -> Path:
    for patient in range(1, 15):
        for eye in "LR":
            write_image(root / f"Image_{patient:02d}{eye}.jpg")
            for observer in ("1stHO", "2ndHO"):
                write_image(root / f"Image_{patient:02d}{eye}_{observer}.png", "1")
    return root


def label_picture(path: Path) -> Path:
    """A label picture whose first row is an artery, a vein, a crossing, then background."""
    pixels = np.zeros((HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8)
    pixels[0, :3] = (255, 0, 0), (0, 0, 255), (0, 255, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_avrdb(root: Path, numbers: Sequence[int] = range(0, 1000, 10)) -> Path:
    """Photographs of these numbers."""
    for number in numbers:
        write_image(root / "images" / f"IM{number:06d}.jpg")
        label_picture(root / "av" / f"IM{number:06d}.png")
    return root


def write_rahimdr(root: Path, patients: Mapping[str, tuple[int, int]]) -> Path:
    """Patients by number -> class of the left and of the right eye."""
    lines = ["image,patient,eye,class"]
    for patient, classes in patients.items():
        for eye, number in zip("LR", classes, strict=True):
            write_image(root / "images" / f"Patient{patient}_{eye}.jpg")
            lines.append(f"Patient{patient}_{eye}.jpg,{patient},{eye},{number}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


LANDMARK_COLUMNS = "reading,dataset,image,width,height,disc_x,disc_y,disc_w,disc_h,disc_cut,fovea_x,fovea_y,fovea_sure"


def write_landmarks(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([LANDMARK_COLUMNS, *rows]) + "\n", encoding="utf-8")
    return path


def write_hrf(root: Path, artery_vein: Sequence[str] = ()) -> Path:
    """All 45 photographs, of some a label picture; the groups' suffixes differ in case, as in the download."""
    for name in artery_vein:
        label_picture(root / "av" / f"{name}.png")
    for group, suffix in (("h", "jpg"), ("dr", "JPG"), ("g", "jpg")):
        for number in range(1, 16):
            write_image(root / "images" / f"{number:02d}_{group}.{suffix}")
            write_image(root / "manual1" / f"{number:02d}_{group}.tif", "L")
            write_image(root / "mask" / f"{number:02d}_{group}_mask.tif")
    return root


def write_fives(root: Path) -> Path:
    """One photograph per letter in each part; numbers restart."""
    for part in ("train", "test"):
        for number, letter in enumerate("ADGN", start=1):
            for folder in ("Original", "Ground truth"):
                write_image(root / part / folder / f"{number}_{letter}.png")
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
            write_image(photographs / f"{row['ID']}.png")
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
            write_image(root / folder / str(filename))
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
            write_image(root / part / grade / f"EyePACS-{part}-{grade}-1.jpg")
    return root


ISIC2017_ROWS = {"0": "0.0,0.0", "1": "1.0,0.0", "2": "0.0,1.0"}
"""Last digit of each part's photographs -> melanoma, seborrheic keratosis."""


def write_isic2017(root: Path, doubled: bool = False) -> Path:
    """Three photographs in each part, ISIC_0000000 to 2 train, 10 to 12 validate, 20 to 22 test."""
    for tens, part in enumerate(("Training", "Validation", "Test_v2")):
        data, outlines = (
            root / folder / folder if doubled else root / folder
            for folder in (f"ISIC-2017_{part}_Data", f"ISIC-2017_{part}_Part1_GroundTruth")
        )
        lines = ["image_id,melanoma,seborrheic_keratosis"]
        for digit, labels in ISIC2017_ROWS.items():
            name = f"ISIC_00000{tens}{digit}"
            write_image(data / f"{name}.jpg")
            write_image(data / f"{name}_superpixels.png")
            write_image(outlines / f"{name}_segmentation.png", "L")
            lines.append(f"{name},{labels}")
        (data / f"ISIC-2017_{part}_Data_metadata.csv").touch()
        (root / f"ISIC-2017_{part}_Part3_GroundTruth.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def write_volume(path: Path, voxels: NDArray[np.generic]) -> Path:
    """A MetaImage, .mhd and .raw, of voxels (slices, rows, columns)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    itk.imwrite(itk.image_from_array(voxels), str(path))
    return path


def write_retouch(
    root: Path, counts: Mapping[str, int] = {"Cirrus": 1, "Spectralis": 1, "Topcon": 1}, part: str = "TrainingSet"
) -> Path:
    """Volumes by maker, of three slices of 5 x 6 pixels: without fluid, with IRF and PED, with SRF.

    Numbers start at 001, 025 and 049, as in the download; Spectralis has 16 bits.
    """
    reference = np.zeros((3, HEIGHT_PX, WIDTH_PX), dtype=np.uint8)
    reference[1, 2, 3], reference[1, 4, 0], reference[2, 0, 5] = 1, 3, 2
    for first, (vendor, dtype) in zip(
        (1, 25, 49), {"Cirrus": np.uint8, "Spectralis": np.uint16, "Topcon": np.uint8}.items(), strict=True
    ):
        for number in range(first, first + counts.get(vendor, 0)):
            folder = root / f"RETOUCH-{part}-{vendor}" / f"{'TRAIN' if part == 'TrainingSet' else 'TEST'}{number:03d}"
            write_volume(folder / "oct.mhd", np.full(reference.shape, 200, dtype=dtype))
            write_volume(folder / "reference.mhd", reference)
    return root


def write_table(root: Path, lines: Sequence[str], name: str = "photographs.csv", images: Sequence[str] = ()) -> Path:
    for image in images:
        write_image(root / image)
    path = root / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
