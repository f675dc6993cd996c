"""Makes the prediction of one image from the network's output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmnet_monai.biomarkers import implausible_measures, vessel_measures
from vmnet_monai.biomarkers.photograph import can_be_measured, measuring_grid
from vmnet_monai.biomarkers.reference import implausible_values
from vmnet_monai.explain import Explainer
from vmnet_monai.inference.findings import FindingMaker
from vmnet_monai.inference.measuring import measure_prediction
from vmnet_monai.metrics import probability_levels
from vmnet_monai.reports.prediction import PackedMasks, Prediction
from vmnet_monai.structures import wholes_first
from vmnet_monai.transforms import FieldOfViewBox, crop_to_box, restore_from_box

__all__ = ["Postprocessing", "StructureWriter", "make_prediction"]


Postprocessing = Callable[[dict[str, Any]], Any]
"""Turns an item into one that holds more of what a prediction is made of."""

StructureWriter = Callable[[str, NDArray[np.uint16], NDArray[np.bool_]], None]
"""Takes a structure, the levels of its probabilities (H, W) and its mask (H, W)."""


def make_prediction(
    item: Mapping[str, Any],
    finding_maker: FindingMaker,
    explainer: Explainer,
    structure_postprocessing: Postprocessing | None = None,
    write: StructureWriter | None = None,
    keep_probabilities: bool = True,
) -> Prediction:
    """Turn the network's output on one image into a prediction.

    The structures are made one after the other, so that the memory holds the maps of one in the photograph's size.

    Args:
        item: ``id``, ``image`` (3, S, S), ``fov`` (1, H, W), ``fov_box`` (5,), ``pred_<structure>`` and
            ``pred_disease`` (K,), each prediction only where the network has that head; ``pred_evidence`` (K, h, w)
            where :class:`~vmnet_monai.explain.Explainer` kept it; ``warnings``, lines of one string, where the
            image was checked; and, where arteries, veins and optic disc are drawn, what
            :func:`~vmnet_monai.inference.measuring.photograph_info` reads.
        finding_maker: names, thresholds and calibration.
        explainer: makes the heat maps.
        structure_postprocessing: turns ``pred_<structure>`` of an item with one structure into its probabilities
            (1, H, W); wholes come before their parts, which find what it left in the item. None where they are these.
        write: called with each structure as soon as it is there.
        keep_probabilities: whether the prediction holds the probabilities.
    """
    operating_point = finding_maker.operating_point
    box = FieldOfViewBox(*item["fov_box"].tolist())
    inside = item["fov"].cpu() > 0.5
    field_of_view = inside[0].numpy()
    thresholds = dict(zip(operating_point.structures, operating_point.structure_thresholds, strict=True))
    drawn = [name for name in wholes_first(thresholds, operating_point.structure_parts) if f"pred_{name}" in item]
    grid = None
    if can_be_measured(drawn):
        grid = measuring_grid(field_of_view, box)
    elif "vessel" in drawn:
        grid = measuring_grid(field_of_view, box, operating_point.grid_size)
    probabilities, masks, scaled = {}, PackedMasks(), {}
    one = {key: value for key, value in item.items() if key not in {f"pred_{name}" for name in drawn}}
    for structure in drawn:
        key = f"pred_{structure}"
        one[key] = item[key]
        if structure_postprocessing is not None:
            one = structure_postprocessing(one)
        probability = one.pop(key)[0].cpu().numpy()
        if grid is not None:
            scaled[structure] = grid.scaled(probability)
        levels = probability_levels(probability)
        if keep_probabilities:
            probabilities[structure] = probability
        del probability
        # Levels are compared, as the scores do, so that the mask follows from the probabilities on disk.
        mask = levels >= probability_levels(thresholds[structure])
        mask &= field_of_view  # the 0 outside reaches a threshold of 0
        masks.add(structure, mask)
        if write is not None:
            write(structure, levels, mask)
        del levels, mask
    findings, explained = finding_maker(item["pred_disease"]) if "pred_disease" in item else ([], [])
    heat_maps = {}
    if findings:
        image = item["image"]
        fov_on_grid = crop_to_box(inside, box, image.shape[-1]) > 0.5
        maps = explainer.heat_maps(image, fov_on_grid.to(image), explained, item.get("pred_evidence"))
        for disease, heat in maps.items():
            heat_maps[disease] = restore_from_box(heat.cpu(), box).masked_fill_(~inside, 0)[0].numpy()
    remarks = [line for line in item.get("warnings", "").split("\n") if line]
    measures: dict[str, float | None] = {}
    measured: dict[str, Any] = {}
    if grid is not None and can_be_measured(drawn):
        found = measure_prediction(item, scaled, grid, operating_point)
        measured = {"values": found.values, "width_profiles": found.width_profiles, "eye": found.eye}
        remarks += [*found.remarks, *implausible_values(found.values)]
    elif grid is not None:
        # The probability was scaled and not the mask, whose finest vessels would break.
        mask = probability_levels(scaled["vessel"]) >= probability_levels(thresholds["vessel"])
        measures = vessel_measures(mask & grid.fov, grid.fov, grid.place.pixel_px)
        remarks += implausible_measures(measures)
    return Prediction(
        id=item["id"],
        structure_probabilities=probabilities,
        structure_masks=masks,
        findings=findings,
        heat_maps=heat_maps,
        field_of_view=field_of_view,
        measures=measures,
        warnings=remarks,
        heat_map_method=explainer.method,
        **measured,
    )
