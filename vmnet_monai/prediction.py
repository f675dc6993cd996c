"""What is said about one photograph, made from the network's output in one place for every door."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from vmnet_monai.explain import METHODS, disease_heat_maps
from vmnet_monai.metrics import probability_levels
from vmnet_monai.operating_point import OperatingPoint
from vmnet_monai.records import Description, DiseaseFinding
from vmnet_monai.transforms import FieldOfViewBox, crop_to_box, restore_from_box
from vmnet_monai.vessel_measures import vessel_measures

__all__ = ["Explainer", "Prediction", "make_prediction"]


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the network says about one photograph; every map is on the photograph's own H x W pixels.

    Attributes:
        id: name of the photograph.
        structure_probabilities: structure -> (H, W) float32 in [0, 1], 0 outside the field of view.
        structure_masks: structure -> (H, W) bool, where the probability reaches the threshold.
        findings: per disease its calibrated probability, threshold and decision; empty without disease head.
        heat_maps: disease -> (H, W) float32 in [0, 1], share of the map's own maximum, 0 outside the field of view.
        field_of_view: (H, W) bool.
        measures: measures of the vessels, name with unit -> value or None where it is undefined.
        warnings: remarks on the quality of the photograph, whole sentences.
    """

    id: str
    structure_probabilities: dict[str, NDArray[np.float32]]
    structure_masks: dict[str, NDArray[np.bool_]]
    findings: list[DiseaseFinding]
    heat_maps: dict[str, NDArray[np.float32]]
    field_of_view: NDArray[np.bool_]
    measures: dict[str, float | None]
    warnings: list[str]

    @property
    def vessel_probability(self) -> NDArray[np.float32]:
        """(H, W) float32 in [0, 1]; a KeyError for networks that find no vessels."""
        return self.structure_probabilities["vessel"]

    @property
    def vessel_mask(self) -> NDArray[np.bool_]:
        """(H, W) bool; a KeyError for networks that find no vessels."""
        return self.structure_masks["vessel"]

    @property
    def probabilities(self) -> dict[str, float]:
        """Disease -> calibrated probability in [0, 1], NaN where the network gives none."""
        return {
            finding["disease"]: math.nan if finding["probability"] is None else finding["probability"]
            for finding in self.findings
        }

    @property
    def decisions(self) -> dict[str, bool | None]:
        """Disease -> whether its probability reaches the threshold, None without probability."""
        return {
            finding["disease"]: None if finding["decision"] is None else bool(finding["decision"])
            for finding in self.findings
        }

    def description(self) -> Description:
        """What records say about the photograph, as JSON can hold it."""
        height, width = self.field_of_view.shape
        return {
            "width_px": width,
            "height_px": height,
            "findings": self.findings,
            "measures": self.measures,
            "warnings": self.warnings,
            "structures": list(self.structure_masks),
            "heat_maps": list(self.heat_maps),
        }


class Explainer:
    """Draws the heat maps of one photograph.

    Args:
        network: the network, in evaluation mode.
        diseases: keys of all K diseases in the order of the logits.
        explain: ``"called"``, the diseases whose probability reaches the threshold; ``"all"``; or their keys.
        layer: layer of the network that is looked at.
        method: see :func:`vmnet_monai.explain.disease_heat_maps`.

    Raises:
        ValueError: if a disease to explain is not one of the head's, or the method is unknown.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        diseases: Sequence[str],
        explain: Literal["called", "all"] | Sequence[str] = "called",
        layer: str = "classifier.features",
        method: str = "gradcam",
    ) -> None:
        named = [] if isinstance(explain, str) else list(explain)
        unknown = sorted(set(named) - set(diseases))
        if unknown or (isinstance(explain, str) and explain not in ("called", "all")):
            raise ValueError(
                f"the diseases to explain must be 'called', 'all', or a list out of {', '.join(diseases)}; got "
                f"{', '.join(unknown) or repr(explain)}."
            )
        if method not in METHODS:
            raise ValueError(f"the method of heat maps must be one of {', '.join(METHODS)}, got {method!r}.")
        self.network = network
        self.diseases = tuple(diseases)
        self.explain = explain
        self.layer = layer
        self.method = method

    def heat_maps(self, grid: torch.Tensor, fov: torch.Tensor, called: Sequence[str]) -> dict[str, torch.Tensor]:
        """Heat maps on the network's grid.

        Args:
            grid: (3, S, S) float32, the network's input.
            fov: (1, S, S), 1 inside the field of view.
            called: the diseases whose probability reaches the threshold.

        Returns:
            disease -> (1, S, S) float32 in [0, 1].
        """
        chosen = (
            {"called": called, "all": self.diseases}[self.explain] if isinstance(self.explain, str) else self.explain
        )
        columns = {disease: self.diseases.index(disease) for disease in self.diseases if disease in chosen}
        if not columns:
            return {}
        return disease_heat_maps(self.network, grid[None], columns, self.layer, method=self.method, field_of_view=fov)


def make_prediction(entry: Mapping[str, Any], operating_point: OperatingPoint, explainer: Explainer) -> Prediction:
    """Turn the network's output on one photograph into a prediction.

    Args:
        entry: ``id``, ``image`` (3, S, S), ``fov`` (1, H, W), ``fov_box`` (5,), ``pred_<structure>`` (1, H, W) and
            ``pred_disease`` (K,), each prediction only where the network has that head; ``warnings``, lines of one
            string, where the photograph was checked.
        operating_point: names, thresholds and calibration.
        explainer: draws the heat maps.
    """
    box = FieldOfViewBox(*entry["fov_box"].tolist())
    inside = entry["fov"].cpu() > 0.5
    probabilities, masks = {}, {}
    for structure, threshold in zip(operating_point.structures, operating_point.structure_thresholds, strict=True):
        if f"pred_{structure}" in entry:
            probability = entry[f"pred_{structure}"][0].cpu().numpy()
            probabilities[structure] = probability
            # Compared as the scores do, so that the mask follows from the probabilities on disk.
            masks[structure] = probability_levels(probability) >= probability_levels(threshold)
    findings = _findings(entry, operating_point)
    heat_maps = {}
    if findings:
        called = [finding["disease"] for finding in findings if finding["decision"]]
        grid = entry["image"]
        fov_on_grid = crop_to_box(inside, box, grid.shape[-1]) > 0.5
        for disease, heat in explainer.heat_maps(grid, fov_on_grid.to(grid), called).items():
            heat_maps[disease] = (restore_from_box(heat.cpu(), box) * inside)[0].numpy()
    return Prediction(
        id=entry["id"],
        structure_probabilities=probabilities,
        structure_masks=masks,
        findings=findings,
        heat_maps=heat_maps,
        field_of_view=inside[0].numpy(),
        measures=_measures(entry, inside, box, operating_point) if "vessel" in masks else {},
        warnings=[line for line in entry.get("warnings", "").split("\n") if line],
    )


def _findings(entry: Mapping[str, Any], operating_point: OperatingPoint) -> list[DiseaseFinding]:
    if "pred_disease" not in entry:
        return []
    probabilities = operating_point.calibrate(entry["pred_disease"].cpu()).tolist()
    return [
        {
            "disease": disease,
            "probability": None if math.isnan(probability) else probability,
            "threshold": threshold,
            "decision": decision,
        }
        for disease, probability, threshold, decision in zip(
            operating_point.diseases,
            probabilities,
            operating_point.disease_thresholds,
            operating_point.decide(probabilities),
            strict=True,
        )
    ]


def _measures(
    entry: Mapping[str, Any], inside: torch.Tensor, box: FieldOfViewBox, operating_point: OperatingPoint
) -> dict[str, float | None]:
    """Measures on the network's grid, so that they do not depend on the number of the photograph's pixels."""
    size_px = operating_point.grid_size
    threshold = operating_point.structure_thresholds[operating_point.structures.index("vessel")]
    fov = (crop_to_box(inside, box, size_px)[0] >= 0.5).numpy()
    # The probability is scaled and not the mask, whose finest vessels would break.
    probability = crop_to_box(entry["pred_vessel"].cpu(), box, size_px)[0].clamp(0, 1).numpy()
    mask = probability_levels(probability) >= probability_levels(threshold)
    return vessel_measures(mask & fov, fov, pixel_px=box.side_px / size_px)
