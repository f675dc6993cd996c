"""Writes what the network says about each photograph."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from ignite.engine import Engine, Events
from numpy.typing import NDArray

from vmnet_monai.engines.forward import photographs
from vmnet_monai.explain import disease_heat_maps, draw_heat_map, draw_structures
from vmnet_monai.files import whole_file, write_png
from vmnet_monai.metrics import probability_levels
from vmnet_monai.operating_point import OperatingPoint
from vmnet_monai.transforms import FieldOfViewBox, read_picture, restore_from_box

__all__ = ["PredictionWriter", "ValidationPictures"]

logger = logging.getLogger(__name__)


class PredictionWriter:
    """Writes masks, probabilities, heat maps and one table for the photographs of an inference.

    - ``predictions.csv``: ``id``, ``image``, per disease ``probability_<disease>``, calibrated, and
      ``decision_<disease>`` (1 where that probability reaches the stored threshold).
    - ``<structure>/<id>.png``, such as ``vessel/<id>.png``: the mask of each structure, 0 and 255.
    - ``<structure>_probability/<id>.png``: 16-bit grey, value / 65535 is the probability.
    - ``cam/<id>_<disease>.png``: Grad-CAM over the photograph, inside the field of view.

    All pictures have the photograph's own size. It expects ``pred_<structure>`` (1, H, W) and ``pred_disease``
    (K,), each only where the network has that head, and in the batch ``image`` (3, S, S), ``fov`` (1, H, W),
    ``fov_box``, ``id`` and ``image_path``; H and W are the photograph's.

    Args:
        output_dir: where everything goes.
        operating_point: names and thresholds of structures and diseases, and the calibration.
        network: the network, for Grad-CAM.
        cam_diseases: keys of the diseases to explain; a subset of the operating point's.
        cam_layer: layer of the network that Grad-CAM looks at.

    Raises:
        ValueError: if a disease to explain is not one of the head's, or the network is not the one that was trained.
    """

    def __init__(
        self,
        output_dir: str,
        operating_point: OperatingPoint,
        network: torch.nn.Module,
        cam_diseases: Sequence[str],
        cam_layer: str = "classifier.features",
    ) -> None:
        unknown = sorted(set(cam_diseases) - set(operating_point.diseases))
        if unknown:
            raise ValueError(
                f"cam_diseases must be among the head's diseases, {', '.join(operating_point.diseases)}; "
                f"got {', '.join(unknown)}."
            )
        operating_point.check_network(network)
        self.output_dir = Path(output_dir)
        self.operating_point = operating_point
        self.network = network
        self.cam_columns = {disease: operating_point.diseases.index(disease) for disease in cam_diseases}
        self.cam_layer = cam_layer
        self.rows: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.rows.clear)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.write_pictures)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.write_table)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)

    def write_pictures(self, engine: Engine) -> None:
        """Write the pictures of one iteration and remember the rows of the table."""
        for batch, output in photographs(engine):
            name = batch["id"]
            row = {"id": name, "image": batch["image_path"]}
            for structure, threshold in zip(
                self.operating_point.structures, self.operating_point.structure_thresholds, strict=True
            ):
                if f"pred_{structure}" in output:
                    self._write_structure(name, structure, output[f"pred_{structure}"][0].cpu().numpy(), threshold)
            if "pred_disease" in output:
                probabilities = self.operating_point.calibrate(output["pred_disease"].cpu()).tolist()
                decisions = self.operating_point.decide(probabilities)
                for disease, value, decision in zip(
                    self.operating_point.diseases, probabilities, decisions, strict=True
                ):
                    row |= {f"probability_{disease}": value, f"decision_{disease}": decision}
                if self.cam_columns:
                    self._write_heat_maps(name, batch, output)
            self.rows.append(row)

    def _write_structure(self, name: str, structure: str, probability: NDArray[np.floating], threshold: float) -> None:
        levels = probability_levels(probability)
        write_png(self.output_dir / f"{structure}_probability" / f"{name}.png", levels.astype(np.uint16))
        # Compared as the scores do, so that the mask follows from the probabilities on disk.
        mask = levels >= probability_levels(threshold)
        write_png(self.output_dir / structure / f"{name}.png", mask.astype(np.uint8) * 255)

    def _write_heat_maps(self, name: str, batch: dict[str, Any], output: dict[str, Any]) -> None:
        photograph = read_picture(batch["image_path"])
        box = FieldOfViewBox(*batch["fov_box"].tolist())
        inside = batch["fov"][0].cpu().numpy()
        grid = output["image"][None]
        heat_maps = disease_heat_maps(self.network, grid, self.cam_columns, self.cam_layer)
        for disease, heat in heat_maps.items():
            restored = restore_from_box(heat.cpu(), box)[0].numpy() * inside
            write_png(self.output_dir / "cam" / f"{name}_{disease}.png", draw_heat_map(photograph, restored))

    def write_table(self) -> None:
        """Write the table and say where everything lies."""
        with whole_file(self.output_dir / "predictions.csv") as path:
            pd.DataFrame(self.rows).to_csv(path, index=False, float_format="%.6f")
        logger.info(f"Predictions of {len(self.rows)} photographs: {self.output_dir}")

    def fail(self, engine: Engine, error: BaseException) -> None:
        """Write the table of the photographs that were finished before an error, and hand the error on."""
        self.write_table()
        raise error


class ValidationPictures:
    """Draws the predicted structures over the first photographs of each validation, as ``<output_dir>/<id>.png``.

    Args:
        output_dir: where the pictures go; each validation replaces the pictures of the one before.
        structures: keys of the structures, each in its own colour.
        count: number of photographs.
        threshold: threshold of the drawing.
    """

    def __init__(
        self, output_dir: str, structures: Sequence[str] = ("vessel",), count: int = 4, threshold: float = 0.5
    ) -> None:
        self.output_dir = Path(output_dir)
        self.structures = tuple(structures)
        self.count = count
        self.threshold = threshold
        self.drawn = 0

    def attach(self, engine: Engine) -> None:
        """Register with an evaluator."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.reset)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.draw)

    def reset(self) -> None:
        """Start a new validation."""
        self.drawn = 0

    def draw(self, engine: Engine) -> None:
        """Draw until enough are drawn."""
        for batch, output in photographs(engine):
            if self.drawn == self.count or f"pred_{self.structures[0]}" not in output:
                return
            photograph = read_picture(batch["image_path"])
            masks = [output[f"pred_{structure}"][0].cpu().numpy() >= self.threshold for structure in self.structures]
            pair = np.concatenate([photograph, draw_structures(photograph, masks)], axis=1)
            write_png(self.output_dir / f"{batch['id']}.png", pair)
            self.drawn += 1
