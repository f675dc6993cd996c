"""Whatever bytes a file holds, the reader gives an upright RGB picture or its own error, soon and in little memory."""

from __future__ import annotations

import resource
import struct
import time
import zlib
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from fuzzing import FUZZ
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from vmnet_monai.errors import UnreadableImageError
from vmnet_monai.io.images import read_image

LONGEST_S = 60.0
"""CPU time after which a file counts as a hang; a header that claims 100 million pixels takes about a second."""

MOST_MEMORY_MIB = 2000
"""Most that the process may grow; a picture of 100 million pixels takes 400 MiB in Pillow and 300 MiB as an array."""

HUGE = [struct.pack(form, value) for form in (">I", "<I", ">H", "<H") for value in (0, 1, 0x3FFF, 0x7FFF, 0xFFFF)] + [
    struct.pack(">I", value) for value in (0x7FFFFFFF, 0xFFFFFFFF, 0x10000)
]
"""Sizes, counts and offsets that a header may claim."""


def encoded(image: Image.Image, **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, **options)  # type: ignore[arg-type]
    return stream.getvalue()


@cache
def whole_files() -> tuple[bytes, ...]:
    """A small picture in every format and in the kinds that are decoded in their own way."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    colour, grey = Image.fromarray(pixels), Image.fromarray(pixels[..., 0])
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = BytesIO()
    tifffile.imwrite(deep, pixels.astype(np.float32) / 255, photometric="rgb", compression="zlib")
    planes = BytesIO()
    tifffile.imwrite(planes, np.moveaxis(pixels, -1, 0).astype(np.uint16), photometric="rgb", planarconfig="separate")
    frames = {"save_all": True, "append_images": [grey.convert("RGB")]}
    return (
        encoded(colour, format="PNG", exif=exif),
        encoded(colour.quantize(16), format="PNG", transparency=3),
        encoded(Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), format="PNG"),
        encoded(colour, format="JPEG", exif=exif),
        encoded(colour, format="JPEG", progressive=True),
        encoded(colour.convert("CMYK"), format="JPEG"),
        encoded(colour, format="TIFF", **frames),
        encoded(colour, format="TIFF", compression="tiff_lzw"),
        encoded(colour, format="TIFF", compression="jpeg"),
        encoded(Image.fromarray(pixels[..., 0] > 99), format="TIFF", compression="group4"),
        deep.getvalue(),
        planes.getvalue(),
        encoded(colour, format="WEBP", **frames),
        encoded(colour, format="WEBP", lossless=True, exif=exif),
        encoded(colour, format="BMP"),
        encoded(colour.quantize(16), format="BMP"),
        encoded(colour, format="GIF", **frames),
        encoded(colour, format="PPM"),
        encoded(grey, format="PPM"),
        encoded(colour, format="JPEG2000"),
    )


def with_png_checksums(content: bytes) -> bytes:
    """Make the checksums of a PNG right, so that its damaged chunks are decoded."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    mended, position = bytearray(content), 8
    while position + 12 <= len(mended):
        (length,) = struct.unpack_from(">I", mended, position)
        end = position + 8 + length
        if end + 4 > len(mended):
            break
        struct.pack_into(">I", mended, end, zlib.crc32(mended[position + 4 : end]))
        position = end + 4
    return bytes(mended)


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A whole file with some bits flipped, sizes overwritten, parts cut out, doubled or taken from another file."""
    content = bytearray(draw(st.sampled_from(whole_files())))
    for _ in range(draw(st.integers(1, 6))):
        end = len(content) if draw(st.booleans()) else min(len(content), 100)  # headers are worth half of the damage
        where = draw(st.integers(0, max(0, end - 1)))
        kind = draw(st.sampled_from(["flip", "flip", "huge", "huge", "cut", "truncate", "double", "splice"]))
        length = draw(st.integers(1, 64))
        if kind == "flip" and content:
            content[where] ^= 1 << draw(st.integers(0, 7))
        elif kind == "huge":
            value = draw(st.sampled_from(HUGE))
            content[where : where + len(value)] = value
        elif kind == "cut":
            del content[where : where + length]
        elif kind == "truncate":
            del content[where:]
        elif kind == "double":
            content[where:where] = content[where : where + length]
        elif kind == "splice":
            other = draw(st.sampled_from(whole_files()))
            content[where:] = other[min(where, len(other)) :]
    return with_png_checksums(bytes(content)) if draw(st.booleans()) else bytes(content)


def memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def check(content: bytes, path: Path) -> bool:
    """Read the content as a file; whether it is a picture."""
    path.write_bytes(content)
    start, before = time.process_time(), memory_mib()
    try:
        picture = read_image(path)
    except UnreadableImageError as error:
        assert path.name in str(error)
        return False
    finally:
        assert time.process_time() - start < LONGEST_S
        assert memory_mib() - before < MOST_MEMORY_MIB
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 3
    assert picture.size
    return True


def test_whole_files_are_pictures(tmp_path: Path) -> None:
    assert all(check(content, tmp_path / "whole") for content in whole_files())


@pytest.mark.filterwarnings("error")
@settings(FUZZ, max_examples=150)
@given(content=mangled())
@example(content=b"")
@example(content=b"\xff")
@example(content=b"P6 9999 9999 255\n")
@example(content=b"P3 1 1 255 1 2")
@example(content=b"II*\0\x08\0\0\0\xff\xff")
@example(content=b"BM" + b"\xff" * 60)
@example(content=b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\0;")
@example(content=b"RIFF\xff\xff\xff\xffWEBPVP8L\xff\xff\xff\xff")
def test_mangled_file_is_a_picture_or_refused(content: bytes, tmp_path: Path) -> None:
    check(content, tmp_path / "mangled")
