"""What is measured on the structures of a retina."""

from __future__ import annotations

from vmnet_monai.biomarkers.landmarks import Landmark, centre_scores, laterality, locate
from vmnet_monai.biomarkers.measures import vessel_measures
from vmnet_monai.biomarkers.reference import MEASURES, REFERENCE, implausible_measures

__all__ = [
    "MEASURES",
    "REFERENCE",
    "Landmark",
    "centre_scores",
    "implausible_measures",
    "laterality",
    "locate",
    "vessel_measures",
]
