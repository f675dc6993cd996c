"""What is measured on the structures of a retina."""

from __future__ import annotations

from vmnet_monai.biomarkers.calibre import calibres, central_equivalent, vessel_widths, zone_widths
from vmnet_monai.biomarkers.eye import Disc, Eye, find_eye
from vmnet_monai.biomarkers.landmarks import Landmark, centre_scores, laterality, locate
from vmnet_monai.biomarkers.measures import vessel_measures
from vmnet_monai.biomarkers.reference import MEASURES, REFERENCE, implausible_measures
from vmnet_monai.biomarkers.regions import REGIONS, Region, find_regions
from vmnet_monai.biomarkers.scale import Scale, scale_from_disc, scale_from_field_angle, scale_from_pixel_spacing
from vmnet_monai.biomarkers.tidy import Grid, Value, measure
from vmnet_monai.biomarkers.tree import VesselTree, crossings, fractal_dimensions, tree_measures, vessel_tree

__all__ = [
    "MEASURES",
    "REFERENCE",
    "REGIONS",
    "Disc",
    "Eye",
    "Grid",
    "Landmark",
    "Region",
    "Scale",
    "Value",
    "VesselTree",
    "calibres",
    "central_equivalent",
    "centre_scores",
    "crossings",
    "find_eye",
    "find_regions",
    "fractal_dimensions",
    "implausible_measures",
    "laterality",
    "locate",
    "measure",
    "scale_from_disc",
    "scale_from_field_angle",
    "scale_from_pixel_spacing",
    "tree_measures",
    "vessel_measures",
    "vessel_tree",
    "vessel_widths",
    "zone_widths",
]
