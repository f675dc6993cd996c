"""Pictures that show what the network saw."""

from __future__ import annotations

from vmnet_monai.explain.gradcam import DiseaseView, disease_heat_maps
from vmnet_monai.explain.overlay import draw_heat_map, draw_structures

__all__ = ["DiseaseView", "disease_heat_maps", "draw_heat_map", "draw_structures"]
