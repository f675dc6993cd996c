"""The field of view on generated and drawn photographs: found, cropped, put back, refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage import data
from skimage.transform import resize

from vmnet_monai.datasets.phantom import generate_phantom
from vmnet_monai.transforms import (
    CropToFieldOfViewd,
    FieldOfViewBox,
    FieldOfViewd,
    FieldOfViewError,
    RestoreToImaged,
    crop_to_box,
    estimate_field_of_view,
    field_of_view_box,
    restore_from_box,
)
from vmnet_monai.transforms.field_of_view import _enlarged, _reduced_brightness


def disc(height_px: int, width_px: int, diameter_px: int) -> NDArray[np.bool_]:
    """A disc in the middle of a picture, cut where it does not fit."""
    y, x = np.mgrid[:height_px, :width_px]
    return np.hypot(y - (height_px - 1) / 2, x - (width_px - 1) / 2) < diameter_px / 2


def lit(fov: NDArray[np.bool_], brightness: int = 150) -> NDArray[np.uint8]:
    """A photograph (3, H, W), evenly red inside the field of view and black outside."""
    return (np.array([brightness, 60, 30], dtype=np.uint8)[:, None, None] * fov).astype(np.uint8)


def ramp(height_px: int, width_px: int) -> torch.Tensor:
    """A picture (1, H, W) that grows linearly in both directions: bilinear interpolation reproduces it exactly."""
    y, x = torch.meshgrid(torch.arange(height_px), torch.arange(width_px), indexing="ij")
    return (2.0 * y + x)[None]


def iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / (a | b).sum())


def agree(found: NDArray[np.bool_], exact: NDArray[np.bool_], tolerance_px: int = 2) -> bool:
    """Whether the found edge runs within the tolerance of the exact one."""
    least = ndimage.binary_erosion(exact, iterations=tolerance_px, border_value=1)
    most = ndimage.binary_dilation(exact, iterations=tolerance_px)
    return bool((found | ~least).all() and (most | ~found).all())


SHAPES = {
    "inside": disc(100, 140, 80),
    "landscape, cut at top and bottom": disc(80, 140, 100),
    "portrait, cut left and right": disc(140, 80, 100),
    "landscape without frame": np.ones((80, 120), dtype=bool),
    "portrait without frame": np.ones((121, 80), dtype=bool),
    "in a corner": np.pad(disc(60, 60, 60), ((0, 40), (0, 70))),
}
shapes = pytest.mark.parametrize("fov", SHAPES.values(), ids=SHAPES.keys())


@pytest.mark.parametrize("seed", range(6))
def test_estimate_matches_the_exact_field_of_view_of_phantoms(seed: int) -> None:
    phantom = generate_phantom(seed, size_px=256)
    assert iou(estimate_field_of_view(np.moveaxis(phantom.image, -1, 0)), phantom.fov) > 0.97


@shapes
def test_estimate_finds_drawn_discs(fov: NDArray[np.bool_]) -> None:
    uneven_light = np.arange(fov.shape[1], dtype=np.uint8) // 5
    assert agree(estimate_field_of_view(np.maximum(lit(fov), uneven_light) - uneven_light), fov)


def test_estimate_is_the_same_disc_at_another_pixel_count() -> None:
    large, small = disc(600, 800, 560), disc(150, 200, 140)
    found = field_of_view_box(estimate_field_of_view(lit(large)))
    assert found.side_px / 4 == pytest.approx(field_of_view_box(estimate_field_of_view(lit(small))).side_px, abs=2)


@pytest.mark.parametrize(("shape", "reduced"), [((700, 1300), (276, 512)), ((1, 900), (1, 512)), ((40, 30), (40, 30))])
def test_the_reduced_copy_is_that_of_scikit_image(shape: tuple[int, int], reduced: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    surround = np.zeros(shape, dtype=bool)
    surround[:, : shape[1] // 9] = True
    brightness = np.where(surround, 0, image.max(axis=0)).astype(np.float32)
    expected = resize(brightness, reduced, order=1, anti_aliasing=shape != reduced)
    np.testing.assert_allclose(_reduced_brightness(image, surround, reduced), expected, atol=1e-3)


@pytest.mark.parametrize("shape", [(150, 220), (1100, 2100), (301, 223)])
def test_the_enlarged_mask_is_that_of_scikit_image(shape: tuple[int, int]) -> None:
    small = disc(150, 220, 180).astype(np.float32)
    np.testing.assert_array_equal(_enlarged(small, shape), resize(small, shape, order=1) > 0.5)


def test_a_crop_does_not_depend_on_the_other_channels() -> None:
    image = torch.randint(0, 256, (3, 70, 90), dtype=torch.uint8)
    box = FieldOfViewBox(-10, 0, 90, 70, 90)
    together = torch.nn.functional.pad(image.float(), (0, 0, 10, 10))
    expected = torch.nn.functional.interpolate(together[None], (40, 40), mode="bilinear", antialias=True)[0]
    torch.testing.assert_close(crop_to_box(image, box, 40), expected, rtol=0, atol=1e-4)


def test_estimate_fills_a_dark_lesion_and_leaves_out_a_label_in_the_frame() -> None:
    fov = disc(200, 260, 180)
    image = lit(fov)
    image[:, 90:110, 120:140] = 0
    image[:, 5:15, 5:25] = 255
    assert agree(estimate_field_of_view(image), fov)


def test_estimate_finds_the_retina_of_a_real_photograph() -> None:
    image = np.moveaxis(data.retina(), -1, 0)
    fov = estimate_field_of_view(image)
    box = field_of_view_box(fov)
    assert fov.shape == image.shape[1:]
    assert 0.6 < fov.mean() < 0.85, "a disc that touches all sides of a square covers pi / 4 = 0.79 of it"
    assert box.side_px == pytest.approx(image.shape[1], rel=0.05)
    assert image.max(axis=0)[fov].mean() > 10 * image.max(axis=0)[~fov].mean()


@pytest.mark.parametrize(
    ("image", "rule"),
    [
        (np.zeros((3, 50, 60), dtype=np.uint8), "dark.* 0 of 255"),
        (np.full((3, 50, 60), 200, dtype=np.uint8), "constant at 200"),
        (lit(disc(200, 200, 70)), "largest lit part"),
    ],
    ids=["black", "constant", "small"],
)
def test_a_picture_without_field_of_view_is_refused_by_name(image: NDArray[np.uint8], rule: str) -> None:
    with pytest.raises(FieldOfViewError, match=f"^odir5k-17: .*{rule}"):
        FieldOfViewd()({"image": torch.from_numpy(image), "id": "odir5k-17"})


def test_box_is_as_wide_as_the_cut_disc_and_centred_on_it() -> None:
    assert field_of_view_box(disc(80, 140, 100)) == FieldOfViewBox(
        top_px=-10, left_px=20, side_px=100, height_px=80, width_px=140
    )
    assert field_of_view_box(disc(140, 80, 100)) == FieldOfViewBox(20, -10, 100, 140, 80)


def test_an_empty_mask_has_no_box() -> None:
    with pytest.raises(FieldOfViewError, match="empty"):
        field_of_view_box(np.zeros((4, 4), dtype=bool))


@shapes
def test_crop_then_restore_is_the_identity_on_a_grid_of_the_box_size(fov: NDArray[np.bool_]) -> None:
    box = field_of_view_box(fov)
    picture = torch.rand(2, *fov.shape)
    restored = restore_from_box(crop_to_box(picture, box, box.side_px), box)
    assert restored.shape == picture.shape
    torch.testing.assert_close(restored[:, fov], picture[:, fov], rtol=0, atol=1e-5)


@shapes
@pytest.mark.parametrize("scale", [0.5, 0.77, 2.0])
def test_crop_then_restore_moves_nothing_on_other_grids(fov: NDArray[np.bool_], scale: float) -> None:
    """On this ramp a shift by one pixel changes the value by 1 (columns) or 2 (rows)."""
    box = field_of_view_box(fov)
    picture = ramp(*fov.shape)
    restored = restore_from_box(crop_to_box(picture, box, round(box.side_px * scale)), box)
    away_from_edges = ndimage.binary_erosion(fov, iterations=6)
    torch.testing.assert_close(restored[:, away_from_edges], picture[:, away_from_edges], rtol=0, atol=0.25)


def test_crop_is_black_beyond_the_edges_of_the_photograph() -> None:
    box = field_of_view_box(np.ones((60, 100), dtype=bool))
    grid = crop_to_box(torch.full((3, 60, 100), 200, dtype=torch.uint8), box, 50)
    assert box.top_px == -20
    assert (grid.shape, grid.dtype) == ((3, 50, 50), torch.float32)
    assert grid[:, :9].max() == 0
    assert (grid[:, 12:38] == 200).all()
    assert grid[:, 41:].max() == 0


def test_restored_map_is_zero_outside_the_box_and_keeps_its_type() -> None:
    box = FieldOfViewBox(10, 20, 30, 60, 80)
    restored = restore_from_box(torch.ones(1, 16, 16, dtype=torch.bfloat16), box)
    assert (restored.shape, restored.dtype) == ((1, 60, 80), torch.bfloat16)
    assert restored.sum() == 30 * 30
    assert (restored[:, 10:40, 20:50] == 1).all()


def test_given_mask_is_used_instead_of_an_estimate() -> None:
    given = np.zeros((1, 100, 140), dtype=np.uint8)
    given[:, 30:70, 50:90] = 1
    item = FieldOfViewd()({"image": torch.from_numpy(lit(SHAPES["inside"])), "fov": given})
    assert item["fov_box"].tolist() == [30, 50, 40, 100, 140]
    assert item["fov_box"].dtype == torch.int64
    assert (item["fov"].shape, item["fov"].dtype) == ((1, 100, 140), torch.uint8)
    assert torch.equal(item["fov"], torch.from_numpy(given * 255))


def test_missing_mask_is_estimated_and_the_item_given_is_left_alone() -> None:
    given: dict[Any, Any] = {"image": torch.from_numpy(lit(SHAPES["inside"]))}
    item = FieldOfViewd()(given)
    assert set(given) == {"image"}
    assert agree(item["fov"][0].numpy() > 0, SHAPES["inside"])


def test_whole_picture_is_the_field_of_view_where_asked_for() -> None:
    """Estimation refuses a black picture; the square around 60 x 100 pixels reaches 20 beyond its top and bottom."""
    item = FieldOfViewd(method="whole")({"image": torch.zeros(3, 60, 100, dtype=torch.uint8)})
    assert torch.equal(item["fov"], torch.full((1, 60, 100), 255, dtype=torch.uint8))
    assert item["fov_box"].tolist() == [-20, 0, 100, 60, 100]


def test_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="estimate, whole.*'Whole'"):
        FieldOfViewd(method="Whole")


def test_given_mask_goes_before_the_whole_picture() -> None:
    given = np.zeros((1, 60, 100), dtype=np.uint8)
    given[:, 20:40, 50:70] = 255
    item = FieldOfViewd(method="whole")({"image": torch.zeros(3, 60, 100, dtype=torch.uint8), "fov": given})
    assert item["fov_box"].tolist() == [20, 50, 20, 60, 100]


@pytest.mark.parametrize(
    ("fov", "rule"),
    [
        (np.ones((1, 140, 100), dtype=np.uint8), r"drive-21: .*\(140, 100\).*\(100, 140\)"),
        (np.zeros((1, 100, 140), dtype=np.uint8), "drive-21: .*empty"),
    ],
    ids=["transposed", "empty"],
)
def test_wrong_mask_is_refused_by_name(fov: NDArray[np.uint8], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        FieldOfViewd()({"image": torch.from_numpy(lit(SHAPES["inside"])), "fov": fov, "id": "drive-21"})


def cropped(**changes: Any) -> dict[Any, Any]:
    photograph: dict[Any, Any] = {"image": torch.from_numpy(lit(SHAPES["inside"])), **changes}
    item = FieldOfViewd()(photograph)
    return CropToFieldOfViewd(("image", "vessel", "fov"), size_px=64, allow_missing_keys=True)(item)


def test_transforms_crop_to_bytes_on_the_grid_and_restore_to_the_photograph() -> None:
    item = cropped(vessel=torch.full((1, 100, 140), 255, dtype=torch.uint8))
    for key, channels in (("image", 3), ("vessel", 1), ("fov", 1)):
        assert (item[key].shape, item[key].dtype) == ((channels, 64, 64), torch.uint8)
    assert item["fov"][0, 32, 32] == 255
    item["fov"] = item["fov"] / 255
    restored = RestoreToImaged(("fov", "heat"), allow_missing_keys=True)(item)
    assert restored["fov"].shape == (1, 100, 140)
    assert agree(restored["fov"][0].numpy() > 0.5, SHAPES["inside"])


def test_a_missing_picture_is_allowed_only_where_said() -> None:
    item = cropped()
    assert "vessel" not in item
    with pytest.raises(KeyError, match="vessel"):
        CropToFieldOfViewd("vessel", size_px=64)(item)
    with pytest.raises(KeyError, match="vessel"):
        RestoreToImaged("vessel")(item)


def test_a_thin_vessel_leaves_a_trace_on_a_coarse_grid() -> None:
    vessel = torch.zeros(1, 100, 140, dtype=torch.uint8)
    vessel[:, :, 70] = 255
    assert (cropped(vessel=vessel)["vessel"][0].amax(dim=1) > 100).all()


@pytest.mark.parametrize("side_px", [30, 36, 39])  # sides at which PyTorch rounds ones to more than one
def test_restoring_does_not_leave_the_range_of_a_probability(side_px: int) -> None:
    restored = restore_from_box(torch.ones(1, 64, 64), FieldOfViewBox(0, 0, side_px, side_px, side_px))
    assert float(restored.max()) == 1.0


def test_a_white_page_around_the_photograph_is_no_part_of_the_field_of_view() -> None:
    """As some exports have it: a lit disc in a black frame, whose bars above and below are white."""
    rows, columns = np.mgrid[:200, :200]
    disc = np.hypot(rows - 100, columns - 100) < 70
    image = np.zeros((3, 200, 200), dtype=np.uint8)
    image[:, disc] = np.array([[180], [90], [40]], dtype=np.uint8)
    on_page = image.copy()
    on_page[:, :20] = on_page[:, 180:] = 252
    np.testing.assert_array_equal(estimate_field_of_view(on_page), estimate_field_of_view(image))
    assert (estimate_field_of_view(on_page) == disc).mean() > 0.98


def ellipse(height: int, width: int, y: float, x: float, down: float, right: float) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.hypot((rows - y) / down, (columns - x) / right) < 1


@pytest.mark.parametrize(
    "lit",
    [
        ellipse(200, 400, 100, 100, 95, 95) | ellipse(200, 400, 100, 300, 95, 95),
        ellipse(200, 400, 100, 102, 100, 100) | ellipse(200, 400, 100, 298, 100, 100),
        ellipse(400, 200, 100, 100, 95, 95) | ellipse(400, 200, 290, 100, 95, 95),
        # cut by the frame at top and bottom, as HRF's, one above the other
        np.concatenate([ellipse(200, 300, 100, 150, 140, 140)] * 2),
        np.tile(ellipse(200, 200, 100, 100, 98, 98), (2, 2)),
    ],
    ids=["apart", "overlapping", "above and below", "cut discs touching", "four"],
)
def test_several_eyes_in_one_image_are_refused_with_the_remedy(lit: np.ndarray) -> None:
    with pytest.raises(FieldOfViewError, match="give each eye"):
        estimate_field_of_view(np.where(lit, 150, 5).astype(np.uint8) * np.ones((3, 1, 1), dtype=np.uint8))


@pytest.mark.parametrize(
    "lit",
    [
        ellipse(200, 200, 100, 100, 95, 95) & ~ellipse(200, 200, 100, 0, 30, 60),
        ellipse(200, 200, 100, 100, 95, 95) & (np.abs(np.arange(200) - 100) > 8)[:, None],
        ellipse(200, 200, 100, 100, 95, 95) | ellipse(200, 200, 60, 190, 8, 10),
        np.concatenate([ellipse(200, 300, 100, 150, 140, 140)]),
        ellipse(300, 200, 150, 100, 140, 90),
    ],
    ids=["a shadow from one side", "a dark band across", "a tab", "cut at top and bottom", "oval"],
)
def test_one_eye_with_shadows_cut_or_oval_is_one_eye(lit: np.ndarray) -> None:
    estimate_field_of_view(np.where(lit, 150, 5).astype(np.uint8) * np.ones((3, 1, 1), dtype=np.uint8))
