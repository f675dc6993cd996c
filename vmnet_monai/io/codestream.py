"""Reads the sizes that a JPEG, JPEG-LS or JPEG 2000 codestream states itself, whatever is said around it."""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from vmnet_monai.errors import UnreadableImageError, check_size
from vmnet_monai.io.budget import MAX_SAMPLES_PER_PIXEL

__all__ = ["MAX_SCANS", "CodestreamSize", "check_codestream", "codestream_sizes", "count_scans"]

MAX_SCANS = 32
"""Most scans of a progressive JPEG: encoders write about 10. Each one passes over all pixels, however short it is."""

_JPEG_START = b"\xff\xd8"
_J2K_START = b"\xff\x4f\xff\x51"
_JP2_START = b"\0\0\0\x0cjP  "

# ITU-T T.81 table B.1, and SOF55 of JPEG-LS (ITU-T T.87).
_FRAME_MARKERS = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_SCAN, _END, _HIERARCHY, _JPEG_LS_PARAMETERS = 0xDA, 0xD9, 0xDE, 0xF8
_OVERSIZE = 4  # kind of JPEG-LS parameters that replace the size

# In a scan, FF is followed by 00, a restart marker or, in JPEG-LS, less than 80; everything else ends it.
_NEXT_MARKER = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")

_MAX_BITS = 16


class CodestreamSize(NamedTuple):
    """What a codestream says of its image."""

    width: int
    height: int
    samples: int
    """Samples per pixel."""
    bits: int
    """Bits of a sample."""


def codestream_sizes(content: bytes) -> list[CodestreamSize]:
    """Return every size that a codestream states, of which a decoder may take any; none where it is not recognised.

    Args:
        content: JPEG, JPEG-LS or a JPEG 2000 codestream, also within a JP2 file.

    Raises:
        UnreadableImageError: if it states its size in a way that is not read, or is damaged.
    """
    try:
        if content.startswith(_JPEG_START):
            return _jpeg_sizes(content)
        if content.startswith(_J2K_START):
            return [_j2k_size(content, 0)]
        if content.startswith(_JP2_START):  # any box may hold what looks like a codestream
            return [_j2k_size(content, match.start()) for match in re.finditer(re.escape(_J2K_START), content)]
    except (struct.error, IndexError):
        raise UnreadableImageError("the compressed image is damaged or incomplete: copy or export it again.") from None
    return []


def check_codestream(content: bytes, width: int, height: int, samples: int | None = None) -> None:
    """Refuse a codestream that states another size than the header around it, before it is decoded.

    Args:
        content: see :func:`codestream_sizes`.
        width: of the header, in pixels.
        height: of the header, in pixels.
        samples: samples per pixel of the header; None where it says nothing.

    Raises:
        UnreadableImageError: if the sizes differ, or are too large, or none is stated.
    """
    sizes = codestream_sizes(content)
    if not sizes:
        raise UnreadableImageError("the compressed image states no size: copy or export it again.")
    for size in sizes:
        check_size(size.width, size.height)
        if (size.width, size.height) != (width, height):
            raise UnreadableImageError(
                f"the header says {width} x {height} pixels and the compressed image in it has {size.width} x "
                f"{size.height}: export it again."
            )
        if size.samples > MAX_SAMPLES_PER_PIXEL or samples not in (None, size.samples):
            raise UnreadableImageError(
                f"the header says {samples or f'at most {MAX_SAMPLES_PER_PIXEL}'} samples per pixel and the compressed "
                f"image in it has {size.samples}: export it again."
            )
        if size.bits > _MAX_BITS:
            raise UnreadableImageError(
                f"a sample must have at most {_MAX_BITS} bits, those of the compressed image have {size.bits}: export "
                "it with 8 bits."
            )


def count_scans(content: bytes) -> int:
    """Count the scans of a JPEG; those of a preview within it count too."""
    return content.count(bytes((0xFF, _SCAN)))


def _jpeg_sizes(content: bytes) -> list[CodestreamSize]:
    sizes = []
    position = len(_JPEG_START)
    while position + 4 <= len(content):
        marker = content[position + 1]
        if content[position] != 0xFF:
            raise IndexError
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == _END:
            break
        (length,) = struct.unpack_from(">H", content, position + 2)
        if marker in _FRAME_MARKERS:
            bits, height, width, samples = struct.unpack_from(">BHHB", content, position + 4)
            sizes.append(CodestreamSize(width, height, samples, bits))
        if marker == _HIERARCHY or (marker == _JPEG_LS_PARAMETERS and content[position + 4] == _OVERSIZE):
            raise UnreadableImageError("a hierarchical or oversize JPEG is not read: export it as an ordinary one.")
        position += 2 + length
        if marker == _SCAN:
            following = _NEXT_MARKER.search(content, position)
            if following is None:
                break
            position = following.start()
    return sizes


def _j2k_size(content: bytes, start: int) -> CodestreamSize:
    """The image and tile size segment, ITU-T T.800 A.5.1."""
    right, bottom, left, top = struct.unpack_from(">IIII", content, start + 8)
    samples, bits = struct.unpack_from(">HB", content, start + 40)
    return CodestreamSize(max(0, right - left), max(0, bottom - top), samples, (bits & 0x7F) + 1)
