"""Makes the prediction of one image from the network's output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from vmnet_monai.biomarkers import implausible_measures, vessel_measures
from vmnet_monai.biomarkers.photograph import can_be_measured
from vmnet_monai.biomarkers.reference import implausible_values
from vmnet_monai.calibration import OperatingPoint
from vmnet_monai.explain import Explainer
from vmnet_monai.inference.findings import FindingMaker
from vmnet_monai.inference.measuring import measure_prediction
from vmnet_monai.metrics import probability_levels
from vmnet_monai.reports.prediction import Prediction
from vmnet_monai.transforms import FieldOfViewBox, crop_to_box, restore_from_box

__all__ = ["make_prediction"]


def make_prediction(item: Mapping[str, Any], finding_maker: FindingMaker, explainer: Explainer) -> Prediction:
    """Turn the network's output on one image into a prediction.

    Args:
        item: ``id``, ``image`` (3, S, S), ``fov`` (1, H, W), ``fov_box`` (5,), ``pred_<structure>`` (1, H, W) and
            ``pred_disease`` (K,), each prediction only where the network has that head; ``pred_evidence`` (K, h, w)
            where :class:`~vmnet_monai.explain.Explainer` kept it; ``warnings``, lines of one string, where the
            image was checked; and, where arteries, veins and optic disc are drawn, what
            :func:`~vmnet_monai.inference.measuring.photograph_info` reads.
        finding_maker: names, thresholds and calibration.
        explainer: makes the heat maps.
    """
    operating_point = finding_maker.operating_point
    box = FieldOfViewBox(*item["fov_box"].tolist())
    inside = item["fov"].cpu() > 0.5
    probabilities, masks = {}, {}
    for structure, threshold in zip(operating_point.structures, operating_point.structure_thresholds, strict=True):
        if f"pred_{structure}" in item:
            probability = item[f"pred_{structure}"][0].cpu().numpy()
            probabilities[structure] = probability
            # Compared as the scores do, so that the mask follows from the probabilities on disk.
            reached = probability_levels(probability) >= probability_levels(threshold)
            masks[structure] = reached & inside[0].numpy()  # the 0 outside reaches a threshold of 0
    findings, explained = finding_maker(item["pred_disease"]) if "pred_disease" in item else ([], [])
    heat_maps = {}
    if findings:
        grid = item["image"]
        fov_on_grid = crop_to_box(inside, box, grid.shape[-1]) > 0.5
        maps = explainer.heat_maps(grid, fov_on_grid.to(grid), explained, item.get("pred_evidence"))
        for disease, heat in maps.items():
            heat_maps[disease] = restore_from_box(heat.cpu(), box).mul_(inside)[0].numpy()
    remarks = [line for line in item.get("warnings", "").split("\n") if line]
    measures: dict[str, float | None] = {}
    measured: dict[str, Any] = {}
    if can_be_measured(masks):
        found = measure_prediction(item, probabilities, inside[0].numpy(), box, operating_point)
        measured = {"values": found.values, "width_profiles": found.width_profiles, "eye": found.eye}
        remarks += [*found.remarks, *implausible_values(found.values)]
    elif "vessel" in masks:
        measures = _measures(item, inside, box, operating_point)
        remarks += implausible_measures(measures)
    return Prediction(
        id=item["id"],
        structure_probabilities=probabilities,
        structure_masks=masks,
        findings=findings,
        heat_maps=heat_maps,
        field_of_view=inside[0].numpy(),
        measures=measures,
        warnings=remarks,
        heat_map_method=explainer.method,
        **measured,
    )


def _measures(
    item: Mapping[str, Any], inside: torch.Tensor, box: FieldOfViewBox, operating_point: OperatingPoint
) -> dict[str, float | None]:
    """Measures on the network's grid, so that they do not depend on the number of the photograph's pixels."""
    size_px = operating_point.grid_size
    threshold = operating_point.structure_thresholds[operating_point.structures.index("vessel")]
    fov = (crop_to_box(inside, box, size_px)[0] >= 0.5).numpy()
    # The probability is scaled and not the mask, whose finest vessels would break.
    probability = crop_to_box(item["pred_vessel"].cpu(), box, size_px)[0].clamp(0, 1).numpy()
    mask = probability_levels(probability) >= probability_levels(threshold)
    return vessel_measures(mask & fov, fov, pixel_px=box.side_px / size_px)
