"""How large a pixel of the photograph is on the retina."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

__all__ = [
    "ASSUMED_DISC_DIAMETER_UM",
    "MICRONS_PER_DEGREE",
    "Scale",
    "scale_from_disc",
    "scale_from_field_angle",
    "scale_from_pixel_spacing",
]

ASSUMED_DISC_DIAMETER_UM = 1800
"""Diameter of an optic disc where nothing else tells the scale: 4.76 mm from disc to fovea are 2.65 disc diameters in
2836 eyes of Jonas et al., PLoS ONE 2015, doi:10.1371/journal.pone.0138701. Discs differ: that ratio has a standard
deviation of 0.30, 11 %, and so has every length in microns that rests on the assumption."""

AXIAL_LENGTH_MM = 24.0
"""Length of the eye that a field angle is taken for; an eye longer by 1 mm has lengths on the retina 4.5 % greater."""

MICRONS_PER_DEGREE = 1000 * math.radians(1) * (AXIAL_LENGTH_MM - 1.82) / 1.336
"""Length on the retina of one degree of a camera's field, 290 microns: the eye's length less 1.82 mm, over its
refractive index of 1.336: Bennett, Rudnicka and Edgar, Graefes Arch Clin Exp Ophthalmol 1994, doi:10.1007/BF00175988,
method (a). For telecentric cameras and the posterior pole."""

MAX_ANISOTROPY = 0.02
"""Largest relative difference of the distances of rows and of columns: measures take pixels as squares."""


class Scale(NamedTuple):
    """The scale of a photograph.

    Attributes:
        microns_per_px: side of a pixel of the photograph on the retina, above 0.
        assumed: what the scale rests on that was not measured, a few words; empty where it is known.
    """

    microns_per_px: float
    assumed: str = ""

    def unit(self, power: int = 1) -> str:
        """Return the unit of a length, with a power of 2 of an area, with -1 of what is per length, as tables have it.

        >>> Scale(5.0).unit(), Scale(5.0).unit(-1), Scale(5.0, "disc diameter 1800 um").unit(2)
        ('um', '1/um', 'um2 (assumed: disc diameter 1800 um)')
        """
        unit = {-1: "1/um", 1: "um"}.get(power, f"um{power}")
        return f"{unit} (assumed: {self.assumed})" if self.assumed else unit


def scale_from_pixel_spacing(spacing_mm: Sequence[float]) -> Scale:
    """Return the scale by DICOM's PixelSpacing (0028,0030).

    Args:
        spacing_mm: distances of rows and of columns in mm.

    Raises:
        ValueError: if they are not two numbers above 0, or pixels are not square.
    """
    if len(spacing_mm) != 2 or not all(math.isfinite(value) and value > 0 for value in spacing_mm):
        raise ValueError(f"the pixel spacing must be two numbers of mm above 0, got {list(spacing_mm)}: leave it out.")
    rows, columns = spacing_mm
    if abs(rows / columns - 1) > MAX_ANISOTROPY:
        raise ValueError(
            f"pixels must be square within {MAX_ANISOTROPY:.0%}, got {rows:g} by {columns:g} mm: scale the photograph "
            "and its masks so that they are."
        )
    return Scale(1000 * math.sqrt(rows * columns))


def scale_from_field_angle(field_angle_deg: float, field_diameter_px: float) -> Scale:
    """Return the scale by the angle of the camera's field, for an eye of :data:`AXIAL_LENGTH_MM`.

    Args:
        field_angle_deg: angle that the diameter of the whole, uncut field subtends, such as 45.
        field_diameter_px: that diameter in pixels of the photograph.

    Raises:
        ValueError: if the angle does not lie above 0 and up to 70 degrees, where a flat photograph of the posterior
            pole ends, or the diameter is not above 0.

    Example:
        >>> round(scale_from_field_angle(45, 2000).microns_per_px, 2)
        6.52
    """
    if not (0 < field_angle_deg <= 70 and field_diameter_px > 0):
        raise ValueError(
            f"the field angle must lie above 0 and up to 70 degrees, got {field_angle_deg:g} for a field of "
            f"{field_diameter_px:g} px: give the scale as `microns_per_px` for wider fields."
        )
    return Scale(field_angle_deg * MICRONS_PER_DEGREE / field_diameter_px, f"eye {AXIAL_LENGTH_MM:g} mm long")


def scale_from_disc(diameter_px: float) -> Scale:
    """Return the scale by the assumption that the disc has the diameter :data:`ASSUMED_DISC_DIAMETER_UM`.

    Args:
        diameter_px: of the circle of the disc's area, in pixels of the photograph, above 0.

    Example:
        >>> scale_from_disc(360)
        Scale(microns_per_px=5.0, assumed='disc diameter 1800 um')
    """
    return Scale(ASSUMED_DISC_DIAMETER_UM / diameter_px, f"disc diameter {ASSUMED_DISC_DIAMETER_UM} um")
