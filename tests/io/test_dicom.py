"""DICOM photographs of every kind come out as the 8-bit picture they mean; everything else is refused with a reason."""

from __future__ import annotations

import io
import logging
import os
import shutil
import struct
import subprocess
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import MODALITIES, photograph_dataset, retina_dataset, save
from fuzzing import FUZZ
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_windowing
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLSLossless,
    RLELossless,
)

from vmnet_monai.datasets import find_images
from vmnet_monai.errors import MAX_PIXELS, UnreadableImageError
from vmnet_monai.io.dicom import (
    HEADER_TAGS,
    MAX_FRAMES,
    OWN_MODEL_NAME,
    check_image_object,
    decode_frame,
    eye,
    frame_count,
    frame_number,
    instance_uid,
    is_dicom,
    pixel_spacing,
    read_dataset,
    read_header,
)
from vmnet_monai.io.images import read_image
from vmnet_monai.io.slices import parse_slice_address

ROWS, COLUMNS = np.mgrid[:34, :36]

COLOUR = np.stack([7 * ROWS, 7 * COLUMNS, ROWS * COLUMNS // 5], axis=-1).astype(np.uint8)
"""Rows, columns and channels differ; not less than 32 pixels a side, and no noise: some encoders want it."""

GREY = COLOUR[..., 2]

DEEP = (1000 * ROWS + 900 * COLUMNS).astype(np.uint16)


def decoded(dataset: Dataset, index: int = 0) -> NDArray[np.uint8]:
    return np.asarray(decode_frame(dataset, index))


def row(*values: int, dtype: type = np.uint8) -> NDArray[Any]:
    """A picture of one row; negative values as two's complement."""
    return np.array([values]).astype(dtype)


def grey_row(*values: int, dtype: type = np.uint8, **attributes: Any) -> list[int]:
    """What becomes of a row of grey values."""
    kind = "op8" if dtype is np.uint8 else "op16"
    return decoded(photograph_dataset(row(*values, dtype=dtype), kind=kind, **attributes))[0].tolist()


def refusal(dataset: Dataset) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        decode_frame(dataset)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["op8", "sc", "vl"])
@pytest.mark.parametrize("pixels", [COLOUR, GREY], ids=["colour", "grey"])
def test_uncompressed_photograph_of_every_class_keeps_its_pixels(pixels: NDArray[np.uint8], kind: str) -> None:
    assert np.array_equal(decoded(photograph_dataset(pixels, kind=kind)), pixels)


def test_every_frame_is_read_and_no_other() -> None:
    frames = np.stack([COLOUR, 255 - COLOUR, COLOUR // 2])
    for kind in ("op8", "sc"):
        dataset = photograph_dataset(frames, kind=kind)
        assert frame_count(dataset) == 3
        assert all(np.array_equal(decoded(dataset, index), frames[index]) for index in range(3))
        for index in (3, -1):
            with pytest.raises(UnreadableImageError, match=rf"0 to 2.* {index}"):
                decode_frame(dataset, index)


def test_monochrome1_and_inverse_are_inverted_once() -> None:
    values, inverted = (0, 10, 255), [255, 245, 0]
    assert grey_row(*values, PhotometricInterpretation="MONOCHROME1") == inverted
    assert grey_row(*values, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE") == inverted
    assert grey_row(*values, PresentationLUTShape="INVERSE") == inverted


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
def test_upper_eight_of_the_stored_bits_are_kept(bits: int) -> None:
    """In 12 bits 0x123 is 0x12, and 0xFFF is 255; a picture that stays below 4096 of 16 bits is dark."""
    step = 2 ** (bits - 8)
    values = (0, step - 1, step, 0x12 * step + 1, 2**bits - 1)
    assert grey_row(*values, dtype=np.uint16, BitsStored=bits) == [0, 0, 1, 0x12, 255]


def test_fewer_than_eight_bits_are_spread() -> None:
    assert grey_row(0, 5, 15, BitsStored=4) == [0, 85, 255]


def test_bits_above_the_stored_ones_are_ignored() -> None:
    assert grey_row(0xF800, 0x0800, dtype=np.uint16, BitsStored=12) == [0x80, 0x80]


def test_deep_colour_keeps_its_upper_eight_bits() -> None:
    colour = photograph_dataset(COLOUR.astype(np.uint16) << 4, kind="op16", BitsStored=12)
    assert np.array_equal(decoded(colour), COLOUR)


def test_signed_pixels_are_shifted_to_the_whole_range() -> None:
    values = (-2048, -1, 0, 2047)
    assert grey_row(*values, dtype=np.uint16, BitsStored=12, PixelRepresentation=1) == [0, 127, 128, 255]


def test_colour_that_claims_to_be_signed_is_not() -> None:
    assert np.array_equal(decoded(photograph_dataset(COLOUR, PixelRepresentation=1)), COLOUR)


@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (2, -1024), (1 / 255, 0), (0.001, 7)])
def test_rescaling_does_not_change_what_is_seen(slope: float, intercept: float) -> None:
    rescaled = decoded(photograph_dataset(GREY, RescaleSlope=f"{slope:.10g}", RescaleIntercept=intercept))
    assert np.array_equal(rescaled, GREY)


def test_negative_slope_inverts_with_and_without_a_window() -> None:
    """-v lies within -255 to 0, and so does the window: its centre is -127, its width 256."""
    rescaling = {"RescaleSlope": -1, "RescaleIntercept": 0}
    assert grey_row(0, 10, 255, **rescaling) == [255, 245, 0]
    assert grey_row(0, 10, 255, **rescaling, WindowCenter=-127, WindowWidth=256) == [255, 245, 0]


def table(entries: list[int], first: int, depth: int) -> list[Dataset]:
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, depth]
    item["LUTDescriptor"].VR = "US"
    item.add_new("LUTData", "OW", np.array(entries, dtype="<u2").tobytes())
    return [item]


def test_modality_table_is_looked_up_and_clamped_at_its_ends() -> None:
    """The entries of 10 bits keep their upper eight: 4 -> 1, 1023 -> 255."""
    modality = table([0, 4, 1023], first=5, depth=10)
    assert grey_row(0, 5, 6, 7, 200, ModalityLUTSequence=modality) == [0, 0, 1, 255, 255]


@pytest.mark.parametrize("depth", [8, 16])
def test_voi_table_of_more_than_256_entries_is_looked_up(depth: int) -> None:
    """Entry i of 4096 is i / 16 in 8 bits, so 12 bits come out as they would without a table."""
    entries = [i >> 4 if depth == 8 else i << 4 for i in range(4096)]
    voi = table(entries, first=0, depth=depth)
    values = (0, 0x123, 0xABC, 0xFFF)
    assert grey_row(*values, dtype=np.uint16, BitsStored=12, VOILUTSequence=voi) == [0, 0x12, 0xAB, 0xFF]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"WindowCenter": 128, "WindowWidth": 256}, [0, 100, 127, 200, 255]),
        ({"WindowCenter": 64, "WindowWidth": 128}, [0, 201, 255, 255, 255]),
        ({"WindowCenter": [64, 1], "WindowWidth": [128, 2]}, [0, 201, 255, 255, 255]),
        ({"WindowCenter": 100, "WindowWidth": 200, "VOILUTFunction": "LINEAR_EXACT"}, [0, 128, 162, 255, 255]),
        ({"WindowCenter": 100, "WindowWidth": 4, "VOILUTFunction": "SIGMOID"}, [0, 128, 255, 255, 255]),
        ({"WindowCenter": 64, "WindowWidth": 0}, [0, 100, 127, 200, 255]),
        ({"WindowCenter": 64, "WindowWidth": None}, [0, 100, 127, 200, 255]),
    ],
    ids=["whole range", "v / 127", "first of two", "v / 200", "sigmoid", "no width", "centre alone"],
)
def test_first_window_is_applied(window: dict[str, Any], expected: list[int]) -> None:
    assert grey_row(0, 100, 127, 200, 255, **window) == expected


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(127.5, 255), (3000, 700), (-20, 90), (60000, 12345.5)])
def test_windows_agree_with_pydicom(centre: float, width: float, function: str) -> None:
    dataset = photograph_dataset(DEEP, kind="op16", WindowCenter=centre, WindowWidth=width, VOILUTFunction=function)
    expected = apply_windowing(DEEP, dataset) / 256
    assert np.abs(decoded(dataset) - expected).max() <= 1


def test_window_of_colour_is_ignored() -> None:
    assert np.array_equal(decoded(photograph_dataset(COLOUR, WindowCenter=10, WindowWidth=20)), COLOUR)


def palette(depth: int, colours: list[tuple[int, int, int]], first: int = 0) -> dict[str, Any]:
    attributes: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for channel, name in enumerate(("Red", "Green", "Blue")):
        attributes[f"{name}PaletteColorLookupTableDescriptor"] = [len(colours), first, depth]
        entries = np.array([colour[channel] for colour in colours], dtype=f"<u{depth // 8}")
        attributes[f"{name}PaletteColorLookupTableData"] = entries.tobytes()
    return attributes


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_palette_is_looked_up_and_clamped_at_its_ends(dtype: type, depth: int) -> None:
    colours = [(1, 2, 3), (200, 100, 50)]
    stored = [tuple(value * (257 if depth == 16 else 1) for value in colour) for colour in colours]
    far = 255 if dtype is np.uint8 else 3 + 256
    dataset = photograph_dataset(row(0, 3, 4, far, dtype=dtype), kind="sc", **palette(depth, stored, first=3))
    assert decoded(dataset)[0].tolist() == [[1, 2, 3], [1, 2, 3], [200, 100, 50], [200, 100, 50]]


def test_palette_that_would_be_misread_is_refused() -> None:
    """pydicom reads the entries of big endian palettes, and the 257th of 8 bits, wrongly."""
    dataset = photograph_dataset(row(0, 1), kind="sc", **palette(8, [(1, 2, 3)] * 257))
    assert "at most 256 of 8 bits" in refusal(dataset)
    dataset = photograph_dataset(row(0, 1), kind="sc", **palette(16, [(1, 2, 3)]))
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    assert "not be big endian" in refusal(dataset)


YBR = {
    "red": ((255, 0, 0), (76, 85, 255)),
    "grey": ((70, 70, 70), (70, 128, 128)),
    "white": ((255,) * 3, (255, 128, 128)),
}
"""RGB and YCbCr by ITU-T T.871: Y = 0.299 R + 0.587 G + 0.114 B."""


@pytest.mark.parametrize("colour", YBR)
@pytest.mark.parametrize("depth", [8, 16])
def test_ybr_full_becomes_rgb(depth: int, colour: str) -> None:
    rgb, ybr = YBR[colour]
    samples = np.array([[ybr, ybr]], dtype=np.uint16) << (depth - 8)
    kind, dtype = ("op8", np.uint8) if depth == 8 else ("op16", np.uint16)
    dataset = photograph_dataset(samples.astype(dtype), kind=kind, PhotometricInterpretation="YBR_FULL")
    assert np.abs(decoded(dataset).astype(int) - rgb).max() <= 2


@pytest.mark.parametrize("planar", [0, 1])
def test_planes_are_put_together(planar: int) -> None:
    dataset = photograph_dataset(COLOUR, PlanarConfiguration=planar)
    if planar:
        dataset.PixelData = np.moveaxis(COLOUR, -1, 0).tobytes()
    assert np.array_equal(decoded(dataset), COLOUR)


def subsampled(photometric: str, samples: list[int]) -> FileDataset:
    """Two pixels that share their colour: Y1 Y2 Cb Cr."""
    dataset = photograph_dataset(np.zeros((1, 2, 3), dtype=np.uint8), PhotometricInterpretation=photometric)
    dataset.PixelData = bytes(samples)
    return dataset


def test_subsampled_colour_is_expanded() -> None:
    full = decoded(subsampled("YBR_FULL_422", [0, 255, 128, 128]))
    assert full.tolist() == [[[0] * 3, [255] * 3]]


def test_partial_range_is_spread() -> None:
    """ITU-R BT.601: black is 16, white 235; red (255, 0, 0) is 81, 90, 240."""
    assert decoded(subsampled("YBR_PARTIAL_422", [16, 235, 128, 128])).tolist() == [[[0] * 3, [255] * 3]]
    red = decoded(subsampled("YBR_PARTIAL_422", [81, 81, 90, 240]))
    assert np.abs(red.astype(int) - [255, 0, 0]).max() <= 2


def big_endian(dataset: FileDataset) -> FileDataset:
    if dataset.BitsAllocated == 16:
        dataset.PixelData = np.frombuffer(dataset.PixelData, dtype="<u2").astype(">u2").tobytes()
    return dataset


def as_syntax(dataset: FileDataset, syntax: UID, path: Path) -> Path:
    """Write a dataset in a transfer syntax."""
    if syntax.is_encapsulated:
        dataset.compress(syntax, generate_instance_uid=False)
        return save(dataset, path)
    dataset = big_endian(dataset) if syntax == ExplicitVRBigEndian else dataset
    dataset.file_meta.TransferSyntaxUID = syntax
    encoding = {"implicit_vr": syntax.is_implicit_VR, "little_endian": syntax.is_little_endian}
    dcmwrite(path, dataset, enforce_file_format=True, **encoding)
    return path


LOSSLESS = (
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEG2000Lossless,
    JPEGLSLossless,
)


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)
def test_every_lossless_transfer_syntax_keeps_the_pixels(syntax: UID, tmp_path: Path) -> None:
    colour = as_syntax(photograph_dataset(COLOUR), syntax, tmp_path / "colour.dcm")
    assert np.array_equal(read_image(colour), COLOUR)
    deep = as_syntax(photograph_dataset(DEEP, kind="op16"), syntax, tmp_path / "deep.dcm")
    assert np.array_equal(read_image(deep)[..., 1], DEEP >> 8)
    frames = np.stack([COLOUR, 255 - COLOUR])
    several = as_syntax(photograph_dataset(frames), syntax, tmp_path / "several.dcm")
    assert np.array_equal(read_image(f"{several}?slice=1"), frames[1])


@pytest.mark.skipif(shutil.which("dcmcjpeg") is None, reason="dcmtk's dcmcjpeg writes lossless and 12-bit JPEG")
@pytest.mark.parametrize("option", ["+e1", "+el", "+ee"])
def test_jpeg_of_more_than_eight_bits_is_read(option: str, tmp_path: Path) -> None:
    """Lossless (first-order and any predictor), and extended with 12 bits, which is lossy."""
    smooth = np.linspace(0, 4095, 64 * 64).reshape(64, 64).astype(np.uint16)
    source = save(photograph_dataset(smooth, kind="sc", BitsStored=12), tmp_path / "source.dcm")
    subprocess.run(["dcmcjpeg", option, str(source), str(tmp_path / "jpeg.dcm")], check=True)
    assert read_header(tmp_path / "jpeg.dcm").file_meta.TransferSyntaxUID.is_compressed
    image = read_image(tmp_path / "jpeg.dcm")[..., 0]
    assert np.abs(image.astype(int) - (smooth >> 4)).max() <= (1 if option == "+ee" else 0)


def jpeg(**options: Any) -> bytes:
    """A smooth colour picture as JPEG."""
    ramp = np.linspace(0, 255, 16, dtype=np.uint8)
    pixels = np.stack(np.broadcast_arrays(200, ramp[:, None], ramp[None]), axis=-1).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95, **options)
    return stream.getvalue()


def without_jfif(content: bytes, marker: bytes = b"") -> bytes:
    """Replace the JFIF marker, which follows the start of the image."""
    (length,) = struct.unpack(">H", content[4:6])
    return content[:2] + marker + content[4 + length :]


def encapsulated(content: bytes, photometric: str, mode: str = "RGB") -> FileDataset:
    pixels = np.zeros((16, 16, 3) if mode == "RGB" else (16, 16), dtype=np.uint8)
    dataset = photograph_dataset(pixels, PhotometricInterpretation=photometric)
    dataset.PixelData = encapsulate([content])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return dataset


ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\0\0\0\0"

JPEGS: dict[str, Callable[[], bytes]] = {
    "JFIF": jpeg,
    "Adobe, transformed": lambda: without_jfif(jpeg(), ADOBE + b"\x01"),
    "Adobe, not transformed": lambda: jpeg(keep_rgb=True),
    "subsampled, no marker": lambda: without_jfif(jpeg(subsampling="4:2:0")),
}


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL_422"])
@pytest.mark.parametrize("kind", JPEGS)
def test_jpeg_that_says_its_colours_is_read_as_the_same_jpeg_file(kind: str, photometric: str) -> None:
    """Whatever the header says."""
    content = JPEGS[kind]()
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert np.array_equal(decoded(encapsulated(content, photometric)), expected)


def test_header_says_the_colours_of_a_jpeg_that_does_not() -> None:
    content = without_jfif(jpeg(subsampling="4:4:4"))
    with Image.open(io.BytesIO(content)) as transformed:
        expected = np.asarray(transformed.convert("RGB"))
    assert np.array_equal(decoded(encapsulated(content, "YBR_FULL_422")), expected)
    with Image.open(io.BytesIO(content)) as samples:
        samples.draft("YCbCr", samples.size)
        expected = np.asarray(samples)
    assert np.array_equal(decoded(encapsulated(content, "RGB")), expected)


def test_grey_jpeg_is_windowed_like_others() -> None:
    stream = io.BytesIO()
    Image.new("L", (16, 16), 100).save(stream, "JPEG", quality=100)
    assert (decoded(encapsulated(stream.getvalue(), "MONOCHROME1", "L")) == 155).all()


def test_jpeg_of_another_size_than_the_header_says_is_refused() -> None:
    dataset = encapsulated(jpeg(), "YBR_FULL_422")
    dataset.Rows = 8
    assert "the header says 16 x 8 pixels and the JPEG in it has 16 x 16" in refusal(dataset)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "OCT": (
        {"SOPClassUID": UID("1.2.840.10008.5.1.4.1.1.77.1.5.4")},
        r"is of the class Ophthalmic Tomography Image Storage: export the photograph",
    ),
    "CT": ({"SOPClassUID": UID("1.2.840.10008.5.1.4.1.1.2")}, "CT Image Storage"),
    "report": ({"SOPClassUID": UID("1.2.840.10008.5.1.4.1.1.88.33")}, "Comprehensive SR Storage"),
    "PDF": ({"SOPClassUID": UID("1.2.840.10008.5.1.4.1.1.104.1")}, "Encapsulated PDF Storage"),
    "segmentation": ({"SOPClassUID": UID("1.2.840.10008.5.1.4.1.1.66.4")}, "Segmentation Storage"),
    "presentation state": ({"SOPClassUID": UID("1.2.840.10008.5.1.4.1.1.11.1")}, "Presentation State"),
    "video": ({"SOPClassUID": UID("1.2.840.10008.5.1.4.1.1.77.1.4.1")}, "Video Photographic Image Storage"),
    "index of a medium": ({"SOPClassUID": UID("1.2.840.10008.1.3.10")}, "Media Storage Directory"),
    "private class": ({"SOPClassUID": UID("1.2.3.4711")}, "no class"),
    "no class": ({"SOPClassUID": None}, "no class"),
    "capture of a CT": ({"kind": "sc", "Modality": "CT"}, "OP, XC, OT.* CT"),
    "unknown modality": ({"kind": "sc", "Modality": "DOE"}, "it is another one"),
    "own result": ({"kind": "sc", "ManufacturerModelName": OWN_MODEL_NAME}, "is a result"),
    "no pixel data": ({"Rows": None}, "no pixel data"),
    "no pixels": ({"PixelData": None}, "no pixel data"),
    "empty pixels": ({"PixelData": b""}, "no pixel data"),
    "too large": ({"Rows": 65535, "Columns": 65535}, "100,000,000 pixels"),
    "no rows": ({"Rows": 0}, "no pixels"),
    "no frames": ({"NumberOfFrames": 0}, "1,000 frames.*NumberOfFrames is 0"),
    "too many frames": ({"NumberOfFrames": MAX_FRAMES + 1}, "NumberOfFrames is 1001"),
    "fewer frames than said": ({"NumberOfFrames": 2}, "damaged"),
    "CMYK": ({"PhotometricInterpretation": "CMYK"}, "CMYK with 3.*RGB"),
    "unknown colours": ({"PhotometricInterpretation": "JANE"}, "unknown with 3"),
    "two samples": ({"SamplesPerPixel": 2}, "RGB with 2"),
    "32 bits": ({"BitsAllocated": 32}, "8 or 16 bits"),
    "upper bits": ({"HighBit": 3, "BitsStored": 3}, "up to bit 3"),
    "constant rescaling": ({"pixels": GREY, "RescaleSlope": 0, "RescaleIntercept": 0}, "RescaleSlope.* 0"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_photograph_is_refused_with_the_rule_the_value_and_a_remedy(kind: str, tmp_path: Path) -> None:
    attributes, expected = REFUSED[kind]
    options = {"pixels": COLOUR} | attributes
    if "HighBit" in attributes:
        dataset = photograph_dataset(**(options | {"HighBit": None}))
        dataset.HighBit = attributes["HighBit"]
    else:
        dataset = photograph_dataset(**options)
    with pytest.raises(UnreadableImageError, match=rf"(?s){expected}"):
        decode_frame(dataset)
    path = save_any(dataset, tmp_path / "bad.dcm")
    with pytest.raises(UnreadableImageError, match=rf"(?s)bad\.dcm: .*{expected}"):
        read_image(path)


def save_any(dataset: FileDataset, path: Path) -> Path:
    """Also what pydicom would not write by itself, for lack of identifiers."""
    meta = dataset.file_meta
    meta.MediaStorageSOPClassUID = meta.MediaStorageSOPClassUID or UID("1.2.3")
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("modality", ["OP", "XC", "OT", "", None])
@pytest.mark.parametrize("kind", MODALITIES)
def test_modalities_of_photographs_are_read(kind: str, modality: str | None) -> None:
    check_image_object(photograph_dataset(DEEP if kind == "op16" else COLOUR, kind=kind, Modality=modality))


def test_photograph_with_burned_in_annotation_is_read() -> None:
    assert np.array_equal(decoded(photograph_dataset(COLOUR, BurnedInAnnotation="YES")), COLOUR)


@pytest.mark.parametrize(
    ("syntax", "expected"),
    [
        (
            "1.2.840.10008.1.2.4.102",
            "MPEG-4 AVC/H.264 High Profile.*Explicit",
        ),
        ("1.2.3.4711", "no transfer syntax"),
        ("1.2.840.10008.5.1.4.1.1.2", "are not read"),
    ],
)
def test_transfer_syntax_that_nothing_decodes_is_refused(syntax: str, expected: str) -> None:
    dataset = photograph_dataset(COLOUR)
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    with pytest.raises(UnreadableImageError, match=expected):
        check_image_object(dataset)


def test_missing_decoder_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = photograph_dataset(COLOUR)
    dataset.file_meta.TransferSyntaxUID = JPEGLossless
    check_image_object(dataset)
    monkeypatch.setattr(Decoder, "is_available", property(lambda self: False))
    with pytest.raises(UnreadableImageError) as caught:
        check_image_object(dataset)
    assert str(caught.value) == (
        f'no decoder for the transfer syntax {JPEGLossless.name} is installed: run `pip install "vmnet_monai[dicom]"`.'
    )


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"laterality": "R"}, "right"),
        ({"laterality": "L"}, "left"),
        ({"laterality": "B"}, ""),
        ({"laterality": ""}, ""),
        ({"laterality": "", "Laterality": "L"}, "left"),
        ({"laterality": "R", "Laterality": "L"}, "right"),
        ({"kind": "sc", "laterality": "L"}, "left"),
        ({"kind": "vl", "laterality": "R"}, "right"),
    ],
)
def test_eye_is_that_of_the_image_or_else_of_the_series(attributes: dict[str, Any], expected: str) -> None:
    assert eye(photograph_dataset(COLOUR, **attributes)) == expected


def functional_group(laterality: str) -> Dataset:
    group, anatomy = Dataset(), Dataset()
    anatomy.FrameLaterality = laterality
    group.FrameAnatomySequence = [anatomy]
    return group


def test_each_frame_may_be_of_another_eye() -> None:
    dataset = photograph_dataset(np.stack([COLOUR, COLOUR]), laterality="")
    dataset.PerFrameFunctionalGroupsSequence = [functional_group("R"), functional_group("L")]
    assert [eye(dataset, frame) for frame in range(2)] == ["right", "left"]
    dataset.PerFrameFunctionalGroupsSequence = [Dataset(), Dataset()]
    dataset.SharedFunctionalGroupsSequence = [functional_group("L")]
    assert [eye(dataset, frame) for frame in range(2)] == ["left", "left"]


def test_dicom_is_recognised_by_its_content(tmp_path: Path) -> None:
    path = save(photograph_dataset(COLOUR), tmp_path / "photograph.txt")
    assert is_dicom(path)
    (tmp_path / "short.dcm").write_bytes(path.read_bytes()[:131])
    (tmp_path / "no preamble.dcm").write_bytes(path.read_bytes()[132:])
    assert not any(
        map(is_dicom, [tmp_path, tmp_path / "missing", tmp_path / "short.dcm", tmp_path / "no preamble.dcm"])
    )


def test_header_is_read_without_pixels_and_for_few_elements(tmp_path: Path) -> None:
    path = save(retina_dataset(64), tmp_path / "a.dcm")
    assert "PixelData" not in read_header(path)
    header = read_header(path, HEADER_TAGS)
    check_image_object(header)
    assert "PatientName" not in header
    assert (frame_count(header), eye(header)) == (1, "right")
    assert decode_frame(read_dataset(path)).size == (64, 64)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy of dicom3tools checks the test files")
@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("kind", MODALITIES)
def test_the_files_of_these_tests_are_valid(kind: str, frames: int, tmp_path: Path) -> None:
    if kind == "vl" and frames == 2:
        pytest.skip("VL Photographic has one frame")
    colour = COLOUR if kind != "op16" else COLOUR.astype(np.uint16)
    pixels = [colour] if kind == "sc" and frames == 2 else [colour, colour[..., :1]]
    for one in pixels:
        dataset = photograph_dataset(one if frames == 1 and one.shape[-1] == 3 else np.stack([one] * frames), kind=kind)
        said = subprocess.run(
            ["dciodvfy", str(save(dataset, tmp_path / "a.dcm"))], capture_output=True, text=True, check=False
        )
        assert "Error" not in said.stdout + said.stderr


PATIENT = ("Doe", "Jane", "4711")


def kinds_of_files() -> dict[str, bytes]:
    """Small files whose pixels are decoded in every way, with the patient's name."""
    small = COLOUR[:4, :4]
    datasets = {
        "colour": photograph_dataset(small),
        "frames": photograph_dataset(np.stack([small, small])),
        "deep": photograph_dataset(DEEP[:4, :4], kind="op16", WindowCenter=9, WindowWidth=99),
        "palette": photograph_dataset(small[..., 0], kind="sc", **palette(8, [(1, 2, 3), (4, 5, 6)])),
        "table": photograph_dataset(small[..., 0], kind="sc", VOILUTSequence=table([0, 4, 255], 0, 8)),
        "jpeg": encapsulated(jpeg(), "YBR_FULL_422"),
        "capture": photograph_dataset(small, kind="sc", RescaleSlope=2, RescaleIntercept=1),
    }
    for name, syntax in {"deflated": DeflatedExplicitVRLittleEndian, "implicit": ImplicitVRLittleEndian}.items():
        datasets[name] = photograph_dataset(small)
        datasets[name].file_meta.TransferSyntaxUID = syntax
    for name, syntax in {"rle": RLELossless, "jpeg 2000": JPEG2000Lossless, "jpeg-ls": JPEGLSLossless}.items():
        datasets[name] = photograph_dataset(small if syntax == RLELossless else COLOUR)
        datasets[name].compress(syntax)
    contents = {}
    for name, dataset in datasets.items():
        stream = io.BytesIO()
        implicit = dataset.file_meta.TransferSyntaxUID.is_implicit_VR
        dataset.save_as(stream, enforce_file_format=True, implicit_vr=implicit, little_endian=True)
        contents[name] = stream.getvalue()
    return contents


FILES = kinds_of_files()


def check(content: bytes, path: Path) -> bool:
    """Find and read the content as a file; whether it is a picture."""
    path.write_bytes(content)
    items = find_images(path)
    assert items
    shown = [str(item.get("refused", "")) for item in items]
    try:
        image = read_image(path)
        assert (image.dtype, image.shape[2]) == (np.uint8, 3)
    except UnreadableImageError as error:
        assert path.name in str(error)
        shown.append(str(error))
        image = None
    assert not any(secret in text for secret in PATIENT for text in shown), shown
    return image is not None


@pytest.mark.parametrize("name", FILES)
def test_undamaged_files_are_pictures(name: str, tmp_path: Path) -> None:
    assert check(FILES[name], tmp_path / "whole.dcm")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A whole file with some bits flipped, bytes overwritten, cut out or doubled, or its end cut off."""
    content = bytearray(FILES[draw(st.sampled_from(sorted(FILES)))])
    for _ in range(draw(st.integers(1, 5))):
        where = draw(st.integers(0, max(0, len(content) - 1)))
        length = draw(st.integers(1, 40))
        kind = draw(st.sampled_from(["flip", "flip", "flip", "write", "cut", "truncate", "double"]))
        if kind == "flip" and content:
            content[where] ^= 1 << draw(st.integers(0, 7))
        elif kind == "write":
            content[where : where + 4] = draw(
                st.sampled_from([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\0\0", b"Doe\\"])
            )
        elif kind == "cut":
            del content[where : where + length]
        elif kind == "truncate":
            del content[where:]
        elif kind == "double":
            content[where:where] = content[where : where + length]
    return bytes(content)


@pytest.mark.filterwarnings("error")
@settings(FUZZ, max_examples=250)
@given(content=damaged())
def test_damaged_file_is_a_picture_or_refused(content: bytes, tmp_path: Path) -> None:
    check(content, tmp_path / "damaged.dcm")


def with_invalid_values(content: bytes) -> bytes:
    """Put the patient where numbers, dates and identifiers belong; the lengths stay."""
    for keyword in (b"20260102", b"030405", b"MONOCHROME2"):
        content = content.replace(keyword, b"Doe^Jane4711"[: len(keyword)])
    return content


@pytest.mark.parametrize("name", FILES)
def test_nothing_of_the_patient_is_said_anywhere(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    content = FILES[name]
    caplog.set_level(logging.DEBUG)
    contents = [content, with_invalid_values(content), *(content[: len(content) * part // 9] for part in range(4, 9))]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number, one in enumerate(contents):
            check(one, tmp_path / f"{number}.dcm")
    output = capfd.readouterr()
    said = [caplog.text, output.out, output.err, *(str(warning.message) for warning in caught)]
    assert not any(secret in text for secret in PATIENT for text in said), said


def test_what_pydicom_would_say_of_an_invalid_value_is_not_heard(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = save(photograph_dataset(COLOUR, SOPClassUID="Doe^Jane"), tmp_path / "a.dcm")
    caplog.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(UnreadableImageError, match="no class"):
            read_image(path)
        assert "refused" in find_images(path)[0]
        assert (caplog.text, len(caught)) == ("", 0)
        assert dcmread(path).SOPClassUID == "Doe^Jane"
    said = [caplog.text, *(str(warning.message) for warning in caught)]
    assert len(said) == 2
    assert all("Doe^Jane" in text for text in said), "pydicom by itself repeats it"


def test_error_hides_what_pydicom_says(tmp_path: Path) -> None:
    """Also from a traceback: the name stands where the number of rows is read."""
    content = save(photograph_dataset(COLOUR), tmp_path / "a.dcm").read_bytes()
    rows = struct.pack("<HH2sH", 0x0028, 0x0008, b"IS", 2)
    damaged_content = content.replace(rows + b"1 ", struct.pack("<HH2sH", 0x0028, 0x0008, b"IS", 8) + b"Doe^Jane")
    assert damaged_content != content
    (tmp_path / "a.dcm").write_bytes(damaged_content)
    with pytest.raises(UnreadableImageError, match=r"damaged .*\(\w+\)") as caught:
        frame_count(read_header(tmp_path / "a.dcm"))
    assert caught.value.__suppress_context__


def test_other_programs_may_still_hear_pydicom(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    read_image(save(photograph_dataset(COLOUR), tmp_path / "a.dcm"))
    logging.getLogger("pydicom").warning("heard")
    assert "heard" in caplog.text


def test_size_limit_is_that_of_pictures() -> None:
    rows = MAX_PIXELS // 60_000 + 1
    assert "scale it down" in refusal(photograph_dataset(COLOUR, Rows=rows, Columns=60_000))


def test_file_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(photograph_dataset(np.zeros((100, 1000, 3), dtype=np.uint8)), tmp_path / "a.dcm")
    assert read_image(path).shape == (100, 1000, 3)
    monkeypatch.setattr("vmnet_monai.io.dicom.MAX_FILE_BYTES", 100_000)
    for read in (read_header, read_dataset):
        with pytest.raises(UnreadableImageError, match="100,000 bytes"):
            read(path)


@pytest.mark.parametrize("limit", [5000, 8_000_000])
def test_deflated_file_is_inflated_as_far_as_its_header_accounts_for(
    limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a million bytes behind the pixels or in their place, as many as the limit for the header are tolerated."""
    honest = photograph_dataset(np.zeros((100, 1000, 3), dtype=np.uint8))
    excessive = photograph_dataset(np.zeros((100, 1000, 3), dtype=np.uint8))
    excessive.PixelData = bytes(1_300_000)
    monkeypatch.setattr("vmnet_monai.io.dicom.MAX_DEFLATED_HEADER_BYTES", limit)
    path = as_syntax(honest, DeflatedExplicitVRLittleEndian, tmp_path / "honest.dcm")
    assert path.stat().st_size < 5000
    assert len(read_dataset(path).PixelData) == 300_000
    path = as_syntax(excessive, DeflatedExplicitVRLittleEndian, tmp_path / "excessive.dcm")
    assert read_header(path).Rows == 100
    if limit == 5000:
        with pytest.raises(UnreadableImageError, match="describes 300,000 bytes"):
            read_dataset(path)
    else:
        assert len(read_dataset(path).PixelData) == 1_300_000


def test_deflated_file_whose_pixels_do_not_begin_soon_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = photograph_dataset(COLOUR)
    dataset.EncapsulatedDocument = bytes(100_000)  # before the pixels, by its tag
    path = as_syntax(dataset, DeflatedExplicitVRLittleEndian, tmp_path / "a.dcm")
    monkeypatch.setattr("vmnet_monai.io.dicom.MAX_DEFLATED_HEADER_BYTES", 50_000)
    for read in (read_header, read_dataset):
        with pytest.raises(UnreadableImageError, match="within its first 50,000 bytes"):
            read(path)


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    """An element in Explicit VR Little Endian, of the representations with a short length."""
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


DEFLATED = element(2, 0x10, b"UI", DeflatedExplicitVRLittleEndian.encode())
"""The transfer syntax in the file meta information."""


def deflate(elements: bytes) -> bytes:
    deflation = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflation.compress(elements) + deflation.flush()


def deflated_file(elements: bytes, instance: bytes = b"1.2.3\0") -> bytes:
    meta = element(2, 3, b"UI", instance) + DEFLATED
    return bytes(128) + b"DICM" + element(2, 0, b"UL", struct.pack("<I", len(meta))) + meta + deflate(elements)


ROWS_ELEMENT = element(0x0028, 0x0010, b"US", struct.pack("<H", 4711))


@pytest.mark.parametrize("padding", [0, 4000])
def test_deflated_file_is_limited_wherever_its_transfer_syntax_stands(
    padding: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more than 100,000 bytes it keeps less than 5,000."""
    large = struct.pack("<HH2sHI", 0x0042, 0x0011, b"OB", 0, 100_000) + bytes(100_000)
    path = tmp_path / "a.dcm"
    path.write_bytes(deflated_file(ROWS_ELEMENT + large, instance=b"1.2.3\0" + bytes(padding)))
    assert read_header(path).Rows == 4711
    assert path.stat().st_size < 5000
    monkeypatch.setattr("vmnet_monai.io.dicom.MAX_DEFLATED_HEADER_BYTES", 50_000)
    for read in (read_header, read_dataset):
        with pytest.raises(UnreadableImageError, match="50,000 bytes"):
            read(path)


def test_deflated_file_within_a_deflated_file_is_not_inflated(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(deflated_file(DEFLATED + deflate(ROWS_ELEMENT)))
    with pytest.raises(UnreadableImageError, match="damaged"):
        read_header(path)


def test_deflated_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(deflated_file(ROWS_ELEMENT)[:-3])
    with pytest.raises(UnreadableImageError, match="damaged"):
        read_header(path)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose pixels are read from the disk from now on, in their order."""
    names: list[str] = []

    def reading(file: Any, **options: Any) -> FileDataset:
        if not options.get("stop_before_pixels"):
            names.append(Path(file.name).name)
        return dcmread(file, **options)

    monkeypatch.setattr("vmnet_monai.io.dicom._kept", {})
    monkeypatch.setattr("vmnet_monai.io.dicom.dcmread", reading)
    return names


def write_old(dataset: FileDataset, path: Path, seconds: int = 1_000_000_000) -> Path:
    """A file that was written long ago."""
    save(dataset, path)
    os.utime(path, (seconds, seconds))
    return path


def test_frames_of_a_file_are_read_from_the_disk_once(reads: list[str], tmp_path: Path) -> None:
    frames = np.stack([COLOUR, 255 - COLOUR, COLOUR // 2])
    path = write_old(photograph_dataset(frames), tmp_path / "a.dcm")
    assert all(np.array_equal(read_image(f"{path}?slice={index}"), frames[index]) for index in (0, 1, 2, 0))
    assert reads == ["a.dcm"]


def test_only_the_last_file_is_kept(reads: list[str], tmp_path: Path) -> None:
    a, b = (write_old(photograph_dataset(COLOUR), tmp_path / name) for name in ("a.dcm", "b.dcm"))
    for path in (a, a, b, b, a):
        read_dataset(path)
    assert reads == ["a.dcm", "b.dcm", "a.dcm"]


def test_file_that_was_written_anew_is_read_anew(reads: list[str], tmp_path: Path) -> None:
    """Of the same size; a file that was just written may be written again within the same step of the clock."""
    path = tmp_path / "a.dcm"
    for seconds, shown in ((1_000_000_000, COLOUR), (1_000_000_001, 255 - COLOUR)):
        assert np.array_equal(read_image(write_old(photograph_dataset(shown), path, seconds)), shown)
    for shown in (COLOUR, 255 - COLOUR):
        assert np.array_equal(read_image(save(photograph_dataset(shown), path)), shown)
    assert len(reads) == 4


def test_who_changes_a_dataset_changes_it_for_nobody_else(reads: list[str], tmp_path: Path) -> None:
    source = photograph_dataset(np.stack([COLOUR, COLOUR]), laterality="")
    source.PerFrameFunctionalGroupsSequence = [functional_group("R"), functional_group("L")]
    source["PerFrameFunctionalGroupsSequence"].is_undefined_length = True
    path = write_old(source, tmp_path / "a.dcm")
    changed = read_dataset(path)
    changed.PerFrameFunctionalGroupsSequence[0].FrameAnatomySequence[0].FrameLaterality = "L"
    changed.Rows = 1
    again = read_dataset(path)
    assert (eye(again, 0), again.Rows) == ("right", COLOUR.shape[0])
    assert reads == ["a.dcm"]


@pytest.mark.parametrize(
    ("uid", "expected"), [("1.2.840.4711", "1.2.840.4711"), ("Doe^Jane", ""), ("1.02", ""), ("", ""), (None, "")]
)
def test_instance_has_a_valid_uid_or_none(uid: str | None, expected: str) -> None:
    assert instance_uid(photograph_dataset(COLOUR, SOPInstanceUID=uid)) == expected


def test_address_without_a_number_means_the_first_frame() -> None:
    assert [frame_number(parse_slice_address(name)) for name in ("a.dcm", "a.dcm?slice=2")] == [0, 2]
    with pytest.raises(UnreadableImageError, match="&label="):
        frame_number(parse_slice_address("a.dcm?slice=2&label=1"))


def test_frame_that_is_not_there_is_told_from_the_header() -> None:
    header = photograph_dataset(np.stack([COLOUR, COLOUR]))
    check_image_object(header, 1)
    with pytest.raises(UnreadableImageError, match="0 to 1.* 2"):
        check_image_object(header, 2)


def test_header_of_very_many_elements_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = save(photograph_dataset(COLOUR), tmp_path / "a.dcm").read_bytes()
    pixels = content.rindex(b"\xe0\x7f\x10\0")
    blank = struct.pack("<HH2sH", 0x6001, 1, b"LO", 0)
    (tmp_path / "a.dcm").write_bytes(content[:pixels] + 1000 * blank + content[pixels:])
    assert np.array_equal(read_image(tmp_path / "a.dcm"), COLOUR)
    monkeypatch.setattr("vmnet_monai.io.dicom.MAX_HEADER_READS", 1000)
    with pytest.raises(UnreadableImageError, match="too many"):
        read_image(tmp_path / "a.dcm")


@pytest.mark.parametrize(
    ("spacing", "found"),
    [([0.01, 0.02], (0.01, 0.02)), ([0.01], None), ([0.0, 0.02], None), ([-0.01, 0.02], None), (None, None)],
)
def test_spacing_is_two_positive_numbers_or_none(
    spacing: list[float] | None, found: tuple[float, float] | None
) -> None:
    source = Dataset()
    source.PixelSpacing = spacing
    assert pixel_spacing(source) == found


def test_without_spacing_there_is_none() -> None:
    assert pixel_spacing(Dataset()) is None
