"""How often the check of photographs refuses and warns.

    python tests/benchmarks/image_check.py FOLDER... [--every 1] [--pattern "*.jpg"] [--negatives] [--listing]

Per folder, and per change made to its pictures, the share that is refused. `--negatives` applies the changes for
pictures that are no fundus photographs: a disc cut out on black, tinted like a fundus, and others.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import fire
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from vmnet_monai.io.images import to_rgb
from vmnet_monai.metrics.comparison import markdown_table
from vmnet_monai.quality.check import CheckFundusImaged, NotAFundusImageError
from vmnet_monai.transforms import CropToFieldOfViewd, FieldOfViewd, FieldOfViewError, estimate_field_of_view

Picture = Image.Image
Change = Callable[[Picture], Picture]


def _scaled(factor: float) -> Change:
    return lambda picture: ImageOps.scale(picture, factor)


def _jpeg(quality: int) -> Change:
    def change(picture: Picture) -> Picture:
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=quality)
        return Image.open(stream).convert("RGB")

    return change


def _brighter(factor: float) -> Change:
    return lambda picture: picture.point(lambda value: int(min(255, value * factor)))


def _grey(picture: Picture) -> Picture:
    return picture.convert("L").convert("RGB")


def _red_free(picture: Picture) -> Picture:
    return picture.getchannel("G").convert("RGB")


def _padded(picture: Picture) -> Picture:
    return ImageOps.expand(picture, picture.width // 5)


def _box(picture: Picture) -> tuple[int, int, int, int]:
    fov = estimate_field_of_view(np.moveaxis(np.asarray(picture), -1, 0))
    rows, columns = np.flatnonzero(fov.any(axis=1)), np.flatnonzero(fov.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _inside(picture: Picture) -> Picture:
    """A square inside the disc."""
    left, top, right, bottom = _box(picture)
    x, y, half = (left + right) // 2, (top + bottom) // 2, int(0.32 * min(right - left, bottom - top))
    return picture.crop((x - half, y - half, x + half, y + half))


def _cut(picture: Picture) -> Picture:
    """Without 15 % of the disc at top and bottom."""
    left, top, right, bottom = _box(picture)
    cut = round(0.15 * (bottom - top))
    return picture.crop((left, top + cut, right, bottom - cut))


def _disc(picture: Picture) -> Picture:
    """The middle as a disc on black."""
    square = ImageOps.fit(picture, (min(picture.size),) * 2)
    y, x = np.mgrid[-1 : 1 : square.height * 1j, -1 : 1 : square.width * 1j]
    return Image.composite(square, Image.new("RGB", square.size), Image.fromarray(np.hypot(y, x) < 0.97))


def _orange(picture: Picture) -> Picture:
    return ImageOps.colorize(picture.convert("L"), (60, 20, 10), (240, 150, 80))


def _warm(picture: Picture) -> Picture:
    """Colours kept, multiplied by orange."""
    tinted: NDArray[np.float64] = np.asarray(picture) * np.array([1.0, 0.6, 0.3])
    return Image.fromarray(tinted.astype(np.uint8))


def _same(picture: Picture) -> Picture:
    return picture


FUNDUS_CHANGES: dict[str, Change] = {
    "as taken": _same,
    "half size": _scaled(0.5),
    "1.5 times the size": _scaled(1.5),
    "JPEG 90": _jpeg(90),
    "JPEG 60": _jpeg(60),
    "grey": _grey,
    "red-free": _red_free,
    "mirrored": ImageOps.mirror,
    "20 % brighter": _brighter(1.2),
    "20 % darker": _brighter(0.8),
    "padded with black": _padded,
    "cropped inside the disc": _inside,
    "15 % cut at top and bottom": _cut,
}

OTHER_CHANGES: dict[str, Change] = {
    "as taken": _same,
    "grey": _grey,
    "orange": _orange,
    "disc on black": _disc,
    "orange disc on black": lambda picture: _disc(_orange(picture)),
    "disc on black, times orange": lambda picture: _disc(_warm(picture)),
    "blurred orange disc": lambda picture: _disc(_orange(picture).filter(ImageFilter.GaussianBlur(2))),
    "JPEG 40": _jpeg(40),
}


def outcome(picture: Picture, size_px: int) -> tuple[str, str]:
    """What the pipeline says of a picture: ``"accepted"`` or ``"refused"``, and the warnings or the reason."""
    try:
        item = FieldOfViewd()({"image": torch.from_numpy(np.moveaxis(np.asarray(picture), -1, 0).copy())})
        item = CheckFundusImaged()(CropToFieldOfViewd(("image", "fov"), size_px=size_px)(item))
    except (FieldOfViewError, NotAFundusImageError) as error:
        return "refused", str(error)
    return "accepted", item["warnings"]


def rates(
    *folders: str,
    every: int = 1,
    size_px: int = 896,
    negatives: bool = False,
    only: str = "",
    pattern: str = "*",
    listing: bool = False,
) -> str:
    """Return a Markdown table of the refused pictures per folder and change, and of the warnings.

    Args:
        folders: each with pictures directly in it.
        every: take every n-th picture only.
        size_px: grid of the pipeline.
        negatives: whether the pictures are other than fundus photographs.
        only: one of the changes; all where it is empty.
        pattern: which names in the folders to take, such as ``*.jpg``.
        listing: add the names of the pictures that were judged wrongly.
    """
    rows: list[list[str]] = []
    warned: Counter[str] = Counter()
    wrong: list[str] = []
    for folder in folders:
        files = sorted(path for path in Path(folder).glob(pattern) if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        for name, change in (OTHER_CHANGES if negatives else FUNDUS_CHANGES).items():
            if only not in ("", name):
                continue
            results = {path.name: outcome(change(to_rgb(Image.open(path))), size_px) for path in files[::every]}
            refused = sum(verdict == "refused" for verdict, _ in results.values())
            rows.append([folder, name, str(len(results)), str(refused), f"{refused / max(1, len(results)):.2%}"])
            wrong += [
                f"{folder}/{path}, {name}: {text}"
                for path, (verdict, text) in results.items()
                if (verdict == "accepted") == negatives
            ]
            if name == "as taken":
                sentences = "\n".join(text for verdict, text in results.values() if verdict == "accepted").split("\n")
                warned.update(sentence.split(":")[0].split(" by ")[0] for sentence in sentences)
    table = markdown_table(["folder", "change", "pictures", "refused", "share"], rows)
    counts = "" if negatives else "\n".join(f"{count} {line or 'without warning'}" for line, count in warned.items())
    return "\n\n".join([table, counts, *(wrong if listing else [])])


if __name__ == "__main__":
    fire.Fire(rates)
