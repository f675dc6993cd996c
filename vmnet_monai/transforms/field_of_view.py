"""Finds the field of view, crops it to the network's grid, and puts predictions back on the image's own pixels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from scipy import ndimage, sparse
from skimage.measure import label, regionprops

from vmnet_monai.errors import ImageError

__all__ = [
    "CropToFieldOfViewd",
    "FieldOfViewBox",
    "FieldOfViewError",
    "FieldOfViewd",
    "RestoreToImaged",
    "crop_to_box",
    "estimate_field_of_view",
    "field_of_view_box",
    "restore_from_box",
]

ESTIMATION_SIZE_PX = 512
"""Longer side of the thumbnail on which the field of view is estimated: the disc is large, the estimate quick."""

LEAST_REDUCTION = 8
"""An image of at least twice this many thumbnails' width is subsampled to no less than this before it is scaled down;
images up to 8191 pixels wide are not."""

BLOCK_PX = 1024
"""Rows or columns that are scaled at a time, so that no floating-point copy of a large image is needed."""

DARK_FRACTION = 0.16
"""A pixel belongs to the field of view when it exceeds the frame's darkness by this fraction of the bright level.
Chosen on HRF, which has masks of the field of view, and on the dimmest training photographs of ODIR-5K."""

MIN_CONTRAST = 12
"""Least difference, of 255, between bright and dark levels below which a dark image shows no field of view."""

WHITE = 245
"""Least value, of 255, of all channels of the paper or page that some exports put around a photograph; JPEG leaves it
a little below 255. In ODIR-5K at 400 pixels 12 photographs have it."""

MIN_AREA_FRACTION = 0.15
"""Least fraction of the image that a field of view covers."""


NEIGHBOUR_FRACTION = 0.5
"""Least area of a lit part, as a fraction of the largest one's, that may be the field of view of another eye."""

WAIST = 0.93
"""A field of view that narrows to less than this fraction between two wider halves is two: however a frame cuts a disc,
it is convex and widest in its middle. HRF's photographs, cut at top and bottom, one above the other have a waist of
0.7, discs that touch one of 0."""

NEIGHBOURS_LENGTH = 1.25
"""Least length of two fields of view together, in widths of one: 1.4 for two of HRF's one above the other, 2 for discs.
A disc with a shadow across, which has a waist too, has a length of 1."""


class FieldOfViewError(ImageError):
    """Raised when a photograph shows no field of view or several, or its mask has another size."""


class FieldOfViewBox(NamedTuple):
    """A square around the field of view, in pixels of the image; it may reach beyond the image's edges.

    Example:
        >>> fov = np.zeros((40, 60), dtype=bool)
        >>> fov[5:35, 10:50] = True  # 30 pixels high, 40 wide
        >>> field_of_view_box(fov)
        FieldOfViewBox(top_px=0, left_px=10, side_px=40, height_px=40, width_px=60)
    """

    top_px: int
    left_px: int
    side_px: int
    height_px: int
    """Height of the image."""
    width_px: int
    """Width of the image."""


def estimate_field_of_view(image: np.ndarray) -> np.ndarray:
    """Find the lit disc of a fundus photograph.

    The brightest of the three channels is thresholded between the frame's darkness and the retina's brightness; the
    largest connected part, with its holes filled, is the field of view. A white surround, as of a page, counts as dark.
    An image that was cropped inside the disc has no dark frame; its field of view is the whole image.

    Args:
        image: (3, H, W) uint8 RGB.

    Returns:
        (H, W) bool.

    Raises:
        FieldOfViewError: if the image is constant or dark, its lit part is too small, or several eyes lie side by side.

    Example:
        >>> rows, columns = np.ogrid[:100, :100]
        >>> disc = (rows - 50) ** 2 + (columns - 50) ** 2 < 40**2
        >>> image = np.where(disc, 150, 5).astype(np.uint8) * np.ones((3, 1, 1), dtype=np.uint8)
        >>> bool((estimate_field_of_view(image) == disc).mean() > 0.97)
        True
    """
    height, width = image.shape[1:]
    scale = min(1.0, ESTIMATION_SIZE_PX / max(height, width))
    small_shape = (max(1, round(height * scale)), max(1, round(width * scale)))
    step = max(1, round(1 / scale) // LEAST_REDUCTION)
    small = _reduced_brightness(image[:, ::step, ::step], _white_surround(image)[::step, ::step], small_shape)
    small = ndimage.gaussian_filter(small, sigma=1.0)
    dark, bright = np.percentile(small, [0.5, 90])
    if bright < MIN_CONTRAST:
        raise FieldOfViewError(
            f"no field of view: the photograph is dark, its bright level is {bright:.0f} of 255 and at least "
            f"{MIN_CONTRAST} is needed. Check the exposure, or give the mask of the field of view as `fov`."
        )
    if float(small.max() - small.min()) < 1.0:
        raise FieldOfViewError(
            f"no field of view: the image is constant at {bright:.0f} of 255. Check that it is a photograph."
        )
    frame_is_lit = dark > 0.5 * bright
    if frame_is_lit:
        return np.ones((height, width), dtype=bool)
    lit = small > dark + DARK_FRACTION * (bright - dark)
    labels = label(ndimage.binary_opening(lit, iterations=4))
    parts = regionprops(labels)
    area = max((part.area for part in parts), default=0)
    if area < MIN_AREA_FRACTION * small.size:
        raise FieldOfViewError(
            f"no field of view: the largest lit part covers {area / small.size:.0%} of the image and at least "
            f"{MIN_AREA_FRACTION:.0%} is needed. Check that it is a fundus photograph, or give its mask as `fov`."
        )
    largest = max(parts, key=lambda part: part.area)
    neighbours = [part.label for part in parts if part.area >= NEIGHBOUR_FRACTION * largest.area]
    if _shows_several_fields(np.isin(labels, neighbours)):
        raise FieldOfViewError(
            "no single field of view: the image shows several fields of view beside one another and one is needed. Cut "
            "it, and give each eye as a photograph of its own."
        )
    disc = np.zeros(small_shape, dtype=np.float32)
    top, left, bottom, right = largest.bbox
    disc[top:bottom, left:right] = largest.image_filled
    return _enlarged(disc, (height, width))


def _reduced_brightness(image: np.ndarray, surround: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Scale the brightest of three channels down, antialiased; 0 in the surround; (h, w) float32."""
    rows, columns = map(_resampling, image.shape[1:], shape)
    parts = []
    for start in range(0, image.shape[2], BLOCK_PX):
        block = np.s_[:, start : start + BLOCK_PX]
        red, green, blue = (channel[block] for channel in image)
        brightness = np.maximum(np.maximum(red, green), blue)
        brightness[surround[block]] = 0
        parts.append(rows @ brightness.astype(np.float32))
    return (columns @ np.concatenate(parts, axis=1).T).T


def _enlarged(disc: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Scale a mask (h, w) of 0 and 1, float32, up, bilinearly; (H, W) bool."""
    rows, columns = map(_resampling, disc.shape, shape)
    wide = np.ascontiguousarray((columns @ disc.T).T)
    starts = range(0, shape[0], BLOCK_PX)
    return np.concatenate([rows[start : start + BLOCK_PX] @ wide > 0.5 for start in starts])


def _resampling(length: int, resampled: int) -> sparse.csr_array:
    """Weights (resampled, length) by which :func:`skimage.transform.resize` scales along an axis, with ``order=1``.

    That filters all pixels of an image and keeps few; a product with these weights computes those alone.
    """
    factor = length / resampled
    sigma = max(0.0, (factor - 1) / 2)  # of its Gaussian, which it cuts at four
    radius = int(4 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-9)) ** 2)
    kernel /= kernel.sum()
    positions = (np.arange(resampled) + 0.5) * factor - 0.5
    first = np.floor(positions).astype(int)
    after = (positions - first)[:, None]
    weights = np.pad(kernel, (0, 1)) * (1 - after) + np.pad(kernel, (1, 0)) * after
    period = max(1, 2 * (length - 1))  # mirrored at the edges
    columns = (first[:, None] + np.arange(-radius, radius + 2)) % period
    columns = np.minimum(columns, period - columns) if length > 1 else np.zeros_like(columns)
    rows = np.repeat(np.arange(resampled), columns.shape[1])
    return sparse.csr_array((weights.astype(np.float32).ravel(), (rows, columns.ravel())), shape=(resampled, length))


def _shows_several_fields(lit: np.ndarray) -> bool:
    """Whether (H, W) are fields of view of several eyes: of two, long with a waist, or of four, with one both ways."""
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    lit = lit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    waists = [_has_waist(lit), _has_waist(lit.T)]
    long = [len(side) >= NEIGHBOURS_LENGTH * side.sum(axis=1).max() for side in (lit, lit.T)]
    return all(waists) or any(waist and is_long for waist, is_long in zip(waists, long, strict=True))


def _has_waist(lit: np.ndarray) -> bool:
    """Whether (H, W) narrows from both sides, somewhere near the middle of its height."""
    height, width = lit.shape
    some = np.asarray(lit.any(axis=1))
    first = np.where(some, lit.argmax(axis=1), width // 2)
    last = np.where(some, width - lit[:, ::-1].argmax(axis=1), width // 2)
    thirds = slice(round(0.3 * height), max(round(0.7 * height), round(0.3 * height) + 1))
    extent = np.where(some, last - first, 0)
    at = thirds.start + int(extent[thirds].argmin())
    halves = (slice(0, at + 1), slice(at, height))
    narrows = (1 - WAIST) / 4 * width  # a notch at one side alone, as a shadow makes, is no waist
    return all(
        extent[at] < WAIST * extent[half].max()
        and first[at] - first[half][some[half]].min() > narrows
        and last[half][some[half]].max() - last[at] > narrows
        for half in halves
    )


def _white_surround(image: np.ndarray) -> np.ndarray:
    """Find paper around a photograph: white that is connected to the image's corners; (H, W) bool."""
    corners = (slice(None, None, max(1, image.shape[1] - 1)), slice(None, None, max(1, image.shape[2] - 1)))
    if image[(slice(None), *corners)].min() < WHITE:
        return np.zeros(image.shape[1:], dtype=bool)
    parts = label(image.min(axis=0) >= WHITE)
    surround = np.isin(parts, parts[corners])
    # An image that is white nearly everywhere shows no photograph.
    return surround if surround.mean() < 1 - MIN_AREA_FRACTION else np.zeros_like(surround)


def field_of_view_box(fov: np.ndarray) -> FieldOfViewBox:
    """Return the square around a field of view, as wide as its longer side and centred on it.

    A disc that is cut at top and bottom is thus scaled by its width, the true diameter.

    Args:
        fov: (H, W) bool.

    Raises:
        FieldOfViewError: if the mask is empty.
    """
    rows, columns = np.flatnonzero(fov.any(axis=1)), np.flatnonzero(fov.any(axis=0))
    if rows.size == 0:
        raise FieldOfViewError("the mask of the field of view is empty: give a mask with the visible retina set.")
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    side = max(bottom - top, right - left)
    return FieldOfViewBox((top + bottom - side) // 2, (left + right - side) // 2, side, *fov.shape)


def crop_to_box(image: torch.Tensor, box: FieldOfViewBox, size_px: int) -> torch.Tensor:
    """Cut the box out of an image, black where it reaches beyond the edges, and scale it to the grid.

    Args:
        image: (C, H, W), any real dtype.
        box: the box, of the same H and W.
        size_px: side S of the grid.

    Returns:
        (C, S, S) float32, antialiased bilinear.
    """
    top, left, side, height, width = box
    padding = (max(0, -left), max(0, left + side - width), max(0, -top), max(0, top + side - height))
    visible = image[:, max(0, top) : top + side, max(0, left) : left + side]
    # Channel by channel: in floating point a large image would take four times its memory.
    return torch.cat([_scaled(channel.float(), padding, size_px) for channel in visible])


def _scaled(channel: torch.Tensor, padding: tuple[int, int, int, int], size_px: int) -> torch.Tensor:
    """Pad (h, w) to a square, and scale it to (1, S, S), antialiased bilinear."""
    square = torch.nn.functional.pad(channel, padding) if any(padding) else channel  # without padding it would copy
    size = (size_px, size_px)
    return torch.nn.functional.interpolate(square[None, None], size, mode="bilinear", antialias=True)[0]


def restore_from_box(grid: torch.Tensor, box: FieldOfViewBox) -> torch.Tensor:
    """Put values on the grid back on the image's own pixels; zero outside the box.

    Args:
        grid: (C, S, S) float.
        box: the box that :func:`crop_to_box` was given.

    Returns:
        (C, H, W) of the grid's dtype, bilinear.
    """
    top, left, side, height, width = box
    square = torch.nn.functional.interpolate(grid[None].float(), (side, side), mode="bilinear", antialias=True)[0]
    square.clamp_(grid.min().float(), grid.max().float())  # rounding may leave the range of a probability
    if box == (0, 0, height, height, width) and height == width:
        return square.to(grid.dtype)
    image = square.new_zeros((square.shape[0], height, width))
    y0, x0, y1, x1 = max(0, top), max(0, left), min(height, top + side), min(width, left + side)
    image[:, y0:y1, x0:x1] = square[:, y0 - top : y1 - top, x0 - left : x1 - left]
    return image.to(grid.dtype)


FIELD_OF_VIEW_METHODS = ("estimate", "whole")
"""How the field of view of an image without mask is found."""


class FieldOfViewd(Transform):
    """Adds the mask of the field of view where the item has none, and the box around it.

    Args:
        image_key: the image, (3, H, W) uint8 RGB.
        fov_key: the mask, (1, H, W), non-zero inside; where absent, ``method`` makes it.
        box_key: where the box is written, as an int64 tensor (5,) in the order of :class:`FieldOfViewBox`.
        id_key: the item's name, for messages.
        method: one of :data:`FIELD_OF_VIEW_METHODS`: ``"estimate"``, the lit disc of a fundus photograph, or
            ``"whole"``, the whole image, for those without a black surround (skin photographs, OCT slices).

    Raises:
        FieldOfViewError: if no field of view is found, or mask and image differ in size; the message names the
            item.
        ValueError: if the method is unknown.
    """

    def __init__(
        self,
        image_key: str = "image",
        fov_key: str = "fov",
        box_key: str = "fov_box",
        id_key: str = "id",
        method: str = "estimate",
    ) -> None:
        if method not in FIELD_OF_VIEW_METHODS:
            raise ValueError(f"field_of_view must be one of {', '.join(FIELD_OF_VIEW_METHODS)}, got {method!r}.")
        self.image_key, self.fov_key, self.box_key, self.id_key = image_key, fov_key, box_key, id_key
        self.method = method

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        image = item[self.image_key]
        try:
            if self.fov_key in item:
                fov = np.asarray(item[self.fov_key])[0] > 0
                if fov.shape != tuple(image.shape[1:]):
                    raise FieldOfViewError(
                        f"the mask of the field of view has {fov.shape} pixels and the photograph has "
                        f"{tuple(image.shape[1:])}: give a mask of the photograph's size."
                    )
            elif self.method == "whole":
                fov = np.ones(tuple(image.shape[1:]), dtype=bool)
            else:
                fov = estimate_field_of_view(np.asarray(image))
            box = field_of_view_box(fov)
        except FieldOfViewError as error:
            raise FieldOfViewError(f"{item.get(self.id_key, 'photograph')}: {error}") from None
        item[self.fov_key] = torch.from_numpy(np.ascontiguousarray(fov))[None].to(torch.uint8) * 255
        item[self.box_key] = torch.tensor(box, dtype=torch.int64)
        return item


class CropToFieldOfViewd(MapTransform):
    """Crops images to the box of the field of view and scales them to the network's grid.

    Masks are scaled like images, so that a thin vessel becomes grey instead of vanishing.

    Args:
        keys: keys of images (C, H, W) uint8, which become plain uint8 tensors (C, size_px, size_px).
        size_px: side of the grid.
        box_key: where :class:`FieldOfViewd` wrote the box.
        allow_missing_keys: whether an image may be absent.
    """

    def __init__(
        self, keys: KeysCollection, size_px: int, box_key: str = "fov_box", allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.size_px = int(size_px)
        self.box_key = box_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        box = FieldOfViewBox(*item[self.box_key].tolist())
        for key in self.key_iterator(item):
            image = torch.as_tensor(np.asarray(item[key]))
            item[key] = crop_to_box(image, box, self.size_px).round().clamp(0, 255).to(torch.uint8)
        return item


class RestoreToImaged(MapTransform):
    """Puts predictions back on the image's own pixels.

    Args:
        keys: keys of float maps (C, S, S) on the grid, which become (C, H, W), zero outside the box.
        box_key: where :class:`FieldOfViewd` wrote the box.
        allow_missing_keys: whether a map may be absent.
        mask_key: key of a mask (1, H, W) outside which, where it is 0, the maps become zero as well; None for none.
            MONAI's MaskIntensityd would take three times a map's memory.
    """

    def __init__(
        self,
        keys: KeysCollection,
        box_key: str = "fov_box",
        allow_missing_keys: bool = False,
        mask_key: str | None = None,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.box_key = box_key
        self.mask_key = mask_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        box = FieldOfViewBox(*item[self.box_key].tolist())
        for key in self.key_iterator(item):
            restored = restore_from_box(torch.as_tensor(item[key]), box)
            item[key] = restored if self.mask_key is None else restored.masked_fill_(item[self.mask_key] == 0, 0)
        return item
