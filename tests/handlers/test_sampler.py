"""The mixed sampler: shares, exhaustion, order, several processes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch.distributed as dist

from vmnet_monai.handlers import MixedSampler

NAN = float("nan")


def items(vessels: int = 0, diseases: int = 0, both: int = 0, neither: int = 0) -> list[dict[str, Any]]:
    """Photographs in this order: with vessels only, with one known disease only, with both, with neither."""
    return (
        [{"vessel": "v.png", "disease": [NAN, NAN]}] * vessels
        + [{"disease": [NAN, 0.0]}] * diseases
        + [{"vessel": "v.png", "disease": [1.0, 0.0]}] * both
        + [{"disease": [NAN, NAN]}] * neither
    )


def batches(sampler: MixedSampler, epoch: int = 0) -> list[list[int]]:
    sampler.set_epoch(epoch)
    order = list(sampler)
    assert len(order) == len(sampler)
    return [order[i : i + sampler.batch_size] for i in range(0, len(order), sampler.batch_size)]


@pytest.mark.parametrize(
    ("batch_size", "share", "with_vessels"), [(4, 0.5, 2), (8, 0.25, 2), (10, 0.3, 3), (4, 0.0, 0), (4, 1.0, 4)]
)
def test_every_batch_holds_the_share(batch_size: int, share: float, with_vessels: int) -> None:
    sampler = MixedSampler(items(vessels=7, diseases=30), batch_size, share)
    for batch in batches(sampler):
        assert len(batch) == batch_size
        assert sum(index < 7 for index in batch) == with_vessels


def test_masks_are_those_of_the_structures_that_are_named() -> None:
    images = [{"vessel": "v.png", "disease": [0.0]}, {"srf": "s.mhd", "disease": [NAN]}]
    assert set(batches(MixedSampler(images, 2, 1.0, structures=("irf", "srf")))[0]) == {1}
    assert set(batches(MixedSampler(images, 2, 1.0))[0]) == {0}


def test_epoch_offers_as_many_photographs_as_there_are_in_whole_batches() -> None:
    assert len(MixedSampler(items(vessels=5, diseases=6), batch_size=4)) == 12
    assert len(MixedSampler(items(vessels=1, diseases=1), batch_size=4)) == 4


def test_a_pool_is_exhausted_before_it_repeats() -> None:
    """4 x 8 draws: the three photographs with vessels come 16 / 3 times, the 29 others at most once."""
    order = [index for batch in batches(MixedSampler(items(vessels=3, diseases=29), batch_size=8)) for index in batch]
    small = [index for index in order if index < 3]
    for start in range(0, 15, 3):
        assert sorted(small[start : start + 3]) == [0, 1, 2]
    assert max(Counter(index for index in order if index >= 3).values()) == 1


def test_photographs_with_both_are_in_both_pools_and_those_with_neither_in_none() -> None:
    sampler = MixedSampler(items(vessels=1, diseases=2, both=1, neither=3), batch_size=4)
    assert sampler.segmentation_pool.tolist() == [0, 3]
    assert sampler.disease_pool.tolist() == [1, 2, 3]


def test_same_seed_and_epoch_give_the_same_order_and_others_another() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        return batches(MixedSampler(items(vessels=20, diseases=20), batch_size=4, seed=seed), epoch)

    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(0, 4)
    assert order(0, 3) != order(1, 3)


@pytest.mark.parametrize("pools", [{"vessels": 6}, {"diseases": 6}])
def test_when_one_pool_is_empty_the_other_fills_the_batch(pools: dict[str, int]) -> None:
    sampler = MixedSampler(items(**pools), batch_size=2, segmentation_fraction=0.5)
    assert sorted(index for batch in batches(sampler) for index in batch) == list(range(6))


def test_two_processes_share_out_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    own = []
    for rank in range(2):
        monkeypatch.setattr(dist, "get_rank", lambda rank=rank: rank)
        own.append(batches(MixedSampler(items(vessels=16, diseases=16), batch_size=4)))
    assert [len(part) for part in own] == [4, 4], "together one offer of each photograph"
    for part in own:
        assert all(sum(index < 16 for index in batch) == 2 for batch in part)
    first, second = ({index for batch in part for index in batch} for part in own)
    assert first | second == set(range(32))
    assert not first & second


def test_share_must_be_a_share() -> None:
    for share in (-0.1, 1.1):
        with pytest.raises(ValueError, match=f"segmentation_fraction.* {share}"):
            MixedSampler(items(vessels=2, diseases=2), 2, share)


def test_nothing_to_learn_is_refused() -> None:
    with pytest.raises(ValueError, match=" 3 .*vessel.*disease"):
        MixedSampler(items(neither=3), 2)


def test_a_batch_too_small_for_both_is_refused() -> None:
    with pytest.raises(ValueError, match=" 1 .* 0.5"):
        MixedSampler(items(vessels=2, diseases=2), 1, 0.5)


def test_half_a_photograph_counts_for_the_vessels() -> None:
    assert MixedSampler(items(vessels=2, diseases=2), 5, 0.5).masks_per_batch == 3


def shown(dataset: str, *labels: float) -> dict[str, Any]:
    return {"dataset": dataset, "disease": list(labels)}


@pytest.mark.parametrize(("balance", "shares"), [(0.5, (4, 2, 1)), (1.0, (1, 1, 1))])
def test_balance_draws_rare_diseases_of_a_dataset_more_often(balance: float, shares: tuple[int, ...]) -> None:
    """Groups of 16, 4 and 1 photographs: by n ** (1 - balance) they come up as often as 4 : 2 : 1 or alike."""
    images = [shown("a", 1.0, 0.0)] * 16 + [shown("a", 0.0, 1.0)] * 4 + [shown("b", 0.0, 1.0)]
    sampler = MixedSampler(images, batch_size=3, segmentation_fraction=0.0, balance=balance)
    drawn = Counter[int]()
    for epoch in range(300):
        drawn.update(0 if i < 16 else 1 if i < 20 else 2 for batch in batches(sampler, epoch) for i in batch)
    expected = [share / sum(shares) for share in shares]
    assert [drawn[group] / drawn.total() for group in range(3)] == pytest.approx(expected, abs=0.03)


def test_balanced_photograph_of_two_diseases_has_their_mean_weight() -> None:
    """Group sizes 2 and 3: weights 1/2, (1/2 + 1/3) / 2, 1/3, 1/3 of the sum 19/12."""
    images = [shown("a", 1.0, 0.0), shown("a", 1.0, 1.0), shown("a", 0.0, 1.0), shown("a", NAN, 1.0)]
    weights = MixedSampler(images, batch_size=1, balance=1.0).disease_weights
    assert weights is not None
    assert weights.tolist() == pytest.approx([6 / 19, 5 / 19, 4 / 19, 4 / 19])


def test_balance_keeps_the_share_with_vessels() -> None:
    images = [{"vessel": "v.png", "dataset": "a", "disease": [NAN]}] * 3 + [shown("a", 1.0)] * 9
    for batch in batches(MixedSampler(images, batch_size=4, segmentation_fraction=0.25, balance=0.5)):
        assert sum(index < 3 for index in batch) == 1


@pytest.mark.parametrize("balance", [-0.1, 1.1])
def test_balance_outside_its_range_is_refused(balance: float) -> None:
    with pytest.raises(ValueError, match=f"balance.* {balance}"):
        MixedSampler([shown("a", 1.0)], batch_size=1, balance=balance)
