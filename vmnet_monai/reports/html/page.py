"""Writes the page of one photograph."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from vmnet_monai.explain.overlay import HEAT_COLOURS, STRUCTURE_COLOURS
from vmnet_monai.reports.html.render import write_html
from vmnet_monai.reports.images import (
    PAGE_SIDE_PX,
    THUMBNAIL_SIDE_PX,
    heat_palette,
    levels,
    shrink,
    structure_palette,
    write_jpeg,
    write_overlay,
)
from vmnet_monai.reports.record import Record

__all__ = ["write_page"]

LEGEND_STEPS = 9
"""Colours between which the legend of heat maps runs smoothly."""


def write_page(
    output_dir: Path,
    record: Record,
    image: NDArray[np.uint8],
    masks: Mapping[str, NDArray[np.bool_]],
    heat_maps: Mapping[str, NDArray[np.floating]],
) -> list[str]:
    """Write ``report/<id>.html`` and, before it, the images in ``report/pictures/<id>/`` that it shows.

    - ``photograph.jpg`` and ``thumbnail.jpg``;
    - ``<structure>.png`` per mask and ``heat_<disease>.png`` per heat map, transparent, to lie over the photograph.

    They are scaled down to at most :data:`~vmnet_monai.reports.images.PAGE_SIDE_PX`. The same input gives the same
    bytes.

    Args:
        output_dir: where ``report`` lies, beside the ``index.html`` that the page links to.
        record: what is said about the photograph.
        image: (H, W, 3) uint8 RGB.
        masks: structure -> (H, W) bool.
        heat_maps: disease -> (H, W) float in [0, 1].

    Returns:
        The names of the files, relative to ``output_dir``.
    """
    # Not report/<id>/: the folder of images of a.html.png would have the name of the page of a.png.
    folder, page = f"report/pictures/{record.id}", f"report/{record.id}.html"
    images = Path(output_dir) / folder
    names = ["photograph.jpg", "thumbnail.jpg"]
    shown = shrink(image, PAGE_SIDE_PX)
    write_jpeg(images / names[0], shown)
    write_jpeg(images / names[1], shrink(shown, THUMBNAIL_SIDE_PX))
    for position, (structure, mask) in enumerate(masks.items()):
        names.append(f"{structure}.png")
        write_overlay(images / names[-1], shrink(levels(mask), PAGE_SIDE_PX), structure_palette(position))
    for disease, heat in heat_maps.items():
        names.append(f"heat_{disease}.png")
        write_overlay(images / names[-1], shrink(levels(heat), PAGE_SIDE_PX), heat_palette())
    write_html(
        Path(output_dir) / page,
        "page",
        record=record,
        width_px=shown.shape[1],
        height_px=shown.shape[0],
        structures=list(zip(masks, itertools.cycle(STRUCTURE_COLOURS), strict=False)),
        heat_maps=[(disease, not heat.any()) for disease, heat in heat_maps.items()],
        legend=[to_hex(colour) for colour in colormaps[HEAT_COLOURS](np.linspace(0, 1, LEGEND_STEPS))],
    )
    return [*(f"{folder}/{name}" for name in names), page]
