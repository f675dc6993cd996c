"""What is measured on the structures of a retina."""

from __future__ import annotations

from vmnet_monai.biomarkers.landmarks import Landmark, laterality, locate
from vmnet_monai.biomarkers.measures import vessel_measures

__all__ = ["Landmark", "laterality", "locate", "vessel_measures"]
