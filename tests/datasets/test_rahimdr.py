"""RahimDR: nine classes as normal, diabetic retinopathy, its grade and maculopathy; a split by patient."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
from layouts import write_image, write_rahimdr

from vmnet_monai.datasets import DatasetError, DatasetWarning, confounded_labels, load_datalists, read_datasets
from vmnet_monai.datasets.rahimdr import read

SHARED = Path(__file__).parents[2] / "../shared/data"
REAL = pytest.mark.skipif(not (SHARED / "RahimDR").is_dir(), reason="the real RahimDR is not beside the repository")


def test_classes_are_grades_with_and_without_maculopathy(tmp_path: Path) -> None:
    write_rahimdr(tmp_path, {"001": (1, 2), "002": (3, 4), "003": (5, 6), "004": (7, 8), "005": (9, 1)})
    items = read(tmp_path, ["normal", "diabetic_retinopathy"])
    assert [(item["grade"], item["maculopathy"]) for item in items] == [
        *((0, False), (1, False), (1, True), (2, False), (2, True)),
        *((3, False), (3, True), (4, False), (4, True), (0, False)),
    ]
    assert [item["disease"] for item in items] == [[1.0, 0.0], *[[0.0, 1.0]] * 8, [1.0, 0.0]]


def test_only_normal_eyes_say_that_other_diseases_are_absent(tmp_path: Path) -> None:
    normal, diseased = read(write_rahimdr(tmp_path, {"001": (1, 2)}), ["glaucoma"])
    assert normal["disease"] == [0.0]
    assert math.isnan(diseased["disease"][0])


def test_eyes_share_a_patient_and_a_part(tmp_path: Path) -> None:
    items = read(write_rahimdr(tmp_path, {f"{n:03d}": (1, 1 + n % 3) for n in range(20)}), [])
    left, right = (item for item in items if item["patient"] == "rahimdr_007")
    assert (left["id"], left["eye"]) == ("rahimdr_Patient007_L", "left")
    assert (right["id"], right["eye"]) == ("rahimdr_Patient007_R", "right")
    part_of = {(item["patient"], item["split"]) for item in items}
    assert Counter(part for _, part in part_of) == {"train": 14, "val": 3, "test": 3}


def test_every_grade_is_in_every_part_and_the_seed_moves_nobody(tmp_path: Path) -> None:
    # 20 patients of each worse grade: 14, 3 and 3.
    write_rahimdr(tmp_path, {f"{n:03d}": (1, 2 * (n % 5) + 1) for n in range(100)})
    one, two = (load_datalists("rahimdr", tmp_path, ["normal"], split_seed=seed) for seed in (0, 1))
    assert one == two
    for part, count in (("train", 14), ("val", 3), ("test", 3)):
        worst = Counter(item["grade"] for item in one[part] if item["eye"] == "right")
        assert worst == dict.fromkeys(range(5), count)


def test_rows_and_photographs_without_the_other_are_counted(tmp_path: Path) -> None:
    write_rahimdr(tmp_path, {"001": (1, 2), "002": (1, 1)})
    (tmp_path / "images/Patient002_R.jpg").unlink()
    write_image(tmp_path / "images/Patient003_L.jpg")
    with pytest.warns(DatasetWarning) as caught:
        assert len(read(tmp_path, [])) == 3
    assert [str(entry.message) for entry in caught] == [
        "1 RahimDR rows without photograph left out: Patient002_R.jpg.",
        "1 RahimDR photographs without row left out: Patient003_L.jpg.",
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("Patient001_R.jpg,001,R,10", "class must be one of 1, 2, .* got '10'"),
        ("Patient001_R.jpg,001,B,1", "eye must be one of L, R, got 'B'"),
        ("Patient001_L.jpg,001,L,2", "Patient001_L.jpg has several"),
    ],
)
def test_wrong_row_is_refused(tmp_path: Path, row: str, message: str) -> None:
    write_rahimdr(tmp_path, {"001": (1, 2)})
    (tmp_path / "labels.csv").write_text(f"image,patient,eye,class\nPatient001_L.jpg,001,L,1\n{row}\n")
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, [])


def test_table_without_any_of_its_photographs_is_refused(tmp_path: Path) -> None:
    write_rahimdr(tmp_path, {"001": (1, 2)})
    (tmp_path / "labels.csv").write_text("image,patient,eye,class\nPatient009_L.jpg,009,L,1\n")
    with pytest.raises(DatasetError, match="holds none of the photographs in labels.csv"):
        read(tmp_path, [])


@REAL
def test_real_rahimdr_is_complete() -> None:
    datalists = load_datalists("rahimdr", SHARED / "RahimDR", ["normal", "diabetic_retinopathy"])
    counts = {
        part: (len(own), len({item["patient"] for item in own}), sum(item["disease"] == [1.0, 0.0] for item in own))
        for part, own in datalists.items()
    }
    assert counts == {"train": (274, 137, 132), "val": (60, 30, 31), "test": (60, 30, 30)}
    items = [item for own in datalists.values() for item in own]
    assert Counter(item["grade"] for item in items) == {0: 193, 1: 60, 2: 104, 3: 26, 4: 11}
    assert Counter(item["eye"] for item in items) == {"left": 197, "right": 197}
    assert sum(item["maculopathy"] for item in items) == 19 + 54 + 10 + 6


@REAL
def test_real_rahimdr_and_hrf_alone_show_healthy_and_diabetic_eyes_of_one_source() -> None:
    names = {"rahimdr": "RahimDR", "hrf": "HRF", "odir-5k-400": "ODIR-5K-400", "odir-5k-256": "ODIR-5K-256"}
    readers = ["rahimdr", "hrf", "odir5k", "odir5k"]
    diseases = ["normal", "diabetic_retinopathy", "glaucoma"]
    items = read_datasets(readers, [SHARED / folder for folder in names.values()], diseases)
    sources = [item["dataset"] for item in items]
    labels = [item["disease"] for item in items]
    confounded = confounded_labels(labels, sources)
    learnt = {
        name: [
            disease
            for k, disease in enumerate(diseases)
            if any(
                source == name and not math.isnan(label[k]) and not found[k]
                for source, label, found in zip(sources, labels, confounded, strict=True)
            )
        ]
        for name in names
    }
    assert learnt == {
        "rahimdr": ["normal", "diabetic_retinopathy"],
        "hrf": ["normal", "diabetic_retinopathy", "glaucoma"],
        "odir-5k-400": ["normal", "glaucoma"],
        "odir-5k-256": ["diabetic_retinopathy", "glaucoma"],
    }
