"""Picture files of every kind, and slices of volumes, come out as upright 8-bit RGB or as masks of 0 and 255."""

from __future__ import annotations

import pickle
from pathlib import Path

import itk
import numpy as np
import pytest
from monai.data import PersistentDataset
from monai.transforms import LoadImage, LoadImaged
from numpy.typing import NDArray
from PIL import Image

from vmnet_monai.transforms import PictureReader, read_picture, to_mask, to_rgb

EXIF_ORIENTATION = 0x0112


def rgb(image: Image.Image) -> np.ndarray:
    converted = to_rgb(image)
    assert converted.mode == "RGB"
    return np.asarray(converted)


def test_rgb_is_unchanged() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert (rgb(Image.fromarray(pixels)) == pixels).all()


def test_grey_becomes_three_equal_channels() -> None:
    assert rgb(Image.new("L", (2, 1), 70)).tolist() == [[[70] * 3] * 2]


def test_transparency_is_laid_over_black() -> None:
    pixels = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 128]]], dtype=np.uint8)
    opaque, transparent, half = rgb(Image.fromarray(pixels))[0].tolist()
    assert opaque == [200, 100, 50]
    assert transparent == [0, 0, 0]
    assert half == pytest.approx([100, 50, 25], abs=1)
    grey = Image.merge("LA", (Image.new("L", (1, 1), 90), Image.new("L", (1, 1), 0)))
    assert rgb(grey).tolist() == [[[0] * 3]]


def test_palette_is_looked_up_and_its_transparent_entry_is_black(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1])
    assert rgb(image).tolist() == [[[10, 20, 30], [200, 100, 50]]]
    image.save(tmp_path / "palette.png", transparency=1)
    with Image.open(tmp_path / "palette.png") as stored:
        assert rgb(stored).tolist() == [[[10, 20, 30], [0, 0, 0]]]


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
def test_sixteen_bits_keep_the_upper_eight(dtype: type) -> None:
    image = Image.fromarray(np.array([[0, 0x1234, 0xFFFF]], dtype=dtype))
    assert rgb(image).tolist() == [[[0] * 3, [0x12] * 3, [0xFF] * 3]]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_file_keeps_the_upper_eight(suffix: str, tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 0x1234, 0xFFFF]], dtype=np.uint16)).save(tmp_path / f"deep.{suffix}")
    with Image.open(tmp_path / f"deep.{suffix}") as stored:
        assert rgb(stored)[0, :, 0].tolist() == [0, 0x12, 0xFF]


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_exif_orientation_is_applied(suffix: str, tmp_path: Path) -> None:
    """Orientation 6: the camera was turned, the picture is shown rotated by 90 degrees clockwise."""
    pixels = np.zeros((16, 32, 3), dtype=np.uint8)
    pixels[:, :16, 0] = 255
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    Image.fromarray(pixels).save(tmp_path / f"turned.{suffix}", exif=exif)
    with Image.open(tmp_path / f"turned.{suffix}") as image:
        upright = rgb(image)
    assert upright.shape == (32, 16, 3)
    assert upright[:14, :, 0].min() > 240, "what lay left is on top"
    assert upright[18:, :, 0].max() < 15


INSIDE = np.array([[0, 1], [1, 0]], dtype=bool)


def palette_mask() -> Image.Image:
    image = Image.new("P", (2, 2))
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.putdata(INSIDE.ravel().astype(int).tolist())
    return image


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(INSIDE.astype(np.uint8)),
        Image.fromarray(INSIDE.astype(np.uint8) * 255),
        Image.fromarray(INSIDE),
        Image.fromarray(INSIDE.astype(np.uint16) * 65535),
        Image.fromarray(INSIDE.astype(np.float32)),
        Image.fromarray(np.repeat(INSIDE[..., None], 3, axis=2).astype(np.uint8) * 255),
        palette_mask(),
    ],
    ids=["0/1", "0/255", "bilevel", "16 bit", "float", "colour", "palette"],
)
def test_mask_is_0_and_255_however_it_was_stored(image: Image.Image) -> None:
    mask = to_mask(image)
    assert mask.mode == "L"
    assert (np.asarray(mask) == INSIDE * 255).all()


@pytest.mark.parametrize("suffix", ["gif", "png", "tif"])
def test_palette_mask_survives_its_file(suffix: str, tmp_path: Path) -> None:
    palette_mask().save(tmp_path / f"mask.{suffix}")
    with Image.open(tmp_path / f"mask.{suffix}") as image:
        assert (np.asarray(to_mask(image)) == INSIDE * 255).all()


def test_ringing_of_a_jpeg_mask_is_removed(tmp_path: Path) -> None:
    pixels = np.zeros((32, 32), dtype=np.uint8)
    pixels[8:24, 8:24] = 255
    Image.fromarray(pixels).save(tmp_path / "mask.jpg", quality=50)
    with Image.open(tmp_path / "mask.jpg") as image:
        assert (np.asarray(to_mask(image)) == pixels).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_empty_mask_stays_empty(dtype: type) -> None:
    assert not np.asarray(to_mask(Image.fromarray(np.zeros((3, 3), dtype=dtype)))).any()


VOXELS = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
"""Two slices of three rows and four columns, every voxel another."""


def volume(path: Path, voxels: NDArray[np.generic] = VOXELS) -> str:
    itk.imwrite(itk.image_from_array(voxels), str(path))
    return str(path)


def test_slice_is_a_grey_picture_of_its_rows_and_columns(tmp_path: Path) -> None:
    read = PictureReader().read(volume(tmp_path / "oct.mhd") + "?slice=1")
    assert isinstance(read, Image.Image)
    assert (read.mode, read.size) == ("L", (4, 3))
    assert np.asarray(read).tolist() == [[12, 13, 14, 15], [16, 17, 18, 19], [20, 21, 22, 23]]


def test_sixteen_bit_slice_keeps_the_upper_eight(tmp_path: Path) -> None:
    path = volume(tmp_path / "oct.mhd", np.array([[[0, 0x1234, 0xFFFF]]], dtype=np.uint16))
    assert read_picture(f"{path}?slice=0").tolist() == [[[0] * 3, [0x12] * 3, [0xFF] * 3]]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32])
def test_label_of_a_slice_is_a_mask_of_its_pixels(dtype: type, tmp_path: Path) -> None:
    path = volume(tmp_path / "reference.mhd", np.array([[[0, 1, 2]], [[3, 3, 0]]], dtype=dtype))
    reader = PictureReader(to_mask)
    masks = {
        (index, label): np.asarray(reader.read(f"{path}?slice={index}&label={label}")).tolist()
        for index, label in ((0, 1), (0, 2), (0, 3), (1, 3))
    }
    assert masks == {
        (0, 1): [[0, 255, 0]],
        (0, 2): [[0, 0, 255]],
        (0, 3): [[0, 0, 0]],
        (1, 3): [[255, 255, 0]],
    }


def test_slice_that_the_volume_lacks_is_refused(tmp_path: Path) -> None:
    path = volume(tmp_path / "oct.mhd")
    with pytest.raises(ValueError, match=r"oct\.mhd has the slices 0 to 1, got 2: address one of these"):
        PictureReader().read(f"{path}?slice=2")


def test_grey_values_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = volume(tmp_path / "oct.mhd", VOXELS.astype(np.float32))
    with pytest.raises(ValueError, match=r"unsigned 8-bit or 16-bit, .*oct\.mhd has float32"):
        PictureReader().read(f"{path}?slice=0")


def test_pictures_are_read_beside_slices(tmp_path: Path) -> None:
    Image.fromarray(VOXELS[0]).save(tmp_path / "a.png")
    path = volume(tmp_path / "oct.mhd")
    read = PictureReader(to_rgb).read([tmp_path / "a.png", f"{path}?slice=0"])
    assert isinstance(read, list)
    assert [np.asarray(one).tolist() for one in read] == [rgb(Image.fromarray(VOXELS[0])).tolist()] * 2


@pytest.mark.parametrize("name", ["a.png", "oct.mhd?slice=0"])
def test_monai_loads_rows_columns_and_channels(name: str, tmp_path: Path) -> None:
    Image.fromarray(VOXELS[0]).save(tmp_path / "a.png")
    volume(tmp_path / "oct.mhd")
    load = LoadImage(PictureReader(to_rgb), image_only=True, ensure_channel_first=False)
    assert np.array_equal(load(tmp_path / name), np.stack([VOXELS[0]] * 3, axis=-1))
    item = LoadImaged("image", reader=PictureReader(to_mask))({"image": str(tmp_path / name)})
    assert np.array_equal(item["image"], np.where(VOXELS[0] > 5, 255, 0)), "the mask is what exceeds half of 11"


def test_what_is_wrong_with_a_volume_is_said_through_monai(tmp_path: Path) -> None:
    path = volume(tmp_path / "oct.mhd")
    (tmp_path / "oct.raw").unlink()
    with pytest.raises(RuntimeError, match="ElementDataFile"):
        LoadImage(PictureReader(to_rgb))(f"{path}?slice=0")


def test_slices_go_into_a_persistent_cache(tmp_path: Path) -> None:
    path = volume(tmp_path / "oct.mhd")
    load = LoadImaged("image", reader=PictureReader(to_mask), image_only=True)
    items = [{"image": f"{path}?slice={index}"} for index in range(2)]
    first = PersistentDataset(items, load, cache_dir=tmp_path / "cache")[1]["image"]
    again = PersistentDataset(items, load, cache_dir=tmp_path / "cache")[1]["image"]
    assert np.array_equal(first, np.full((3, 4), 255)), "12 to 23 all exceed half of 23"
    assert np.array_equal(again, first)


def test_reader_is_pickled_with_its_converter(tmp_path: Path) -> None:
    path = volume(tmp_path / "oct.mhd")
    reader = pickle.loads(pickle.dumps(PictureReader(to_rgb)))
    assert np.array_equal(reader.read(f"{path}?slice=0"), read_picture(f"{path}?slice=0"))


def test_picture_for_display_is_upright_rgb(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    Image.new("L", (32, 16), 70).save(tmp_path / "turned.jpg", exif=exif)
    shown = read_picture(tmp_path / "turned.jpg")
    assert (shown.shape, shown.dtype) == ((32, 16, 3), np.uint8)
    assert (shown == 70).all()
