"""The check of each image before prediction: no fundus photographs are refused, poor ones are remarked on."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from typing import Any

from monai.transforms import Transform

from vmnet_monai.errors import ImageError
from vmnet_monai.quality.colours import channel_medians, channel_ratios, colour_freedom
from vmnet_monai.quality.features import FEATURES, image_features
from vmnet_monai.quality.model import FundusModel, default_model
from vmnet_monai.quality.remarks import quality_remarks
from vmnet_monai.quality.square import WorkingSquare
from vmnet_monai.transforms.field_of_view import FieldOfViewBox

__all__ = [
    "EXPECTED",
    "CheckFundusImaged",
    "NotAFundusImageError",
    "check_colours",
    "check_fundus",
    "check_size_and_contrast",
]

MIN_SIDE_PX = 48
"""Least width of the field of view: on a smaller one no vessel is a pixel wide, and nothing can be judged."""

MIN_SPREAD = 1.5
"""Least standard deviation of brightness, of 255; every fundus photograph looked at has more than 5."""

MIN_CHANNEL_RATIO = -0.2
"""Least logarithm of the medians' ratios, red over green and green over blue: the least of 325 photographs of six
sources are -0.02 and 0.08; 69 of 70 with permuted channels have less than -0.2."""

MIN_COLOUR_FREEDOM = 0.25
"""Least :func:`~vmnet_monai.quality.colours.colour_freedom`: the least of 212 photographs, as taken and with drawn pale
areas, poor light and blur, is 0.41, the largest of 13 through the colour map viridis 0.11."""

EXPECTED = ("fundus", "any")
"""What an image is expected to be: a fundus photograph, or any image that is large enough and not constant."""


class NotAFundusImageError(ImageError):
    """Raised when an image does not look like a fundus photograph."""


def check_size_and_contrast(square: WorkingSquare, side_px: int) -> None:
    """Refuse an image that shows nothing, because it is too small or nearly constant.

    Args:
        square: the image, ``WorkingSquare.of(image, fov)``.
        side_px: side of the square around its field of view, in pixels of the photograph.

    Raises:
        NotAFundusImageError: if it is narrower than :data:`MIN_SIDE_PX`, or varies less than :data:`MIN_SPREAD`.
    """
    if side_px < MIN_SIDE_PX:
        raise NotAFundusImageError(
            f"the image is too small: its field of view is {side_px} pixels wide and at least {MIN_SIDE_PX} are "
            "needed. Give the photograph at its original size."
        )
    spread = float(square.luminance[square.inner].std())
    if spread < MIN_SPREAD:
        raise NotAFundusImageError(
            f"the image is nearly constant: its brightness varies by {spread:.1f} of 255 and at least {MIN_SPREAD} "
            "is needed. Check that the right file was given and that it is exposed."
        )


def check_colours(square: WorkingSquare) -> None:
    """Refuse colours that no retina under white light has, whatever else the image shows; a grey image has none.

    Args:
        square: the image, ``WorkingSquare.of(image, fov)``.

    Raises:
        NotAFundusImageError: if red is not its brightest channel and blue its darkest, within
            :data:`MIN_CHANNEL_RATIO`, or if its colours vary less freely than :data:`MIN_COLOUR_FREEDOM`.
    """
    if square.is_grey:
        return
    if (freedom := colour_freedom(square)) < MIN_COLOUR_FREEDOM:
        raise NotAFundusImageError(
            "the colours are not those of a retina but of a colour map: where the brightness is the same, "
            f"they vary by {freedom:.0%} of their variation and at least {MIN_COLOUR_FREEDOM:.0%} is needed. Give the "
            'photograph in its own colours, or in grey; to have the image predicted as it is, give expected "any".'
        )
    if min(channel_ratios(square)) < MIN_CHANNEL_RATIO:
        red, green, blue = channel_medians(square)
        raise NotAFundusImageError(
            f"the channels are not those of a colour photograph of a retina: their medians are red {red:.0f}, green "
            f"{green:.0f} and blue {blue:.0f} of 255, and red must be the brightest and blue the darkest. Swap the "
            'channels (programs that use BGR swap red and blue); if the colours are right, give expected "any".'
        )


def check_fundus(square: WorkingSquare, model: FundusModel) -> None:
    """Refuse an image that is unlike the fundus photographs that a model was fitted to.

    Args:
        square: the image, ``WorkingSquare.of(image, fov)``.
        model: gives the log odds of a fundus photograph.

    Raises:
        NotAFundusImageError: if the log odds are below the model's limit; the message names what speaks most against.
    """
    features = image_features(square)
    log_odds = model.log_odds(features)
    if log_odds < model.min_log_odds:
        contributions = model.contributions(features)
        lowest = sorted(contributions, key=contributions.__getitem__)[:3]
        reasons = "; ".join(dict.fromkeys(FEATURES[name] for name in lowest))
        raise NotAFundusImageError(
            f"this does not look like a fundus photograph: {reasons}. Its score is {log_odds:.1f} and at least "
            f"{model.min_log_odds} is needed. Give a photograph of the retina; if it is one, switch the check off with "
            'expected "any".'
        )


class CheckFundusImaged(Transform):
    """Refuses images that are no fundus photographs, and adds remarks on the quality of the others.

    It stands after :class:`~vmnet_monai.transforms.CropToFieldOfViewd`.

    Args:
        expected: one of :data:`EXPECTED`. With ``"any"``, for skin photographs and OCT slices, only size and contrast
            are checked, and nothing is said about quality.
        image_key: the square around the field of view, (3, S, S) uint8 RGB.
        fov_key: its mask, (1, S, S), non-zero inside.
        box_key: where the square lies, an int64 tensor (5,) in the order of :class:`FieldOfViewBox`.
        warnings_key: where the remarks are written: one string, a sentence per line, empty where there is none. What is
            there already, such as remarks on how the file was read, stays before them.
        model_file: a model that ``python -m vmnet_monai.quality.fit`` wrote, for cameras that the model of the package
            does not know, whose colours are then free; None takes the latter.

    Raises:
        NotAFundusImageError: if the image is refused.
        FileNotFoundError: if there is no such file of a model.
        ValueError: if ``expected`` is unknown, or the file holds no model.
    """

    def __init__(
        self,
        expected: str = "fundus",
        image_key: str = "image",
        fov_key: str = "fov",
        box_key: str = "fov_box",
        warnings_key: str = "warnings",
        model_file: str | os.PathLike[str] | None = None,
    ) -> None:
        if expected not in EXPECTED:
            raise ValueError(f"expected must be one of {', '.join(EXPECTED)}, got {expected!r}.")
        self.expected = expected
        self.image_key, self.fov_key, self.box_key = image_key, fov_key, box_key
        self.warnings_key = warnings_key
        self.own_camera = model_file is not None
        self.model = default_model() if model_file is None else FundusModel.load(model_file)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        box = FieldOfViewBox(*item[self.box_key].tolist())
        square = WorkingSquare.of(item[self.image_key], item[self.fov_key])
        check_size_and_contrast(square, box.side_px)
        remarks = [item[self.warnings_key]] if item.get(self.warnings_key) else []
        if self.expected == "fundus":
            # The score first: of a portrait, nobody wants to hear that its channels may be swapped.
            check_fundus(square, self.model)
            if not self.own_camera:
                check_colours(square)
            remarks += quality_remarks(square, box)
        item[self.warnings_key] = "\n".join(remarks)
        return item
