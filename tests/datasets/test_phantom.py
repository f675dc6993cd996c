"""Generated photographs: what a seed fixes, what a disease changes, and what lies on disk."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.ndimage import binary_dilation, label
from skimage.transform import downscale_local_mean

from vmnet_monai.datasets import phantom, phantom_drawing
from vmnet_monai.datasets.phantom import DISEASES, generate_phantom, read, write_phantoms

SIZE_PX = 128


def tree(directory: Path) -> dict[str, str]:
    files = (path for path in sorted(directory.rglob("*")) if path.is_file())
    return {str(path.relative_to(directory)): hashlib.sha1(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantoms(tmp_path_factory.mktemp("phantom"), count=25, size_px=64).parent


# What a seed fixes


def test_same_seed_gives_the_same_phantom() -> None:
    first, second = generate_phantom(3, SIZE_PX), generate_phantom(3, SIZE_PX)
    assert (first.diseases, first.eye) == (second.diseases, second.eye)
    for name in ("image", "vessel", "fov"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_same_seed_gives_the_same_phantom_in_another_process() -> None:
    code = (
        "from vmnet_monai.datasets.phantom import generate_phantom as g, _draw_diseases as d;"
        "import numpy as np, hashlib;"
        "print([sorted(d(np.random.default_rng(i))) for i in range(40)], hashlib.sha1(g(1, 64).image).hexdigest())"
    )
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONHASHSEED": "1"}  # that of this process is drawn
    command = [sys.executable, "-c", code]
    there = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True).stdout
    with redirect_stdout(StringIO()) as here:
        exec(code, {})
    assert there == here.getvalue()


def test_other_seeds_give_other_phantoms() -> None:
    assert not np.array_equal(generate_phantom(0, 64).image, generate_phantom(1, 64).image)


def test_same_seed_shows_the_same_scene_at_another_size() -> None:
    large, small = generate_phantom(5, 256), generate_phantom(5, 128)
    shrunk = downscale_local_mean(large.image.astype(float), (2, 2, 1))
    assert np.abs(shrunk - small.image)[small.fov].mean() < 5  # of 255
    assert large.fov.mean() == pytest.approx(small.fov.mean(), rel=0.02)
    inside = binary_dilation(small.vessel, iterations=1)[large.vessel.reshape(128, 2, 128, 2).any((1, 3))]
    assert inside.mean() > 0.97
    assert (large.diseases, large.eye) == (small.diseases, small.eye)


# What a photograph looks like


@pytest.mark.parametrize("seed", range(6))
def test_masks_lie_in_the_field_of_view_and_the_rest_is_black(seed: int) -> None:
    made = generate_phantom(seed, SIZE_PX)
    assert made.image.shape == (SIZE_PX, SIZE_PX, 3) and made.image.dtype == np.uint8
    for mask in (made.vessel, *made.lesions.values()):
        assert mask.dtype == bool and mask.any() and not (mask & ~made.fov).any()
    outside = ~binary_dilation(made.fov, iterations=4)
    assert made.image[outside].max() < 10 < made.image[made.fov].mean()
    red, green, blue = made.image[made.fov].mean(axis=0)
    assert red > green > blue


def test_vessels_cover_as_much_of_the_field_of_view_as_in_hand_drawn_truths() -> None:
    # HRF and CHASE_DB1, scaled to this size: 0.07 to 0.13.
    share = [p.vessel.sum() / p.fov.sum() for p in (generate_phantom(seed, 512) for seed in range(4))]
    assert min(share) > 0.07 and max(share) < 0.13


def test_vessels_are_darker_than_their_surroundings() -> None:
    made = generate_phantom(2, 256, [])
    beside = binary_dilation(made.vessel, iterations=3) & ~binary_dilation(made.vessel) & made.fov
    assert made.image[made.vessel, 1].mean() < made.image[beside, 1].mean() - 5


@pytest.mark.parametrize("seed", range(8))
def test_fovea_lies_temporal_to_the_disc_and_slightly_below(seed: int) -> None:
    made = generate_phantom(seed, SIZE_PX, ["glaucoma", "amd"])
    cup, drusen = (np.argwhere(made.lesions[key]).mean(axis=0) for key in ("glaucoma", "amd"))
    assert (cup[1] > drusen[1]) == (made.eye == "right")
    anatomy = phantom_drawing.place_anatomy(np.random.default_rng(seed), glaucoma=False)
    right, down = anatomy.fovea - anatomy.disc
    assert right < 0 < down
    assert 2.3 < math.hypot(right, down) / (2 * anatomy.disc_radius) < 2.8


# What a disease changes


@pytest.mark.parametrize("disease", ["diabetic_retinopathy", "amd", "glaucoma"])
def test_a_disease_changes_the_photograph_at_its_lesions_only(disease: str) -> None:
    healthy, ill = generate_phantom(4, 256, []), generate_phantom(4, 256, [disease])
    changed = np.abs(healthy.image.astype(int) - ill.image).max(axis=2) > 12
    near = binary_dilation(ill.lesions[disease], iterations=4)
    assert changed[ill.lesions[disease]].mean() > 0.3
    assert not changed[~near].any()
    np.testing.assert_array_equal(healthy.vessel, ill.vessel)


def test_cataract_veils_everything_and_leaves_the_vessel_mask() -> None:
    clear, veiled = generate_phantom(4, 256, []), generate_phantom(4, 256, ["cataract"])
    np.testing.assert_array_equal(clear.vessel, veiled.vessel)
    np.testing.assert_array_equal(veiled.lesions["cataract"], veiled.fov)

    def contrast(made: phantom.Phantom) -> float:
        beside = binary_dilation(made.vessel, iterations=3) & ~made.vessel & made.fov
        return made.image[beside, 1].mean() / made.image[made.vessel, 1].mean() - 1

    assert contrast(veiled) < contrast(clear) / 2


def test_cup_to_disc_ratio_tells_glaucoma_from_the_others() -> None:
    ratios = {
        ill: [phantom_drawing.place_anatomy(np.random.default_rng(s), glaucoma=ill).cup_to_disc for s in range(50)]
        for ill in (False, True)
    }
    assert min(ratios[False]) >= 0.2 and max(ratios[False]) <= 0.5
    assert min(ratios[True]) >= 0.65 and max(ratios[True]) <= 0.9


def test_no_diseases_means_normal() -> None:
    empty, normal = generate_phantom(0, 64, []), generate_phantom(0, 64, ["normal"])
    assert empty.diseases == normal.diseases == {"normal"}
    assert empty.lesions == {}
    np.testing.assert_array_equal(empty.image, normal.image)


def test_every_disease_has_its_lesions() -> None:
    assert set(generate_phantom(0, 64, DISEASES[1:]).lesions) == set(DISEASES[1:])


def test_drawn_diseases_are_balanced_and_normal_stays_alone() -> None:
    drawn = [phantom._draw_diseases(np.random.default_rng(seed)) for seed in range(1000)]
    assert all(len(diseases) == 1 for diseases in drawn if "normal" in diseases)
    assert np.mean([len(diseases) == 2 for diseases in drawn]) == pytest.approx(0.8 * 0.15, abs=0.03)
    for disease in DISEASES[1:]:
        assert np.mean([disease in diseases for diseases in drawn]) == pytest.approx(0.2 + 0.2 * 0.15, abs=0.04)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"diseases": ["myopia"]}, "'amd'.*myopia"),
        ({"diseases": ["normal", "amd"]}, "excludes"),
        ({"size_px": 63}, " 64.* 63"),
    ],
)
def test_wrong_input_is_refused_with_the_rule(arguments: dict, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        generate_phantom(0, **arguments)


# Strokes


def strokes(x0: float, y0: float, x1: float, y1: float, radius: float) -> phantom_drawing.Strokes:
    return phantom_drawing.Strokes(np.array([[x0, y0]]), np.array([[x1, y1]]), np.array([radius]), np.ones(1))


PIXELS = phantom_drawing.Canvas(size_px=21, centre_px=np.zeros(2), radius_px=1.0)  # one unit is one pixel


def test_stroke_of_radius_two_covers_five_pixels_and_fades_over_one() -> None:
    column = strokes(-5, 10, 30, 10, 2).draw(PIXELS)[:, 10]
    np.testing.assert_allclose(column[6:15], [0, 0, 0.5, 1, 1, 1, 0.5, 0, 0])
    assert strokes(-5, 10, 30, 10, 2).mask(PIXELS)[:, 10].sum() == 5


def test_thin_stroke_is_faint_but_its_mask_has_no_gaps() -> None:
    thin = strokes(1, 2, 19, 13, 0.15)
    assert thin.draw(PIXELS).max() <= 0.15 / phantom_drawing.MIN_STROKE_RADIUS_PX + 1e-6
    assert label(thin.mask(PIXELS), np.ones((3, 3)))[1] == 1


def test_strokes_beyond_the_canvas_are_cut_off() -> None:
    assert not strokes(-9, -9, -5, -5, 2).draw(PIXELS).any()


# On disk


def test_written_dataset_has_every_file_that_its_table_names(dataset: Path) -> None:
    table = pd.read_csv(dataset / "phantoms.csv", dtype={"id": str})
    assert list(table) == ["id", "image", "vessel", "fov", "patient", "eye", "split", *DISEASES]
    lesions = [
        f"lesion/{row['id']}_{disease}.png" for _, row in table.iterrows() for disease in DISEASES[1:] if row[disease]
    ]
    named = {*table["image"], *table["vessel"], *table["fov"], *lesions, "phantoms.csv", "phantoms.json"}
    assert set(tree(dataset)) == named
    vessel = np.asarray(Image.open(dataset / table["vessel"][0]))
    assert vessel.shape == (64, 64) and set(np.unique(vessel)) == {0, 255}
    assert np.asarray(Image.open(dataset / table["image"][0])).shape == (64, 64, 3)


def test_splits_are_60_20_20_and_balanced_over_classes(dataset: Path) -> None:
    table = pd.read_csv(dataset / "phantoms.csv")
    table["class"] = [DISEASES[i % 5] for i in range(len(table))]
    assert all(row[row["class"]] == 1 for _, row in table.iterrows())
    counts = table.groupby("class")["split"].value_counts().unstack()
    assert (counts[["train", "val", "test"]] == [3, 1, 1]).all(axis=None)


def test_second_call_changes_nothing(dataset: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in dataset.rglob("*")}
    assert write_phantoms(dataset, count=25, size_px=64) == dataset / "phantoms.csv"
    assert {path: path.stat().st_mtime_ns for path in dataset.rglob("*")} == before


@pytest.mark.parametrize("other", [{"count": 24}, {"size_px": 65}, {"seed": 1}])
def test_other_parameters_are_refused_with_the_remedy(dataset: Path, other: dict[str, int]) -> None:
    with pytest.raises(FileExistsError, match="name another folder"):
        write_phantoms(dataset, **{"count": 25, "size_px": 64} | other)


def test_interrupted_writing_leaves_no_table_and_can_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_one = phantom._write_phantom

    def fail_at_two(directory: Path, index: int, size_px: int, seed: int) -> dict[str, str | int]:
        if index == 2:
            raise OSError("disk full")
        return write_one(directory, index, size_px, seed)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr(phantom, "_write_phantom", fail_at_two)
        write_phantoms(tmp_path / "broken", count=3, size_px=64)
    assert not (tmp_path / "broken" / "phantoms.csv").exists()
    write_phantoms(tmp_path / "broken", count=3, size_px=64)
    write_phantoms(tmp_path / "whole", count=3, size_px=64)
    assert tree(tmp_path / "broken") == tree(tmp_path / "whole")


def test_concurrent_writers_leave_one_whole_dataset(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: write_phantoms(tmp_path / "both", count=2, size_px=64), range(2)))
    write_phantoms(tmp_path / "one", count=2, size_px=64)
    assert tree(tmp_path / "both") == tree(tmp_path / "one")


def test_one_core_and_several_write_the_same_files_and_move_no_random_numbers(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.get_rng_state()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    alone = tree(write_phantoms(tmp_path / "one", count=25, size_px=64).parent)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    together = tree(write_phantoms(tmp_path / "three", count=25, size_px=64).parent)
    assert alone == together == tree(dataset)
    assert torch.equal(torch.get_rng_state(), state)


def test_no_phantoms_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=" 1.* 0"):
        write_phantoms(tmp_path, count=0)


# Reading


def test_items_say_what_was_drawn_and_nothing_about_other_diseases(dataset: Path) -> None:
    items = read(dataset, ["amd", "normal", "myopia"])
    table = pd.read_csv(dataset / "phantoms.csv")
    assert len({item["id"] for item in items}) == len({item["patient"] for item in items}) == 25
    for item, (_, row) in zip(items, table.iterrows(), strict=True):
        myopia = 0.0 if row["normal"] else math.nan
        np.testing.assert_equal(item["disease"], [float(row["amd"]), float(row["normal"]), myopia])
        assert (item["dataset"], item["eye"], item["split"]) == ("phantom", row["eye"], row["split"])
        assert item["id"].startswith("phantom_")
        assert all(Path(item[key]).is_file() for key in ("image", "vessel", "fov"))


def test_reading_an_empty_folder_writes_the_default_phantoms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phantom, "write_phantoms", partial(write_phantoms, count=2, size_px=64))
    assert [item["id"] for item in read(tmp_path / "new", ["amd"])] == ["phantom_0000", "phantom_0001"]
