"""What is measured on the structures of a retina."""

from __future__ import annotations

from vmnet_monai.biomarkers.eye import Disc, Eye, find_eye
from vmnet_monai.biomarkers.landmarks import Landmark, centre_scores, laterality, locate
from vmnet_monai.biomarkers.measures import vessel_measures
from vmnet_monai.biomarkers.reference import MEASURES, REFERENCE, implausible_measures
from vmnet_monai.biomarkers.regions import REGIONS, Region, find_regions
from vmnet_monai.biomarkers.scale import Scale, scale_from_disc, scale_from_field_angle, scale_from_pixel_spacing

__all__ = [
    "MEASURES",
    "REFERENCE",
    "REGIONS",
    "Disc",
    "Eye",
    "Landmark",
    "Region",
    "Scale",
    "centre_scores",
    "find_eye",
    "find_regions",
    "implausible_measures",
    "laterality",
    "locate",
    "scale_from_disc",
    "scale_from_field_angle",
    "scale_from_pixel_spacing",
    "vessel_measures",
]
