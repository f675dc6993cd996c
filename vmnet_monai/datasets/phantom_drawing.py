"""Draws the anatomy, lesions and camera of generated fundus photographs as layers on a square canvas.

Every position and length is given in radii of the field of view, measured from its centre (x right, y down), so a
scene is the same at every pixel count. All eyes are drawn as right eyes; a left eye is the mirror image.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline, CubicSpline
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.special import expit

Array = NDArray[np.float32]
Points = NDArray[np.float64]
Mask = NDArray[np.bool_]

DISC_RADIUS = 0.12
"""Radius of an average optic disc in a 45 degree photograph: a disc of 1.8 mm in a field of 13 to 15 mm."""

FOVEA_DISTANCE_DD, FOVEA_DROP_DD = 2.5, 0.3
"""The fovea lies about 2.5 disc diameters (DD) temporal to the disc's centre and slightly below it."""

NORMAL_CUP_TO_DISC, GLAUCOMA_CUP_TO_DISC = (0.2, 0.5), (0.65, 0.9)
"""Ranges of the vertical cup-to-disc ratio; above 0.6 glaucoma is suspected."""

VEIN_RADIUS, ARTERY_TO_VEIN, TWIG_RADIUS = 0.0105, 2 / 3, 0.0021
"""Radius of the main veins at the disc (about 130 um wide), the normal arteriole-to-venule ratio, the finest branch."""

AVASCULAR_RADIUS = 0.1
"""No vessel comes closer to the fovea (the capillaries around its avascular zone do not show)."""

MIN_STROKE_RADIUS_PX = 0.6
"""Thinner strokes would fall between pixel centres: they are drawn this wide and fainter in proportion."""

FUNDUS_RGB, RIM_RGB, CUP_RGB = (0.76, 0.29, 0.13), (0.91, 0.49, 0.23), (1.0, 0.80, 0.50)
VEIN_ABSORBANCE_RGB, ARTERY_ABSORBANCE_RGB = (0.30, 0.62, 0.40), (0.09, 0.42, 0.28)
BLOOD_ABSORBANCE_RGB, EXUDATE_RGB, DRUSEN_RGB = (0.50, 1.05, 0.70), (1.0, 0.80, 0.42), (0.95, 0.62, 0.29)
"""Display colours, and absorbances as in Beer-Lambert's law: what lies behind is multiplied by exp(-absorbance)."""

_STEP = 0.008  # spacing of vessel samples: two pixels in a photograph of 512


@dataclass(frozen=True)
class Canvas:
    """The pixel grid of a square photograph and where the field of view lies on it."""

    size_px: int
    centre_px: Points
    radius_px: float

    def grid(self) -> tuple[Array, Array]:
        """x and y of every pixel, each (size_px, size_px)."""
        x, y = ((np.arange(self.size_px) - c) / self.radius_px for c in self.centre_px)
        columns, rows = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        return columns, rows


@dataclass(frozen=True)
class Anatomy:
    """Landmarks of one right eye: centres (x, y), the disc's vertical half-axis and the cup's fraction of it."""

    disc: Points
    fovea: Points
    disc_radius: float
    cup_to_disc: float
    cup: Points

    @property
    def scale(self) -> float:
        """Magnification against an average 45 degree photograph."""
        return self.disc_radius / DISC_RADIUS


@dataclass(frozen=True)
class Strokes:
    """Short round-capped line segments: starts and ends (n, 2), radii (n,), and how strongly each is drawn (n,)."""

    starts: Points
    ends: Points
    radii: Points
    strengths: Points

    def draw(self, canvas: Canvas) -> Array:
        """The largest strength times anti-aliased coverage over all strokes, (size_px, size_px) in 0 to 1."""
        size = canvas.size_px
        start, end = (p * canvas.radius_px + canvas.centre_px for p in (self.starts, self.ends))
        radius_px = np.maximum(self.radii * canvas.radius_px, MIN_STROKE_RADIUS_PX)
        strength = self.strengths * self.radii * canvas.radius_px / radius_px
        middle = np.rint((start + end) / 2).astype(int)
        reach = np.ceil(np.hypot(*(end - start).T) / 2 + radius_px + 1).astype(int)
        drawn = np.zeros(size * size, np.float32)
        for window in np.unique(reach):
            i = np.flatnonzero(reach == window)
            row, column = np.mgrid[-window : window + 1, -window : window + 1].reshape(2, 1, -1)
            column, row = column + middle[i, :1], row + middle[i, 1:]
            (ax, ay), (dx, dy) = start[i].T[..., None], (end - start)[i].T[..., None]
            along = np.clip(((column - ax) * dx + (row - ay) * dy) / np.maximum(dx**2 + dy**2, 1e-9), 0, 1)
            distance = np.hypot(column - ax - along * dx, row - ay - along * dy)
            value = np.clip(radius_px[i, None] + 0.5 - distance, 0, 1) * strength[i, None]
            hit = (value > 0) & (np.minimum(column, row) >= 0) & (np.maximum(column, row) < size)
            np.maximum.at(drawn, (row * size + column)[hit], value[hit].astype(np.float32))
        return drawn.reshape(size, size)

    def mask(self, canvas: Canvas) -> Mask:
        """The pixels whose centres lie under a stroke; a stroke leaves no gaps, however thin."""
        visible = np.maximum(self.radii, MIN_STROKE_RADIUS_PX / canvas.radius_px)
        return Strokes(self.starts, self.ends, visible, np.ones_like(visible)).draw(canvas) >= 0.5


def smooth_noise(rng: np.random.Generator, size_px: int, cells: int) -> Array:
    """A random field of about unit variance without structure finer than 1/cells of the side, (size_px, size_px)."""
    knots = np.arange(-3, cells + 4)
    weights = BSpline.design_matrix((np.arange(size_px) + 0.5) * cells / size_px, knots, 3).toarray()
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    return (weights @ rng.standard_normal((cells + 3, cells + 3)) @ weights.T).astype(np.float32)


def place_canvas(rng: np.random.Generator, size_px: int) -> Canvas:
    """A field of view that nearly fills the photograph, slightly off its centre."""
    radius = rng.uniform(0.44, 0.485)
    offset = rng.uniform(-0.6, 0.6, 2) * (0.49 - radius)
    return Canvas(size_px, (0.5 + offset) * size_px - 0.5, float(radius) * size_px)


def draw_field_of_view(rng: np.random.Generator, canvas: Canvas) -> Mask:
    """The camera's aperture: a disc, in some cameras with a notch at its upper edge or cut flat at top and bottom."""
    x, y = canvas.grid()
    aperture = x**2 + y**2 <= 1
    angle, notch, flat, half_height = rng.uniform(-0.9, -0.7), *rng.uniform(size=2), rng.uniform(0.72, 0.9)
    if notch < 0.25:
        aperture |= np.hypot(x - np.cos(angle), y - np.sin(angle)) < 0.045
    return aperture & (np.abs(y) <= half_height) if flat < 0.4 else aperture


def place_anatomy(rng: np.random.Generator, glaucoma: bool) -> Anatomy:
    """Landmarks of a photograph centred on the macula or, in one of five, on the optic disc."""
    disc_radius = DISC_RADIUS * rng.uniform(0.86, 1.18)
    to_fovea = 2 * disc_radius * np.array([-FOVEA_DISTANCE_DD, FOVEA_DROP_DD]) * rng.uniform((0.94, 0.4), (1.06, 1.6))
    disc_centred, offset = rng.uniform() < 0.2, rng.uniform(-0.08, 0.08, 2)
    disc = offset if disc_centred else offset - to_fovea * (0.95, 0.7)
    cup_to_disc = rng.uniform(*(GLAUCOMA_CUP_TO_DISC if glaucoma else NORMAL_CUP_TO_DISC))
    cup = disc + rng.uniform(-0.4, 0.4, 2) * disc_radius * (1 - cup_to_disc)
    return Anatomy(disc, disc + to_fovea, float(disc_radius), float(cup_to_disc), cup)


def draw_background(rng: np.random.Generator, canvas: Canvas, anatomy: Anatomy) -> Array:
    """Retina and choroid without vessels: pigment, choroidal streaks and the darker macula, (size_px, size_px, 3)."""
    x, y = canvas.grid()
    size = canvas.size_px
    pigment = sum(smooth_noise(rng, size, cells) * weight for cells, weight in ((4, 0.6), (10, 0.5), (28, 0.3)))
    grain = smooth_noise(rng, size, 110)
    # Choroidal vessels fan out from the posterior pole: ridged noise in polar coordinates, stretched along the radius.
    pole = (anatomy.disc + anatomy.fovea) / 2
    dx, dy = x - float(pole[0]), y - float(pole[1])
    distance, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    texture = gaussian_filter(rng.standard_normal((48, 256)), 1.6, mode="wrap")
    texture /= texture.std()
    bend = 3 * smooth_noise(rng, size, 9)
    where = [16 * distance + 0.5 * bend, angle * 256 / (2 * np.pi) + bend]
    streaks = map_coordinates(texture.astype(np.float32), where, order=1, mode="grid-wrap")
    streaks = (0.7 - np.abs(streaks)) * np.clip(1.6 * distance - 0.35, 0, 1)
    pigment_depth, choroid_depth, grain_depth = rng.uniform(0.03, 0.11), rng.gamma(1.5, 0.04), rng.uniform(0.008, 0.02)
    density = pigment_depth * pigment - min(choroid_depth, 0.13) * streaks + grain_depth * grain
    from_fovea = np.hypot(x - float(anatomy.fovea[0]), y - float(anatomy.fovea[1])) / anatomy.scale
    macula, foveola = rng.uniform((0.12, 0.08), (0.4, 0.3)).tolist()
    density += macula * np.exp(-((from_fovea / 0.2) ** 2)) + foveola * np.exp(-((from_fovea / 0.055) ** 2))
    return np.array(FUNDUS_RGB, np.float32) * np.exp(-density[..., None] * np.array((0.6, 1.15, 1.1), np.float32))


def draw_disc(rng: np.random.Generator, canvas: Canvas, anatomy: Anatomy, scene: Array) -> Mask:
    """Paint the optic disc with rim and cup over ``scene``; returns the cup."""
    x, y = canvas.grid()
    width = rng.uniform(0.86, 0.97)  # discs are taller than wide

    def ellipse(centre: Points, radius: float, edge: float) -> tuple[Array, Array]:
        r = np.hypot((x - float(centre[0])) / width, y - float(centre[1])) / radius
        return r, expit((1 - r) / edge)

    r, disc = ellipse(anatomy.disc, anatomy.disc_radius, rng.uniform(0.02, 0.05))
    cup_r, cup = ellipse(anatomy.cup, anatomy.disc_radius * anatomy.cup_to_disc, rng.uniform(0.03, 0.09))
    halo, mottle = rng.uniform(0.0, 0.22), 0.04 * smooth_noise(rng, canvas.size_px, 60)[..., None]
    around = halo * np.exp(-((np.maximum(r - 1, 0) / 0.5) ** 2))
    scene *= 1 + around[..., None] * np.array((0.4, 1, 0.7), np.float32)
    # Rim and cup are more or less pale in every eye: the cup's size tells glaucoma, the disc's brightness does not.
    rim_rgb = np.array(RIM_RGB) + rng.uniform(-0.1, 0.55) * np.subtract(CUP_RGB, RIM_RGB)
    cup_rgb = rim_rgb + rng.uniform(0.6, 1.0) * np.subtract(CUP_RGB, RIM_RGB)
    for layer, colour in ((disc, rim_rgb), (cup * disc, cup_rgb)):
        scene += 0.9 * layer[..., None] * (colour.astype(np.float32) * (1 + mottle) - scene)
    return cup_r <= 1


def _smooth_path(control: Points) -> Points:
    """Points every ``_STEP`` along a spline through ``control`` (k, 2)."""
    chord = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(control, axis=0).T))])
    return CubicSpline(chord, control)(np.arange(0, chord[-1], _STEP))


def _wander(rng: np.random.Generator, start: Points, heading: float, target: float, length: float) -> Points:
    """A path from ``start`` that turns from ``heading`` to ``target`` (radians), meandering a little."""
    s = np.linspace(0, 1, max(int(length / _STEP), 4))
    knots = np.linspace(0, 1, max(int(length / 0.06), 2) + 2)
    meander = np.interp(s, knots, rng.normal(0, 0.25, len(knots))) * np.minimum(4 * s, 1)
    turn = np.arctan2(np.sin(target - heading), np.cos(target - heading))
    angle = heading + turn * np.minimum(2.5 * s, 1) + meander
    return start + np.cumsum(np.stack([np.cos(angle), np.sin(angle)], axis=1), axis=0) * _STEP


def _trunk_paths(rng: np.random.Generator, anatomy: Anatomy) -> list[tuple[Points, float]]:
    """Centrelines of the vessels that leave the disc above and below, and their calibre against the largest."""
    templates = (  # (towards the fovea, away from the axis between disc and fovea)
        (1.0, [(0, 0.02), (0.0, 0.13), (0.10, 0.29), (0.36, 0.44), (0.75, 0.48), (1.15, 0.42), (1.7, 0.25)]),
        (0.62, [(0, 0.02), (-0.10, 0.11), (-0.27, 0.25), (-0.6, 0.42), (-1.1, 0.6)]),
        (0.6, [(0, 0.02), (-0.03, 0.16), (-0.05, 0.4), (0.02, 0.72), (0.15, 1.1)]),
        (0.42, [(0, 0.01), (-0.16, 0.04), (-0.4, 0.09), (-0.75, 0.16), (-1.1, 0.2)]),
        (0.36, [(0, 0.02), (0.13, 0.08), (0.27, 0.14), (0.42, 0.13)]),
    )
    axis = (anatomy.fovea - anatomy.disc) / np.hypot(*(anatomy.fovea - anatomy.disc))
    origin = anatomy.disc - 0.2 * anatomy.disc_radius * axis  # the central vessels emerge nasally in the cup
    tortuosity = rng.uniform(0.004, 0.014)
    paths = []
    for above in (1, -1):
        across = above * np.array([-axis[1], axis[0]])
        for calibre, template in templates:
            shape = np.array(template) * rng.uniform((0.8, 0.85), (1.2, 1.15))
            shape[:, 1] *= 1 + np.maximum(rng.normal(0, 0.25), -0.4) * shape[:, 0]
            shape += rng.normal(0, 0.08, shape.shape) * np.hypot(*shape.T)[:, None] * np.array([1, 0.7])
            path = _smooth_path(origin + anatomy.scale * (shape[:, :1] * axis + shape[:, 1:] * across))
            along = np.arange(len(path)) * _STEP / (0.13 * anatomy.scale)
            knots = np.arange(int(along[-1]) + 2)
            wiggle = CubicSpline(knots, rng.normal(0, tortuosity * anatomy.scale, (len(knots), 2)))(along)
            path += wiggle * np.minimum(along / 2, 1)[:, None]
            paths.append((path, calibre * rng.uniform(0.85, 1.1)))
    return paths


def _branches(
    rng: np.random.Generator, anatomy: Anatomy, path: Points, width: Points, order: int
) -> Iterator[tuple[Points, float, int]]:
    """Paths that leave a vessel along its way, now left, now right; those near the macula turn towards the fovea."""
    scale, side = anatomy.scale, rng.choice((-1, 1))
    at = int(rng.uniform(0.08, 0.2) * scale / _STEP)
    while at < len(path) - 4:
        along, to_fovea = path[at + 1] - path[at - 1], anatomy.fovea - path[at]
        heading, fovea_heading = float(np.arctan2(along[1], along[0])), float(np.arctan2(to_fovea[1], to_fovea[0]))
        radius = float(width[at] * rng.uniform(0.45, 0.85 if order else 0.9))
        target = heading + side * rng.uniform(0.2, 0.8)
        if np.hypot(*to_fovea) < 0.7 * scale and np.cos(fovea_heading - heading - side * 1.2) > 0.3:
            target = fovea_heading + rng.normal(0, 0.25)
        length = scale * rng.uniform(0.35, 0.9) * (radius / (0.006 * scale)) ** 0.6
        if radius >= 0.7 * TWIG_RADIUS:
            yield _wander(rng, path[at], heading + side * rng.uniform(0.5, 1.1), target, length), radius, order + 1
        side *= -1 if rng.uniform() < 0.75 else 1
        at += int(rng.uniform(0.08, 0.24) * scale / _STEP)


def grow_vessels(rng: np.random.Generator, anatomy: Anatomy, trunk_radius: float) -> Strokes:
    """Grow an arterial or a venous tree: trunks and three orders of branches, ever thinner.

    Branches end before the foveal avascular zone and before vessels of their own tree: as in the eye, only arteries and
    veins cross each other.
    """
    scale = anatomy.scale
    occupied = np.zeros((160, 160), bool)  # cells of 0.02, over -1.6 to 1.6
    starts, ends, radii = [], [], []
    queue = deque((path, trunk_radius * scale * calibre, 0) for path, calibre in _trunk_paths(rng, anatomy))
    while queue:
        path, radius, order = queue.popleft()
        column, row = np.clip(((path + 1.6) * 50).astype(int), 1, 158).T
        blocked = np.hypot(*(path - anatomy.fovea).T) < AVASCULAR_RADIUS * scale
        if order:
            blocked |= np.hypot(*(path - anatomy.disc).T) < anatomy.disc_radius
            blocked[6:] |= occupied[row, column][6:]  # it starts inside its parent
        end = int(np.argmax(blocked)) if blocked.any() else len(path)
        if end < 8:
            continue
        path, row, column = path[:end], row[:end], column[:end]
        for shift in (-1, 0, 1):
            occupied[row + shift, column] = occupied[row, column + shift] = True
        width = np.maximum(radius * np.linspace(1, 0.4, end), TWIG_RADIUS)
        starts.append(path[:-1])
        ends.append(path[1:])
        radii.append(width[:-1])
        if order < 3:
            queue.extend(_branches(rng, anatomy, path, width, order))
    width = np.concatenate(radii)
    depth = np.minimum(width / (0.8 * trunk_radius * scale), 1) ** 0.6  # thin vessels hold less blood: lower contrast
    return Strokes(np.concatenate(starts), np.concatenate(ends), width, depth)


def draw_vessels(canvas: Canvas, arteries: Strokes, veins: Strokes, scene: Array) -> Mask:
    """Paint both trees over ``scene``, arteries with their central light reflex; returns their exact mask."""
    wide = arteries.radii > 2 * TWIG_RADIUS
    core = Strokes(arteries.starts[wide], arteries.ends[wide], 0.35 * arteries.radii[wide], np.ones(int(wide.sum())))
    artery = arteries.draw(canvas) * (1 - 0.6 * core.draw(canvas))
    absorbance = artery[..., None] * np.array(ARTERY_ABSORBANCE_RGB, np.float32)
    absorbance += veins.draw(canvas)[..., None] * np.array(VEIN_ABSORBANCE_RGB, np.float32)
    scene *= np.exp(-absorbance)
    return arteries.mask(canvas) | veins.mask(canvas)


def _spots(rng: np.random.Generator, centres: Points, radii: Points, parts: int) -> Strokes:
    """Irregular spots, each a union of ``parts`` overlapping discs."""
    spread = radii[:, None, None] * rng.normal(0, 0.4, (len(radii), parts, 2)) * (parts > 1)
    spots = (centres[:, None] + spread).reshape(-1, 2)
    size = (radii[:, None] * rng.uniform(0.4, 0.9, (len(radii), parts)) if parts > 1 else radii).reshape(-1)
    return Strokes(spots, spots, size, np.ones(len(size)))


def _around_fovea(rng: np.random.Generator, anatomy: Anatomy, count: int, nearest: float, farthest: float) -> Points:
    """Random points between two distances from the fovea, none on the optic disc or outside the field of view."""
    radius, angle = rng.uniform(nearest, farthest, count * 8) * anatomy.scale, rng.uniform(0, 2 * np.pi, count * 8)
    points = anatomy.fovea + np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    free = (np.hypot(*(points - anatomy.disc).T) > 1.3 * anatomy.disc_radius) & (np.hypot(*points.T) < 0.88)
    return points[free & (np.abs(points[:, 1]) < 0.68)][:count]


def draw_diabetic_retinopathy(rng: np.random.Generator, canvas: Canvas, anatomy: Anatomy, scene: Array) -> Mask:
    """Paint microaneurysms, dot and blot haemorrhages and clusters of hard exudates; returns their pixels."""
    dots, blots = rng.integers(12, 40), rng.integers(5, 16)
    microaneurysms = _around_fovea(rng, anatomy, int(dots), 0.12, 0.75)
    haemorrhages = _around_fovea(rng, anatomy, int(blots), 0.15, 0.85)
    blood = (
        _spots(rng, microaneurysms, rng.uniform(0.0045, 0.008, len(microaneurysms)), 1),
        _spots(rng, haemorrhages, rng.uniform(0.011, 0.028, len(haemorrhages)), 12),
    )
    absorbed = np.maximum(*(spots.draw(canvas) for spots in blood)) * rng.uniform(0.7, 1.0)
    scene *= np.exp(-absorbed[..., None] * np.array(BLOOD_ABSORBANCE_RGB, np.float32))
    clusters = _around_fovea(rng, anatomy, int(rng.integers(2, 5)), 0.08, 0.45)
    lipid = np.concatenate([c + rng.normal(0, rng.uniform(0.03, 0.06), (rng.integers(8, 30), 2)) for c in clusters])
    exudates = _spots(rng, lipid, rng.gamma(4, 0.0016, len(lipid)).clip(0.003, 0.014), 3)
    scene += (0.85 * exudates.draw(canvas))[..., None] * (np.array(EXUDATE_RGB, np.float32) - scene)
    return np.logical_or.reduce([spots.mask(canvas) for spots in (*blood, exudates)])


def draw_drusen(rng: np.random.Generator, canvas: Canvas, anatomy: Anatomy, scene: Array) -> Mask:
    """Paint soft drusen, dense around the fovea and sparse towards the arcades; returns their pixels."""
    centres = _around_fovea(rng, anatomy, int(rng.integers(60, 160)), 0.0, 1.0)
    centres = anatomy.fovea + (centres - anatomy.fovea) * rng.uniform(0.25, 0.5)
    drusen = _spots(rng, centres, rng.gamma(4, 0.0027, len(centres)).clip(0.005, 0.024), 2)
    drusen = replace(drusen, strengths=rng.uniform(0.5, 1, len(drusen.radii)))
    soft = gaussian_filter(drusen.draw(canvas), 0.006 * canvas.radius_px) * rng.uniform(0.6, 0.9)
    scene += soft[..., None] * (np.array(DRUSEN_RGB, np.float32) - scene)
    return drusen.mask(canvas)


def illuminate(rng: np.random.Generator, canvas: Canvas, scene: Array) -> Array:
    """Uneven light: darker towards the rim, brighter on one side, cloudy."""
    x, y = canvas.grid()
    falloff, tilt = rng.uniform(0.08, 0.4), rng.normal(0, 0.08, 2)
    light = (1 - falloff * (x**2 + y**2)) * (1 + tilt[0] * x + tilt[1] * y)
    light *= 1 + 0.05 * smooth_noise(rng, canvas.size_px, 3)
    return scene * np.maximum(light, 0.15)[..., None].astype(np.float32)


def cloud(rng: np.random.Generator, canvas: Canvas, scene: Array) -> Array:
    """A cataract: scattered light blurs the image and lays a bright veil of uneven density over it."""
    blur = rng.uniform(0.006, 0.014) * canvas.radius_px
    veil = np.array((0.60, 0.45, 0.27), np.float32) * rng.uniform(0.85, 1.1, 3).astype(np.float32)
    density = np.clip(rng.uniform(0.4, 0.68) + 0.06 * smooth_noise(rng, canvas.size_px, 3), 0.3, 0.8)[..., None]
    return gaussian_filter(scene, (blur, blur, 0)) * (1 - density) + veil * density


def take_image(rng: np.random.Generator, canvas: Canvas, fov: Mask, scene: Array) -> NDArray[np.uint8]:
    """Take the scene: the camera's blur, aperture, colour balance, tone curve and noise, as 8 bit RGB."""
    blur = rng.uniform(0.0018, 0.0042) * canvas.radius_px
    gain, gamma = rng.uniform((0.88, 0.8, 0.3), (1.18, 1.15, 1.35)), rng.uniform(0.85, 1.15)
    shot, read = rng.uniform(0.006, 0.018), 0.003
    taken = np.clip(gaussian_filter(scene, (blur, blur, 0)) * gain.astype(np.float32), 0, 1) ** np.float32(gamma)
    taken *= gaussian_filter(fov.astype(np.float32), 0.5)[..., None]
    noise = gaussian_filter(rng.standard_normal(taken.shape, np.float32), (0.6, 0.6, 0)) * 2
    taken += noise * (read + shot * np.sqrt(taken))
    return (np.clip(taken, 0, 1) * 255).round().astype(np.uint8)
