"""Draws docs/images/retina.png: a photograph, what the bundle's network finds in it, and where it saw a disease.

python tests/tools/readme_picture.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from vmnet_monai import Predictor
from vmnet_monai.explain import draw_heat_map
from vmnet_monai.explain.overlay import draw_structures
from vmnet_monai.reports.images import shrink
from vmnet_monai.reports.wording import heat_map_title

PICTURE = Path(__file__).parents[2] / "docs/images/retina.png"
SIDE_PX = 470


def main() -> None:
    """Write the picture."""
    photograph = skimage.data.retina()
    prediction = Predictor(device="cpu", explain="all")(photograph)
    disease = max(prediction.heat_maps, key=lambda name: prediction.scores[name])
    masks = {name: mask for name, mask in prediction.structure_masks.items() if name != "vessel"}
    heat = draw_heat_map(photograph, prediction.heat_maps[disease], heat_map_title(disease, prediction.heat_map_method))
    panels = [shrink(panel, SIDE_PX) for panel in (photograph, draw_structures(photograph, masks), heat)]
    Image.fromarray(np.concatenate(panels, axis=1)).save(PICTURE, optimize=True)
    print(f"{PICTURE}: the heat map is of {disease}, whose score is {prediction.scores[disease]:.2f}")


if __name__ == "__main__":
    main()
