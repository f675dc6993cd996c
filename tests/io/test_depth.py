"""The bits that a camera used, and what 8 bits are made of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmnet_monai.errors import UnreadableImageError
from vmnet_monai.io.depth import DEPTHS, eight_bits, remark_on_depth, used_bits


@given(st.integers(0, 65535))
def test_bits_are_the_least_that_hold_the_largest(largest: int) -> None:
    bits = used_bits(largest)
    assert largest < 2**bits
    assert bits == DEPTHS[0] or largest >= 2 ** DEPTHS[DEPTHS.index(bits) - 1]


@pytest.mark.parametrize(
    ("largest", "stated", "bits"),
    [(900, 4095, 12), (900, 65535, 16), (4095, 1023, 12), (900, 3999, 12), (9, 1, 8), (9, 70000, 8), (300, 511, 9)],
)
def test_what_the_file_states_counts_where_the_samples_keep_to_it(largest: int, stated: int, bits: int) -> None:
    assert used_bits(largest, stated) == bits


@pytest.mark.parametrize("bits", DEPTHS)
def test_upper_eight_of_the_bits_are_kept_and_fewer_than_sixteen_are_said(bits: int) -> None:
    samples = np.array([[0, 2 ** (bits - 1), 2**bits - 1]], dtype=np.uint16)
    pixels, remark = eight_bits(samples)
    assert pixels.tolist() == [[0, 128, 255]]
    assert (f"read as {bits}-bit" in remark) == (bits < 16)
    assert remark == remark_on_depth(bits, 2**bits - 1)


def test_transparency_has_a_depth_of_its_own() -> None:
    samples = np.array([[[4095, 0, 0, 65535]]], dtype=np.uint16)
    assert eight_bits(samples)[0].tolist() == [[[255, 0, 0, 255]]]


@pytest.mark.parametrize("samples", [[[0.0, 2.0]], [[np.nan]], [[-1]], [[70000]]])
def test_other_ranges_are_refused(samples: list[list[float]]) -> None:
    with pytest.raises(UnreadableImageError, match="65535"):
        eight_bits(np.array(samples))
