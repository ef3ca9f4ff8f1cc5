"""The order of an epoch and its division: every item once, for any ranks, batch size and resume."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seizurekit.loading.order import Division, block_order, epoch_order

ITEMS = st.integers(1, 500)
BATCH = st.integers(1, 40)
WORLD = st.integers(1, 9)


@given(st.integers(0, 2**63 - 1), st.integers(0, 1000), st.integers(0, 300))
def test_an_order_is_a_permutation_fixed_by_its_seed(seed: int, epoch: int, items: int) -> None:
    order = epoch_order(seed, epoch, items)
    assert sorted(order.tolist()) == list(range(items))
    np.testing.assert_array_equal(order, epoch_order(seed, epoch, items))


def test_each_epoch_and_seed_has_its_own_order() -> None:
    orders = {tuple(epoch_order(seed, epoch, 50).tolist()) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


@given(ITEMS, BATCH, WORLD)
def test_ranks_share_all_items_in_the_same_number_of_batches(items: int, batch: int, world: int) -> None:
    if items < world:
        return
    division = Division(items, batch, world, drop_last=False)
    slices = [division.of_rank(rank) for rank in range(world)]
    taken = [i for own in slices for part in own for i in range(part.start, part.stop)]
    assert sorted(taken) == list(range(items))
    assert {len(own) for own in slices} == {len(division.ends())}
    sizes = [part.stop - part.start for own in slices for part in own]
    assert min(sizes) >= (1 if batch > 1 else 0)
    assert max(sizes) <= batch
    assert division.ends()[-1] == items


@given(ITEMS, BATCH, WORLD)
def test_drop_last_leaves_only_full_batches(items: int, batch: int, world: int) -> None:
    division = Division(items, batch, world, drop_last=True)
    sizes = [part.stop - part.start for rank in range(world) for part in division.of_rank(rank)]
    assert set(sizes) <= {batch}
    assert len(sizes) == items // (batch * world) * world


@given(ITEMS, BATCH, WORLD, st.data())
def test_the_rest_of_an_epoch_divides_as_in_the_whole_epoch(
    items: int, batch: int, world: int, data: st.DataObject
) -> None:
    if items < world:
        return
    whole = Division(items, batch, world, drop_last=False)
    done = data.draw(st.sampled_from([0, *whole.ends().tolist()]))
    rest = Division(items - done, batch, world, drop_last=False)
    for rank in range(world):
        expected = [part for part in whole.of_rank(rank) if global_begin(whole, rank, part) >= done]
        found = [slice(part.start + done, part.stop + done) for part in rest.of_rank(rank)]
        assert found == expected


def test_batches_of_one_item_are_full_up_to_the_last_one() -> None:
    assert Division(9, batch_size=1, world_size=8, drop_last=False).ends().tolist() == [8, 9]


def global_begin(division: Division, rank: int, part: slice) -> int:
    """Start of the global batch that contains a rank's slice."""
    begins: list[int] = [0, *division.ends().tolist()]
    return begins[division.of_rank(rank).index(part)]


@given(st.lists(st.integers(0, 40), max_size=200), st.integers(0, 9), st.integers(1, 6))
def test_a_block_shuffle_mixes_only_within_pools(block: list[int], epoch: int, pool: int) -> None:
    order = block_order(3, epoch, np.array(block, np.int64), pool)
    assert sorted(order.tolist()) == list(range(len(block)))
    runs: list[set[int]] = []
    for shuffled in np.array(block, np.int64)[order].tolist():
        if runs and (shuffled in runs[-1] or len(runs[-1]) < pool):
            runs[-1].add(shuffled)
        else:
            runs.append({shuffled})
    assert sum(map(len, runs)) == len(set(block))  # no block is in two pools


def test_a_block_shuffle_is_a_shuffle() -> None:
    block = np.repeat(np.arange(100), 10)
    order = block_order(0, 0, block, 10)
    assert len(set(block[order[:100]].tolist())) == 10
    assert (np.diff(block[order]) == 0).mean() < 0.3


@pytest.mark.parametrize("rest", range(1, 8))
def test_a_rest_smaller_than_the_world_takes_from_the_batch_before(rest: int) -> None:
    division = Division(2 * 4 * 8 + rest, 4, 8, drop_last=False)
    assert division.ends().tolist() == [32, 64 + rest - 8, 64 + rest]
