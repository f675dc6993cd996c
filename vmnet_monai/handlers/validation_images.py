"""Images of the structures that a network finds during its training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ignite.engine import Engine, Events

from vmnet_monai.explain import draw_structures
from vmnet_monai.handlers.multi_task import decollated
from vmnet_monai.io.files import write_png
from vmnet_monai.io.images import read_image

__all__ = ["ValidationImages"]


class ValidationImages:
    """Draws the predicted structures over the first images of each validation, as ``<output_dir>/<id>.png``.

    Args:
        output_dir: folder of the images; each validation replaces those of the one before.
        structures: keys of the structures, each in its own colour.
        count: number of images.
        threshold: least probability that is drawn.
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
        for batch, output in decollated(engine):
            if self.drawn == self.count or f"pred_{self.structures[0]}" not in output:
                return
            image = read_image(batch["image_path"])
            masks = {
                structure: output[f"pred_{structure}"][0].cpu().numpy() >= self.threshold
                for structure in self.structures
            }
            pair = np.concatenate([image, draw_structures(image, masks)], axis=1)
            write_png(self.output_dir / f"{batch['id']}.png", pair)
            self.drawn += 1
