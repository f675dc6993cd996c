"""Writes the page of one photograph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vmnet_monai.explain.overlay import heat_palette, scale_colours
from vmnet_monai.io.files import write_png
from vmnet_monai.reports.html.render import write_html
from vmnet_monai.reports.images import (
    PAGE_SIDE_PX,
    THUMBNAIL_SIDE_PX,
    levels,
    shrink,
    structure_levels,
    structure_palette,
    write_jpeg,
)
from vmnet_monai.reports.measures import definitions, drawn_eye, measure_groups, values_notes
from vmnet_monai.reports.plot import width_plot
from vmnet_monai.reports.record import Record
from vmnet_monai.structures import structure_looks

__all__ = ["write_page"]

LEGEND_STEPS = 18
"""Colours between which the legend of heat maps runs smoothly."""

STRUCTURE_OPACITY_PERCENT = 45
"""Opacity at which the structures are shown at first: the vessel beneath can be seen through it."""


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
    looks = structure_looks(list(masks))
    for structure, mask in masks.items():
        names.append(f"{structure}.png")
        drawn = structure_levels(mask, looks[structure], PAGE_SIDE_PX)
        write_png(images / names[-1], drawn, structure_palette(looks[structure]))
    for disease, heat in heat_maps.items():
        names.append(f"heat_{disease}.png")
        write_png(images / names[-1], shrink(levels(heat), PAGE_SIDE_PX), heat_palette())
    write_html(
        Path(output_dir) / page,
        "page",
        record=record,
        width_px=shown.shape[1],
        height_px=shown.shape[0],
        # Arteries and veins lie over the vessels that they are.
        structures=[
            (structure, look.colour, not (structure == "vessel" and {"artery", "vein"} & set(looks)))
            for structure, look in looks.items()
        ],
        structure_opacity=STRUCTURE_OPACITY_PERCENT,
        heat_maps=[(disease, not heat.any()) for disease, heat in heat_maps.items()],
        legend=[f"rgb({red}, {green}, {blue})" for red, green, blue in scale_colours(LEGEND_STEPS).tolist()],
        eye=drawn_eye(record.values),
        groups=measure_groups(record.values),
        definitions=definitions(record.values),
        notes=values_notes(record.values),
        plot=width_plot(record.width_profiles),
        has_probability=any(finding.probability is not None for finding in record.findings),
        has_decision=any(finding.decision is not None for finding in record.findings),
    )
    return [*(f"{folder}/{name}" for name in names), page]
