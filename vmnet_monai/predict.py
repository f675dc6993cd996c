"""A bundle applied to photographs: from Python, and to whole folders."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser
from monai.data.utils import decollate_batch, list_data_collate
from numpy.typing import NDArray
from PIL import Image

from vmnet_monai.datasets.item import without_suffix
from vmnet_monai.errors import PhotographError, root_cause
from vmnet_monai.operating_point import FILE_NAME
from vmnet_monai.prediction import Prediction, make_prediction
from vmnet_monai.records import RecordBook
from vmnet_monai.weights import TORCHSCRIPT_NAME, torchscript_extra

__all__ = ["Picture", "Predictor", "literal", "predict_folder"]

Picture = str | Path | Image.Image | NDArray[Any] | torch.Tensor
"""A photograph: a path; a PIL image of any mode; an array (H, W), (H, W, 3) or (H, W, 4); a tensor (1, H, W), (3, H, W)
or (4, H, W). Arrays and tensors hold uint8, uint16 (grey only) or floating point numbers in [0, 1]."""


CONFIG_NAME = "configs/inference.json"
"""Path of the config in a bundle."""


class Predictor:
    """Applies a bundle to photographs, by the same config as ``vmnet predict``.

    >>> predictor = Predictor("bundles/vmnet")  # doctest: +SKIP
    >>> prediction = predictor("photographs/retina.png")  # doctest: +SKIP
    >>> prediction.probabilities["glaucoma"], prediction.vessel_mask.shape  # doctest: +SKIP

    Args:
        bundle: folder of the bundle, or a ``model.ts`` of ``vmnet export``, which needs no bundle beside it.
        overlays: files that are laid over its ``inference.json``, such as ``configs/networks/resnet18.json``.
        **overrides: keys of its ``inference.json`` as the config would hold them, such as ``device="cpu"``,
            ``model_dir="output/vmnet/models"``, ``runtime="onnx"``, ``explain=["glaucoma"]``, ``flips=True`` or
            ``thresholds={"glaucoma": 0.3}``.

    Raises:
        FileNotFoundError: if the folder is no bundle, or has no weights or no export for the runtime.
        ImportError: if the package of the runtime is not installed.
        ValueError: if an override does not fit the weights, or the file was not written by ``vmnet export``.

    Attributes:
        network: what runs the network: maps photographs (B, 3, S, S) float32 to the dictionary of logits.
    """

    def __init__(
        self, bundle: str | Path = "bundles/vmnet", overlays: Sequence[str | Path] = (), **overrides: Any
    ) -> None:
        config = read_inference_config(bundle, overlays, **overrides)
        with _plain_errors():
            self._preprocessing = config.get_parsed_content("preprocessing")
            self._postprocessing = config.get_parsed_content("postprocessing")
            self._inferer = config.get_parsed_content("inferer")
            network = config.get_parsed_content("network")
            self.network: torch.nn.Module = config.get_parsed_content("runtime_network")
            self._operating_point = config.get_parsed_content("operating_point")
            self._explainer = config.get_parsed_content("explainer")
            self._device = config.get_parsed_content("device")
            self._batch_size = config.get_parsed_content("batch_size")
            self._operating_point.check_network(network)
            config.get_parsed_content("load_weights")()

    def __call__(self, pictures: Any) -> Any:
        """Predict one photograph, or many.

        Args:
            pictures: one photograph (:data:`Picture`), a list or tuple of photographs, or an array or tensor with one
                more dimension.

        Returns:
            One :class:`~vmnet_monai.prediction.Prediction`, or a list of them.

        Raises:
            ValueError: if a picture cannot be read, or is no usable fundus photograph; it names the first such one.
        """
        if not _is_many(pictures):
            return self._predict([pictures])[0]
        many = list(pictures)
        return [
            prediction
            for start in range(0, len(many), self._batch_size)
            for prediction in self._predict(many[start : start + self._batch_size])
        ]

    def prepare(self, picture: Picture) -> dict[str, Any]:
        """Read and preprocess a photograph.

        Returns:
            The item, with ``image`` (3, S, S) float32 in [0, 1], what the network is shown.

        Raises:
            ValueError: if it cannot be read, or is no usable fundus photograph.
        """
        item = _item(picture)
        try:
            entry: dict[str, Any] = self._preprocessing(item)
        except Exception as error:
            cause = root_cause(error)
            if isinstance(cause, PhotographError) and item["id"] not in str(cause):
                raise type(cause)(f"{item['id']}: {cause}") from None
            raise
        return entry

    def _predict(self, pictures: Sequence[Any]) -> list[Prediction]:
        with _plain_errors():
            batch = list_data_collate([self.prepare(picture) for picture in pictures])
            with torch.no_grad():
                outputs = self._inferer(batch["image"].to(self._device), self.network)
            entries = decollate_batch({**batch, "pred": outputs})
            return [
                make_prediction(self._postprocessing(entry), self._operating_point, self._explainer)
                for entry in entries
            ]


def predict_folder(
    inputs: Sequence[str | Path], output_dir: str | Path, bundle: str | Path = "bundles/vmnet", **overrides: Any
) -> RecordBook:
    """Run a bundle's ``inference.json`` over photographs, folders and lists; print progress and a summary.

    Args:
        inputs: photographs, folders and CSV lists, see :func:`vmnet_monai.datasets.find_photographs`.
        output_dir: where the predictions go.
        bundle: folder of the bundle, or a ``model.ts`` of ``vmnet export``.
        **overrides: further keys of ``inference.json``.

    Returns:
        The book with the record of every input.

    Raises:
        OSError: if bundle, weights or output folder cannot be used.
        ValueError: if an override does not fit the weights.
    """
    paths = {"dataset_dir": [literal(path) for path in inputs], "output_dir": literal(output_dir)}
    config = read_inference_config(bundle, **paths, **overrides)
    with _plain_errors():
        for key in ("explainer", "runtime_network"):
            config.get_parsed_content(key)  # what does not fit the weights is told before anything is written
        book: RecordBook = config.get_parsed_content("book")
        try:
            config.get_parsed_content("initialize")
            config.get_parsed_content("run")
        finally:
            book.close()
    return book


def read_inference_config(bundle: str | Path, overlays: Sequence[str | Path] = (), **overrides: Any) -> ConfigParser:
    """Read a bundle's ``inference.json`` and lay overlays and overrides over it.

    Args:
        bundle: folder of the bundle, or a ``model.ts`` of ``vmnet export``, whose ``runtime`` is then ``torchscript``;
            it is unpacked into a folder that lives as long as the config.
        overlays: files that are merged over the config, such as ``configs/networks/resnet18.json``.
        **overrides: keys of the config and their values.

    Raises:
        FileNotFoundError: if the folder is no bundle.
        ValueError: if the config has no such key, the file was not written by ``vmnet export``, or the runtime needs
            another file.
    """
    unpacked = None
    if Path(bundle).is_file():
        unpacked = _unpacked(Path(bundle))
        overrides = {"runtime": "torchscript", **overrides}
        if overrides["runtime"] not in ("torch", "torchscript"):
            raise ValueError(
                f"a TorchScript file runs by torchscript or torch, got {overrides['runtime']!r}: give the bundle "
                "beside whose weights `vmnet export` wrote that runtime's file."
            )
        bundle = unpacked.name
    path = Path(bundle) / CONFIG_NAME
    if not path.is_file():
        raise FileNotFoundError(
            f"{bundle} is no bundle, {path} is missing: give the folder of the bundle (`--bundle`), such as "
            "bundles/vmnet in the repository of vmnet_monai."
        )
    config = ConfigParser(ConfigParser.load_config_files([path, *overlays]))
    if unpacked is not None:
        weakref.finalize(config, unpacked.cleanup)
    unknown = [key for key in overrides if key not in config]
    if unknown:
        raise ValueError(f"{path} has no key {', '.join(unknown)}: see docs/reference/config-keys.md.")
    config.update({"bundle_root": literal(bundle), **overrides})
    return config


def _unpacked(torchscript: Path) -> tempfile.TemporaryDirectory[str]:
    """A temporary bundle of what a TorchScript file holds.

    Raises:
        ValueError: if it was not written by ``vmnet export``.
    """
    extras = {f"models/{FILE_NAME}": FILE_NAME, CONFIG_NAME: Path(CONFIG_NAME).name}
    contents = {name: torchscript_extra(torchscript, extra) for name, extra in extras.items()}
    folder = tempfile.TemporaryDirectory(prefix="vmnet-")
    for name, content in contents.items():
        path = Path(folder.name) / name
        path.parent.mkdir()
        path.write_bytes(content)
    shutil.copyfile(torchscript, Path(folder.name) / "models" / TORCHSCRIPT_NAME)
    return folder


def literal(text: str | Path) -> str:
    """Write a text such that a config holds it as it is: MONAI evaluates what begins with ``$``, ``@`` or ``%``.

    Args:
        text: any text, such as the name of a file.
    """
    return f"$bytes.fromhex('{os.fsencode(text).hex()}').decode({sys.getfilesystemencoding()!r}, 'surrogateescape')"


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Raise the error itself in place of those that MONAI wraps around it."""
    try:
        yield
    except Exception as error:
        cause = root_cause(error)
        if cause is error:
            raise
        raise cause from None


def _is_many(pictures: Any) -> bool:
    if isinstance(pictures, np.ndarray | torch.Tensor):
        return pictures.ndim == 4
    return isinstance(pictures, list | tuple)


def _item(picture: Any) -> dict[str, Any]:
    if isinstance(picture, str | Path):
        path = Path(picture).expanduser()
        return {"id": without_suffix(path.name), "image": str(path)}
    return {"id": "photograph", "image": picture if isinstance(picture, Image.Image) else _to_pil(picture)}


def _to_pil(pixels: Any) -> Image.Image:
    """An array or a tensor as a PIL image of mode L, RGB, RGBA or I;16."""
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
    if array.dtype != np.uint8 and not (array.dtype == np.uint16 and array.ndim == 2):
        raise ValueError(
            f"a photograph must hold uint8, floating point numbers or, in grey, uint16, got {array.dtype}: convert it."
        )
    return Image.fromarray(np.ascontiguousarray(array))
