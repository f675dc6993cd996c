"""Items that are kept on disk after the first part of their preprocessing, for the next epoch and the next run."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Sequence
from copy import deepcopy
from pickle import Pickler, UnpicklingError
from typing import Any

import torch
from monai.data import PersistentDataset
from monai.utils import convert_to_tensor

from vmnet_monai.errors import plain_errors
from vmnet_monai.io.files import whole_file

__all__ = ["DiskCachedDataset", "hash_transforms"]

logger = logging.getLogger(__name__)


class _HashPickler(Pickler):
    """Pickles what has a ``cache_key`` as that key: PyTorch pickles a network with addresses in memory."""

    def reducer_override(self, obj: Any) -> Any:
        key = None if isinstance(obj, type) else getattr(obj, "cache_key", None)
        return (str, (key(),)) if callable(key) else NotImplemented


def hash_transforms(transforms: Sequence[Any]) -> bytes:
    """Hash transforms by what they do, the same in every run; for ``hash_transform`` of MONAI's cached datasets.

    Args:
        transforms: they can be pickled, or have a method ``cache_key`` that returns a string.

    Returns:
        64 hexadecimal digits.
    """
    pickled = io.BytesIO()
    _HashPickler(pickled).dump(list(transforms))
    return hashlib.sha256(pickled.getvalue()).hexdigest().encode()


class DiskCachedDataset(PersistentDataset):
    """MONAI's PersistentDataset with a cache that may be damaged, full, or written by somebody else.

    A file of the cache is read with ``weights_only``: PyTorch makes tensors and plain values of it, and runs nothing.
    One that holds anything else, or that a killed process left half written, is made anew; files appear whole or not at
    all. Where one cannot be written, as the disk is full, the item is prepared each time. An error of the preprocessing
    is raised without those that MONAI wraps around it, also out of a process that loads data.

    The arguments are those of :class:`monai.data.PersistentDataset`.
    """

    is_full = False

    def _transform(self, index: int) -> Any:
        with plain_errors():
            return super()._transform(index)

    def _cachecheck(self, item_transformed: Any) -> Any:
        if self.cache_dir is None or self.is_full:
            return self._pre_transform(deepcopy(item_transformed))
        path = self.cache_dir / f"{self.hash_func(item_transformed).decode('utf-8')}{self.transform_hash}.pt"
        try:
            return torch.load(path, weights_only=True)
        except FileNotFoundError:
            pass
        except (EOFError, RuntimeError, UnpicklingError):
            logger.warning(f"{path} is damaged or holds more than tensors: it is not used, and made anew.")
        prepared = self._pre_transform(deepcopy(item_transformed))
        try:
            with whole_file(path) as temporary:
                torch.save(convert_to_tensor(prepared, convert_numeric=False, track_meta=self.track_meta), temporary)
        except (OSError, RuntimeError) as error:  # PyTorch raises a RuntimeError where the disk is full
            self.is_full = True
            logger.warning(
                f"The cache {self.cache_dir} cannot be written ({error}): photographs are read and cropped anew in "
                "every epoch. Free space, or name another folder as cache_dir."
            )
        return prepared
