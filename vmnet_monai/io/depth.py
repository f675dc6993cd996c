"""How many bits samples use, and their conversion to 8 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmnet_monai.errors import UnreadableImageError

__all__ = ["DEPTHS", "eight_bits", "remark_on_depth", "used_bits"]

DEPTHS = (8, 10, 12, 14, 16)
"""Bits of the samples of cameras, all of which are stored in 16."""

_MAX_SIXTEEN_BIT = 2**16 - 1


def used_bits(largest: int, stated: int | None = None) -> int:
    """Return how many bits a camera used of the 16 in which it stored its samples.

    Args:
        largest: the largest sample.
        stated: the largest that is possible, where the file says it, such as TIFF's MaxSampleValue.

    Returns:
        The bits of what is stated, at least 8, where the samples keep to it; otherwise the least of :data:`DEPTHS` that
        holds the largest sample.

    Example:
        >>> used_bits(3987), used_bits(3987, stated=65535), used_bits(200), used_bits(70000)
        (12, 16, 8, 16)
    """
    if stated is not None and largest <= stated <= _MAX_SIXTEEN_BIT:
        return max(8, int(stated).bit_length())
    return next((bits for bits in DEPTHS if largest < 2**bits), DEPTHS[-1])


def remark_on_depth(bits: int, largest: int) -> str:
    """Say that samples were stored with more bits than they use; empty where they use all 16.

    Args:
        bits: of :func:`used_bits`.
        largest: the largest sample.
    """
    if bits == DEPTHS[-1]:
        return ""
    stored = f"The file stores {bits}-bit samples in 16 bits (the largest is {largest})"
    return f"{stored}: the photograph was read as {bits}-bit."


def eight_bits(samples: NDArray[Any], stated: int | None = None) -> tuple[NDArray[np.uint8], str]:
    """Convert samples to 8 bits; also the remark on their depth.

    Integers keep the upper eight of the bits that they use, see :func:`used_bits`; floating point within 0 to 1 becomes
    0 to 255. A fourth sample, transparency, is converted on its own.

    Args:
        samples: (H, W), (H, W, 3) or (H, W, 4) of any real dtype.
        stated: the largest possible sample, where the file says it.

    Raises:
        UnreadableImageError: if integers lie outside 0 to 65535, or others outside 0 to 1.

    Example:
        >>> pixels, remark = eight_bits(np.array([[0, 2048, 4095]], dtype=np.uint16))
        >>> pixels.tolist(), remark
        ([[0, 128, 255]], 'The file stores 12-bit samples in 16 bits (the largest is 4095): the photograph was read as \
12-bit.')
    """
    if samples.dtype == np.uint8:
        return samples, ""
    if samples.ndim == 3 and samples.shape[-1] == 4:
        colours, remark = eight_bits(samples[..., :3], stated)
        opacity, _ = eight_bits(samples[..., 3], stated)
        return np.dstack([colours, opacity]), remark
    is_floating = np.issubdtype(samples.dtype, np.floating)
    lowest, highest = samples.min(), samples.max()
    if not (lowest >= 0 and highest <= (1 if is_floating else _MAX_SIXTEEN_BIT)):  # so that NaN is refused
        raise UnreadableImageError(
            f"samples must lie within 0 to 65535, or within 0 to 1 in floating point, these {samples.dtype} samples "
            f"lie within {lowest:g} to {highest:g}: export the image with 8 or 16 bits."
        )
    if is_floating:
        return np.round(samples * 255.0).astype(np.uint8), ""
    largest = int(highest)
    bits = used_bits(largest, stated)
    return (samples >> (bits - 8)).astype(np.uint8), remark_on_depth(bits, largest)
