"""The prediction of one image: what every report, table and door shows of it.

It stands in this room, below the code that makes it, because the reports are made from it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from vmnet_monai.biomarkers.profile import WidthAt
from vmnet_monai.biomarkers.tidy import Value
from vmnet_monai.reports.record import Description, DiseaseFinding

__all__ = ["PackedMasks", "Prediction"]


class PackedMasks(Mapping[str, NDArray[np.bool_]]):
    """Masks of structures, kept with one bit for each pixel; each is made anew when it is asked for.

    >>> masks = PackedMasks()
    >>> masks.add("disc", np.array([[True, False, True]]))
    >>> masks["disc"], list(masks)
    (array([[ True, False,  True]]), ['disc'])
    """

    def __init__(self) -> None:
        self._packed: dict[str, tuple[NDArray[np.uint8], tuple[int, ...]]] = {}

    def add(self, structure: str, mask: NDArray[np.bool_]) -> None:
        """Keep a mask (H, W)."""
        self._packed[structure] = np.packbits(mask), mask.shape

    def __getitem__(self, structure: str) -> NDArray[np.bool_]:
        packed, shape = self._packed[structure]
        mask: NDArray[np.bool_] = np.unpackbits(packed, count=math.prod(shape)).view(np.bool_).reshape(shape)
        return mask

    def __contains__(self, structure: object) -> bool:
        return structure in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the network says about one photograph; every map is on the photograph's own H x W pixels.

    Attributes:
        id: name of the photograph.
        structure_probabilities: structure -> (H, W) float32 in [0, 1], 0 outside the field of view; empty where they
            were written and not kept.
        structure_masks: structure -> (H, W) bool, where the probability reaches the threshold inside the field of view.
        findings: per disease its score, percentile, probability and decision; empty without disease head.
        heat_maps: disease -> (H, W) float32 in [0, 1], fraction of the map's own maximum, 0 outside the field of view.
        field_of_view: (H, W) bool.
        measures: measures of the vessels, name with unit -> value or None where it is undefined; only of networks that
            draw vessels alone.
        warnings: remarks on the quality of the photograph and on implausible measures, whole sentences.
        heat_map_method: how the heat maps were made, one of :data:`vmnet_monai.explain.METHODS`.
        values: measures by vessel type and region, of networks that draw arteries, veins and optic disc.
        width_profiles: ``artery`` and ``vein`` -> widths by the distance from the disc, of the same networks.
        eye: ``right`` or ``left``: as the photograph was named, or else as disc and fovea tell; empty where unknown.
    """

    id: str
    structure_probabilities: dict[str, NDArray[np.float32]]
    structure_masks: Mapping[str, NDArray[np.bool_]]
    findings: list[DiseaseFinding]
    heat_maps: dict[str, NDArray[np.float32]]
    field_of_view: NDArray[np.bool_]
    measures: dict[str, float | None]
    warnings: list[str]
    heat_map_method: str = ""
    values: list[Value] = dataclasses.field(default_factory=list)
    width_profiles: dict[str, list[WidthAt]] = dataclasses.field(default_factory=dict)
    eye: str = ""

    @property
    def vessel_probability(self) -> NDArray[np.float32]:
        """(H, W) float32 in [0, 1]; a KeyError for networks that find no vessels."""
        return self.structure_probabilities["vessel"]

    @property
    def vessel_mask(self) -> NDArray[np.bool_]:
        """(H, W) bool; a KeyError for networks that find no vessels."""
        return self.structure_masks["vessel"]

    @property
    def scores(self) -> dict[str, float]:
        """Disease -> score in [0, 1], NaN where the network gives none.

        A score is a probability only for photographs of the finding's ``sources``.
        """
        return {finding.disease: math.nan if finding.score is None else finding.score for finding in self.findings}

    @property
    def percentiles(self) -> dict[str, float | None]:
        """Disease -> percentage of the reference eyes with a lower score, 0 to 100; None without reference."""
        return {finding.disease: finding.percentile for finding in self.findings}

    @property
    def probabilities(self) -> dict[str, float]:
        """Disease -> probability in [0, 1], of those that a calibration of one's own holds for; otherwise empty."""
        return {finding.disease: finding.probability for finding in self.findings if finding.probability is not None}

    @property
    def decisions(self) -> dict[str, bool | None]:
        """Disease -> whether its threshold is reached; None where the decision is withheld or there is no score."""
        return {
            finding.disease: None if finding.decision is None else bool(finding.decision) for finding in self.findings
        }

    def description(self) -> Description:
        """Return what records say about the image."""
        height, width = self.field_of_view.shape
        return Description(
            width_px=width,
            height_px=height,
            findings=self.findings,
            measures=self.measures,
            values=self.values,
            width_profiles=self.width_profiles,
            eye=self.eye,
            warnings=self.warnings,
            structures=list(self.structure_masks),
            heat_maps=list(self.heat_maps),
            heat_map_method=self.heat_map_method if self.heat_maps else "",
        )
