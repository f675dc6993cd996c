"""Small files that claim, or would inflate to, more than an image may take; each of them must be refused."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import tifffile
from dicom_files import photograph_dataset, save
from PIL import Image
from pydicom import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
)

__all__ = ["BOMBS", "write_bomb"]

ZEROS = bytes(150_000_000)
"""Inflated from 150 kB; more than what one pixel accounts for."""

SIDE = 9990
"""Side of the largest square that is read."""


def write_bomb(kind: str, folder: Path) -> str:
    """Write one of :data:`BOMBS` and return its path or address."""
    return str(BOMBS[kind](folder / "bomb"))


def tiff(path: Path, **changes: int) -> Path:
    """A grey TIFF of one strip without a byte in it; keywords replace the values of tags."""
    tags = {
        **{"w256": SIDE, "w257": SIDE, "h258": 8, "h259": 1, "h262": 1, "w273": 0, "h277": 1, "w278": SIDE, "w279": 0},
        "h284": 1,
        **changes,
    }
    entries = sorted((int(name[1:]), name[0], value) for name, value in tags.items())
    body = b"".join(
        struct.pack("<HHII", tag, 4, 1, value) if kind == "w" else struct.pack("<HHIHxx", tag, 3, 1, value)
        for tag, kind, value in entries
    )
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", 0))
    return path


def inflating_tiff(path: Path) -> Path:
    """One pixel in floating point whose strip inflates."""
    tifffile.imwrite(path, np.zeros((1, 1, 3), np.float32), photometric="rgb", compression="zlib")
    content = bytearray(path.read_bytes())
    strip = zlib.compress(bytes(400_000_000))  # more than decoders may take whatever they decode
    with tifffile.TiffFile(path) as file:
        tags = file.pages.first.tags
        for name, value in (("StripOffsets", len(content)), ("StripByteCounts", len(strip))):
            tag = tags[name]
            struct.pack_into("<I" if tag.dtype == 4 else "<H", content, tag.valueoffset, value)
    path.write_bytes(bytes(content) + strip)
    return path


def codestream(path: Path, syntax: str, marker: bytes, offset: int, size: bytes) -> Path:
    """A DICOM photograph whose compressed frame states another size than its header."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    dataset = photograph_dataset(pixels)
    if syntax == JPEGBaseline8Bit:
        Image.fromarray(pixels).save(path, format="JPEG")
        frame = bytearray(path.read_bytes())
        dataset.file_meta.TransferSyntaxUID, dataset.PhotometricInterpretation = syntax, "YBR_FULL_422"
    else:
        dataset.compress(syntax)
        frame = bytearray(get_frame(dataset.PixelData, 0, number_of_frames=1))
    at = frame.find(marker) + offset
    frame[at : at + len(size)] = size
    dataset.PixelData = encapsulate([bytes(frame)])
    dataset["PixelData"].is_undefined_length = True
    return save(dataset, path)


def deflated(path: Path, keyword: str) -> Path:
    dataset: Dataset = photograph_dataset(np.zeros((8, 8, 3), np.uint8))
    setattr(dataset, keyword, ZEROS)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return save(dataset, path)


def jp2(path: Path) -> Path:
    """A JP2 file whose boxes say 8 x 8 pixels and whose codestream 30000 x 20000."""
    Image.new("RGB", (8, 8)).save(path, format="JPEG2000")
    content = bytearray(path.read_bytes())
    at = content.find(b"\xff\x4f\xff\x51") + 8
    content[at : at + 8] = struct.pack(">II", 30000, 20000)
    path.write_bytes(content)
    return path


def metaimage(path: Path, size: str, data: bytes, compressed: bool = False) -> str:
    header = path.with_suffix(".mha")
    lines = (
        f"ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = {compressed}\n"
        f"CompressedDataSize = {len(data)}\nDimSize = {size}\nElementType = MET_USHORT\n"
        "ElementDataFile = LOCAL\n"
    )
    header.write_bytes(lines.encode() + data)
    return f"{header}?slice=0"


def nifti(path: Path) -> str:
    """A header of 348 bytes that claims a volume of 700 MB, compressed."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 700, 1000, 1000, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 2, 8)
    struct.pack_into("<f", header, 108, 352.0)
    header[344:348] = b"n+1\0"
    volume = path.with_suffix(".nii.gz")
    volume.write_bytes(gzip.compress(bytes(header)))
    return f"{volume}?slice=0"


def text(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


BOMBS = {
    "TIFF of 30 samples": lambda path: tiff(path, h277=30),
    "TIFF of 200 samples": lambda path: tiff(path, h277=200),
    "TIFF of 4 samples of 64 bits": lambda path: tiff(path, h277=4, h258=64, h339=3),
    "TIFF of many slices": lambda path: tiff(path, w32997=30, h258=32, h339=3),
    "TIFF of a huge tile": lambda path: tiff(path, w256=1, w257=1, h259=8, w322=65520, w323=65520, w324=0, w325=9),
    "TIFF that inflates": inflating_tiff,
    "JPEG-LS in DICOM": lambda path: codestream(path, JPEGLSLossless, b"\xff\xf7", 5, struct.pack(">HH", 30000, 20000)),
    "JPEG 2000 in DICOM": lambda path: codestream(
        path, JPEG2000Lossless, b"\xff\x51", 6, struct.pack(">II", 30000, 20000)
    ),
    "JPEG in DICOM": lambda path: codestream(path, JPEGBaseline8Bit, b"\xff\xc0", 5, struct.pack(">HH", 9000, 9000)),
    "deflated DICOM, header": lambda path: deflated(path, "EncapsulatedDocument"),
    "deflated DICOM, pixels": lambda path: deflated(path, "PixelData"),
    "JP2": jp2,
    "volume without voxels": lambda path: metaimage(path, "1000 1000 300", b""),
    "volume too large": lambda path: metaimage(path, "30000 30000 30000", bytes(100)),
    "compressed volume": lambda path: metaimage(path, "1000 1000 300", zlib.compress(bytes(1000)), compressed=True),
    "NIfTI": nifti,
    "run lengths": lambda path: text(
        path,
        b"BM"
        + struct.pack("<IHHI", 2000, 0, 0, 1078)
        + struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, *[0] * 5)
        + bytes(1024),
    ),
    "PPM of texts": lambda path: text(path, b"P3 %d %d 255\n1 2 3\n" % (SIDE, SIDE)),
    "PPM": lambda path: text(path, b"P6 65535 65535 255\n1 2 3\n"),
    "PNG": lambda path: text(
        path,
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
        + (ihdr := struct.pack(">IIBBBBB", 60000, 60000, 16, 6, 0, 0, 0))
        + struct.pack(">I", zlib.crc32(b"IHDR" + ihdr)),
    ),
}
"""Kind -> what writes it; under 200 kB each."""
