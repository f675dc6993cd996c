"""Images that are no fundus photographs are refused; photographs and phantoms pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from images_to_check import OTHER_IMAGES, RGB, cropped, grey, other_image, retina, square
from look_alikes import LOOK_ALIKES, REAL_EYES, false_colour
from PIL import Image
from skimage import data

from vmnet_monai.datasets.phantom import generate_phantom
from vmnet_monai.io.images import to_rgb
from vmnet_monai.quality import CheckFundusImaged, NotAFundusImageError
from vmnet_monai.quality.check import check_colours
from vmnet_monai.quality.model import Curve, FundusModel
from vmnet_monai.transforms import FieldOfViewError

SHARED = Path(__file__).parents[2] / "../shared/data"


def check(image: RGB, expected: str = "fundus") -> list[str]:
    """The remarks, by the steps of the pipeline."""
    remarks: str = CheckFundusImaged(expected)(cropped(image))["warnings"]
    return remarks.split("\n") if remarks else []


def disc(image: RGB) -> RGB:
    """The middle of an image as a disc on black."""
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    return image[top : top + side, left : left + side] * (np.hypot(y, x) < 0.97)[..., None].astype(np.uint8)


def orange(image: RGB) -> RGB:
    brightness = image.mean(axis=-1, keepdims=True) / 255
    return ((0.3 + 0.7 * brightness) * [230, 130, 60]).astype(np.uint8)


DISCS = ("astronaut", "brick", "camera", "chelsea", "coffee", "grass", "gravel", "hubble_deep_field", "rocket")


def refused(image: RGB) -> bool:
    try:
        check(image)
    except (FieldOfViewError, NotAFundusImageError):
        return True
    return False


@pytest.mark.parametrize("name", OTHER_IMAGES)
def test_other_images_are_refused(name: str) -> None:
    assert refused(other_image(name))


@pytest.mark.parametrize("name", DISCS)
def test_discs_cut_out_of_other_images_are_refused_also_in_orange(name: str) -> None:
    image = disc(other_image(name))
    assert refused(image)
    assert refused(disc(orange(image)))


def test_a_grey_patch_of_a_retina_scaled_up_is_refused() -> None:
    """102 x 102 pixels around two microaneurysms: a retina, but no photograph of one that can be graded."""
    large = Image.fromarray(data.microaneurysms()).resize((512, 512), Image.Resampling.BICUBIC).convert("RGB")
    assert refused(np.asarray(large))


y, x = np.mgrid[-1:1:300j, -1:1:300j]
DRAWN: dict[str, RGB] = {
    "black": np.zeros((300, 300, 3), dtype=np.uint8),
    "white": np.full((300, 300, 3), 255, dtype=np.uint8),
    "flat orange disc": disc(np.full((300, 300, 3), [230, 120, 40], dtype=np.uint8)),
    "gradient": np.stack([100 + 100 * x, 60 + 50 * x, 30 + 20 * x], axis=-1).astype(np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8),
}


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_images_are_refused(name: str) -> None:
    assert refused(DRAWN[name])


@pytest.mark.parametrize(
    "change",
    [
        lambda rgb: rgb,
        lambda rgb: rgb[::2, ::2],
        lambda rgb: rgb[:, ::-1],
        grey,
        lambda rgb: (rgb * 0.8).astype(np.uint8),
        lambda rgb: np.pad(rgb, ((60, 60), (200, 100), (0, 0))),
        lambda rgb: rgb[100:-100],
        lambda rgb: rgb[140:-140, 140:-140],
    ],
    ids=["as taken", "half size", "mirrored", "red-free", "darker", "padded", "cut", "inside the disc"],
)
def test_a_fundus_photograph_is_accepted(change: Callable[[RGB], RGB]) -> None:
    check(np.ascontiguousarray(change(retina())))


@pytest.mark.parametrize("size_px", [96, 256])
def test_phantoms_are_accepted(size_px: int) -> None:
    for seed in range(4):
        check(generate_phantom(seed, size_px).image)


def test_small_and_constant_images_are_refused_whatever_is_expected() -> None:
    with pytest.raises(NotAFundusImageError, match=" 20 pixels.* 48"):
        check(np.random.default_rng(0).integers(100, 256, (20, 20, 3), dtype=np.uint8), "any")
    image, fov = np.full((3, 96, 96), 90, dtype=np.uint8), np.full((1, 96, 96), 255, dtype=np.uint8)
    item = {"image": torch.from_numpy(image), "fov": torch.from_numpy(fov), "fov_box": torch.tensor([0, 0, 96, 96, 96])}
    with pytest.raises(NotAFundusImageError, match="nearly constant"):
        CheckFundusImaged("any")(item)


def test_a_refusal_names_what_speaks_most_against_the_image_and_its_score(tmp_path: Path) -> None:
    """A model of the user's own, by which a photograph with a sharp rim, as every one has, is refused."""
    curves = {"rim": Curve((0.0, 0.1), (0.0, -7.5)), "entropy": Curve((0.0, 9.0), (0.0, 0.0))}
    FundusModel(intercept=1.0, min_log_odds=-3.0, curves=curves).save(tmp_path / "model.json")
    with pytest.raises(NotAFundusImageError, match="-6.5.*-3.0"):
        CheckFundusImaged(model_file=tmp_path / "model.json")(cropped(retina()))


def test_any_image_is_accepted_where_any_is_expected() -> None:
    assert check(other_image("astronaut"), "any") == []


@pytest.mark.parametrize("kind", LOOK_ALIKES)
def test_a_look_alike_made_of_the_retina_is_told(kind: str) -> None:
    """Refused, or at least remarked on, whatever is drawn at random."""
    for seed in range(2):
        image = LOOK_ALIKES[kind](retina(), np.random.default_rng(seed))
        assert refused(image) or check(image)


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("channels as BGR", "Swap the channels"),
        ("channels as RBG", "Swap the channels"),
        ("false colour, viridis", "of a colour map"),
        ("two eyes touching", "each eye as a photograph"),
        ("two eyes apart", "each eye as a photograph"),
        ("four eyes", "each eye as a photograph"),
    ],
)
def test_a_fact_refuses_a_look_alike_with_its_remedy(kind: str, remedy: str) -> None:
    with pytest.raises((FieldOfViewError, NotAFundusImageError), match=remedy):
        check(LOOK_ALIKES[kind](retina(), np.random.default_rng(0)))


@pytest.mark.parametrize("name", ["gist_heat", "YlOrRd_r"])
def test_a_colour_map_whose_channels_are_in_order_is_refused(name: str) -> None:
    """These maps are brightest in red and darkest in blue, as a retina is, and their picture passes the score."""
    image = false_colour(name)(retina(), np.random.default_rng(0))
    with pytest.raises(NotAFundusImageError, match="of a colour map"):
        check_colours(square(image))


def test_a_sepia_photograph_is_refused_and_a_grey_one_is_not() -> None:
    assert refused((grey(retina()) * [1.0, 0.75, 0.5]).astype(np.uint8))
    assert not refused(grey(retina()))


def test_the_colours_of_a_camera_with_a_model_of_its_own_are_free(tmp_path: Path) -> None:
    FundusModel(1.0, -3.0, {"entropy": Curve((0.0, 9.0), (0.0, 0.0))}).save(tmp_path / "model.json")
    swapped = np.ascontiguousarray(retina()[..., ::-1])
    CheckFundusImaged(model_file=tmp_path / "model.json")(cropped(swapped))
    with pytest.raises(NotAFundusImageError, match="Swap"):
        CheckFundusImaged()(cropped(swapped))


@pytest.mark.parametrize("kind", REAL_EYES)
def test_a_rare_but_real_eye_is_not_refused(kind: str) -> None:
    for seed in range(2):
        check(REAL_EYES[kind](retina(), np.random.default_rng(seed)))


@pytest.mark.parametrize("size_px", [224, 400, 1000, 3000])
def test_the_retina_passes_without_remark_at_every_size(size_px: int) -> None:
    image = Image.fromarray(data.retina()).resize((size_px, size_px), Image.Resampling.LANCZOS, reducing_gap=2)
    assert check(np.asarray(image)) == []


def test_unknown_expectation_is_refused() -> None:
    with pytest.raises(ValueError, match="fundus, any.*'retina'"):
        CheckFundusImaged("retina")


def test_the_item_given_is_left_alone() -> None:
    item = cropped(retina())
    before = set(item)
    assert "warnings" in CheckFundusImaged()(item)
    assert set(item) == before


@pytest.mark.parametrize(
    ("folder", "every"),
    [
        ("HRF/images", 9),
        ("CHASEDB1", 9),
        ("ODIR-5K-256/preprocessed_images", 40),
        ("ODIR-5K-400/preprocessed_images", 45),
    ],
)
def test_public_photographs_are_accepted(folder: str, every: int) -> None:
    files = sorted(path for path in (SHARED / folder).glob("*") if path.suffix.lower() == ".jpg")
    if not files:
        pytest.skip(f"no photographs in {SHARED / folder}")
    for path in files[::every]:
        check(np.asarray(to_rgb(Image.open(path))))


def test_remarks_do_not_depend_on_size_and_frame() -> None:
    """The retina of 2992 x 2000 pixels, as cameras frame it, and its square of 448."""
    square = Image.fromarray(retina())
    wide = Image.new("RGB", (2992, 2000))
    wide.paste(square.resize((2000, 2000), Image.Resampling.LANCZOS), (496, 0))
    small = square.resize((448, 448), Image.Resampling.LANCZOS)
    assert check(np.asarray(wide)) == check(np.asarray(small))
