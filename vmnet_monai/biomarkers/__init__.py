"""What is measured on the structures of a retina."""

from __future__ import annotations

from vmnet_monai.biomarkers.landmarks import Landmark, centre_scores, laterality, locate
from vmnet_monai.biomarkers.measures import vessel_measures
from vmnet_monai.biomarkers.reference import MEASURES, REFERENCE, implausible_measures
from vmnet_monai.biomarkers.tree import VesselTree, crossings, fractal_dimensions, tree_measures, vessel_tree

__all__ = [
    "MEASURES",
    "REFERENCE",
    "Landmark",
    "VesselTree",
    "centre_scores",
    "crossings",
    "fractal_dimensions",
    "implausible_measures",
    "laterality",
    "locate",
    "tree_measures",
    "vessel_measures",
    "vessel_tree",
]
