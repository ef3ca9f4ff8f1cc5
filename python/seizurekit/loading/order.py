"""The order of an epoch, its division into batches and among ranks, and a loader's position in it.

An epoch is one order of all items, shared by all ranks. It is cut into global batches of ``batch_size * world_size``
items, and each rank takes its slice of each of them. A position in the epoch is therefore one number for all ranks.
Everything follows from seed, epoch, rank and world size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]

POOL_BLOCKS = 32
"""Number of blocks that a block shuffle mixes at a time."""


def epoch_order(seed: int, epoch: int, items: int) -> Int64:
    """Random order of all items, fixed by seed and epoch, int64 [item]."""
    return np.random.default_rng((seed, epoch)).permutation(items).astype(np.int64)


def block_order(seed: int, epoch: int, block: npt.NDArray[np.integer], pool: int = POOL_BLOCKS) -> Int64:
    """Order of all items with the blocks in random order and the items of every `pool` blocks mixed, int64 [item].

    Args:
        seed: seed of the order.
        epoch: each epoch has other pools, and another order in each pool.
        block: block of each item, [item].
        pool: number of blocks that are mixed.
    """
    rng = np.random.default_rng((seed, epoch))
    blocks, block_of_item = np.unique(block, return_inverse=True)
    pool_of_item = rng.permutation(len(blocks))[block_of_item] // pool
    # Sorts by pool, and within a pool by a random key.
    return np.lexsort((rng.permutation(len(block)), pool_of_item)).astype(np.int64)


@dataclass(frozen=True)
class Division:
    """The division of ordered items into global batches, and of each of these among the ranks.

    Every rank has the same number of batches, and all but the last ones are full. No batch is empty, unless the batch
    size is 1: the items of the last batch may then be too few for all ranks.

    Attributes:
        items: number of items that remain in the epoch.
        batch_size: items per batch of one rank.
        world_size: number of ranks.
        drop_last: drop the items that do not fill a global batch.
    """

    items: int
    batch_size: int
    world_size: int
    drop_last: bool

    def ends(self) -> Int64:
        """End of each global batch, int64 [batch]."""
        whole = self.batch_size * self.world_size
        full, rest = divmod(self.items, whole)
        ends = np.arange(1, full + 1, dtype=np.int64) * whole
        if not rest or self.drop_last:
            return ends
        if rest < self.world_size:  # too few for one item per rank: take some from the batch before
            if not full or self.batch_size == 1:
                return np.append(ends, np.int64(self.items))
            ends[-1] = self.items - self.world_size
        return np.append(ends, np.int64(self.items))

    def sizes(self) -> list[int]:
        """Number of items in each global batch."""
        sizes: list[int] = np.diff(self.ends(), prepend=0).tolist()
        return sizes

    def of_rank(self, rank: int) -> list[slice]:
        """Slices of the order that are the batches of one rank."""
        slices = []
        begin = 0
        for end in self.ends().tolist():
            size, more = divmod(end - begin, self.world_size)
            first = begin + rank * size + min(rank, more)
            slices.append(slice(first, first + size + (rank < more)))
            begin = end
        return slices


class Position(NamedTuple):
    """An epoch, and the number of its items that all ranks together have handed out."""

    epoch: int
    done: int


class PlannedBatch(NamedTuple):
    """The items of one batch of this rank, and the position after it."""

    items: Int64
    after: Position


class EpochCursor:
    """The position of one rank in the epochs of a loader, and the batches that follow from it; a loader's base class.

    Args:
        seed: seed of the order.
        items: number of items in an epoch, for all ranks together.
        batch_size: items per batch of one rank.
        rank: rank of this process.
        world_size: number of processes that share an epoch.
        drop_last: drop the items that do not fill a batch of every rank.

    Attributes:
        epoch: the epoch that is being iterated over, or else the next one; starts at 0.
        current: indices of the windows in the last batch handed out, int64 [B].

    Raises:
        ValueError: an argument is out of range, or there are fewer items than ranks.
    """

    def __init__(
        self, seed: int, items: int, batch_size: int, rank: int = 0, world_size: int = 1, *, drop_last: bool = False
    ) -> None:
        check_range("seed", seed, 0)
        check_range("batch_size", batch_size, 1)
        check_range("rank", rank, 0, world_size - 1)
        if items < world_size:
            raise ValueError(f"windows: {items} are too few, expected at least one for each of {world_size} ranks")
        self._seed, self._items = seed, items
        self._batch_size, self._rank, self._world = batch_size, rank, world_size
        self._drop_last = drop_last
        self.epoch = 0
        self._done = 0
        self._keep_position = False
        self.current: Int64 = np.empty(0, np.int64)

    def __len__(self) -> int:
        """Number of batches in a whole epoch of this rank."""
        return len(self._division(0).ends())

    def set_epoch(self, epoch: int, done: int = 0) -> None:
        """Sets the epoch of the next iteration, without the first `done` windows, counted over all ranks."""
        check_range("epoch", epoch, 0)
        check_range("done", done, 0, self._items)
        self.epoch, self._done, self._keep_position = epoch, done, True

    def remaining(self) -> list[int]:
        """Number of windows, over all ranks, in each batch of the next iteration."""
        return self._division(self._done if self._keep_position else 0).sizes()

    def _start(self) -> Position:
        """The position at which an iteration starts now: the one that was set, or else the start of the epoch."""
        if not self._keep_position:
            self._done = 0
        self._keep_position = False
        return Position(self.epoch, self._done)

    def _batches_from(self, position: Position) -> list[PlannedBatch]:
        """The batches of this rank in the rest of an epoch."""
        epoch, done = position
        order, division = self._order(epoch)[done:], self._division(done)
        plan, ends = [], division.ends().tolist()
        for part, end in zip(division.of_rank(self._rank), ends, strict=True):
            after = Position(epoch, done + end) if end < ends[-1] else Position(epoch + 1, 0)
            plan.append(PlannedBatch(order[part], after))
        return plan

    def _order(self, epoch: int) -> Int64:
        """Order of the items in an epoch."""
        return epoch_order(self._seed, epoch, self._items)

    def _division(self, done: int) -> Division:
        return Division(self._items - done, self._batch_size, self._world, self._drop_last)


def check_range(name: str, value: int, minimum: int, maximum: int | None = None) -> None:
    """Raises ValueError if a value is outside its limits."""
    if value < minimum or (maximum is not None and value > maximum):
        raise ValueError(f"{name} is {value}, expected {minimum} {'or more' if maximum is None else f'to {maximum}'}")
