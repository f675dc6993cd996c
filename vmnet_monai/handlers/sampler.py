"""A sampler with a fixed fraction of images with masks in every batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch.distributed as dist
from torch.utils.data import DistributedSampler

from vmnet_monai.datasets.prevalence import balanced_probabilities
from vmnet_monai.errors import renamed_arguments

__all__ = ["MixedSampler"]


class MixedSampler(DistributedSampler):
    """Orders items so that a fixed fraction of each batch has masks and the rest has known diseases.

    Items with a mask of a structure form one pool, items with at least one known disease the other; an item may be in
    both. Each pool is gone through in random order, reshuffled whenever it is used up, so that a small pool repeats
    within an epoch. When one pool is empty the whole batch comes from the other. An epoch has as many batches as it
    takes to offer ``len(items)`` items, over all processes.

    With ``balance`` above 0 the items with known diseases are drawn with replacement instead, those with rare diseases
    and of small datasets more often, see :func:`~vmnet_monai.datasets.prevalence.balanced_probabilities`.

    In distributed training every process draws its own batches, of the same fractions, from one common order, so that
    no two processes get the same position of it. MONAI's workflows call ``set_epoch``.

    Args:
        items: the items, with ``vessel`` or other structures where a mask exists and ``disease``, a list of floats
            with NaN.
        batch_size: items in one batch of one process; the loader must use the same.
        segmentation_fraction: fraction of each batch that comes from the pool with masks, in [0, 1]; rounded to whole
            items.
        seed: seed of the order, the same in all processes.
        balance: 0 draws every item equally often, 1 every disease of every dataset equally often.
        structures: keys of the masks.

    Raises:
        ValueError: if ``segmentation_fraction`` or ``balance`` is outside [0, 1], a batch is too small to hold both at
            that fraction, or no item has a mask or a known disease.

    Example:
        >>> with_mask = {"vessel": "drive/21.png", "disease": [float("nan")]}
        >>> with_label = {"disease": [1.0]}
        >>> sampler = MixedSampler([with_mask, with_label, with_label], batch_size=4, segmentation_fraction=0.25)
        >>> list(sampler).count(0)  # one of four comes from the only image with a mask
        1
    """

    @renamed_arguments(vessel_share="segmentation_fraction")
    def __init__(
        self,
        items: Sequence[Mapping[str, Any]],
        batch_size: int,
        segmentation_fraction: float = 0.5,
        seed: int = 0,
        balance: float = 0.0,
        structures: Sequence[str] = ("vessel",),
    ) -> None:
        distributed = dist.is_available() and dist.is_initialized()
        super().__init__(
            list(items),  # type: ignore[arg-type]
            num_replicas=dist.get_world_size() if distributed else 1,
            rank=dist.get_rank() if distributed else 0,
            seed=seed,
        )
        if not 0.0 <= segmentation_fraction <= 1.0:
            raise ValueError(f"segmentation_fraction must lie in [0, 1], got {segmentation_fraction}.")
        if not 0.0 <= balance <= 1.0:
            raise ValueError(f"balance must lie in [0, 1], got {balance}: 0 is no balancing, 1 is full balancing.")
        self.batch_size = batch_size
        self.segmentation_pool = np.array(
            [i for i, item in enumerate(items) if not item.keys().isdisjoint(structures)], dtype=np.int64
        )
        self.disease_pool = np.array(
            [i for i, item in enumerate(items) if not np.isnan(item["disease"]).all()], dtype=np.int64
        )
        if self.segmentation_pool.size + self.disease_pool.size == 0:
            raise ValueError(
                f"none of the {len(items)} photographs has a mask of {', '.join(structures)} or a known disease: "
                "nothing can be learnt. Add a dataset with one of them."
            )
        self.masks_per_batch = math.floor(batch_size * segmentation_fraction + 0.5)
        if self.disease_pool.size == 0:
            self.masks_per_batch = batch_size
        elif self.segmentation_pool.size == 0:
            self.masks_per_batch = 0
        elif 0.0 < segmentation_fraction < 1.0 and self.masks_per_batch in (0, batch_size):
            raise ValueError(
                f"a batch of {batch_size} cannot hold a fraction of {segmentation_fraction} with masks and photographs "
                "with known diseases beside it: make batch_size larger, or segmentation_fraction 0 or 1."
            )
        self.disease_weights = (
            balanced_probabilities([items[i] for i in self.disease_pool], balance) if balance else None
        )
        self.num_batches = max(1, math.ceil(len(items) / (batch_size * self.num_replicas)))

    def __len__(self) -> int:
        return self.num_batches * self.batch_size

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng([self.seed, self.epoch])
        rounds = self.num_batches * self.num_replicas
        masks, diseases = rounds * self.masks_per_batch, rounds * (self.batch_size - self.masks_per_batch)
        draws = [
            _endless_permutations(self.segmentation_pool, masks, generator),
            _endless_permutations(self.disease_pool, diseases, generator)
            if self.disease_weights is None or not diseases
            else generator.choice(self.disease_pool, diseases, p=self.disease_weights),
        ]
        streams = [drawn.reshape(self.num_batches, self.num_replicas, -1) for drawn in draws]
        own = np.concatenate([stream[:, self.rank] for stream in streams], axis=1)
        return iter(own.reshape(-1).tolist())


def _endless_permutations(pool: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Return ``count`` draws from the pool, one random permutation after the other."""
    if count == 0:
        return np.empty(0, dtype=np.int64)
    rounds = math.ceil(count / pool.size)
    return np.concatenate([generator.permutation(pool) for _ in range(rounds)])[:count]
