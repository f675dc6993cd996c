"""What is measured on the structures of a retina."""

from __future__ import annotations

from vmnet_monai.biomarkers.measures import vessel_measures

__all__ = ["vessel_measures"]
