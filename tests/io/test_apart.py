"""Files are decoded in a process of their own as they are here, and none of them ends the reading of the next."""

from __future__ import annotations

import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from bombs import BOMBS, write_bomb
from dicom_files import photograph_dataset, save
from PIL import Image
from pydicom.uid import RLELossless

from vmnet_monai.errors import UnreadableImageError
from vmnet_monai.io import apart, decoding
from vmnet_monai.io.apart import decode_apart
from vmnet_monai.io.decoding import REMARKS, decode
from vmnet_monai.io.images import read_image

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)

MOST_MEMORY_MIB = 700
"""Most that either process may grow; the smallest of the bombs would take 1 GB."""


def process_id() -> int:
    process = apart._decoder._process
    assert process is not None
    return process.pid


def peak_mib(process: int | str = "self") -> float:
    line = next(line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


@pytest.mark.parametrize(
    ("mode", "file"),
    [("RGB", "a.tif"), ("L", "a.tif"), ("P", "a.tif"), ("I;16", "a.tif"), ("F", "a.tif"), ("1", "a.tif")]
    + [("CMYK", "a.tif"), ("RGBA", "a.tif"), ("RGB", "a.jp2"), ("RGB", "a.jpg")],
)
def test_image_is_the_same_as_where_it_is_decoded_here(mode: str, file: str, tmp_path: Path) -> None:
    picture = Image.fromarray(PIXELS[..., 0] / np.float32(255)) if mode == "F" else Image.fromarray(PIXELS)
    if mode == "I;16":
        picture = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.convert(mode).save(tmp_path / file, **({"exif": exif} if file == "a.jpg" else {}))
    there, here = decode_apart(str(tmp_path / file)), decode(str(tmp_path / file))
    assert np.array_equal(there, here.convert("RGB") if mode == "P" else here)
    assert there.size == here.size
    assert there.getexif().get(0x0112) == here.getexif().get(0x0112)


def test_one_process_decodes_file_after_file_and_says_what_is_wrong(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.tif")
    (tmp_path / "b.tif").write_bytes(b"II*\0")
    processes = set()
    for _ in range(3):
        assert np.array_equal(decode_apart(str(tmp_path / "a.tif")), PIXELS)
        with pytest.raises(UnreadableImageError, match="damaged"):
            decode_apart(str(tmp_path / "b.tif"))
        with pytest.raises(UnreadableImageError, match="does not exist"):
            decode_apart(str(tmp_path / "c.tif"))
        processes.add(process_id())
    assert len(processes) == 1


def test_names_are_relative_to_the_folder_of_the_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Image.new("L", (3, 2), len(name)).save(tmp_path / name / "a.tif")
        monkeypatch.chdir(tmp_path / name)
        assert decode_apart("a.tif").getpixel((0, 0)) == len(name)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "message"), [("SIGPROF", "takes longer"), ("SIGKILL", "decoder crashed")])
def test_process_that_ends_is_said_and_another_one_decodes_the_next(
    number: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.tif")
    decode_apart(str(tmp_path / "a.tif"))
    first = process_id()
    send = apart._send

    def send_and_end(*args: object) -> None:
        send(*args)  # type: ignore[arg-type]
        os.kill(first, getattr(signal, number))

    os.kill(first, signal.SIGSTOP)  # so that it does not answer before
    with monkeypatch.context() as patch:
        patch.setattr(apart, "_send", send_and_end)
        patch.setattr(apart, "_ENDING_SECONDS", 0.1)
        if number == "SIGPROF":
            patch.setattr(apart, "_send", lambda *args: (send_and_end(*args), os.kill(first, signal.SIGCONT)))
        with pytest.raises(UnreadableImageError, match=message):
            decode_apart(str(tmp_path / "a.tif"))
    assert np.array_equal(decode_apart(str(tmp_path / "a.tif")), PIXELS)
    assert process_id() != first


def read_many(path: str, answers: multiprocessing.SimpleQueue[bool]) -> None:
    answers.put(all(np.array_equal(decode_apart(path), PIXELS) for _ in range(5)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_forked_process_has_a_decoder_of_its_own(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.tif")
    Image.fromarray(255 - PIXELS).save(tmp_path / "b.tif")
    decode_apart(str(tmp_path / "b.tif"))
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    worker = context.Process(target=read_many, args=(str(tmp_path / "a.tif"), answers), daemon=True)
    worker.start()
    assert all(np.array_equal(decode_apart(str(tmp_path / "b.tif")), 255 - PIXELS) for _ in range(5))
    worker.join()
    assert answers.get()


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of processes is looked up in /proc")
@pytest.mark.parametrize("kind", BOMBS)
def test_bomb_is_refused_and_takes_no_memory(kind: str, tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "good.tif")
    read_image(tmp_path / "good.tif")
    name = write_bomb(kind, tmp_path)
    assert Path(name.partition("?")[0]).stat().st_size < 1_000_000
    here, there = peak_mib(), peak_mib(process_id())
    with pytest.raises(UnreadableImageError, match=r".*: .*: ") as caught:
        read_image(name)
    assert "decoder crashed" not in str(caught.value)
    assert np.array_equal(read_image(tmp_path / "good.tif"), PIXELS)
    assert peak_mib() - here < MOST_MEMORY_MIB
    assert peak_mib(process_id()) - there < MOST_MEMORY_MIB


HERE = ("a.jpg", "a.png", "a.bmp", "a.ppm", "a.dcm")
"""Files of which the header bounds what decoding takes."""


def write_every_kind(folder: Path) -> set[str]:
    """Write a photograph in each format and depth whose time or memory may differ; the names."""
    picture = Image.fromarray(PIXELS)
    for name in ("a.jpg", "a.png", "a.bmp", "a.ppm", "a.dib", "a.gif", "a.webp", "a.tif", "a.jp2"):
        picture.save(folder / name)
    Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257).save(folder / "grey16.png")
    (folder / "colour16.png").write_bytes(png(b"", depth=16))
    save(photograph_dataset(PIXELS), folder / "a.dcm")
    compressed = photograph_dataset(PIXELS)
    compressed.compress(RLELossless)
    save(compressed, folder / "rle.dcm")
    return {path.name for path in folder.iterdir()}


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(before: bytes, after: bytes = b"", depth: int = 8) -> bytes:
    """A black PNG of 4 x 4 pixels with further chunks before and after its pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, depth, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(4 * (1 + 12 * depth // 8))))
    return b"\x89PNG\r\n\x1a\n" + header + before + pixels + after + chunk(b"IEND")


def jpeg(parts: bytes) -> bytes:
    stream = BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "JPEG")
    return stream.getvalue()[:2] + parts + stream.getvalue()[2:]


@pytest.fixture
def apart_names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are decoded apart, which are decoded here in its place."""
    names: list[str] = []

    def record(name: str) -> Image.Image:
        names.append(Path(name).name)
        return decode(name)

    monkeypatch.setattr("vmnet_monai.io.images.decode_apart", record)
    return names


def test_what_no_header_bounds_is_decoded_apart(apart_names: list[str], tmp_path: Path) -> None:
    names = write_every_kind(tmp_path)
    for name in names:
        assert read_image(tmp_path / name).ndim == 3
    assert set(apart_names) == names - set(HERE)


@pytest.mark.parametrize(
    "content",
    [
        png(before=500 * chunk(b"abCd")),
        png(b"", after=500 * chunk(b"IDAT")),
        png(before=chunk(b"abCd", bytes(5000))),
        jpeg(500 * b"\xff\xe1\0\x0cExif\0\0MM\0\0"),
        jpeg(500 * b"\xff"),
        b"P6 #" + bytes(500) + b"\n4 4 255\n" + bytes(48),
        png(b"") + bytes(5000),
    ],
    ids=["chunks", "pixel chunks", "large chunk", "EXIF parts", "fill bytes", "comment", "larger than its pixels"],
)
def test_file_of_many_parts_is_decoded_apart(
    content: bytes, apart_names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "many").write_bytes(content)
    assert read_image(tmp_path / "many").shape == (4, 4, 3)
    assert not apart_names
    for limit in ("_HEADER_READS", "_HEADER_BYTES", "_LOADING_READS"):
        monkeypatch.setattr(decoding, limit, 400)
    (tmp_path / "few").write_bytes(png(b""))
    assert read_image(tmp_path / "few").shape == (4, 4, 3)
    assert not apart_names
    assert read_image(tmp_path / "many").shape == (4, 4, 3)
    assert apart_names == ["many"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such timer on Windows")
def test_counting_of_frames_is_ended(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.gif")
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\0"
    content = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(content[:-1] + 200_000 * frame + b";")
    program = (
        "from vmnet_monai.io import budget, decoding; budget._FIXED_SECONDS = 0.2; budget.limit_this_process(); "
        f"decoding.decode({str(tmp_path / 'a.gif')!r})"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGPROF


def test_remarks_come_along(tmp_path: Path) -> None:
    pages = [Image.fromarray(PIXELS), Image.fromarray(PIXELS)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert decode_apart(str(tmp_path / "a.tif")).info[REMARKS] == decode(str(tmp_path / "a.tif")).info[REMARKS]
