"""Remarks on the quality of a fundus photograph, and the limits at which they are made."""

from __future__ import annotations

import numpy as np

from vmnet_monai.quality.colours import channel_ratios
from vmnet_monai.quality.square import THIN_PX, WIDEST_PX, WORKING_SIZE_PX, WorkingSquare
from vmnet_monai.transforms.field_of_view import FieldOfViewBox

__all__ = ["quality_remarks"]

MIN_BRIGHTNESS = 55
"""Least usual median of the brightest channel, of 255."""

OVEREXPOSED_LEVEL = 205
"""Brightness, of 255, that less than a tenth of the field of view usually exceeds."""

MIN_CONTRAST = 0.09
"""Least usual 97th percentile of the steps over 14 pixels of the working square, as a fraction of the brightness."""

MIN_SHARPNESS = 0.35
"""Least usual contrast of thin lines, as a fraction of that of wide ones."""

MAX_OFF_CENTRE = 0.10
"""Largest usual distance of the disc's centre from the photograph's, in diameters."""

USUAL_SIDE_PX = 200
"""Width of the field of view from which on thin vessels can be seen."""

MIN_RED_OVER_GREEN, MAX_GREEN_OVER_BLUE = 0.25, 1.5
"""Usual logarithms of the medians' ratios of a photograph under white light. Where both are beyond, green is about as
bright as red and blue is all but missing, as under the two lasers of wide-field cameras."""

MAX_ASPECT = 1.75
"""Largest usual ratio of the field of view's sides: a disc of which the frame cuts off a fifth at top and bottom."""


def quality_remarks(square: WorkingSquare, box: FieldOfViewBox) -> list[str]:
    """Say what in a fundus photograph may make its results less reliable.

    Args:
        square: the photograph, ``WorkingSquare.of(image, fov)``: photographs of any size are judged alike.
        box: the square around its field of view, in pixels of the photograph.

    Returns:
        Whole sentences, none for most photographs.
    """
    brightness = float(np.median(square.filled.max(axis=0)[square.inner]))
    brightest = float(np.percentile(square.luminance[square.inner], 90))
    thin, wide = (np.percentile(square.lines[px][:, ::2], 97, axis=1) for px in (THIN_PX, WIDEST_PX))
    contrast, sharpness = float(wide[2]), float(thin[0] / max(wide[0], 1e-6))
    offset, aspect = _off_centre(square, box), _aspect(square)
    red_green, green_blue = channel_ratios(square)
    remarks = {
        "The photograph is grey: the network learned from colour, and its scores of diseases are less reliable "
        "for red-free photographs and angiograms.": square.is_grey,
        f"The photograph is dark: its median brightness is {brightness:.0f} of 255 and at least {MIN_BRIGHTNESS} is "
        "usual.": brightness < MIN_BRIGHTNESS,
        f"The photograph is overexposed: a tenth of it is brighter than {brightest:.0f} of 255 and at most "
        f"{OVEREXPOSED_LEVEL} is usual.": brightest > OVEREXPOSED_LEVEL,
        f"The photograph is hazy: its contrast is {contrast:.1%} and at least {MIN_CONTRAST:.0%} is usual.": contrast
        < MIN_CONTRAST,
        f"The photograph is blurred: its thin lines have {sharpness:.0%} of the contrast of its wide ones and at least "
        f"{MIN_SHARPNESS:.0%} is usual.": contrast >= MIN_CONTRAST and sharpness < MIN_SHARPNESS,
        f"The field of view is off-centre by {offset:.0%} of its diameter and at most {MAX_OFF_CENTRE:.0%} is usual: "
        "part of the retina may be missing.": offset > MAX_OFF_CENTRE,
        "The colours are unusual: red is not the brightest channel or blue not the darkest, as under white light. "
        "Check that the channels are in order.": not square.is_grey and min(red_green, green_blue) < 0,
        "The colours are unusual: green is nearly as bright as red and blue is all but missing, as in images of "
        "scanning lasers, from which the network did not learn.": (
            red_green < MIN_RED_OVER_GREEN and green_blue > MAX_GREEN_OVER_BLUE
        ),
        f"The field of view is {aspect:.1f} times as long as wide and at most {MAX_ASPECT} is usual: the image may "
        "show two eyes, or half of one.": aspect > MAX_ASPECT,
        f"The photograph is small: its field of view is {box.side_px} pixels wide and at least {USUAL_SIDE_PX} are "
        "needed to show thin vessels.": box.side_px < USUAL_SIDE_PX,
    }
    return [sentence for sentence, applies in remarks.items() if applies]


def _aspect(square: WorkingSquare) -> float:
    """Longer over shorter side of the field of view."""
    sides = [int(square.fov.any(axis=axis).sum()) for axis in (0, 1)]
    return max(sides) / max(min(sides), 1)


def _off_centre(square: WorkingSquare, box: FieldOfViewBox) -> float:
    """Distance of the disc's centre, also where the frame cuts it, from the frame's centre, in diameters.

    A photograph that was cropped inside the disc shows no centre, and counts as centred.
    """
    circle, side = square.outline.circle, WORKING_SIZE_PX
    if circle is None or not 0.4 * side < circle.radius < 0.75 * side:
        return 0.0
    x, y = (np.asarray(circle.center) + 0.5) / side * box.side_px
    from_middle = np.hypot(box.left_px + x - box.width_px / 2, box.top_px + y - box.height_px / 2)
    return float(from_middle / (2 * circle.radius / side * box.side_px))
