"""Pictures that resemble fundus photographs without being any, and rare but real eyes: what the image check says.

    python tests/benchmarks/look_alikes.py rates FOLDER... [--size_px 896] [--every 5] [--listing]
    python tests/benchmarks/look_alikes.py draw FOLDER... --output FOLDER

`rates` counts refusals and remarks per kind, `draw` writes the pictures to which the model of the package was refitted.
Each kind is made of a photograph: a function of an (H, W, 3) uint8 photograph and a generator of random numbers.
Lengths are in widths of the photograph, so that a kind looks alike at every size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import fire
import matplotlib
import numpy as np
from image_check import outcome
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from vmnet_monai.io.images import read_image
from vmnet_monai.metrics.comparison import markdown_table

__all__ = ["LOOK_ALIKES", "REAL_EYES", "false_colour"]

RGB = NDArray[np.uint8]
Change = Callable[[RGB, np.random.Generator], RGB]


def _uint8(values: NDArray[np.floating]) -> RGB:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _lit(rgb: RGB) -> NDArray[np.bool_]:
    """(H, W): roughly the field of view."""
    return ndimage.binary_fill_holes(rgb.max(axis=-1) > 20)


def _box(rgb: RGB) -> tuple[slice, slice]:
    """Rows and columns of the field of view."""
    lit = _lit(rgb)
    rows, columns = np.flatnonzero(lit.mean(axis=1) > 0.05), np.flatnonzero(lit.mean(axis=0) > 0.05)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _noise(shape: tuple[int, int], width: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth noise of mean 0 and standard deviation 1, with details of a width in pixels."""
    coarse = tuple(max(2, round(side / max(width, 1))) + 3 for side in shape)
    factors = [side / (cells - 3) for side, cells in zip(shape, coarse, strict=True)]
    noise = ndimage.zoom(rng.normal(size=coarse), factors, order=2)
    noise = noise[: shape[0], : shape[1]]
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


# --- look-alikes ---


def _permuted(order: str) -> Change:
    """The channels in another order: ``"BGR"`` has blue where red belongs."""
    return lambda rgb, rng: np.ascontiguousarray(rgb[..., ["RGB".index(channel) for channel in order]])


def _side_by_side(gap: float, axis: int) -> Change:
    """Two eyes, the second mirrored and a little darker, cut to the field of view and ``gap`` apart."""

    def change(rgb: RGB, rng: np.random.Generator) -> RGB:
        one = rgb[_box(rgb)]
        other = _uint8(one[:, ::-1] * rng.uniform(0.8, 1.0))
        between = list(one.shape)
        between[axis] = round(gap * one.shape[axis])
        return np.concatenate([one, np.zeros(between, dtype=np.uint8), other], axis=axis)

    return change


def _four(rgb: RGB, rng: np.random.Generator) -> RGB:
    one = rgb[_box(rgb)]
    other = _uint8(one[:, ::-1] * rng.uniform(0.8, 1.0))
    row = np.concatenate([one, other], axis=1)
    return np.concatenate([row, row[:, ::-1]], axis=0)


def false_colour(name: str) -> Change:
    """The green channel through a colour map, the frame left black or mapped likewise."""

    def change(rgb: RGB, rng: np.random.Generator) -> RGB:
        lit = _lit(rgb)
        low, high = np.percentile(rgb[..., 1][lit], [1, 99])
        grey = np.clip((rgb[..., 1] - low) / max(high - low, 1), 0, 1)
        mapped = _uint8(255 * matplotlib.colormaps[name](grey)[..., :3])
        return mapped if rng.random() < 0.5 else mapped * lit[..., None].astype(np.uint8)

    return change


def _dermoscopy(rgb: RGB, rng: np.random.Generator) -> RGB:
    """Skin with a mole and hairs through a dermatoscope; of the photograph only the size is used."""
    side = min(rgb.shape[:2])
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    skin = np.array([rng.uniform(190, 235), rng.uniform(130, 180), rng.uniform(105, 150)])
    mole = np.array([rng.uniform(70, 130), rng.uniform(40, 75), rng.uniform(25, 55)])
    centre, radius = rng.uniform(-0.2, 0.2, 2), rng.uniform(0.25, 0.6)
    distance = np.hypot(y - centre[0], x - centre[1]) + 0.06 * _noise((side, side), 0.15 * side, rng)
    inside = 1 / (1 + np.exp((distance - radius) / rng.uniform(0.02, 0.06)))
    inside = np.clip(inside * (1 + 0.25 * _noise((side, side), 0.02 * side, rng)), 0, 1)
    picture = skin + inside[..., None] * (mole - skin)
    picture *= 1 + 0.04 * _noise((side, side), 0.01 * side, rng)[..., None]
    picture *= (1 - rng.uniform(0.1, 0.4) * (x**2 + y**2))[..., None]
    canvas = Image.new("L", (2 * side, 2 * side))
    draw = ImageDraw.Draw(canvas)
    for _ in range(rng.integers(6, 30)):
        start, angle, bend = rng.uniform(0, 2 * side, 2), rng.uniform(0, 2 * np.pi), rng.uniform(-1.2, 1.2)
        turns = angle + bend * np.linspace(0, 1, 40)
        step = rng.uniform(0.4, 1.6) * side / 40
        points = start + step * np.cumsum(np.column_stack([np.cos(turns), np.sin(turns)]), axis=0)
        draw.line(
            [tuple(point) for point in points.tolist()], fill=255, width=max(1, round(rng.uniform(0.006, 0.02) * side))
        )
    hair = np.asarray(canvas.resize((side, side), Image.Resampling.BOX))[..., None] / 255 * rng.uniform(0.7, 0.95)
    picture = picture * (1 - hair) + hair * rng.uniform(20, 50) * np.array([1.1, 0.9, 0.8])
    picture[np.hypot(y, x) > rng.uniform(0.92, 0.99)] = 0
    return _uint8(picture)


def _heavy_blur(rgb: RGB, rng: np.random.Generator) -> RGB:
    """No vessel is left; the frame stays sharp, as a camera's aperture does."""
    sigma = rng.uniform(1 / 40, 1 / 20) * rgb.shape[1]
    lit = _lit(rgb).astype(np.float32)
    weight = ndimage.gaussian_filter(lit, sigma, truncate=2.5)[..., None] + 1e-6
    blurred = ndimage.gaussian_filter(rgb * lit[..., None], (sigma, sigma, 0), truncate=2.5) / weight
    return _uint8(blurred * lit[..., None])


def _scanning_laser(rgb: RGB, rng: np.random.Generator) -> RGB:
    """Two lasers, green and red, equalised, without blue, in an oval that fills the frame: a wide-field picture."""
    eye = rgb[_box(rgb)].astype(np.float32)
    lit = _lit(rgb)[_box(rgb)].astype(np.float32)
    local = ndimage.gaussian_filter(eye, (0.1 * eye.shape[1],) * 2 + (0,), truncate=2)
    local /= ndimage.gaussian_filter(lit, 0.1 * eye.shape[1], truncate=2)[..., None] + 1e-3
    red, green = (np.clip(1 + 2.0 * (eye[..., c] / (local[..., c] + 4) - 1), 0, 2.5) for c in (0, 1))
    levels = rng.uniform(70, 110), rng.uniform(80, 125)
    picture = np.stack([levels[0] * red, levels[1] * green, rng.uniform(0, 12) + 0 * red], axis=-1)
    return _uint8(picture * lit[..., None])


LOOK_ALIKES: dict[str, Change] = {
    **{f"channels as {order}": _permuted(order) for order in ("BGR", "GRB", "RBG", "GBR", "BRG")},
    "two eyes touching": _side_by_side(0, 1),
    "two eyes apart": _side_by_side(0.05, 1),
    "two eyes, one above the other": _side_by_side(0, 0),
    "four eyes": _four,
    **{f"false colour, {name}": false_colour(name) for name in ("viridis", "jet", "inferno", "hot")},
    "dermoscopy with hairs": _dermoscopy,
    "heavy blur": _heavy_blur,
    "scanning laser": _scanning_laser,
}
"""Pictures that are no colour photograph of one retina, by kind."""


# --- real eyes that are rare ---


def _pale_area(
    rgb: RGB, rng: np.random.Generator, softness: float, streaks: float, colour: NDArray[np.floating]
) -> RGB:
    """A pale area from the brightest spot, usually the disc, down or up along an arcade: 12 to 35 % of the field."""
    height, width = rgb.shape[:2]
    lit = _lit(rgb)
    rows, columns = _box(rgb)
    size = columns.stop - columns.start
    smooth = ndimage.gaussian_filter(rgb[..., 1].astype(np.float32) * lit, size / 25, truncate=2)
    top, left = np.unravel_index(int(smooth.argmax()), smooth.shape)
    middle = np.array([(rows.start + rows.stop) / 2, (columns.start + columns.stop) / 2])
    centre = np.array([top, left]) + rng.uniform(0.05, 0.2) * size * np.array([rng.choice([-1, 1]), 0])
    centre += 0.25 * (middle - centre)
    y, x = np.mgrid[0:height, 0:width]
    angle = rng.uniform(-0.6, 0.6)
    long, short = rng.uniform(0.28, 0.42) * size, rng.uniform(0.18, 0.3) * size
    dy, dx = y - centre[0], x - centre[1]
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    distance = np.hypot(along / long, across / short) + 0.1 * _noise((height, width), 0.12 * size, rng)
    if streaks:
        direction = np.arctan2(y - top, x - left)
        distance += streaks * np.sin(rng.uniform(30, 60) * direction + 3 * _noise((height, width), 0.1 * size, rng))
    cover = 1 / (1 + np.exp((distance - 1) / softness)) * rng.uniform(0.75, 0.95) * lit
    bright = np.percentile(rgb[lit], 99, axis=0)
    pale = colour * np.clip(bright.max() * 1.05, 120, 250)
    pale = pale * (1 + 0.05 * _noise((height, width), 0.02 * size, rng))[..., None]
    return _uint8(rgb + cover[..., None] * (pale - rgb))


def _myelinated_fibres(rgb: RGB, rng: np.random.Generator) -> RGB:
    """White and feathered: the fibres run from the disc."""
    return _pale_area(rgb, rng, rng.uniform(0.05, 0.12), rng.uniform(0.03, 0.1), np.array([1.0, 0.95, 0.82]))


def _coloboma(rgb: RGB, rng: np.random.Generator) -> RGB:
    """Bare sclera with a sharp edge."""
    return _pale_area(rgb, rng, 0.015, 0.0, np.array([1.0, 0.93, 0.8]))


def _atrophy(rgb: RGB, rng: np.random.Generator) -> RGB:
    """Yellowish, less opaque, choroidal vessels across it."""
    return _pale_area(rgb, rng, 0.03, 0.0, np.array([1.0, 0.8, 0.52]))


def _asteroid_hyalosis(rgb: RGB, rng: np.random.Generator) -> RGB:
    """Many small cream-coloured bodies before the retina, a part of them out of focus."""
    height, width = rgb.shape[:2]
    rows, columns = _box(rgb)
    size = columns.stop - columns.start
    canvas = Image.new("L", (width, height))
    draw = ImageDraw.Draw(canvas)
    middle = np.array([(columns.start + columns.stop) / 2, (rows.start + rows.stop) / 2])
    for point in middle + rng.normal(0, rng.uniform(0.15, 0.3) * size, (int(rng.integers(60, 350)), 2)):
        radius = max(0.7, rng.uniform(0.003, 0.011) * size)
        draw.ellipse([*(point - radius), *(point + radius)], fill=int(rng.integers(130, 256)))
    bodies = np.asarray(canvas, dtype=np.float32) / 255
    bodies = ndimage.gaussian_filter(bodies, rng.uniform(0.001, 0.004) * size)[..., None] * _lit(rgb)[..., None]
    return _uint8(rgb + bodies * (np.array([250, 240, 205]) - rgb))


def _low_light(rgb: RGB, rng: np.random.Generator) -> RGB:
    return _uint8(rgb * rng.uniform(0.3, 0.5) + rng.normal(0, 1.5, rgb.shape) * _lit(rgb)[..., None])


def _uneven_light(rgb: RGB, rng: np.random.Generator) -> RGB:
    height, width = rgb.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.clip(0.75 + 0.5 * (x * np.cos(angle) + y * np.sin(angle)), 0.25, 1.3)
    return _uint8(rgb * ramp[..., None])


def _mild_blur(rgb: RGB, rng: np.random.Generator) -> RGB:
    return _uint8(ndimage.gaussian_filter(rgb.astype(np.float32), (rgb.shape[1] / 300,) * 2 + (0,)))


def _as_taken(rgb: RGB, rng: np.random.Generator) -> RGB:
    return rgb


REAL_EYES: dict[str, Change] = {
    "as taken": _as_taken,
    "myelinated fibres": _myelinated_fibres,
    "coloboma": _coloboma,
    "atrophy": _atrophy,
    "asteroid hyalosis": _asteroid_hyalosis,
    "low light": _low_light,
    "uneven light": _uneven_light,
    "mild blur": _mild_blur,
}
"""Photographs of one retina, by kind: none is refused."""


# --- program ---

SMALL_PX = 1000
"""Longer side to which photographs are reduced before they are changed."""

DRAWN_FOR_THE_FIT = 600
"""The same for the pictures of a fit, which measures them on 192 pixels."""


def _photographs(folders: tuple[str, ...], side_px: int, every: int = 1) -> Iterator[tuple[str, RGB]]:
    for folder in folders:
        for path in sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in (".jpg", ".png"))[::every]:
            photograph = Image.fromarray(read_image(path))
            photograph.thumbnail((side_px, side_px), reducing_gap=2)
            yield path.stem, np.asarray(photograph)


def rates(*folders: str, size_px: int = 896, every: int = 5, listing: bool = False) -> str:
    """Return a Markdown table: per kind the pictures, and how many are refused, remarked on or pass without remark.

    Args:
        folders: each with fundus photographs directly in it; they are reduced to :data:`SMALL_PX`.
        size_px: grid of the network.
        every: take every n-th photograph, as taken all of them.
        listing: add the real eyes that are refused, and the look-alikes that pass without remark.
    """
    counts = {name: {"refused": 0, "remark": 0, "passed": 0} for name in {**REAL_EYES, **LOOK_ALIKES}}
    wrong = []
    for position, (name, photograph) in enumerate(_photographs(folders, SMALL_PX)):
        for kind, change in {**REAL_EYES, **LOOK_ALIKES}.items():
            if kind != "as taken" and position % every:
                continue
            verdict, text = outcome(Image.fromarray(change(photograph, np.random.default_rng(position))), size_px)
            result = "refused" if verdict == "refused" else "remark" if text else "passed"
            counts[kind][result] += 1
            if result == ("refused" if kind in REAL_EYES else "passed"):
                wrong.append(f"{name}, {kind}: {text}")
    rows = []
    for kind, by_result in counts.items():
        number = sum(by_result.values())
        fractions = [f"{count} ({count / max(number, 1):.0%})" for count in by_result.values()]
        rows.append(["real eye" if kind in REAL_EYES else "look-alike", kind, str(number), *fractions])
    table = markdown_table(["", "kind", "pictures", "refused", "remarked on", "passed without remark"], rows)
    return "\n\n".join([table, *(wrong if listing else [])])


def draw(*folders: str, output: str) -> str:
    """Write the pictures for a fit: ``fundus`` and ``other`` in the output folder.

    Per photograph one as taken and one as a rare eye, the kinds in turn; to every second one a drawn dermoscopy. The
    other look-alikes are told by facts before the model is asked, or remarked on.
    """
    root, rare = Path(output), [kind for kind in REAL_EYES if kind != "as taken"]
    for kind in ("fundus", "other"):
        (root / kind).mkdir(parents=True, exist_ok=True)
    for position, (name, photograph) in enumerate(_photographs(folders, DRAWN_FOR_THE_FIT)):
        rng, kind = np.random.default_rng(position), rare[position % len(rare)]
        Image.fromarray(photograph).save(root / "fundus" / f"{name}.png")
        Image.fromarray(REAL_EYES[kind](photograph, rng)).save(root / "fundus" / f"{name}_{kind}.png")
        if position % 4 == 0:
            grey = np.repeat(photograph[..., 1:2], 3, axis=-1)
            Image.fromarray(grey).save(root / "fundus" / f"{name}_red-free.png")
        if position % 2 == 0:
            Image.fromarray(_dermoscopy(photograph, rng)).save(root / "other" / f"{name}_dermoscopy.png")
    return f"{root}: fundus, other"


if __name__ == "__main__":
    fire.Fire({"rates": rates, "draw": draw})
