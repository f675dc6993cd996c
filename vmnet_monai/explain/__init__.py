"""Heat maps of the evidence for each disease, drawings of them, and measures of how well they point."""

from __future__ import annotations

from vmnet_monai.explain.explainer import Explainer
from vmnet_monai.explain.heat_maps import METHODS, DiseaseView, disease_heat_maps
from vmnet_monai.explain.overlay import draw_heat_map, draw_scale, draw_structures, heat_palette, outline
from vmnet_monai.explain.perturbation import insertion_and_deletion, revealed, without_detail
from vmnet_monai.explain.pointing import energy_fraction, pointing_hit, widen

__all__ = [
    "METHODS",
    "DiseaseView",
    "Explainer",
    "disease_heat_maps",
    "draw_heat_map",
    "draw_scale",
    "draw_structures",
    "energy_fraction",
    "heat_palette",
    "insertion_and_deletion",
    "outline",
    "pointing_hit",
    "revealed",
    "widen",
    "without_detail",
]
