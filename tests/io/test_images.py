"""Picture files of every kind, and slices of volumes, come out as upright 8-bit RGB or as masks of 0 and 255."""

from __future__ import annotations

import os
import pickle
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import fsspec
import itk
import numpy as np
import PIL
import pytest
import tifffile
from dicom_files import photograph_dataset, save
from monai.data import PersistentDataset
from monai.transforms import Compose, LoadImage, LoadImaged
from numpy.typing import NDArray
from PIL import Image, ImageCms

from vmnet_monai.errors import MAX_PIXELS, UnreadableImageError, root_cause
from vmnet_monai.io.images import REMARKS, FundusImageReader, open_image, read_image, to_mask, to_rgb

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
    read = FundusImageReader().read(volume(tmp_path / "oct.mhd") + "?slice=1")
    assert isinstance(read, Image.Image)
    assert (read.mode, read.size) == ("L", (4, 3))
    assert np.asarray(read).tolist() == [[12, 13, 14, 15], [16, 17, 18, 19], [20, 21, 22, 23]]


def test_sixteen_bit_slice_keeps_the_upper_eight(tmp_path: Path) -> None:
    path = volume(tmp_path / "oct.mhd", np.array([[[0, 0x1234, 0xFFFF]]], dtype=np.uint16))
    assert read_image(f"{path}?slice=0").tolist() == [[[0] * 3, [0x12] * 3, [0xFF] * 3]]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32])
def test_label_of_a_slice_is_a_mask_of_its_pixels(dtype: type, tmp_path: Path) -> None:
    path = volume(tmp_path / "reference.mhd", np.array([[[0, 1, 2]], [[3, 3, 0]]], dtype=dtype))
    reader = FundusImageReader(to_mask)
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
    with pytest.raises(ValueError, match=r"oct\.mhd.*0 to 1.* 2"):
        read_image(f"{path}?slice=2")


def test_grey_values_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = volume(tmp_path / "oct.mhd", VOXELS.astype(np.float32))
    with pytest.raises(ValueError, match=r"oct\.mhd.*float32"):
        read_image(f"{path}?slice=0")


def test_pictures_are_read_beside_slices(tmp_path: Path) -> None:
    Image.fromarray(VOXELS[0]).save(tmp_path / "a.png")
    path = volume(tmp_path / "oct.mhd")
    read = FundusImageReader(to_rgb).read([tmp_path / "a.png", f"{path}?slice=0"])
    assert isinstance(read, list)
    assert [np.asarray(one).tolist() for one in read] == [rgb(Image.fromarray(VOXELS[0])).tolist()] * 2


@pytest.mark.parametrize("name", ["a.png", "oct.mhd?slice=0"])
def test_monai_loads_rows_columns_and_channels(name: str, tmp_path: Path) -> None:
    Image.fromarray(VOXELS[0]).save(tmp_path / "a.png")
    volume(tmp_path / "oct.mhd")
    load = LoadImage(FundusImageReader(to_rgb), image_only=True, ensure_channel_first=False)
    assert np.array_equal(load(tmp_path / name), np.stack([VOXELS[0]] * 3, axis=-1))
    item = LoadImaged("image", reader=FundusImageReader(to_mask))({"image": str(tmp_path / name)})
    assert np.array_equal(item["image"], np.where(VOXELS[0] > 5, 255, 0)), "the mask is what exceeds half of 11"


def test_what_is_wrong_with_a_volume_is_said_through_monai(tmp_path: Path) -> None:
    path = volume(tmp_path / "oct.mhd")
    (tmp_path / "oct.raw").unlink()
    with pytest.raises(UnreadableImageError, match="ElementDataFile"):
        LoadImage(FundusImageReader(to_rgb))(f"{path}?slice=0")


def test_slices_go_into_a_persistent_cache(tmp_path: Path) -> None:
    path = volume(tmp_path / "oct.mhd")
    load = LoadImaged("image", reader=FundusImageReader(to_mask), image_only=True)
    items = [{"image": f"{path}?slice={index}"} for index in range(2)]
    first = PersistentDataset(items, load, cache_dir=tmp_path / "cache")[1]["image"]
    again = PersistentDataset(items, load, cache_dir=tmp_path / "cache")[1]["image"]
    assert np.array_equal(first, np.full((3, 4), 255)), "12 to 23 all exceed half of 23"
    assert np.array_equal(again, first)


def test_reader_is_pickled_with_its_converter(tmp_path: Path) -> None:
    path = volume(tmp_path / "oct.mhd")
    reader = pickle.loads(pickle.dumps(FundusImageReader(to_rgb)))
    assert np.array_equal(reader.read(f"{path}?slice=0"), read_image(f"{path}?slice=0"))


def test_a_file_in_a_bucket_is_read_as_one_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = fsspec.filesystem("memory")
    save(photograph_dataset(PIXELS), tmp_path / "eye.dcm")
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(2, 2, 3)).save(tmp_path / "1.tiff")
    for name in ("eye.dcm", "1.tiff"):
        store.pipe_file(f"memory://images/{name}", (tmp_path / name).read_bytes())
        np.testing.assert_array_equal(read_image(f"memory://images/{name}"), read_image(tmp_path / name))
    store.pipe_file("memory://images/2.png", b"no image")
    with pytest.raises(UnreadableImageError, match=r"^memory://images/2\.png: the file is no image"):
        read_image("memory://images/2.png")

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("timed out")

    monkeypatch.setattr(type(store), "open", broken)
    load = LoadImaged("image", reader=FundusImageReader(to_rgb), expanduser=False)
    with pytest.raises(
        OSError, match=r"memory://images/1.tiff cannot be reached \(timed out\)"
    ):  # no fault of the image
        load({"image": "memory://images/1.tiff"})


def test_picture_for_display_is_upright_rgb(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    Image.new("L", (32, 16), 70).save(tmp_path / "turned.jpg", exif=exif)
    shown = read_image(tmp_path / "turned.jpg")
    assert (shown.shape, shown.dtype) == ((32, 16, 3), np.uint8)
    assert (shown == 70).all()


PIXELS = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
"""A picture of noise: rows, columns and channels all differ."""

GREY = PIXELS[..., 0]


@pytest.mark.parametrize(
    "file", ["a.png", "a.bmp", "a.ppm", "a.tif", "a.TIFF", "a.webp", "a.jp2", "a b (\u773c).png", "no suffix"]
)
def test_every_lossless_format_keeps_its_pixels(file: str, tmp_path: Path) -> None:
    suffix = Path(file).suffix or ".png"
    with open(tmp_path / file, "wb") as stream:
        Image.fromarray(PIXELS).save(stream, format=Image.registered_extensions()[suffix.lower()], lossless=True)
    assert np.array_equal(read_image(tmp_path / file), PIXELS)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_of_every_colour_model_is_read(mode: str, progressive: bool, tmp_path: Path) -> None:
    """Pillow stores CMYK inverted and marked as Adobe's, as Photoshop does."""
    picture = Image.new("RGB", (32, 16), (200, 120, 40)).convert(mode)
    picture.save(tmp_path / "a.jpg", quality=100, progressive=progressive)
    expected = [200, 120, 40] if mode != "L" else [135] * 3  # 0.299 R + 0.587 G + 0.114 B
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - expected).max() <= 2


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_colour_tiff_of_every_depth_is_read(planes: bool, compression: str | None, dtype: type, tmp_path: Path) -> None:
    """``v * 257`` keeps ``v`` in its upper eight bits."""
    samples: NDArray[Any] = PIXELS.astype(np.uint16) * 257 if dtype == np.uint16 else PIXELS.astype(dtype)
    samples = samples / 255 if np.issubdtype(dtype, np.floating) else samples
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.moveaxis(samples, -1, 0) if planes else samples,
        photometric="rgb",
        planarconfig="separate" if planes else "contig",
        compression=compression,
    )
    assert np.array_equal(read_image(tmp_path / "a.tif"), PIXELS)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64, bool])
def test_grey_tiff_of_every_depth_is_read(byteorder: str, dtype: type, tmp_path: Path) -> None:
    grey = np.where(GREY > 127, 255, 0) if dtype is bool else GREY.astype(int)
    factor = {bool: 1, np.uint8: 1, np.float32: 1 / 255, np.float64: 1 / 255}.get(dtype, 257)
    samples = (grey * factor).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="minisblack", byteorder=byteorder)
    assert np.array_equal(read_image(tmp_path / "a.tif"), np.stack([grey] * 3, axis=-1))


def test_sixteen_bit_colour_png_keeps_the_upper_eight(tmp_path: Path) -> None:
    """Written by hand, as Pillow cannot: one pixel, 0x1234, 0xFFFF, 0x00FF."""
    header = b"\0\0\0\1\0\0\0\1\x10\x02\0\0\0"
    row = b"\0\x12\x34\xff\xff\x00\xff"
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(row)), (b"IEND", b"")]
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
            for kind, content in chunks
        )
    )
    assert read_image(tmp_path / "a.png").tolist() == [[[0x12, 0xFF, 0x00]]]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_twelve_bits_keep_their_upper_eight(suffix: str, tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 0x123, 0xFFF]], dtype=np.uint16)).save(tmp_path / f"a.{suffix}")
    assert read_image(tmp_path / f"a.{suffix}")[0, :, 0].tolist() == [0, 0x12, 0xFF]


DEEP = np.stack([np.arange(240, dtype=np.uint16).reshape(12, 20) + shift for shift in (0, 5, 10)], axis=-1)
"""Colour of 8 bits in 16: 0 to 249."""


def write_deep(path: Path, samples: NDArray[np.uint16], **tags: Any) -> Path:
    """Colour or grey of 16 bits, as TIFF or, by hand, as PNG."""
    if path.suffix == ".tif":
        tifffile.imwrite(path, samples, photometric="rgb" if samples.ndim == 3 else "minisblack", **tags)
        return path
    height, width = samples.shape[:2]
    colour_type = {2: 0, 3: 2 if samples.shape[-1] == 3 else 6}[samples.ndim]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
            for kind, content in chunks
        )
    )
    return path


def remarks_on(path: Path) -> list[str]:
    remarks: list[str] = open_image(path, to_rgb).info[REMARKS]
    return remarks


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_samples_are_read_by_the_bits_that_they_use_and_it_is_said(
    suffix: str, colour: bool, bits: int, tmp_path: Path
) -> None:
    samples = (DEEP if colour else DEEP[..., 2]) << (bits - 8)
    path = write_deep(tmp_path / f"a.{suffix}", samples)
    assert np.array_equal(read_image(path), DEEP if colour else np.stack([DEEP[..., 2]] * 3, axis=-1))
    said = [f"The file stores {bits}-bit samples in 16 bits (the largest is {samples.max()})"]
    assert [remark.partition(":")[0] for remark in remarks_on(path)] == (said if bits < 16 else [])


@pytest.mark.parametrize("stated", [4095, 65535])
@pytest.mark.parametrize("kind", ["colour", "grey", "planes"])
def test_depth_that_a_tiff_states_counts(kind: str, stated: int, tmp_path: Path) -> None:
    """249 in 12 bits is 15, in 16 bits 0; without the tag it would be 249."""
    samples = DEEP if kind != "grey" else DEEP[..., 0]
    count = 1 if kind == "grey" else 3
    planes = {"planarconfig": "separate"} if kind == "planes" else {}
    samples = np.moveaxis(samples, -1, 0) if kind == "planes" else samples
    tag = (281, "H", count, (stated,) * count if count > 1 else stated, True)
    path = write_deep(tmp_path / "a.tif", np.ascontiguousarray(samples), extratags=[tag], **planes)
    assert read_image(path).max() == (DEEP.max() if count > 1 else DEEP[..., 0].max()) >> (4 if stated == 4095 else 8)
    assert ["12-bit" in remark for remark in remarks_on(path)] == ([True] if stated == 4095 else [])


def test_compressed_twelve_bit_colour_is_read(tmp_path: Path) -> None:
    samples = DEEP << 4
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", compression="zlib")
    assert np.array_equal(read_image(tmp_path / "a.tif"), DEEP)


def test_transparent_twelve_bit_colour_is_laid_over_black(tmp_path: Path) -> None:
    opaque = np.full((12, 20, 1), 4095, dtype=np.uint16)
    opaque[:6] = 0
    path = write_deep(tmp_path / "a.png", np.dstack([DEEP << 4, opaque]))
    read = read_image(path)
    assert not read[:6].any()
    assert np.array_equal(read[6:], DEEP[6:])


@pytest.mark.parametrize("file", ["a.tif", "a.gif", "a.webp", "a.png"])
def test_further_pages_are_counted_in_a_remark(file: str, tmp_path: Path) -> None:
    pages = [Image.new("RGB", (6, 4), (40 * number, 0, 0)) for number in range(3)]
    pages[0].save(tmp_path / file, save_all=True, append_images=pages[1:])
    (remark,) = remarks_on(tmp_path / file)
    assert remark.startswith(f"The file has 3 {'pages' if file == 'a.tif' else 'frames'}, and the first was read")
    pages[0].save(tmp_path / file)
    assert remarks_on(tmp_path / file) == []


def test_further_frames_of_a_dicom_file_are_counted_where_none_is_addressed(tmp_path: Path) -> None:
    path = save(photograph_dataset(np.stack([PIXELS, PIXELS])), tmp_path / "a.dcm")
    assert "has 2 frames" in remarks_on(path)[0]
    assert remarks_on(Path(f"{path}?slice=1")) == []


def test_remarks_are_meta_data_of_the_loaded_image(tmp_path: Path) -> None:
    path = write_deep(tmp_path / "a.tif", DEEP << 4)
    load = LoadImaged("image", reader=FundusImageReader(to_rgb), image_only=True, dtype=np.uint8, expanduser=False)
    assert "12-bit" in load({"image": str(path)})["image"].meta[REMARKS]


@pytest.mark.parametrize("samples", [[[0.0, 2.0]], [[0.0, np.nan]], [[-0.5, 1.0]], [[-1, 5]], [[0, 65536]]], ids=str)
def test_samples_whose_range_is_unknown_are_refused(samples: list[list[float]], tmp_path: Path) -> None:
    array = np.array(samples)
    tifffile.imwrite(tmp_path / "a.tif", array.astype(np.float32 if array.dtype == float else np.int32))
    with pytest.raises(UnreadableImageError, match=r"a\.tif.* 65535"):
        read_image(tmp_path / "a.tif")


OLD_PILLOW = int(PIL.__version__.split(".")[0]) < 13


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("YCbCr", marks=pytest.mark.skipif(OLD_PILLOW, reason="Pillow before 13 takes it for damaged")),
        "LAB",
    ],
)
def test_tiff_in_another_colour_space_is_converted(mode: str, tmp_path: Path) -> None:
    picture = Image.new("RGB", (4, 3), (200, 120, 40))
    if mode == "LAB":
        rgb_profile, lab_profile = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        transform = ImageCms.buildTransform(rgb_profile, lab_profile, "RGB", "LAB")
        stored = ImageCms.applyTransform(picture, transform)
        assert stored is not None
    else:
        stored = picture.convert(mode)
    stored.save(tmp_path / "a.tif")
    assert np.abs(read_image(tmp_path / "a.tif").astype(int) - [200, 120, 40]).max() <= 3


def test_colour_profile_is_ignored(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(PIXELS).save(tmp_path / "a.png", icc_profile=profile)
    assert np.array_equal(read_image(tmp_path / "a.png"), PIXELS)


def test_bilevel_is_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(INSIDE).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png")[..., 1], INSIDE * 255)


@pytest.mark.parametrize("file", ["a.gif", "a.webp", "a.tif", "a.png", "a.mpo"])
def test_first_frame_of_an_animation_and_first_page_are_read(file: str, tmp_path: Path) -> None:
    first, second = Image.new("RGB", (6, 4), (255, 0, 0)), Image.new("RGB", (6, 4), (0, 0, 255))
    first.save(tmp_path / file, save_all=True, append_images=[second], **({"lossless": True} if "webp" in file else {}))
    assert np.abs(read_image(tmp_path / file).astype(int) - [255, 0, 0]).max() <= 2, "MPO is lossy"


UPRIGHT = {
    1: PIXELS,
    2: PIXELS[:, ::-1],
    3: PIXELS[::-1, ::-1],
    4: PIXELS[::-1],
    5: PIXELS.swapaxes(0, 1),
    6: np.rot90(PIXELS, -1),
    7: PIXELS[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90(PIXELS),
}
"""EXIF orientation -> the picture as it is shown."""


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_each_of_the_eight_orientations_is_applied(orientation: int, suffix: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    lossless = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(PIXELS).save(tmp_path / f"a.{suffix}", exif=exif, **lossless)
    assert np.array_equal(read_image(tmp_path / f"a.{suffix}"), UPRIGHT[orientation])


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"])
def test_damaged_exif_data_does_not_matter(exif: bytes, tmp_path: Path) -> None:
    Image.new("L", (8, 8), 70).save(tmp_path / "a.jpg", exif=exif)
    assert (read_image(tmp_path / "a.jpg") == 70).all()


def test_sixty_megapixels_are_read(tmp_path: Path) -> None:
    Image.new("L", (7746, 7746), 70).save(tmp_path / "a.jpg")
    picture = read_image(tmp_path / "a.jpg")
    assert picture.shape == (7746, 7746, 3)
    assert picture[-1, -1].tolist() == [70] * 3


@pytest.mark.parametrize("side", [10_001, 14_000, 65_535])
def test_too_large_picture_is_refused_before_it_is_decoded(side: int, tmp_path: Path) -> None:
    """The header alone: reading further would say that the file is incomplete."""
    bits = b"P5 %d %d 255\n" % (side, side)
    (tmp_path / "a.pgm").write_bytes(bits)
    assert side**2 > MAX_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnreadableImageError, match=r"a\.pgm.*100,000,000 pixels"):
            read_image(tmp_path / "a.pgm")


def bad_file(kind: str, folder: Path) -> Path:
    """A file, or what stands in its place, that cannot be read."""
    path = folder / "bad.jpg"
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("not a picture\n" * 100)
    elif kind == "truncated":
        Image.fromarray(PIXELS.repeat(9, axis=0)).save(path)
        path.write_bytes(path.read_bytes()[:-200])
    elif kind == "another format":
        Image.fromarray(PIXELS).save(path, format="ICO")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "broken link":
        path.symlink_to(folder / "nowhere")
    elif kind == "link to itself":
        path.symlink_to(path)
    elif kind == "null byte":
        path = folder / "bad.jpg\0"
    elif kind == "long name":
        path = folder / ("bad.jpg" * 99)
    elif kind == "not text":
        path = folder / "bad.jpg\ud800"
    elif kind == "inside a file":
        (folder / "file").touch()
        path = folder / "file" / "bad.jpg"
    elif kind == "wrong address":
        path = folder / "bad.jpg?slice=x"
    elif kind == "slice of a picture":
        Image.fromarray(PIXELS).save(path)
        path = folder / "bad.jpg?slice=0"
    elif kind == "slice of a text":
        path.write_text("NDims = 3")
        path = folder / "bad.jpg?slice=0"
    elif kind == "slice of a folder":
        path.mkdir()
        path = folder / "bad.jpg?slice=0"
    return path


BAD_FILES = {
    "missing": "does not exist",
    "empty": r"empty \(0 bytes\)",
    "text": "format.*PNG or JPEG",
    "truncated": "damaged.*truncated",
    "another format": "format",
    "folder": "is a folder",
    "pipe": "is a device or a pipe",
    "broken link": "does not exist",
    "link to itself": r"cannot be opened \(.+\)",
    "null byte": r"cannot be opened \(.+\)",
    "long name": r"cannot be opened \(.+\)",
    "not text": r"cannot be opened \(.+\)",
    "inside a file": "does not exist",
    "wrong address": r"\?slice=INDEX",
    "slice of a picture": "must be MetaImage, NRRD or NIfTI",
    "slice of a text": "must be MetaImage, NRRD or NIfTI",
    "slice of a folder": "is a folder",
}
"""What cannot be read -> what is said about it."""


@pytest.mark.parametrize("kind", BAD_FILES)
def test_what_cannot_be_read_is_refused_with_its_name_the_reason_and_a_remedy(kind: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=rf"(?s)^.*bad\.jpg.*{BAD_FILES[kind]}"):
        read_image(bad_file(kind, tmp_path))


@pytest.mark.parametrize("kind", BAD_FILES)
def test_monai_raises_the_same_error_and_tries_no_other_reader(kind: str, tmp_path: Path) -> None:
    """An instance of LoadImage's own PILReader would open the icon, ITKReader the picture at the address."""
    path = str(bad_file(kind, tmp_path))
    load = Compose([LoadImaged("image", reader=FundusImageReader(to_rgb), image_only=True)])
    with pytest.raises(RuntimeError, match="applying transform") as caught:
        load({"image": path})
    cause = root_cause(caught.value)
    with pytest.raises(UnreadableImageError) as direct:
        read_image(path)
    assert type(cause) is UnreadableImageError
    assert str(cause) == str(direct.value)


def test_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser may read all, so the system's answer is made up."""
    (tmp_path / "a.png").write_bytes(b"x")

    def forbid(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbid)
    with pytest.raises(UnreadableImageError, match=r"a\.png.* may not be read"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("size", ["99999 99999 99999", "2 3 999999"])
def test_damaged_volume_is_refused_whatever_size_it_claims(size: str, tmp_path: Path) -> None:
    path = Path(volume(tmp_path / "oct.mhd"))
    path.write_text(path.read_text().replace("DimSize = 4 3 2", f"DimSize = {size}"))
    with pytest.raises(UnreadableImageError, match=r"oct\.mhd\?slice=0: "):
        read_image(f"{path}?slice=0")


def test_one_unreadable_picture_of_several_is_named(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    error = FundusImageReader().read([tmp_path / "a.png", tmp_path / "b.png"])
    assert isinstance(error, UnreadableImageError)
    assert "b.png: the file does not exist" in str(error)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the open files are counted in /proc")
@pytest.mark.parametrize("kind", ["good", "text", "truncated"])
def test_files_are_closed(kind: str, tmp_path: Path) -> None:
    path = bad_file(kind, tmp_path)
    if kind == "good":
        Image.fromarray(PIXELS).save(path)
    kept = [FundusImageReader(converter).read(path) for converter in (to_rgb, to_mask, None)]
    assert len(kept) == 3
    assert all(os.path.realpath(f"/proc/self/fd/{fd}") != str(path) for fd in os.listdir("/proc/self/fd"))


def test_a_picture_in_memory_is_converted_like_a_file() -> None:
    picture = Image.new("RGBA", (4, 3), (255, 0, 0, 0))
    load = LoadImage(FundusImageReader(to_rgb), image_only=True, expanduser=False, dtype=np.uint8)
    loaded = load(picture)
    assert tuple(loaded.shape) == (3, 4, 3)
    assert not loaded.any(), "transparency is laid over black"


@pytest.mark.parametrize("name", ["photograph.dcm", "photograph.jpg", "1.2.840.113", "no suffix"])
def test_dicom_is_recognised_by_its_content(name: str, tmp_path: Path) -> None:
    path = save(photograph_dataset(PIXELS), tmp_path / name)
    assert np.array_equal(read_image(path), PIXELS)
    grey = FundusImageReader(to_mask).read(path)
    assert isinstance(grey, Image.Image)
    assert (grey.mode, grey.size) == ("L", (20, 12))


def test_twelve_bits_of_a_dicom_file_are_brought_to_eight_once(tmp_path: Path) -> None:
    """0x0FFF are all bits of twelve; of sixteen they are few, and the header knows which."""
    pixels = np.array([[0, 0x0FFF]], dtype=np.uint16)
    twelve = save(photograph_dataset(pixels, kind="op16", BitsStored=12), tmp_path / "12.dcm")
    sixteen = save(photograph_dataset(pixels, kind="op16"), tmp_path / "16.dcm")
    assert [read_image(path)[0, 1].tolist() for path in (twelve, sixteen)] == [[255] * 3, [0x0F] * 3]


def test_frame_of_a_dicom_file_is_addressed_like_a_slice(tmp_path: Path) -> None:
    frames = np.stack([PIXELS, 255 - PIXELS])
    path = save(photograph_dataset(frames), tmp_path / "series.dcm")
    assert np.array_equal(read_image(f"{path}?slice=1"), frames[1])
    assert np.array_equal(read_image(path), frames[0]), "without an address the first"
    for address, expected in {"?slice=9": "0 to 1.* 9", "?slice=0&label=1": "has no labels"}.items():
        with pytest.raises(UnreadableImageError, match=rf"series\.dcm\{address}.*{expected}"):
            read_image(f"{path}{address}")


def test_dicom_without_preamble_is_refused_with_what_is_expected(tmp_path: Path) -> None:
    content = save(photograph_dataset(PIXELS), tmp_path / "a.dcm").read_bytes()
    (tmp_path / "a.dcm").write_bytes(content[132:])
    with pytest.raises(UnreadableImageError, match=r"a\.dcm.*DICM"):
        read_image(tmp_path / "a.dcm")


def test_truncated_dicom_file_is_refused(tmp_path: Path) -> None:
    content = save(photograph_dataset(PIXELS), tmp_path / "a.dcm").read_bytes()
    (tmp_path / "a.dcm").write_bytes(content[:-100])
    with pytest.raises(UnreadableImageError, match=r"a\.dcm.*damaged"):
        read_image(tmp_path / "a.dcm")
