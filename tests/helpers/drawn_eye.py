"""A right eye whose disc, fovea, arteries and veins are drawn: enough vessels for every measure, on few pixels."""

from __future__ import annotations

import numpy as np
import pytest

from vmnet_monai.biomarkers import photograph

GRID_SIZE = 228
"""Diameter of the field, so that nothing is scaled where the measuring grid has as many pixels."""

ROWS, COLUMNS = np.indices((230, 250))
FIELD = np.hypot(COLUMNS - 124.5, ROWS - 114.5) <= 114
DISC_X, DISC_Y, DISC_RADIUS = 155, 110, 13


def _spokes(first_deg: float, width_px: float) -> np.ndarray:
    """Eight vessels from the disc to all sides."""
    across, along = COLUMNS - DISC_X, ROWS - DISC_Y
    radius, spokes = np.hypot(across, along), np.zeros_like(FIELD)
    for angle in np.deg2rad(first_deg + 45 * np.arange(8)):
        distance = np.abs(across * np.sin(angle) - along * np.cos(angle))
        spokes |= (distance <= width_px / 2) & (across * np.cos(angle) + along * np.sin(angle) > 0)
    return spokes & FIELD & (radius > DISC_RADIUS) & (radius < 85)


MASKS = {
    "artery": _spokes(10, 4),
    "vein": _spokes(32, 6),
    "disc": np.hypot(COLUMNS - DISC_X, ROWS - DISC_Y) <= DISC_RADIUS,
    "fovea_region": np.hypot(COLUMNS - 90, ROWS - 117) <= 6,
}
MASKS = {"vessel": MASKS["artery"] | MASKS["vein"], **MASKS}
"""Structure -> (H, W) bool; zone C, to 65 pixels from the disc's centre, lies in the field."""

STRUCTURES = tuple(MASKS)


def use_small_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let photographs be measured on the pixels of this one."""
    monkeypatch.setattr(photograph, "GRID_SIZE", GRID_SIZE)
