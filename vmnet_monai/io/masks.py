"""Addresses of masks that are made of another image, which can be given wherever a path of a mask is expected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LABEL_COLOURS",
    "ColourAddress",
    "EllipseAddress",
    "colour_address",
    "ellipse_address",
    "parse_mask_address",
    "split_colours",
]

LABEL_COLOURS = {
    "black": (0, 0, 0),
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "white": (255, 255, 255),
}
"""Colours of label pictures, RGB. Of arteries and veins, black is background, red artery, blue vein, green a crossing,
and white, in RITE, a vessel of uncertain kind (Hu et al., MICCAI 2013, doi:10.1007/978-3-642-40763-5_54)."""

_RGB = np.array(list(LABEL_COLOURS.values()), dtype=np.float32)

_NUMBER = r"-?\d+(?:\.\d+)?"
_COLOURS = re.compile(r"(.+)\?colours=([a-z]+(?:,[a-z]+)*)", re.DOTALL)
_ELLIPSE = re.compile(rf"(.+)\?ellipse=({_NUMBER}),({_NUMBER}),(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)", re.DOTALL)


@dataclass(frozen=True)
class ColourAddress:
    """The pixels of a label picture that have one of several colours."""

    path: str
    """The label picture."""
    colours: tuple[str, ...]
    """Names out of :data:`LABEL_COLOURS`."""

    def draw(self, image: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return where the nearest of :data:`LABEL_COLOURS` is one of the colours.

        Edges that were smoothed or compressed thus go to the nearer side; where two colours are equally near, the one
        that is named first in :data:`LABEL_COLOURS` counts.

        Args:
            image: (H, W, 3) RGB, the picture at the path.

        Returns:
            (H, W).

        Example:
            >>> image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [99, 0, 0]]], dtype=np.uint8)
            >>> ColourAddress("av.png", ("red", "green")).draw(image).tolist()
            [[True, True, False, False]]
        """
        # The square of the distance |image - colour|^2, less |image|^2, which is the same for all colours.
        distances = (_RGB**2).sum(axis=1) - 2 * image.astype(np.float32) @ _RGB.T
        is_meant = np.array([name in self.colours for name in LABEL_COLOURS])
        return is_meant[distances.argmin(axis=-1)]


@dataclass(frozen=True)
class EllipseAddress:
    """An ellipse with upright axes, on the pixels of a photograph."""

    path: str
    """The photograph, of which only the size counts."""
    x_px: float
    """Centre, from the left edge of the photograph."""
    y_px: float
    """Centre, from its upper edge."""
    width_px: float
    height_px: float

    def draw(self, image: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return the pixels whose centre lies in the ellipse; none for a width or height of 0.

        Args:
            image: (H, W, 3), the photograph.

        Returns:
            (H, W).

        Example:
            >>> EllipseAddress("eye.png", 1.5, 1.5, 3, 1).draw(np.zeros((3, 4, 3), dtype=np.uint8)).astype(int).tolist()
            [[0, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]]
        """
        if 0 in (self.width_px, self.height_px):
            return np.zeros(image.shape[:2], dtype=bool)
        rows, columns = (np.arange(length) + 0.5 for length in image.shape[:2])
        x, y = (columns - self.x_px) / (self.width_px / 2), (rows - self.y_px) / (self.height_px / 2)
        return x**2 + y[:, None] ** 2 <= 1


def colour_address(path: str | Path, colours: Sequence[str]) -> str:
    """Return the address of the pixels of a label picture that have one of several colours.

    Args:
        path: the label picture.
        colours: names out of :data:`LABEL_COLOURS`.

    Example:
        >>> colour_address("av/IM000001.png", ["red", "green"])
        'av/IM000001.png?colours=red,green'
    """
    return f"{path}?colours={','.join(colours)}"


def ellipse_address(path: str | Path, x_px: float, y_px: float, width_px: float, height_px: float) -> str:
    """Return the address of an ellipse with upright axes, on the pixels of a photograph.

    Args:
        path: the photograph.
        x_px: centre, from the left edge of the photograph.
        y_px: centre, from its upper edge.
        width_px: full width; 0 for an empty mask.
        height_px: full height; 0 for an empty mask.

    Example:
        >>> ellipse_address("images/01_h.jpg", 1327.8, 568.8, 175.5, 192.5)
        'images/01_h.jpg?ellipse=1327.8,568.8,175.5,192.5'
    """
    return f"{path}?ellipse={','.join(f'{round(value, 2):.12g}' for value in (x_px, y_px, width_px, height_px))}"


def parse_mask_address(text: str | Path) -> ColourAddress | EllipseAddress | None:
    """Parse the address of a mask; None where the text is the path of a file or the address of a slice.

    Raises:
        ValueError: when the text holds ``?colours=`` or ``?ellipse=`` but is no address.
    """
    text = str(text)
    if "?colours=" in text:
        match = _COLOURS.fullmatch(text)
        if match is None or not LABEL_COLOURS.keys() >= set(match[2].split(",")):
            raise ValueError(
                f"the address of colours must end in ?colours=NAME or ?colours=NAME,NAME with the names "
                f"{', '.join(LABEL_COLOURS)}, got {text!r}: correct it."
            )
        return ColourAddress(match[1], tuple(match[2].split(",")))
    if "?ellipse=" in text:
        match = _ELLIPSE.fullmatch(text)
        if match is None:
            raise ValueError(
                f"the address of an ellipse must end in ?ellipse=X,Y,WIDTH,HEIGHT, in pixels, width and height from "
                f"0, got {text!r}: correct it."
            )
        return EllipseAddress(match[1], *map(float, match.groups()[1:]))
    return None


def split_colours(source: str) -> tuple[str, str]:
    """Split the colours that are meant from a file or a whole folder of label pictures.

    Example:
        >>> split_colours("HRF/av?colours=red,green"), split_colours("HRF/manual1")
        (('HRF/av', '?colours=red,green'), ('HRF/manual1', ''))
    """
    path, mark, colours = source.partition("?colours=")
    return path, mark + colours
