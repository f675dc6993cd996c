"""A photograph measured on its own pixels: by the maps of its structures, and by what is known of it beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from vmnet_monai.biomarkers.eye import find_eye
from vmnet_monai.biomarkers.measures import GRID_SIZE, field_of_view_diameter
from vmnet_monai.biomarkers.profile import WidthAt, width_profile
from vmnet_monai.biomarkers.scale import Scale, scale_from_disc, scale_from_field_angle, scale_from_pixel_spacing
from vmnet_monai.biomarkers.tidy import Grid, Value, measure, vessel_trees
from vmnet_monai.transforms.field_of_view import FieldOfViewBox, crop_to_box, field_of_view_box

__all__ = [
    "MAPS",
    "NEEDED",
    "MeasuredPhotograph",
    "MeasuringGrid",
    "PhotographInfo",
    "can_be_measured",
    "centred",
    "measure_on_grid",
    "measure_photograph",
    "measuring_grid",
]

MAPS = ("vessel", "artery", "vein", "disc", "fovea_region")
"""Structures of which measures are made."""

NEEDED = frozenset(("artery", "vein", "disc"))
"""Structures that a network must draw for its predictions to be measured; without a fovea some values are empty."""


class PhotographInfo(NamedTuple):
    """What is known of a photograph beside its pixels.

    Attributes:
        eye: ``right`` or ``left``, as a table or a DICOM header says; empty where unknown.
        microns_per_px: side of a pixel on the retina; None where unknown.
        pixel_spacing_mm: DICOM's PixelSpacing, distances of rows and of columns; None where unknown.
        field_angle_deg: angle of the camera's field; None where unknown.
    """

    eye: str = ""
    microns_per_px: float | None = None
    pixel_spacing_mm: Sequence[float] | None = None
    field_angle_deg: float | None = None

    def scale(self, field_diameter_px: float) -> Scale | None:
        """Return the scale by the first of the three that is known; None where none is.

        Args:
            field_diameter_px: diameter of the field of view in pixels of the photograph.

        Raises:
            ValueError: if pixel spacing or field angle cannot be used.

        Example:
            >>> PhotographInfo(microns_per_px=6.1, field_angle_deg=45).scale(2000)
            Scale(microns_per_px=6.1, assumed='')
        """
        if self.microns_per_px is not None:
            return Scale(self.microns_per_px)
        if self.pixel_spacing_mm is not None:
            return scale_from_pixel_spacing(self.pixel_spacing_mm)
        if self.field_angle_deg is not None:
            return scale_from_field_angle(self.field_angle_deg, field_diameter_px)
        return None


class MeasuringGrid(NamedTuple):
    """The grid on which a photograph is measured: one for all, so that its measures do not depend on its pixels.

    Attributes:
        fov: (S, S) bool, the field of view, S = :data:`~vmnet_monai.biomarkers.measures.GRID_SIZE` unless it was made
            with another size.
        box: the square of the photograph that it covers.
    """

    fov: NDArray[np.bool_]
    box: FieldOfViewBox

    @property
    def place(self) -> Grid:
        """Where the grid's pixels lie on the photograph."""
        return Grid(self.box.side_px / len(self.fov), self.box.left_px, self.box.top_px)

    @property
    def field_diameter_px(self) -> float:
        """Diameter of the field of view in pixels of the photograph."""
        return field_of_view_diameter(self.fov) * self.place.pixel_px

    def scaled(self, values: NDArray[np.bool_] | NDArray[np.floating]) -> NDArray[np.float32]:
        """Return a map of the photograph on the grid; of a mask, which part of each pixel it covers.

        Args:
            values: (H, W) bool, or float in [0, 1].
        """
        array = torch.from_numpy(np.ascontiguousarray(values))[None]
        on_grid: NDArray[np.float32] = crop_to_box(array, self.box, len(self.fov))[0].clamp(0, 1).numpy()
        return on_grid


def measuring_grid(
    fov: NDArray[np.bool_], box: FieldOfViewBox | None = None, size_px: int | None = None
) -> MeasuringGrid:
    """Make the grid of a photograph.

    Args:
        fov: (H, W) bool, its field of view.
        box: the square around it; None to find it.
        size_px: side S of the grid; None for :data:`~vmnet_monai.biomarkers.measures.GRID_SIZE`.

    Raises:
        FieldOfViewError: if the field of view is empty.
    """
    box = field_of_view_box(fov) if box is None else box
    side = GRID_SIZE if size_px is None else size_px
    grid = MeasuringGrid(np.empty((side, side), dtype=np.bool_), box)
    return grid._replace(fov=grid.scaled(fov) >= 0.5)


class MeasuredPhotograph(NamedTuple):
    """What was measured on a photograph.

    Attributes:
        eye: ``right`` or ``left``: as it was named, or else as disc and fovea tell; empty where unknown.
        values: see :func:`~vmnet_monai.biomarkers.measure`.
        width_profiles: ``artery`` and ``vein`` -> widths by the distance from the disc, see
            :func:`~vmnet_monai.biomarkers.profile.width_profile`; empty where the disc is not seen whole.
        remarks: whole sentences on what to look at.
    """

    eye: str
    values: list[Value]
    width_profiles: dict[str, list[WidthAt]]
    remarks: list[str]


def can_be_measured(structures: Iterable[str]) -> bool:
    """Tell whether a network draws what the measures need.

    >>> can_be_measured(["vessel"]), can_be_measured(["vessel", "artery", "vein", "disc"])
    (False, True)
    """
    return set(structures) >= NEEDED


def centred(probability: NDArray[np.floating], threshold: float) -> NDArray[np.float32]:
    """Stretch probabilities so that a threshold lies at one half, where :func:`~vmnet_monai.biomarkers.measure` cuts.

    0 and 1 stay, and so does the order; in between it is linear below and above the threshold.

    Args:
        probability: any shape, 0 to 1.
        threshold: 0 to 1.

    Example:
        >>> centred(np.array([0.0, 0.1, 0.2, 0.6, 1.0]), 0.2)
        array([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=float32)
    """
    inside = min(max(threshold, 1e-6), 1 - 1e-6)
    return np.interp(probability, [0, inside, 1], [0, 0.5, 1]).astype(np.float32)


def measure_photograph(
    maps: Mapping[str, NDArray[np.bool_] | NDArray[np.floating]],
    grid: MeasuringGrid,
    eye: str = "",
    scale: Scale | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> MeasuredPhotograph:
    """Measure a photograph's structures: the one way, whether a network drew them or anybody else.

    Args:
        maps: structure, any of :data:`MAPS`, -> (H, W) on the photograph's pixels: a mask, or probabilities in [0, 1].
            ``fovea`` is a mask of the fovea that may be as small as a point.
        grid: of the photograph, see :func:`measuring_grid`.
        eye: ``right`` or ``left`` as the photograph is named; empty where unknown. Regions are named as disc and fovea
            lie.
        scale: None where it is unknown, see :func:`~vmnet_monai.biomarkers.measure`.
        thresholds: structure -> probability from which on a pixel belongs to it; one half where it is not named.

    Raises:
        ValueError: if a map has values outside 0 to 1.
    """
    scaled = {name: grid.scaled(maps[name]) for name in (*MAPS, "fovea") if name in maps}
    return measure_on_grid(scaled, grid, eye, scale, thresholds)


def measure_on_grid(
    scaled: Mapping[str, NDArray[np.float32]],
    grid: MeasuringGrid,
    eye: str = "",
    scale: Scale | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> MeasuredPhotograph:
    """Measure a photograph's structures, as :func:`measure_photograph` does, on maps that are on its grid already.

    Args:
        scaled: structure -> (S, S), see :meth:`MeasuringGrid.scaled`; others than :data:`MAPS` and ``fovea`` are left
            out.
        grid: see :func:`measure_photograph`, as are the others.
        eye: likewise.
        scale: likewise.
        thresholds: likewise.

    Raises:
        ValueError: if a map has values outside 0 to 1.
    """
    on_grid = {name: scaled[name] for name in MAPS if name in scaled}
    for name, threshold in (thresholds or {}).items():
        if name in on_grid:
            on_grid[name] = centred(on_grid[name], threshold)
    if "fovea" in scaled:  # scaled down, a point is none any more
        fovea = scaled["fovea"]
        on_grid["fovea_region"] = fovea / (fovea.max() or 1)
    found = find_eye(on_grid.get("disc"), on_grid.get("fovea_region"), grid.fov)
    trees = vessel_trees(on_grid, grid.fov)
    pixel_px = grid.place.pixel_px
    profiles: dict[str, list[WidthAt]] = {}
    if found.disc is not None and not found.disc.is_cut:
        known = scale or scale_from_disc(found.disc.diameter * pixel_px)
        profiles = {
            name: width_profile(trees[name], found.disc, known.microns_per_px * pixel_px)
            for name in ("artery", "vein")
            if name in trees
        }
    remarks = []
    if eye and found.side and eye != found.side:
        remarks.append(
            f"This is named a {eye} eye, and disc and fovea lie as in a {found.side} one: look whether the name is "
            "wrong or the picture mirrored. Regions are named as disc and fovea lie."
        )
    values = measure(on_grid, grid.fov, found, grid.place, scale, trees)
    return MeasuredPhotograph(eye or found.side or "", values, profiles, remarks)
