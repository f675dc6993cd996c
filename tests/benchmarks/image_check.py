"""How often the image check refuses, and what it remarks on.

    python tests/benchmarks/image_check.py FOLDER... [--every 1] [--pattern "*.jpg"] [--negatives] [--listing]

Per folder, and per change made to its images, the fraction that is refused. `--negatives` applies the changes for
images that are no fundus photographs: a disc cut out on black, tinted like a fundus, and others.
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
from vmnet_monai.quality import CheckFundusImaged, NotAFundusImageError
from vmnet_monai.transforms import CropToFieldOfViewd, FieldOfViewd, FieldOfViewError, estimate_field_of_view

Change = Callable[[Image.Image], Image.Image]


def _scaled(factor: float) -> Change:
    return lambda image: ImageOps.scale(image, factor)


def _jpeg(quality: int) -> Change:
    def change(image: Image.Image) -> Image.Image:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        return Image.open(stream).convert("RGB")

    return change


def _brighter(factor: float) -> Change:
    return lambda image: image.point(lambda value: int(min(255, value * factor)))


def _grey(image: Image.Image) -> Image.Image:
    return image.convert("L").convert("RGB")


def _red_free(image: Image.Image) -> Image.Image:
    return image.getchannel("G").convert("RGB")


def _padded(image: Image.Image) -> Image.Image:
    return ImageOps.expand(image, image.width // 5)


def _box(image: Image.Image) -> tuple[int, int, int, int]:
    fov = estimate_field_of_view(np.moveaxis(np.asarray(image), -1, 0))
    rows, columns = np.flatnonzero(fov.any(axis=1)), np.flatnonzero(fov.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _inside(image: Image.Image) -> Image.Image:
    """A square inside the disc."""
    left, top, right, bottom = _box(image)
    x, y, half = (left + right) // 2, (top + bottom) // 2, int(0.32 * min(right - left, bottom - top))
    return image.crop((x - half, y - half, x + half, y + half))


def _cut(image: Image.Image) -> Image.Image:
    """Without 15 % of the disc at top and bottom."""
    left, top, right, bottom = _box(image)
    cut = round(0.15 * (bottom - top))
    return image.crop((left, top + cut, right, bottom - cut))


def _disc(image: Image.Image) -> Image.Image:
    """The middle as a disc on black."""
    square = ImageOps.fit(image, (min(image.size),) * 2)
    y, x = np.mgrid[-1 : 1 : square.height * 1j, -1 : 1 : square.width * 1j]
    return Image.composite(square, Image.new("RGB", square.size), Image.fromarray(np.hypot(y, x) < 0.97))


def _orange(image: Image.Image) -> Image.Image:
    return ImageOps.colorize(image.convert("L"), (60, 20, 10), (240, 150, 80))


def _warm(image: Image.Image) -> Image.Image:
    """Colours kept, multiplied by orange."""
    tinted: NDArray[np.float64] = np.asarray(image) * np.array([1.0, 0.6, 0.3])
    return Image.fromarray(tinted.astype(np.uint8))


def _same(image: Image.Image) -> Image.Image:
    return image


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
    "orange disc on black": lambda image: _disc(_orange(image)),
    "disc on black, times orange": lambda image: _disc(_warm(image)),
    "blurred orange disc": lambda image: _disc(_orange(image).filter(ImageFilter.GaussianBlur(2))),
    "JPEG 40": _jpeg(40),
}


def outcome(image: Image.Image, size_px: int) -> tuple[str, str]:
    """What the pipeline says of an image: ``"accepted"`` or ``"refused"``, and the remarks or the reason."""
    try:
        item = FieldOfViewd()({"image": torch.from_numpy(np.moveaxis(np.asarray(image), -1, 0).copy())})
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
    """Return a Markdown table of the refused images per folder and change, and of the remarks.

    Args:
        folders: each with images directly in it.
        every: take every n-th image only.
        size_px: grid of the pipeline.
        negatives: whether the images are other than fundus photographs.
        only: one of the changes; all where it is empty.
        pattern: which names in the folders to take, such as ``*.jpg``.
        listing: add the names of the images that were judged wrongly.
    """
    rows: list[list[str]] = []
    remarks: Counter[str] = Counter()
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
                remarks.update(sentence.split(":")[0].split(" by ")[0] for sentence in sentences)
    table = markdown_table(["folder", "change", "images", "refused", "fraction"], rows)
    counts = "" if negatives else "\n".join(f"{count} {line or 'without remark'}" for line, count in remarks.items())
    return "\n\n".join([table, counts, *(wrong if listing else [])])


if __name__ == "__main__":
    fire.Fire(rates)
