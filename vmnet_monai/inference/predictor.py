"""A bundle applied to photographs: from Python, and to whole folders."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.utils import decollate_batch, list_data_collate
from numpy.typing import NDArray
from PIL import Image

from vmnet_monai.datasets.names import without_suffix
from vmnet_monai.errors import ImageError, plain_errors, root_cause
from vmnet_monai.inference.bundle import read_inference_config
from vmnet_monai.inference.prediction import make_prediction
from vmnet_monai.io.depth import eight_bits
from vmnet_monai.io.images import REMARKS
from vmnet_monai.reports.prediction import Prediction

__all__ = ["ImageInput", "Predictor"]

ImageInput = str | Path | Image.Image | NDArray[Any] | torch.Tensor | Mapping[str, Any]
"""A photograph: a path; a PIL image of any mode; an array (H, W), (H, W, 3) or (H, W, 4); a tensor (1, H, W), (3, H, W)
or (4, H, W). Arrays and tensors hold uint8, uint16, by the bits that they use
(:func:`vmnet_monai.io.depth.used_bits`), or floating point numbers in [0, 1]. Or a dictionary with one of these as
``image`` and what else is known of it, for the measures: ``eye`` (``right`` or ``left``), ``microns_per_px`` and
``field_angle_deg``."""

_UNKNOWN: Mapping[str, Any] = {"eye": "", "microns_per_px": math.nan, "field_angle_deg": math.nan}
"""What may be known of a photograph beside its pixels, as where it is not."""


class Predictor:
    """Applies a bundle to photographs, by the same config as ``vmnet predict``.

    Args:
        bundle: folder of the bundle, or a ``model.ts`` of ``vmnet export``, which needs no bundle beside it.
        overlays: files that are laid over its ``inference.json``, such as ``configs/networks/resnet18.json``.
        **overrides: keys of its ``inference.json`` as the config would hold them, such as ``device="cpu"``,
            ``model_dir="output/vmnet/models"``, ``runtime="onnx"``, ``explain=["glaucoma"]``, ``flips=True``,
            ``calibration="calibration.json"``, ``decide=True`` or ``thresholds={"glaucoma": 0.3}``.

    Raises:
        FileNotFoundError: if the folder is no bundle, or has no weights or no export for the runtime.
        ImportError: if the package of the runtime is not installed.
        ValueError: if an override does not fit the weights, or the file was not written by ``vmnet export``.

    Attributes:
        network: what runs the network: maps photographs (B, 3, S, S) float32 to the dictionary of logits.

    Example:
        >>> predictor = Predictor()  # doctest: +SKIP
        >>> prediction = predictor("photographs/retina.png")  # doctest: +SKIP
        >>> prediction.scores["glaucoma"], prediction.vessel_mask.shape  # doctest: +SKIP
    """

    def __init__(self, bundle: str | Path | None = None, overlays: Sequence[str | Path] = (), **overrides: Any) -> None:
        config = read_inference_config(bundle, overlays, **overrides)
        config["resume"] = False  # it has no folder with whose results it would go on
        with plain_errors():
            self._preprocessing = config.get_parsed_content("preprocessing")
            self._postprocessing = config.get_parsed_content("postprocessing")
            self._structure_postprocessing = config.get_parsed_content("structure_postprocessing", default=None)
            self._inferer = config.get_parsed_content("inferer")
            network = config.get_parsed_content("network")
            self.network: torch.nn.Module = config.get_parsed_content("runtime_network")
            self._finding_maker = config.get_parsed_content("finding_maker")
            self._explainer = config.get_parsed_content("explainer")
            self._device = config.get_parsed_content("device")
            self._batch_size = config.get_parsed_content("batch_size")
            self._finding_maker.operating_point.check_network(network)
            config.get_parsed_content("load_weights")()

    def __call__(self, images: Any) -> Any:
        """Predict one photograph, or many.

        Args:
            images: one photograph (:data:`ImageInput`), a list or tuple of photographs, or an array or tensor with
                one more dimension.

        Returns:
            One :class:`~vmnet_monai.inference.prediction.Prediction`, or a list of them.

        Raises:
            ValueError: if an image cannot be read, or is no usable fundus photograph; it names the first such one.
        """
        if not _is_many(images):
            return self._predict([images])[0]
        many = list(images)
        return [
            prediction
            for start in range(0, len(many), self._batch_size)
            for prediction in self._predict(many[start : start + self._batch_size])
        ]

    def prepare(self, image: ImageInput) -> dict[str, Any]:
        """Read and preprocess a photograph.

        Returns:
            The item, with ``image`` (3, S, S) float32 in [0, 1], the network's input.

        Raises:
            ValueError: if it cannot be read, or is no usable fundus photograph.
        """
        item = _item(image)
        try:
            prepared: dict[str, Any] = self._preprocessing(item)
        except Exception as error:
            cause = root_cause(error)
            if isinstance(cause, ImageError) and item["id"] not in str(cause):
                raise type(cause)(f"{item['id']}: {cause}") from None
            raise
        return prepared

    def _predict(self, images: Sequence[Any]) -> list[Prediction]:
        with plain_errors():
            batch = list_data_collate([self.prepare(image) for image in images])
            with torch.no_grad():
                outputs = self._explainer.infer(self._inferer, batch["image"].to(self._device), self.network)
            items = decollate_batch({**batch, "pred": outputs})
            return [
                make_prediction(
                    self._postprocessing(item), self._finding_maker, self._explainer, self._structure_postprocessing
                )
                for item in items
            ]


def _is_many(images: Any) -> bool:
    if isinstance(images, np.ndarray | torch.Tensor):
        return images.ndim == 4
    return isinstance(images, list | tuple)


def _item(image: Any) -> dict[str, Any]:
    if isinstance(image, Mapping):
        known = {key: value for key, value in image.items() if key != "image"}
        if "image" not in image or not known.keys() <= _UNKNOWN.keys():
            raise ValueError(
                f"a dictionary must hold `image` and nothing but {', '.join(_UNKNOWN)} beside it, got "
                f"{', '.join(map(str, image)) or 'nothing'}: correct its keys."
            )
        return _item(image["image"]) | known
    if isinstance(image, str | Path):
        path = Path(image).expanduser()
        return {"id": without_suffix(path.name), "image": str(path), **_UNKNOWN}
    return {"id": "photograph", "image": image if isinstance(image, Image.Image) else _to_pil(image), **_UNKNOWN}


def _to_pil(pixels: Any) -> Image.Image:
    """An array or a tensor as a PIL image of mode L, RGB or RGBA."""
    if isinstance(pixels, torch.Tensor):
        pixels = pixels.detach().cpu()
        array = (pixels.float() if pixels.is_floating_point() else pixels).numpy()
        array = np.moveaxis(array, 0, -1) if array.ndim == 3 else array
    else:
        array = np.asarray(pixels)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 2 and (array.ndim != 3 or array.shape[-1] not in (3, 4)):
        raise ValueError(
            "a photograph must be an array (H, W), (H, W, 3) or (H, W, 4) or a tensor (1, H, W), (3, H, W) or "
            f"(4, H, W), got the shape {tuple(np.shape(pixels))}: move the axes, or give several as a list."
        )
    if np.issubdtype(array.dtype, np.floating):
        if np.isnan(array).any():
            raise ValueError("a photograph must hold numbers, got NaN: fill what is missing with 0, which is black.")
        if not ((array >= 0) & (array <= 1)).all():
            raise ValueError(
                f"a photograph of floating point numbers must lie within 0 to 1, got {array.min()} to {array.max()}: "
                "divide by the maximum of its scale, such as 255."
            )
        array = (array * 255).round().astype(np.uint8)
    if array.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"a photograph must hold uint8, uint16 or floating point numbers, got {array.dtype}: convert it."
        )
    pixels, remark = eight_bits(array)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.info[REMARKS] = [remark] if remark else []
    return image
