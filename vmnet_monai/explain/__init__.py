"""Heat maps of the evidence for each disease, drawings of them, and measures of how well they point."""

from __future__ import annotations

from vmnet_monai.explain.explainer import Explainer
from vmnet_monai.explain.heat_maps import (
    CAMERAS,
    DEFAULT_METHOD,
    METHODS,
    DiseaseView,
    disease_heat_maps,
    disease_input,
    drawn_guide,
    recorded_pass,
    target_layer,
)
from vmnet_monai.explain.overlay import draw_heat_map, draw_scale, draw_structures, heat_palette, outline
from vmnet_monai.explain.perturbation import insertion_and_deletion, revealed, without_detail
from vmnet_monai.explain.pointing import energy_fraction, pointing_hit, widen

__all__ = [
    "CAMERAS",
    "DEFAULT_METHOD",
    "METHODS",
    "DiseaseView",
    "Explainer",
    "disease_heat_maps",
    "disease_input",
    "draw_heat_map",
    "draw_scale",
    "draw_structures",
    "drawn_guide",
    "energy_fraction",
    "heat_palette",
    "insertion_and_deletion",
    "outline",
    "pointing_hit",
    "recorded_pass",
    "revealed",
    "target_layer",
    "widen",
    "without_detail",
]
