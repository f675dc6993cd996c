"""Sizes of codestreams as encoders write them, and wherever else a decoder may find one."""

from __future__ import annotations

import struct
from io import BytesIO

import numpy as np
import pytest
from fuzzing import FUZZ
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vmnet_monai.errors import UnreadableImageError
from vmnet_monai.io.codestream import CodestreamSize, check_codestream, codestream_sizes, count_scans

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def encoded(image: Image.Image = NOISE, **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def frame(width: int, height: int, marker: int = 0xC0, samples: int = 1, bits: int = 8) -> bytes:
    return segment(marker, struct.pack(">BHHB", bits, height, width, samples) + bytes(3 * samples))


SCAN = segment(0xDA, bytes(6)) + b"\x12\xff\0\x34\xff\xd0\x56"
"""A scan, with a byte FF and a restart marker in it."""


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 100, "subsampling": 0}])
def test_jpeg_states_its_size(options: dict[str, object]) -> None:
    assert codestream_sizes(encoded(format="JPEG", **options)) == [CodestreamSize(60, 40, 3, 8)]


@pytest.mark.parametrize("no_jp2", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_jpeg_2000_states_its_size(mode: str, no_jp2: bool) -> None:
    image = NOISE.convert(mode)
    size = CodestreamSize(60, 40, len(mode), 8)
    assert codestream_sizes(encoded(image, format="JPEG2000", no_jp2=no_jp2)) == [size]


@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC2, 0xC3, 0xF7])
def test_every_frame_is_found_also_behind_a_scan(marker: int) -> None:
    content = b"\xff\xd8" + frame(8, 9, marker) + SCAN + frame(30000, 20000, marker, bits=12) + SCAN + b"\xff\xd9"
    assert codestream_sizes(content) == [CodestreamSize(8, 9, 1, 8), CodestreamSize(30000, 20000, 1, 12)]
    with pytest.raises(UnreadableImageError, match="100,000,000 pixels"):
        check_codestream(content, 8, 9, 1)


def test_every_codestream_of_a_jp2_file_is_found() -> None:
    first = encoded(format="JPEG2000")
    second = encoded(Image.new("RGB", (7, 5)), format="JPEG2000", no_jp2=True)
    with pytest.raises(UnreadableImageError, match="60 x 40 .* 7 x 5"):
        check_codestream(first + second, 60, 40, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xd8" + frame(8, 9) + SCAN, ""),
        (b"\xff\xd8" + frame(8, 10) + SCAN, "8 x 9 .* 8 x 10"),
        (b"\xff\xd8" + frame(8, 0) + SCAN, "no pixels"),
        (b"\xff\xd8" + frame(8, 9, samples=3) + SCAN, "samples"),
        (b"\xff\xd8" + frame(8, 9, bits=32) + SCAN, "16 bits"),
        (b"\xff\xd8" + segment(0xDE, bytes(6)) + frame(8, 9) + SCAN, "hierarchical"),
        (b"\xff\xd8" + segment(0xF8, b"\4" + bytes(6)) + frame(8, 9) + SCAN, "oversize"),
        (b"\xff\xd8" + segment(0xF8, b"\1" + bytes(6)) + frame(8, 9) + SCAN, ""),
        (b"\xff\xd8", "states no size"),
        (b"", "states no size"),
        (b"\xff\x4f\xff\x51\0", "damaged"),
    ],
)
def test_only_the_size_of_the_header_passes(content: bytes, message: str) -> None:
    if not message:
        check_codestream(content, 8, 9, 1)
        return
    with pytest.raises(UnreadableImageError, match=message):
        check_codestream(content, 8, 9, 1)


def test_scans_of_a_progressive_jpeg_are_counted() -> None:
    assert count_scans(encoded(format="JPEG")) == 1
    assert 5 < count_scans(encoded(format="JPEG", progressive=True)) < 20


@settings(FUZZ, max_examples=200)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n"]))
def test_whatever_follows_is_a_size_or_refused(content: bytes, start: bytes) -> None:
    try:
        sizes = codestream_sizes(start + content)
    except UnreadableImageError:
        return
    assert all(isinstance(size, CodestreamSize) for size in sizes)
